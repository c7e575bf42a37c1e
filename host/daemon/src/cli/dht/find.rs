//! `pointsman dht find`: where a peer is, and how that was found out.

use crate::cli::out::Tone;
use crate::cli::table::{Cell, Table, date_and_time, short};
use crate::cli::{Context, Failure};
use crate::control::views::{AskedView, FoundView};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman dht find 12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq
  pointsman dht find 12D3Koo… --json | jq -r '.addresses[]'")]
pub(super) struct Args {
    /// Who: an identity, or the beginning or end of a known one.
    peer: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    context.out.progress(&format!("looking for {}", args.peer))?;
    let found = context.client().get::<FoundView>(&format!("/v1/dht/find/{}", args.peer)).await;
    context.out.progress("")?;
    let found = found?;
    if args.json {
        context.out.json(&found)?;
    } else {
        show(context, &found)?;
    }
    if found.addresses.is_empty() {
        let asked = found.way.len();
        return Err(Failure::failed(format!(
            "nobody knows where {} is ({asked} asked in {} ms); it may be offline, or tell no \
             address: see pointsman dht status over there",
            found.peer, found.took_ms
        )));
    }
    Ok(())
}

fn show(context: &mut Context, found: &FoundView) -> Result<(), Failure> {
    for address in &found.addresses {
        context.out.line(address)?;
    }
    if let Some(record) = &found.record {
        let until = date_and_time(record.expires_unix_ms);
        context.out.line(&format!("signed by it, holds until {until}"))?;
    }
    if found.way.is_empty() {
        return Ok(());
    }
    context.out.line("")?;
    let names = ["AT", "PATH", "ASKED", "TOLD BY", "SHARED BITS", "TOOK", "RESULT", "CONTACTS"];
    let mut table = Table::new(names);
    for asked in &found.way {
        table.row([
            format!("{} ms", asked.at_ms).into(),
            asked.path.to_string().into(),
            short(&asked.peer).into(),
            asked.told_by.as_deref().map_or_else(|| "known".to_owned(), short).into(),
            asked.bits.to_string().into(),
            asked.took_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")).into(),
            result(asked),
            asked.contacts.to_string().into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn result(asked: &AskedView) -> Cell {
    let tone = match asked.result.as_str() {
        "answered" => Tone::Good,
        "invalid" => Tone::Bad,
        _ => Tone::Dim,
    };
    Cell::toned(&asked.result, tone)
}
