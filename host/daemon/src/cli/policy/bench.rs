//! `pointsman policy bench`: what a question costs, beside the builtin in the same run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::value_parser;
use pointsman_core::policy::{Policy, Question, Role};
use pointsman_engine::Costs;
use pointsman_engine::cases::Cases;
use pointsman_engine::record::Record;
use serde::Serialize;

use super::case_file;
use super::log_files::Log;
use super::subject::{Subject, default_builtin};
use crate::cli::table::Table;
use crate::cli::{Context, Failure};

/// Questions of a log that are asked, again and again.
const QUESTIONS_MAX: usize = 4096;

/// Questions that are asked between two looks at the clock.
const BLOCK: usize = 64;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy bench mine.wasm
  pointsman policy bench mine.wasm --cases cases.toml --seconds 5
  pointsman policy bench embedded:standby --log ~/.local/state/pointsman/decisions
  pointsman policy bench mine.wasm --json | jq .ratio

Asks the policy and the builtin of its role the same questions in turn, for so many seconds each,
and tells how many a second they answer and what one costs. Without --cases or --log a few
questions with four paths are asked. The percentiles are of single answers, with the cost of
looking at the clock taken off; the mean is of long runs without any. A question that the policy
fails counts like any other, and is told.")]
pub(super) struct Args {
    /// A module's file, builtin:NAME, or embedded:NAME.
    what: String,
    /// Ask the questions of these cases.
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    cases: Option<PathBuf>,
    /// Ask the questions of a decision log, or of a folder of its segments.
    #[arg(long, value_name = "FILE_OR_FOLDER")]
    log: Option<PathBuf>,
    /// Settings for it: a file with what would stand below [policy.SLOT.settings].
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// For how long each of the two is asked.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct BenchView {
    what: String,
    role: &'static str,
    /// Questions that were asked in turn.
    questions: usize,
    policy: Figures,
    builtin: Figures,
    /// The policy's mean over the builtin's.
    ratio: f64,
}

/// What one policy costs.
#[derive(Debug, Serialize)]
struct Figures {
    title: String,
    asked: u64,
    failed: u64,
    per_second: u64,
    mean_ns: u64,
    p50_ns: u64,
    p99_ns: u64,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let subject = Subject::find(&args.what)?;
    let role = subject.role();
    let builtin = default_builtin(role);
    let questions = questions(args, role, context)?;
    let seconds = Duration::from_secs(args.seconds);
    let mut policy = subject.configured(args.settings.as_deref())?;
    let mut native = builtin.configured(None)?;
    let mut measure = |policy: &mut Policy, title: String| {
        context.out.progress(&format!("asking {title} for {} s", args.seconds))?;
        let figures = measured(policy, &questions, seconds, title);
        context.out.progress("")?;
        Ok::<_, Failure>(figures)
    };
    let builtin = measure(&mut native, builtin.title())?;
    let policy = measure(&mut policy, subject.title())?;
    let view = BenchView {
        what: args.what.clone(),
        role: role.name(),
        questions: questions.len(),
        ratio: policy.mean_ns as f64 / builtin.mean_ns.max(1) as f64,
        policy,
        builtin,
    };
    if args.json { context.out.json(&view) } else { tell(context, &view) }
}

/// The questions that are asked in turn: at least one.
fn questions(args: &Args, role: Role, context: &mut Context) -> Result<Vec<Question>, Failure> {
    if let Some(file) = &args.cases {
        let cases = case_file::read(file)?;
        if cases.role != role {
            let (is, asks) = (role.name(), cases.role.name());
            let what = &args.what;
            return Err(Failure::usage(format!(
                "{what} is a {is} policy, and these cases ask a {asks} policy"
            )));
        }
        return Ok(cases.cases.into_iter().map(|case| case.question).collect());
    }
    match &args.log {
        Some(log) => recorded(log, role, context),
        None => {
            let text = match role {
                Role::Selector => include_str!("questions/selector.toml"),
                Role::Failover => include_str!("questions/failover.toml"),
                Role::Reputation => include_str!("questions/reputation.toml"),
                Role::Anomaly => include_str!("questions/anomaly.toml"),
            };
            let cases = Cases::parse(text).expect("a test reads the files of this binary");
            Ok(cases.cases.into_iter().map(|case| case.question).collect())
        }
    }
}

