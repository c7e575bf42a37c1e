//! `pointsman links`: the live connections and how they are.

use super::out::Tone;
use super::table::{Cell, Table, ms, short, size, span};
use super::{Context, Failure};
use crate::control::views::LinkView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman links                       all
  pointsman links x7Qp                  those to the peer whose identity ends in x7Qp
  pointsman links --json | jq '.[] | select(.state == \"suspect\")'")]
pub(super) struct Args {
    /// Only links to this peer: its identity, or a beginning or end that only it has.
    peer: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let query = super::send::query(&[("peer", args.peer.clone())]);
    let links: Vec<LinkView> = context.client().get(&format!("/v1/links{query}")).await?;
    if args.json {
        return context.out.json(&links);
    }
    if links.is_empty() {
        return context.out.line("no link is up");
    }
    let names =
        ["LINK", "PEER", "OVER", "UPLINK", "STATE", "RTT", "RATE", "SENT", "RECEIVED", "AGE"];
    let mut table = Table::new(names);
    for link in &links {
        let rate = link.rate_kbps.map(|kbps| format!("{:.1} Mbit/s", f64::from(kbps) / 1000.0));
        table.row([
            link.link.to_string().into(),
            short(&link.peer).into(),
            over(link).into(),
            link.uplink.as_str().into(),
            state(link),
            ms(link.srtt_us).into(),
            rate.unwrap_or_else(|| "-".to_owned()).into(),
            size(link.sent_bytes).into(),
            size(link.received_bytes).into(),
            span(link.age_ms).into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn over(link: &LinkView) -> String {
    match &link.channel {
        Some(channel) => format!("{} {} {}", link.transport, channel.carrier, channel.mtu),
        None => format!("{} {}", link.transport, link.protocol),
    }
}

fn state(link: &LinkView) -> Cell {
    let tone = match link.state.as_str() {
        "up" if !link.masked => Tone::Good,
        "suspect" => Tone::Bad,
        _ => Tone::Wary,
    };
    let masked = if link.masked { ", masked" } else { "" };
    Cell::toned(&format!("{}{masked}", link.state), tone)
}
