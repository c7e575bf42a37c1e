//! `pointsman peers`: who is known.

use super::out::Tone;
use super::table::{Cell, Table, ms};
use super::{Context, Failure};
use crate::control::views::PeerView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman peers
  pointsman peers --json | jq -r '.[].peer'")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let peers: Vec<PeerView> = context.client().get("/v1/peers").await?;
    if args.json {
        return context.out.json(&peers);
    }
    if peers.is_empty() {
        return context.out.line("no peer is known yet");
    }
    let mut table =
        Table::new(["PEER", "LINKS", "RTT", "WAITING", "DELIVERED", "RECEIVED", "STANDING"]);
    for peer in &peers {
        let tone = if peer.links_usable > 0 { Tone::Good } else { Tone::Dim };
        let waiting: usize = peer.queues.iter().map(|queue| queue.messages).sum();
        let delivered: u64 = peer.queues.iter().map(|queue| queue.delivered).sum();
        table.row([
            peer.peer.as_str().into(),
            Cell::toned(&format!("{} of {}", peer.links_usable, peer.links), tone),
            ms(peer.srtt_us).into(),
            waiting.to_string().into(),
            delivered.to_string().into(),
            peer.received.to_string().into(),
            standing(peer.standing),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

/// A number with its sign; a stranger's is 0.
fn standing(score: i32) -> Cell {
    let tone = match score {
        ..0 => Tone::Bad,
        0 => Tone::Dim,
        1.. => Tone::Good,
    };
    Cell::toned(&score.to_string(), tone)
}
