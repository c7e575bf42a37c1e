//! Replay: recorded questions through a candidate, and how its verdicts differ from those that
//! were given then.
//!
//! A question holds all that a policy may use, so the answer to a recorded one is what the
//! candidate would have answered then. Where it abstains or fails, the role's builtin answers
//! as it would on a node; both are counted. Nothing here waits for anything but the candidate.

use std::collections::BTreeMap;
use std::time::Instant;

use pointsman_core::policy::{Decision, Policy, Question, Role, Strike, Verdict, builtin};
use pointsman_sdk::Settings;

use crate::costs::{Cost, Costs};
use crate::forms::{self, Style};
use crate::record::Record;

/// Differences that are kept as examples.
pub const EXAMPLES_MAX: usize = 10;

/// In what a verdict differs from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// What is done: a selector's mode, or what a failover policy does.
    Mode,
    /// Which paths, or which dialable.
    Paths,
    /// For how many packets or how long it holds.
    Lease,
    /// How long a packet is held.
    Hold,
    /// How many bytes of copies.
    Budget,
    /// What is sent again.
    Resend,
    /// The code for why: nothing is done otherwise.
    Reason,
    /// A peer's score.
    Score,
    /// What a reputation policy keeps beside the score.
    State,
    /// What is out of the ordinary.
    Findings,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Mode,
        Self::Paths,
        Self::Lease,
        Self::Hold,
        Self::Budget,
        Self::Resend,
        Self::Reason,
        Self::Score,
        Self::State,
        Self::Findings,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Paths => "paths",
            Self::Lease => "lease",
            Self::Hold => "hold",
            Self::Budget => "budget",
            Self::Resend => "resend",
            Self::Reason => "reason",
            Self::Score => "score",
            Self::State => "state",
            Self::Findings => "findings",
        }
    }

    /// In what two verdicts differ; nothing where they are equal.
    pub fn between(one: &Verdict, other: &Verdict) -> Vec<Self> {
        let mut all: Vec<_> =
            forms::differences(one, other).into_iter().map(Self::of_key).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What a key of a verdict is about.
    fn of_key(key: &str) -> Self {
        match key {
            "onto" | "paths" | "id" | "path" => Self::Paths,
            "lease_packets" | "lease_ms" => Self::Lease,
            "hold_100us" => Self::Hold,
            "budget_bytes" => Self::Budget,
            "resend" => Self::Resend,
            "reason" => Self::Reason,
            "score" => Self::Score,
            "a" | "b" | "c" | "updated_ms" => Self::State,
            "findings" => Self::Findings,
            _ => Self::Mode,
        }
    }
}

/// A question that was answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The decision's number.
    pub number: u64,
    /// In what.
    pub differs: Vec<Difference>,
    /// How the candidate failed, where it did.
    pub strike: Option<Strike>,
    /// The verdict that was given, in the words of a case file.
    pub was: String,
    /// What the candidate would have given, or its builtin.
    pub would: String,
    /// The question, as JSON.
    pub question: String,
}

/// How a candidate's verdicts compare with those that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Questions that were asked.
    pub questions: u64,
    /// Of another role than the candidate: not asked.
    pub skipped: u64,
    /// Answered with an equal verdict.
    pub equal: u64,
    /// Answered so that something else is done: otherwise than in the reason alone.
    pub different: u64,
    /// How many differ in what; one may differ in several.
    pub differences: BTreeMap<Difference, u64>,
    /// The candidate abstained, and the builtin answered.
    pub abstained: u64,
    /// How often the candidate failed and how; the builtin answered.
    pub strikes: BTreeMap<Strike, u64>,
    /// The first that were answered otherwise, up to [`EXAMPLES_MAX`].
    pub examples: Vec<Example>,
    /// What an answer of the candidate cost.
    pub cost: Cost,
}

impl Replay {
    /// How often the candidate failed.
    pub fn strikes(&self) -> u64 {
        self.strikes.values().sum()
    }

    /// Of a thousand questions so many are answered so that something else is done, rounded
    /// up; 0 where none was asked.
    pub fn differ_permille(&self) -> u32 {
        let of = u128::from(self.questions);
        let different = (u128::from(self.different) * 1000).checked_add(of).unwrap_or(u128::MAX);
        let permille = different.saturating_sub(1).checked_div(of).unwrap_or_default();
        u32::try_from(permille).unwrap_or(u32::MAX)
    }
}

