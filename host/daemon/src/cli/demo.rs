//! `pointsman demo`

use super::Failure;
use crate::demo::{self, Options, SECONDS, SECONDS_DEFAULT};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman demo                           nine seconds of traffic
  pointsman demo --seconds 30              more of it
  pointsman demo --json                    only the result
  pointsman demo --loopback                without network namespaces

Exits with 0 only when no message was lost.")]
pub(super) struct Args {
    /// How long messages flow, in seconds; policies are exchanged after a sixth of it, an uplink
    /// fails after a third and comes back after two.
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS_DEFAULT)]
    #[arg(value_parser = clap::value_parser!(u64).range(SECONDS))]
    seconds: u64,
    /// Prints only the result, as JSON.
    #[arg(long)]
    json: bool,
    /// Uses loopback addresses, even where network namespaces are permitted.
    #[arg(long)]
    loopback: bool,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let Args { seconds, json, loopback } = *args;
    let options = Options { seconds, json, loopback };
    match demo::run(options).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::failed("messages were lost")),
        Err(error) => Err(Failure::failed(error)),
    }
}
