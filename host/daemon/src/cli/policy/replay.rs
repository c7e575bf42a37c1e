//! `pointsman policy replay`: recorded questions through a candidate, without a node.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pointsman_engine::record::strike_name;
use pointsman_engine::replay::{Example, Replay, replay};
use serde::Serialize;

use super::log_files::Log;
use super::subject::Subject;
use crate::cli::out::Tone;
use crate::cli::table::Table;
use crate::cli::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy replay mine.wasm --log ~/.local/state/pointsman/decisions
  pointsman policy replay mine.wasm --log decisions/00000007.jsonl --settings mine.toml
  pointsman policy replay builtin:standby --log decisions --json | jq .differences

A node samples what its policies decide (policy.sample, policy.log_mib in config.toml) into the
folder `decisions` of its state folder, which is a.key.state where the config says
node.identity = \"a.key\". Since a question holds all that a policy may use, asking
it again tells what another policy would have answered then. Questions of other roles are passed
over. Where the candidate abstains or fails, the builtin answers in its stead, as on a node.

A verdict that differs in its reason alone does nothing otherwise. Exits with 0 whatever differs,
with 1 where the log can't be read to its end, and with 64 where there is no log or policy.")]
pub(super) struct Args {
    /// A module's file, builtin:NAME, or embedded:NAME.
    what: String,
    /// A log, or a folder of its segments.
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    log: PathBuf,
    /// Settings for it: a file with what would stand below [policy.SLOT.settings].
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a candidate answers what was recorded.
#[derive(Debug, Serialize)]
struct ReplayView {
    what: String,
    title: String,
    role: &'static str,
    questions: u64,
    /// Of other roles.
    skipped: u64,
    equal: u64,
    /// Answered so that something else is done.
    different: u64,
    differ_permille: u32,
    differences: BTreeMap<&'static str, u64>,
    abstained: u64,
    strikes: BTreeMap<&'static str, u64>,
    mean_ns: u64,
    p50_ns: u64,
    p99_ns: u64,
    bad_lines: u64,
    /// The first of them.
    bad: Vec<String>,
    torn_files: u64,
    examples: Vec<ExampleView>,
}

/// A question that is answered otherwise.
#[derive(Debug, Serialize)]
struct ExampleView {
    number: u64,
    differs: Vec<&'static str>,
    strike: Option<&'static str>,
    was: String,
    would: String,
    question: serde_json::Value,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let subject = Subject::find(&args.what)?;
    let mut policy = subject.configured(args.settings.as_deref())?;
    let mut log = Log::open(&args.log, &mut context.out)?;
    let found = replay(&mut policy, &mut log);
    let (bad, torn, told, failure) = (log.bad, log.torn, log.told, log.failure);
    context.out.progress("")?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let view = view(args, &subject, found, (bad, told, torn))?;
    if args.json { context.out.json(&view) } else { tell(context, &view) }
}

fn view(
    args: &Args,
    subject: &Subject,
    found: Replay,
    (bad_lines, bad, torn_files): (u64, Vec<String>, u64),
) -> Result<ReplayView, Failure> {
    let differ_permille = found.differ_permille();
    let Replay { questions, skipped, equal, different, abstained, cost, .. } = found;
    let differences = found.differences.into_iter().map(|(what, count)| (what.name(), count));
    let strikes = found.strikes.into_iter().map(|(strike, count)| (strike_name(strike), count));
    let examples: Result<_, Failure> = found.examples.into_iter().map(example).collect();
    Ok(ReplayView {
        what: args.what.clone(),
        title: subject.title(),
        role: subject.role().name(),
        questions,
        skipped,
        equal,
        different,
        differ_permille,
        differences: differences.collect(),
        abstained,
        strikes: strikes.collect(),
        mean_ns: cost.mean_ns,
        p50_ns: cost.p50_ns,
        p99_ns: cost.p99_ns,
        bad_lines,
        bad,
        torn_files,
        examples: examples?,
    })
}

fn example(example: Example) -> Result<ExampleView, Failure> {
    let Example { number, differs, strike, was, would, question } = example;
    Ok(ExampleView {
        number,
        differs: differs.into_iter().map(|what| what.name()).collect(),
        strike: strike.map(strike_name),
        was,
        would,
        question: serde_json::from_str(&question).map_err(Failure::failed)?,
    })
}

fn tell(context: &mut Context, view: &ReplayView) -> Result<(), Failure> {
    let ReplayView { title, role, questions, equal, different, differ_permille, .. } = view;
    let tone = if *different == 0 { Tone::Good } else { Tone::Wary };
    let otherwise = format!("{different} decided otherwise ({differ_permille} of 1000)");
    let otherwise = context.out.paint(tone, &otherwise);
    let head =
        format!("{title}: {questions} {role} questions, {equal} answered alike, {otherwise}");
    context.out.line(&head)?;
    let mut table = Table::new(["differs in", "questions"]);
    for (what, count) in &view.differences {
        table.row([(*what).into(), count.to_string().into()]);
    }
    if !view.differences.is_empty() {
        for line in table.lines(&context.out) {
            context.out.line(&line)?;
        }
    }
    for (strike, count) in &view.strikes {
        let failed = context.out.paint(Tone::Bad, &format!("failed {count} times: {strike}"));
        context.out.line(&failed)?;
    }
    if view.abstained > 0 {
        context.out.line(&format!("abstained {} times", view.abstained))?;
    }
    let ReplayView { mean_ns, p50_ns, p99_ns, .. } = view;
    let cost = format!(
        "an answer costs {mean_ns} ns on average, {p50_ns} ns mostly, {p99_ns} ns at the 99th percentile"
    );
    context.out.line(&cost)?;
    tell_examples(context, view)?;
    tell_log(context, view)
}

fn tell_examples(context: &mut Context, view: &ReplayView) -> Result<(), Failure> {
    for ExampleView { number, differs, strike, was, would, .. } in &view.examples {
        let strike = strike.map(|strike| format!(" ({strike})")).unwrap_or_default();
        context.out.line(&format!("decision {number}, {}{strike}", differs.join(", ")))?;
        context.out.line(&format!("    was    {was}"))?;
        context.out.line(&format!("    would  {would}"))?;
    }
    Ok(())
}

/// What of the log could not be used.
fn tell_log(context: &mut Context, view: &ReplayView) -> Result<(), Failure> {
    if view.skipped > 0 {
        context.out.line(&format!("passed over {} decisions of other roles", view.skipped))?;
    }
    if view.bad_lines > 0 {
        let bad = format!("passed over {} lines that are no records, such as", view.bad_lines);
        context.out.line(&bad)?;
    }
    for line in &view.bad {
        context.out.line(&format!("    {line}"))?;
    }
    Ok(())
}
