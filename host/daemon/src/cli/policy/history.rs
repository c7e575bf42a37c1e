//! `pointsman policy history`: what came into the slots, and what became of it.

use super::slot::Slot;
use crate::cli::out::Tone;
use crate::cli::send::query;
use crate::cli::table::{Cell, Table, date_and_time};
use crate::cli::{Context, Failure};
use crate::control::views::HistoryView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy history                    the last changes of all slots, oldest first
  pointsman policy history selector -n 5      the last five of one
  pointsman policy history --json             everything that is kept, as JSON

`live` is a policy that came into its slot, `proven` one that outlived its probation,
`rolled-back` one that did not, `refused` one that never came in. The last 1000 are kept, over
restarts too.")]
pub(super) struct Args {
    /// Only this slot.
    slot: Option<Slot>,
    /// Only the last so many.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let query = query(&[("slot", args.slot.map(|slot| slot.name().to_owned()))]);
    let path = format!("/v1/policies/history{query}");
    let mut entries: Vec<HistoryView> = context.client().get(&path).await?;
    if let Some(last) = args.last {
        entries.drain(..entries.len().saturating_sub(last));
    }
    if args.json {
        return context.out.json(&entries);
    }
    if entries.is_empty() {
        return context.out.line("nothing happened to the slots yet");
    }
    let names = ["TIME", "SLOT", "OUTCOME", "GEN", "POLICY", "DIGEST", "FROM", "WHO", "WHY"];
    let mut table = Table::new(names);
    for entry in &entries {
        table.row(row(entry));
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn row(entry: &HistoryView) -> [Cell; 9] {
    use crate::policies::history::Turn;
    let tone = match entry.outcome {
        Turn::Live => Tone::Strong,
        Turn::Proven => Tone::Good,
        Turn::RolledBack => Tone::Bad,
        Turn::Refused => Tone::Wary,
    };
    let generation = entry.generation.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let digest = entry.digest.as_deref().map_or("-", |digest| &digest[..digest.len().min(12)]);
    let named = format!("{} {}", entry.name, entry.version);
    let policy = if entry.name.is_empty() { entry.module.as_str() } else { named.trim_end() };
    [
        date_and_time(entry.at_unix_ms).into(),
        entry.role.as_str().into(),
        Cell::toned(entry.outcome.name(), tone),
        generation.into(),
        policy.into(),
        digest.into(),
        entry.from.name().into(),
        entry.who.as_str().into(),
        entry.why.as_deref().unwrap_or("").into(),
    ]
}
