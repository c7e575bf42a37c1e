//! `pointsman policy promote`: the candidate decides, if it has shown enough.

use bytes::Bytes;

use super::slot::Slot;
use super::tell;
use crate::cli::send::query;
use crate::cli::{Context, Failure};
use crate::control::views::SwapView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy promote selector
  pointsman policy promote selector --compared-min 10000 --differ-max 50
  pointsman policy promote failover --compared-min 10    which is asked only while a path is ill
  pointsman policy promote selector --force              whatever it has shown

Promotes the candidate that `pointsman policy shadow` started: the very code that answered. It
must keep all of the bounds; where it does not, the answer says which, and nothing changes. Then
it must prove itself like any policy that is swapped in.")]
pub(super) struct Args {
    /// The slot.
    slot: Slot,
    /// At least so many questions were compared [default: 100].
    #[arg(long, value_name = "N")]
    compared_min: Option<u64>,
    /// At most so many of a thousand were answered so that something else is done
    /// [default: 1000, any].
    #[arg(long, value_name = "PERMILLE", value_parser = clap::value_parser!(u32).range(..=1000))]
    differ_max: Option<u32>,
    /// It failed at most so often [default: 0].
    #[arg(long, value_name = "N")]
    strikes_max: Option<u64>,
    /// An answer costs at most so much on average, in nanoseconds [default: mean_us of the
    /// slot].
    #[arg(long, value_name = "NS")]
    mean_max: Option<u32>,
    /// Promote it whatever it has shown, and although it is quarantined.
    #[arg(long, conflicts_with_all = ["compared_min", "differ_max", "strikes_max", "mean_max"])]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let query = query(&[
        ("compared_min", args.compared_min.map(|bound| bound.to_string())),
        ("differ_permille_max", args.differ_max.map(|bound| bound.to_string())),
        ("strikes_max", args.strikes_max.map(|bound| bound.to_string())),
        ("mean_ns_max", args.mean_max.map(|bound| bound.to_string())),
        ("force", args.force.then(|| "true".to_owned())),
    ]);
    let path = format!("/v1/policies/{}/promote{query}", args.slot.name());
    let swapped: SwapView = context.client().post(&path, Bytes::new()).await?;
    if args.json { context.out.json(&swapped) } else { tell::swapped(context, &swapped) }
}
