//! `pointsman dht crawl`: everybody, and whom they know.

use hyper::Method;

use super::graph;
use crate::cli::out::Tone;
use crate::cli::table::{Cell, Table, short, span};
use crate::cli::{Context, Failure};
use crate::control::views::{CrawlResultView, CrawlView, DhtView};

/// Characters of the bar.
const BAR: usize = 30;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman dht crawl
  pointsman dht crawl --format netjson > network.json
  pointsman dht crawl --format dot | dot -Tsvg > network.svg
  pointsman dht crawl --resume             where one ended that was interrupted")]
pub(super) struct Args {
    /// How to print what is found.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format json.
    #[arg(long)]
    json: bool,
    /// Go on where the crawl before was interrupted.
    #[arg(long)]
    resume: bool,
    /// Questions under way at once; one at a time for each node.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Netjson,
    Dot,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let path = format!("/v1/dht/crawl?parallel={}&resume={}", args.parallel, args.resume);
    let mut views = context.client().stream::<CrawlView>(Method::POST, &path).await?;
    let mut last = None;
    while let Some(view) = views.next().await? {
        context.out.progress(&bar(&view))?;
        last = Some(view);
    }
    context.out.progress("")?;
    let last = last.ok_or_else(|| Failure::failed("the node did not begin"))?;
    let Some(result) = &last.result else {
        let remedy = "go on with: pointsman dht crawl --resume";
        return Err(Failure::failed(format!("the crawl was interrupted; {remedy}")));
    };
    let format = if args.json { Format::Json } else { args.format };
    match format {
        Format::Table => table(context, &last, result),
        Format::Json => context.out.json(&last),
        Format::Dot => context.out.bytes(graph::dot(result).as_bytes()),
        Format::Netjson => {
            let dht: DhtView = context.client().get("/v1/dht").await?;
            context.out.json(&graph::netjson(result, &dht.protocol))
        }
    }
}

fn bar(view: &CrawlView) -> String {
    let done = view.answered + view.unreachable;
    let filled = (done * BAR / view.known.max(1)).min(BAR);
    let (full, empty) = ("█".repeat(filled), "░".repeat(BAR - filled));
    let (known, entries) = (view.known, view.entries);
    format!("{full}{empty} {done} of {known} nodes, {entries} entries, {}", span(view.elapsed_ms))
}

fn table(context: &mut Context, view: &CrawlView, result: &CrawlResultView) -> Result<(), Failure> {
    let mut table = Table::new(["NODE", "ANSWERED", "KNOWS", "KNOWN BY", "ADDRESS"]);
    let mut known_by = vec![0_usize; result.nodes.len()];
    for &place in result.nodes.iter().flat_map(|node| &node.table) {
        if let Some(count) = known_by.get_mut(place) {
            *count += 1;
        }
    }
    for (node, known_by) in result.nodes.iter().zip(known_by) {
        let answered = match node.answered {
            true => Cell::toned("yes", Tone::Good),
            false => Cell::toned("no", Tone::Bad),
        };
        table.row([
            short(&node.peer).into(),
            answered,
            node.table.len().to_string().into(),
            known_by.to_string().into(),
            node.addresses.first().map_or("-", String::as_str).into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))?;
    let CrawlView { known, answered, entries, elapsed_ms, .. } = view;
    let took = span(*elapsed_ms);
    context.out.line(&format!(
        "{known} nodes, {answered} answered, {entries} entries of routing tables, in {took}"
    ))
}
