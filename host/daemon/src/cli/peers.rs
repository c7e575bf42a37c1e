//! `pointsman peers`: who is known, and who is in radio range.

mod why;

use super::out::Tone;
use super::table::{Cell, Table, ms, short, span};
use super::{Context, Failure};
use crate::control::views::{NeighbourView, PeerView};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  pointsman peers
  pointsman peers --json | jq -r '.[].peer'
  pointsman peers why 12D3KooWBtg3         why that peer is treated as it is")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<PeersCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum PeersCommand {
    /// Tells why a peer is trusted, discouraged or shunned, and what it was seen to do.
    Why(why::Args),
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    if let Some(PeersCommand::Why(args)) = &args.command {
        return why::run(args, context).await;
    }
    let peers: Vec<PeerView> = context.client().get("/v1/peers").await?;
    if args.json {
        return context.out.json(&peers);
    }
    let neighbours: Vec<NeighbourView> = context.client().get("/v1/neighbours").await?;
    if peers.is_empty() {
        context.out.line("no peer is known yet")?;
    } else {
        known(context, &peers)?;
    }
    if !neighbours.is_empty() {
        context.out.line("")?;
        in_sight(context, &neighbours)?;
    }
    Ok(())
}

fn known(context: &mut Context, peers: &[PeerView]) -> Result<(), Failure> {
    let mut table =
        Table::new(["PEER", "LINKS", "RTT", "WAITING", "DELIVERED", "RECEIVED", "STANDING"]);
    for peer in peers {
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
            standing(peer.standing, &peer.level),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

/// Who is in radio range, known or not, the nearest first.
fn in_sight(context: &mut Context, neighbours: &[NeighbourView]) -> Result<(), Failure> {
    let names = ["NEIGHBOUR", "BY", "PEER", "LINK", "RSSI", "DISTANCE", "TREND", "HEARD"];
    let mut table = Table::new(names);
    let mut nearest: Vec<_> = neighbours.iter().collect();
    nearest.sort_by(|a, b| far(a).total_cmp(&far(b)));
    for one in nearest {
        table.row([
            one.address.as_str().into(),
            one.uplink.as_str().into(),
            one.peer.as_deref().map_or_else(|| "?".to_owned(), short).into(),
            one.link.map_or_else(|| "-".to_owned(), |link| link.to_string()).into(),
            one.rssi_dbm.map_or_else(|| "-".to_owned(), |dbm| format!("{dbm:.0} dBm")).into(),
            distance(one).into(),
            trend(one),
            format!("{} ago", span(one.heard_ms_ago)).into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn far(one: &NeighbourView) -> f64 {
    one.metres.unwrap_or(f64::INFINITY)
}

/// An estimate, and half of the band that it lies in.
fn distance(one: &NeighbourView) -> String {
    match (one.metres, one.metres_least, one.metres_most) {
        (Some(metres), Some(least), Some(most)) => {
            format!("{metres:.1} m ± {:.1}", (most - least) / 2.0)
        }
        _ => "-".to_owned(),
    }
}

/// Below a tenth of a decibel a second nothing moves.
fn trend(one: &NeighbourView) -> Cell {
    match one.trend_db_per_s {
        None => "-".into(),
        Some(trend) if trend <= -0.1 => Cell::toned(&format!("away {trend:.1} dB/s"), Tone::Wary),
        Some(trend) if trend >= 0.1 => Cell::toned(&format!("nearer +{trend:.1} dB/s"), Tone::Good),
        Some(_) => "still".into(),
    }
}

/// What it comes to, where it is treated unlike a stranger.
fn standing(score: i32, level: &str) -> Cell {
    let level = if level == "unknown" { "" } else { level };
    Cell::toned(format!("{score} {level}").trim_end(), tone(score))
}

/// That of a number with a sign; a stranger's is 0.
fn tone(score: i32) -> Tone {
    match score {
        ..0 => Tone::Bad,
        0 => Tone::Dim,
        1.. => Tone::Good,
    }
}
