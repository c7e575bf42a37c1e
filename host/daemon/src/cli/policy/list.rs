//! `pointsman policy list`: what decides on the running node.

use crate::cli::{Context, Failure, status};
use crate::control::views::PolicyView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy list
  pointsman policy list --json | jq '.[] | {role, name, generation, on_probation}'

ASKED counts questions since the node started, BUILTIN those that the native policy answered in
the module's stead, STRIKES answers that did not count. A policy on probation goes by itself if
it does not prove itself; what comes back then is named below the table.")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let policies: Vec<PolicyView> = context.client().get("/v1/policies").await?;
    if args.json { context.out.json(&policies) } else { status::policies(context, &policies) }
}
