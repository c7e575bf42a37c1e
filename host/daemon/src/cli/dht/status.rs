//! `pointsman dht status`: how this node takes part.

use crate::cli::table::{Table, date_and_time};
use crate::cli::{Context, Failure};
use crate::control::views::DhtView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman dht status
  pointsman dht status --json | jq .size")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let view: DhtView = context.client().get("/v1/dht").await?;
    if args.json {
        return context.out.json(&view);
    }
    for line in lines(&view) {
        context.out.line(&line)?;
    }
    if view.buckets.is_empty() {
        return Ok(());
    }
    context.out.line("")?;
    let mut table = Table::new(["SHARED BITS", "PEERS"]);
    for bucket in &view.buckets {
        table.row([bucket.bits.to_string().into(), bucket.peers.to_string().into()]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn lines(view: &DhtView) -> Vec<String> {
    let does = match view.mode.as_str() {
        "server" => "asks, and answers others",
        "client" => "asks only: it is not known whether others can reach it",
        _ => "does not take part (dht.enabled = false)",
    };
    let mut lines = vec![format!("this node {does}; {}", view.protocol)];
    if view.mode == "off" {
        return lines;
    }
    if !view.bootstrap.is_empty() {
        lines.push(view.bootstrap.clone());
    }
    lines.push(format!("{} peers in the table, {} records kept", view.peers, view.records));
    if let Some(size) = view.size {
        let (nodes, least, most) = (size.nodes, size.least, size.most);
        lines.push(format!("about {nodes:.0} nodes in the network ({least:.0} to {most:.0})"));
    }
    match &view.own {
        Some(own) => {
            let until = date_and_time(own.expires_unix_ms);
            let stored = own.stored;
            lines.push(format!("its own record holds until {until}, and {stored} nodes keep it"));
        }
        None => lines.push("its own record is not published: it has no address to tell".into()),
    }
    lines
}
