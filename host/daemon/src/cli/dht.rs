//! `pointsman dht`: the network's phone book.

mod crawl;
mod find;
mod graph;
mod status;

use super::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman dht status                     how this node takes part
  pointsman dht find 12D3Koo…              where a peer is, and how that was found out
  pointsman dht crawl --format netjson     everybody, and whom they know")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tells how this node takes part.
    Status(status::Args),
    /// Looks a peer up, and shows the way that the lookup took.
    Find(find::Args),
    /// Asks everybody whom they know.
    Crawl(crawl::Args),
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        Command::Status(args) => status::run(args, context).await,
        Command::Find(args) => find::run(args, context).await,
        Command::Crawl(args) => crawl::run(args, context).await,
    }
}
