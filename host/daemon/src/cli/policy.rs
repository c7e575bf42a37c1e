//! `pointsman policy`: what decides here, whether a module could, and exchanging it.

mod bench;
mod case_file;
mod check;
mod history;
mod list;
mod log_files;
mod new;
mod promote;
mod replay;
mod rollback;
mod shadow;
mod slot;
mod subject;
mod swap;
mod tell;
mod test;

use clap::Subcommand;

use super::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy list                          what is in the slots of the running node
  pointsman policy check mine.wasm               whether this module is a policy, and which
  pointsman policy new mine --role failover      a folder that builds to a policy as it is
  pointsman policy test mine.wasm --cases c.toml whether it answers these questions so
  pointsman policy bench mine.wasm               what a question costs, beside the builtin
  pointsman policy replay mine.wasm --log FOLDER what it would have decided
  pointsman policy swap selector mine.wasm       lets it decide from the next question on
  pointsman policy shadow selector mine.wasm     or first lets it answer beside the live one
  pointsman policy promote selector              then lets it decide, if it has shown enough
  pointsman policy rollback selector             what was there before, again
  pointsman policy history                       who changed what, when, and what came of it")]
pub(super) struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Lists the slots of the running node and what is in them.
    List(list::Args),
    /// Looks at a module without a node: its role, version, settings, and what is wrong.
    Check(check::Args),
    /// Makes a folder that builds to a policy as it is, in Rust, C, JavaScript or Python.
    New(new::Args),
    /// Asks a policy the questions of a case file, without a node.
    Test(test::Args),
    /// Measures what a question costs, beside the builtin, without a node.
    Bench(bench::Args),
    /// Asks a policy what was asked on a node, and tells what it decides otherwise.
    Replay(replay::Args),
    /// Puts another policy into a slot of the running node.
    Swap(swap::Args),
    /// Has a candidate answer beside the live policy, and tells how it compares.
    Shadow(shadow::Args),
    /// Puts the candidate into its slot, if it has shown enough.
    Promote(promote::Args),
    /// Brings back what was in a slot before.
    Rollback(rollback::Args),
    /// Tells what came into the slots, and what became of it.
    History(history::Args),
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        PolicyCommand::List(args) => list::run(args, context).await,
        PolicyCommand::Check(args) => check::run(args, context),
        PolicyCommand::New(args) => new::run(args, context),
        PolicyCommand::Test(args) => test::run(args, context),
        PolicyCommand::Bench(args) => bench::run(args, context),
        PolicyCommand::Replay(args) => replay::run(args, context),
        PolicyCommand::Swap(args) => swap::run(args, context).await,
        PolicyCommand::Shadow(args) => shadow::run(args, context).await,
        PolicyCommand::Promote(args) => promote::run(args, context).await,
        PolicyCommand::Rollback(args) => rollback::run(args, context).await,
        PolicyCommand::History(args) => history::run(args, context).await,
    }
}