/// Asks the candidate everything that was recorded.
pub fn replay(policy: &mut Policy, records: impl IntoIterator<Item = Record>) -> Replay {
    let mut comparer = Comparer::new(policy.role());
    for record in records {
        match record {
            Record::Decision(decision) => {
                comparer.compare(policy, &decision);
            }
            Record::Run(_) | Record::Outcome(_) => {}
        }
    }
    comparer.report()
}

/// Compares one decision after another.
#[derive(Debug)]
pub(crate) struct Comparer {
    role: Role,
    builtin: Option<Policy>,
    so_far: Replay,
    costs: Costs,
}

/// What a candidate did with a question.
#[derive(Debug)]
pub(crate) struct Answer {
    verdict: Option<Verdict>,
    abstained: bool,
    strike: Option<Strike>,
    ns: u64,
}

impl Comparer {
    pub(crate) fn new(role: Role) -> Self {
        let names: &[&str] = match role {
            Role::Selector => &builtin::SELECTORS,
            Role::Failover => &builtin::FAILOVERS,
            Role::Reputation => &builtin::REPUTATIONS,
            Role::Anomaly => &builtin::ANOMALIES,
        };
        let builtin =
            names.first().and_then(|name| builtin::policy(role, name, &Settings::default()).ok());
        Self { role, builtin, so_far: Replay::default(), costs: Costs::default() }
    }

    /// Asks and compares; the verdict that would have counted, where there is one.
    pub(crate) fn compare(&mut self, policy: &mut Policy, decision: &Decision) -> Option<Verdict> {
        if decision.question.role() != self.role {
            self.so_far.skipped += 1;
            return None;
        }
        let answer = ask(policy, &decision.question);
        self.take(answer, decision)
    }

    /// Counts an answer; the verdict that would have counted, where there is one.
    pub(crate) fn take(&mut self, answer: Answer, decision: &Decision) -> Option<Verdict> {
        let Answer { verdict, abstained, strike, ns } = answer;
        self.costs.add(ns);
        let so_far = &mut self.so_far;
        so_far.questions += 1;
        so_far.abstained += u64::from(abstained);
        if let Some(strike) = strike {
            *so_far.strikes.entry(strike).or_default() += 1;
        }
        let builtin = self.builtin.as_mut();
        let verdict = verdict.or_else(|| builtin?.answer(&decision.question).ok().flatten());
        let differs = match &verdict {
            Some(verdict) => Difference::between(&decision.verdict, verdict),
            None => vec![Difference::Mode],
        };
        if differs.is_empty() {
            so_far.equal += 1;
        }
        so_far.different += u64::from(differs.iter().any(|one| *one != Difference::Reason));
        for &one in &differs {
            *so_far.differences.entry(one).or_default() += 1;
        }
        let is_worth_showing = !differs.is_empty() || strike.is_some();
        if is_worth_showing && so_far.examples.len() < EXAMPLES_MAX {
            let would = verdict.as_ref().map_or_else(
                || "no verdict".to_owned(),
                |verdict| forms::verdict(verdict, Style::Toml),
            );
            so_far.examples.push(Example {
                number: decision.number,
                differs,
                strike,
                was: forms::verdict(&decision.verdict, Style::Toml),
                would,
                question: forms::question(&decision.question, Style::Json),
            });
        }
        verdict
    }

    /// What was found so far.
    pub(crate) fn report(&self) -> Replay {
        Replay { cost: self.costs.cost(), ..self.so_far.clone() }
    }
}

/// Asks and measures.
pub(crate) fn ask(policy: &mut Policy, question: &Question) -> Answer {
    let begun = Instant::now();
    let answered = policy.answer(question);
    let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    match answered {
        Ok(Some(verdict)) => Answer { verdict: Some(verdict), abstained: false, strike: None, ns },
        Ok(None) => Answer { verdict: None, abstained: true, strike: None, ns },
        Err(strike) => Answer { verdict: None, abstained: false, strike: Some(strike), ns },
    }
}
