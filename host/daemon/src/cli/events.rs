//! `pointsman events`: what happened, and what happens.

use hyper::Method;

use super::out::Tone;
use super::send::query;
use super::table::time_of_day;
use super::{Context, Failure};
use crate::control::views::{EventView, FollowedView};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman events                       what is kept: the last 1024
  pointsman events --follow              and what comes
  pointsman events --since 40 --json     those after number 40, as JSON")]
pub(super) struct Args {
    /// Go on with those that come.
    #[arg(long, short)]
    follow: bool,
    /// Only those with a number above this one.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    since: u64,
    /// Print a line of JSON for each.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let query = query(&[
        ("since", Some(args.since.to_string())),
        ("follow", Some(args.follow.to_string())),
    ]);
    let path = format!("/v1/events{query}");
    let mut events = context.client().stream::<FollowedView>(Method::GET, &path).await?;
    while let Some(followed) = events.next().await? {
        if args.json {
            context.out.json(&followed)?;
            continue;
        }
        let line = match followed {
            FollowedView::Event(event) => told(&event, context),
            FollowedView::Missed { missed } => {
                context.out.paint(Tone::Wary, &format!("{missed} events are kept no more"))
            }
        };
        context.out.line(&line)?;
    }
    Ok(())
}

fn told(event: &EventView, context: &Context) -> String {
    let tone = match event.kind.as_str() {
        "link-up" | "recovered" | "listening" | "policy-proven" => Tone::Good,
        "suspect" | "link-down" | "struck" | "cut" | "listen-failed" | "policy-rolled-back"
        | "policy-quarantined" | "edit-refused" => Tone::Bad,
        "moved" | "hedged" | "closed" | "dial-failed" => Tone::Wary,
        _ => Tone::Strong,
    };
    let time = context.out.paint(Tone::Dim, &time_of_day(event.unix_ms));
    let kind = context.out.paint(tone, &format!("{:14}", event.kind));
    format!("{time} {kind} {}", event.text)
}
