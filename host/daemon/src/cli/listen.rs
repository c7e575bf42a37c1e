//! `pointsman listen`: what arrives.

use hyper::Method;

use super::send::{Class, query};
use super::table::{short, size};
use super::{Context, Failure};
use crate::control::views::DeliveryView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman listen                          a line for each message
  pointsman listen --peer x7Qp --json       JSON, only from one peer
  pointsman listen --count 1                returns after the first message

A message goes to one listener only: the one that has listened longest.")]
pub(super) struct Args {
    /// Only from this peer: its identity, or a beginning or end that only it has.
    #[arg(long)]
    peer: Option<String>,
    /// Only of this class.
    #[arg(long, value_enum)]
    class: Option<Class>,
    /// Stop after so many messages.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print a line of JSON for each.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let class = args.class.map(|class| class.name().to_owned());
    let query = query(&[("peer", args.peer.clone()), ("class", class)]);
    let path = format!("/v1/listen{query}");
    let mut messages = context.client().stream::<DeliveryView>(Method::GET, &path).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(message) = messages.next().await? else {
            return Err(Failure::failed("the node has stopped"));
        };
        left -= 1;
        if args.json {
            context.out.json(&message)?;
        } else {
            context.out.line(&told(&message))?;
        }
    }
    Ok(())
}

/// Text from a stranger must not steer the terminal: control characters are escaped.
fn told(message: &DeliveryView) -> String {
    let payload = match &message.text {
        Some(text) => text
            .chars()
            .map(|one| if one.is_control() { one.escape_default().to_string() } else { one.into() })
            .collect(),
        None => format!("({} of no text; see --json)", size(message.bytes)),
    };
    format!("{} {}: {payload}", short(&message.peer), message.class)
}
