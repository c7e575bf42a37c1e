//! `pointsman policy shadow`: a candidate beside the live policy.

use std::path::PathBuf;

use bytes::Bytes;

use super::slot::Slot;
use super::swap::{named, settings_text};
use super::tell::{steps, title};
use crate::cli::out::Tone;
use crate::cli::send::query;
use crate::cli::table::size;
use crate::cli::{Context, Failure};
use crate::control::views::{ExampleView, ShadowView};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy shadow selector mine.wasm     mine.wasm answers beside the live policy
  pointsman policy shadow selector               how the two compare so far
  pointsman policy shadow selector --stop        the same, and sends it away
  pointsman policy promote selector              lets it decide, if it has shown enough

The candidate goes the same way as with `swap`, but for the last step. Then it answers every
question that the live policy is asked, in a thread of its own, and nothing is done with its
answers. It never makes a packet wait: what it has no time for is dropped, and counted. There is
one candidate for each slot; another one takes its place.")]
pub(super) struct Args {
    /// The slot.
    slot: Slot,
    /// The candidate: a .wasm file, `builtin:NAME` or `embedded:NAME`. Without it, tells how the
    /// one that is there compares.
    #[arg(value_name = "FILE")]
    module: Option<String>,
    /// Settings for it: a file with what would stand below [policy.SLOT.settings]. Without it
    /// those of config.toml.
    #[arg(long, value_name = "FILE", requires = "module")]
    settings: Option<PathBuf>,
    /// Take it although a newer version of it was live here.
    #[arg(long, requires = "module")]
    allow_downgrade: bool,
    /// Send the candidate away.
    #[arg(long, conflicts_with = "module")]
    stop: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let path = format!("/v1/policies/{}/shadow", args.slot.name());
    let view: ShadowView = match &args.module {
        Some(module) => {
            let settings = args.settings.as_deref().map(settings_text).transpose()?;
            let query = query(&[
                ("module", Some(named(module)?)),
                ("allow_downgrade", args.allow_downgrade.then(|| "true".to_owned())),
                ("own_settings", settings.is_some().then(|| "true".to_owned())),
            ]);
            let body = Bytes::from(settings.unwrap_or_default());
            context.client().post(&format!("{path}{query}"), body).await?
        }
        None if args.stop => context.client().post(&format!("{path}/stop"), Bytes::new()).await?,
        None => context.client().get(&path).await?,
    };
    if args.json {
        return context.out.json(&view);
    }
    if args.module.is_some() { began(context, &view) } else { report(context, &view, args.stop) }
}

fn began(context: &mut Context, view: &ShadowView) -> Result<(), Failure> {
    steps(context, &view.steps)?;
    let (role, candidate) = (&view.role, title(&view.candidate));
    let candidate = context.out.paint(Tone::Good, &candidate);
    context.out.line(&format!("{role}: {candidate} answers beside the live policy"))?;
    context.out.line(&format!("to compare: pointsman policy shadow {role}"))?;
    context.out.line(&format!("to let it decide: pointsman policy promote {role}"))
}

fn report(context: &mut Context, view: &ShadowView, stopped: bool) -> Result<(), Failure> {
    let candidate = title(&view.candidate);
    let end = if stopped { "; it is sent away" } else { "" };
    context.out.line(&format!("{}: {candidate} beside the live policy{end}", view.role))?;
    if view.compared == 0 {
        return context.out.line("no question came yet: there was nothing to decide");
    }
    let list = |counts: &std::collections::BTreeMap<String, u64>| {
        let each = counts.iter().map(|(what, count)| format!("{what} {count}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let strikes: u64 = view.strikes.values().sum();
    let lines = [
        ("compared", format!("{} questions, {} dropped", view.compared, view.dropped)),
        ("equal", view.equal.to_string()),
        ("different", format!("{} ({} of 1000)", view.different, view.differ_permille)),
        ("in", list(&view.differences)),
        ("abstained", view.abstained.to_string()),
        ("failed", if strikes == 0 { "0".to_owned() } else { list(&view.strikes) }),
        ("cost", format!("{} ns on average, {} ns p99", view.mean_ns, view.p99_ns)),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        line(context, name, value)?;
    }
    forecast(context, view)?;
    view.examples.iter().take(3).try_for_each(|one| example(context, one))
}

/// What its choices would come to, as far as there is anything to tell.
fn forecast(context: &mut Context, view: &ShadowView) -> Result<(), Failure> {
    let told = &view.predicted;
    if let (Some(live), Some(candidate)) = (told.live_us, told.candidate_us) {
        let text = format!(
            "packets acknowledged after {:.1} ms instead of {:.1} ms",
            candidate as f64 / 1000.0,
            live as f64 / 1000.0
        );
        line(context, "forecast", &text)?;
    }
    if told.live_copies_bytes + told.candidate_copies_bytes > 0 {
        let (candidate, live) = (size(told.candidate_copies_bytes), size(told.live_copies_bytes));
        line(context, "forecast", &format!("{candidate} of copies instead of {live}"))?;
    }
    if told.withheld + told.released > 0 {
        let text = format!(
            "{} packets wait that the live policy sends, {} the other way round",
            told.withheld, told.released
        );
        line(context, "forecast", &text)?;
    }
    if told.live_moves + told.candidate_moves > 0 {
        let text = format!("{} moves instead of {}", told.candidate_moves, told.live_moves);
        line(context, "forecast", &text)?;
    }
    Ok(())
}

fn example(context: &mut Context, example: &ExampleView) -> Result<(), Failure> {
    let ExampleView { number, was, would, strike, .. } = example;
    let failed = strike.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    line(context, "example", &format!("decision {number}: {was} became {would}{failed}"))
}

fn line(context: &mut Context, name: &str, value: &str) -> Result<(), Failure> {
    let name = context.out.paint(Tone::Dim, &format!("{name:9}"));
    context.out.line(&format!("{name} {value}"))
}