fn recorded(place: &Path, role: Role, context: &mut Context) -> Result<Vec<Question>, Failure> {
    let mut log = Log::open(place, &mut context.out)?;
    let mut questions = Vec::new();
    for record in &mut log {
        match record {
            Record::Decision(decision) if decision.question.role() == role => {
                questions.push(decision.question);
            }
            Record::Decision(_) | Record::Run(_) | Record::Outcome(_) => {}
        }
        if questions.len() >= QUESTIONS_MAX {
            break;
        }
    }
    if let Some(failure) = log.failure {
        return Err(failure);
    }
    if questions.is_empty() {
        let (place, role) = (place.display(), role.name());
        return Err(Failure::usage(format!("{place}: no {role} was asked there")));
    }
    Ok(questions)
}

/// Asks in turn: first without looking at the clock but between blocks, then with a look around
/// every answer.
fn measured(policy: &mut Policy, questions: &[Question], time: Duration, title: String) -> Figures {
    let (mut asked, mut failed) = (0_u64, 0_u64);
    let mut turn = questions.iter().cycle();
    let begun = Instant::now();
    while begun.elapsed() < time.mul_f64(0.75) {
        for question in turn.by_ref().take(BLOCK) {
            failed += u64::from(std::hint::black_box(policy.answer(question)).is_err());
        }
        asked += BLOCK as u64;
    }
    let spent = begun.elapsed();
    let look = look_ns();
    let mut costs = Costs::default();
    let begun = Instant::now();
    while begun.elapsed() < time.mul_f64(0.25) {
        for question in turn.by_ref().take(BLOCK) {
            let before = Instant::now();
            let _ = std::hint::black_box(policy.answer(question));
            costs.add(nanos(before.elapsed()).saturating_sub(look));
        }
    }
    let cost = costs.cost();
    Figures {
        title,
        asked,
        failed,
        per_second: (asked as f64 / spent.as_secs_f64()) as u64,
        mean_ns: nanos(spent) / asked.max(1),
        p50_ns: cost.p50_ns,
        p99_ns: cost.p99_ns,
    }
}

/// What looking at the clock costs by itself: the median of many.
fn look_ns() -> u64 {
    let mut costs = Costs::default();
    for _ in 0..10_000 {
        let before = Instant::now();
        costs.add(nanos(before.elapsed()));
    }
    costs.cost().p50_ns
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn tell(context: &mut Context, view: &BenchView) -> Result<(), Failure> {
    let mut table = Table::new(["policy", "questions/s", "mean", "p50", "p99", "failed"]);
    for one in [&view.policy, &view.builtin] {
        let Figures { title, per_second, mean_ns, p50_ns, p99_ns, failed, .. } = one;
        let ns = |ns: &u64| format!("{ns} ns").into();
        let failed = failed.to_string().into();
        let per_second = per_second.to_string().into();
        table.row([title.as_str().into(), per_second, ns(mean_ns), ns(p50_ns), ns(p99_ns), failed]);
    }
    for line in table.lines(&context.out) {
        context.out.line(&line)?;
    }
    let (count, role) = (view.questions, view.role);
    let plural = if count == 1 { "" } else { "s in turn" };
    let what = &view.policy.title;
    context.out.line(&format!(
        "{what} costs {:.1} times what its builtin does ({count} {role} question{plural})",
        view.ratio
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_of_this_binary_can_be_read() {
        for (text, role) in [
            (include_str!("questions/selector.toml"), Role::Selector),
            (include_str!("questions/failover.toml"), Role::Failover),
            (include_str!("questions/reputation.toml"), Role::Reputation),
            (include_str!("questions/anomaly.toml"), Role::Anomaly),
        ] {
            let cases = Cases::parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"));
            assert_eq!(cases.role, role);
        }
    }

    #[test]
    fn a_policy_that_fails_is_told_so() {
        let mut policy = default_builtin(Role::Selector).configured(None).expect("a builtin");
        let text = include_str!("questions/failover.toml");
        let cases = Cases::parse(text).expect("the failover questions");
        let questions: Vec<_> = cases.cases.into_iter().map(|case| case.question).collect();
        let figures = measured(&mut policy, &questions, Duration::from_millis(40), String::new());
        assert!(figures.asked > 0 && figures.failed == figures.asked);
    }
}
