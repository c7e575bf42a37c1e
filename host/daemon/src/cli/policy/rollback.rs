//! `pointsman policy rollback`: what was live before, again.

use bytes::Bytes;

use super::slot::Slot;
use super::tell;
use crate::cli::{Context, Failure};
use crate::control::views::SwapView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy rollback selector

While a policy is on probation the one before is still warm and answers the next question.
Later it is loaded again, as it was. Like a swap this holds until the next edit of that slot's
keys in config.toml, or a restart.")]
pub(super) struct Args {
    /// The slot.
    slot: Slot,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let path = format!("/v1/policies/{}/rollback", args.slot.name());
    let swapped: SwapView = context.client().post(&path, Bytes::new()).await?;
    if args.json { context.out.json(&swapped) } else { tell::swapped(context, &swapped) }
}
