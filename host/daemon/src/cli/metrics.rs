//! `pointsman metrics`: what is measured and counted, for monitoring systems.

use super::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman metrics
  pointsman metrics | sponge /var/lib/node_exporter/pointsman.prom     for Prometheus")]
pub(super) struct Args {}

pub(super) async fn run(Args {}: &Args, context: &mut Context) -> Result<(), Failure> {
    let text = context.client().text("/v1/metrics").await?;
    context.out.bytes(&text)
}
