//! `pointsman stop`: the node finishes what is under way and ends.

use bytes::Bytes;

use super::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman stop
  pointsman --socket /tmp/b.sock stop")]
pub(super) struct Args {}

pub(super) async fn run(_args: &Args, context: &mut Context) -> Result<(), Failure> {
    context.client().post::<serde_json::Value>("/v1/stop", Bytes::new()).await?;
    context.out.line("stopping")
}
