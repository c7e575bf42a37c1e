//! `pointsman policy test`: a policy against a table of cases, without a node.

use std::path::PathBuf;

use pointsman_core::policy::Policy;
use pointsman_engine::cases::{Case, Mismatch};
use pointsman_sdk::{Settings, State};
use serde::Serialize;

use super::case_file;
use super::subject::Subject;
use crate::cli::out::Tone;
use crate::cli::{Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy test mine.wasm --cases cases.toml           a module
  pointsman policy test builtin:standby --cases cases.toml     a policy of this binary, natively
  pointsman policy test mine.wasm --cases cases.toml --json | jq '.cases[] | select(.holds | not)'

A case file is TOML. It names the role, and for each case the question and the keys of the verdict
that must come; all other keys may be anything:

  role = \"selector\"
  [default]
  question = { class = \"realtime\", head_bytes = 1200 }
  path = { flags = [\"up\"], srtt_us = 20000, room_bytes = 50000 }
  [[case]]
  name = \"the faster path carries the packet\"
  paths = [{ srtt_us = 80000 }, { srtt_us = 5000 }]
  verdict = { mode = \"send\", paths = [1] }

Names are those of the SDK's questions and verdicts; paths count from 0; what is left out is not
known to the policy. `settings = { key = value }` in a case configures the policy for it.

Exits with 0 where every case holds, with 1 where one does not, and with 64 where the file or the
module can't be used.")]
pub(super) struct Args {
    /// A module's file, builtin:NAME, or embedded:NAME.
    what: String,
    /// The cases.
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How all cases came out.
#[derive(Debug, Serialize)]
struct TestView {
    what: String,
    title: String,
    role: &'static str,
    held: usize,
    failed: usize,
    cases: Vec<CaseView>,
}

/// How a case came out.
#[derive(Debug, Serialize)]
struct CaseView {
    name: String,
    line: usize,
    holds: bool,
    /// What the case says, in the words of its file.
    expected: String,
    /// What came instead, or why nothing did; `null` where it holds.
    got: Option<String>,
    /// The keys that differ.
    differs: Vec<String>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Args { what, cases: file, json } = args;
    let cases = case_file::read(file)?;
    let subject = Subject::find(what)?;
    let (role, wanted) = (subject.role(), cases.role);
    if role != wanted {
        let (is, asks) = (role.name(), wanted.name());
        let file = file.display();
        return Err(Failure::usage(format!(
            "{what} is a {is} policy, and the cases of {file} ask a {asks} policy"
        )));
    }
    let mut bench = Bench { subject, made: Vec::new() };
    let mut views = Vec::with_capacity(cases.cases.len());
    for case in &cases.cases {
        let view = bench.view(case);
        if !json {
            tell(context, &view)?;
        }
        views.push(view);
    }
    let failed = views.iter().filter(|view| !view.holds).count();
    let held = views.len() - failed;
    let title = bench.subject.title();
    if *json {
        let (what, title, role) = (what.clone(), title.clone(), role.name());
        context.out.json(&TestView { what, title, role, held, failed, cases: views })?;
    } else if failed == 0 {
        let plural = if held == 1 { " holds" } else { "s hold" };
        let all = context.out.paint(Tone::Good, &format!("{held} case{plural}"));
        context.out.line(&format!("{title}: {all}"))?;
    }
    if failed == 0 {
        return Ok(());
    }
    let total = held + failed;
    Err(Failure::failed(format!("{title}: {failed} of {total} cases do not hold")))
}

/// Instances of the policy, one for all cases with the same settings and state.
struct Bench {
    subject: Subject,
    made: Vec<Made>,
}

struct Made {
    settings: Settings,
    learned: Option<State>,
    policy: Result<Policy, String>,
}

impl Bench {
    fn view(&mut self, case: &Case) -> CaseView {
        let judged = match &mut self.policy(case).policy {
            Ok(policy) => case.judge(&policy.answer(&case.question)),
            Err(why) => {
                let (expected, got) = (case.expected(), why.clone());
                Err(Mismatch { expected, got, keys: Vec::new() })
            }
        };
        let holds = judged.is_ok();
        let (got, differs) = match judged {
            Ok(()) => (None, Vec::new()),
            Err(Mismatch { got, keys, .. }) => (Some(got), keys),
        };
        let (name, line) = (case.name.clone(), case.line);
        CaseView { name, line, holds, expected: case.expected(), got, differs }
    }

    fn policy(&mut self, case: &Case) -> &mut Made {
        let Self { subject, made } = self;
        let is_same = |one: &Made| one.settings == case.settings && one.learned == case.learned;
        let index = made.iter().position(is_same).unwrap_or_else(|| {
            let (settings, learned) = (case.settings.clone(), case.learned.clone());
            let policy = subject.policy(&settings, learned.as_ref());
            made.push(Made { settings, learned, policy });
            made.len() - 1
        });
        &mut made[index]
    }
}

fn tell(context: &mut Context, view: &CaseView) -> Result<(), Failure> {
    let CaseView { name, line, holds, expected, got, differs } = view;
    if *holds {
        let mark = context.out.paint(Tone::Good, "✓");
        return context.out.line(&format!("{mark} {name}"));
    }
    let mark = context.out.paint(Tone::Bad, "✗");
    context.out.line(&format!("{mark} {name} (line {line})"))?;
    context.out.line(&format!("    expected  {expected}"))?;
    context.out.line(&format!("    got       {}", got.as_deref().unwrap_or_default()))?;
    if differs.is_empty() {
        return Ok(());
    }
    context.out.line(&format!("    differs   in {}", differs.join(", ")))
}
