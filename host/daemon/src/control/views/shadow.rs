//! A candidate beside the live policy, and how the two compare.

use std::collections::BTreeMap;

use pointsman_engine::replay::{Example, Replay};
use pointsman_engine::shadow::ShadowReport;
use serde::{Deserialize, Serialize};

use super::policy::{SeatView, StepView, seat, step_views};
use crate::handle::Shadowed;

/// A candidate that answers the questions of the live policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowView {
    /// Which slot.
    pub role: String,
    /// The candidate.
    pub candidate: SeatView,
    /// Since when it answers, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
    /// Questions that it answered.
    pub compared: u64,
    /// Answered with an equal verdict.
    pub equal: u64,
    /// Answered so that something else is done.
    pub different: u64,
    /// Of a thousand, so many are different, rounded up.
    pub differ_permille: u32,
    /// How many differ in what: `mode`, `paths`, `lease`, `hold`, `budget`, `resend`, `reason`,
    /// `score`, `state` or `findings`; one may differ in several.
    pub differences: BTreeMap<String, u64>,
    /// It abstained, and its builtin answered.
    pub abstained: u64,
    /// How often it failed and how; its builtin answered.
    pub strikes: BTreeMap<String, u64>,
    /// Questions that it had no time for.
    pub dropped: u64,
    /// What an answer costs on average, in nanoseconds.
    pub mean_ns: u64,
    /// The 99th percentile of that, in nanoseconds.
    pub p99_ns: u64,
    /// What its choices would have come to.
    pub predicted: PredictedView,
    /// The first questions that were answered otherwise.
    pub examples: Vec<ExampleView>,
    /// The steps that it made; empty where it was there before.
    pub steps: Vec<StepView>,
}

/// What choices would come to, by the measures in the questions: a forecast, not a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedView {
    /// Packets that both send, over paths that were measured.
    pub packets: u64,
    /// Mean time to their acknowledgement as the live policy chose, in microseconds; `null`
    /// without any.
    pub live_us: Option<u64>,
    /// As the candidate would have chosen.
    pub candidate_us: Option<u64>,
    /// Bytes of copies as the live policy chose.
    pub live_copies_bytes: u64,
    /// As the candidate would have chosen.
    pub candidate_copies_bytes: u64,
    /// Packets that the live policy sends, and the candidate holds, keeps or gives up.
    pub withheld: u64,
    /// The other way round.
    pub released: u64,
    /// Moves of traffic by the live policy.
    pub live_moves: u64,
    /// By the candidate.
    pub candidate_moves: u64,
}

/// A question that was answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleView {
    /// The decision's number.
    pub number: u64,
    /// In what the verdicts differ.
    pub differs: Vec<String>,
    /// How the candidate failed, where it did.
    pub strike: Option<String>,
    /// The live verdict, in the words of a case file.
    pub was: String,
    /// The candidate's.
    pub would: String,
    /// The question, as JSON.
    pub question: String,
}

/// The whole of it.
pub(crate) fn shadowed(shadowed: &Shadowed) -> ShadowView {
    let Shadowed { candidate, since_unix_ms, report, steps } = shadowed;
    let ShadowReport { compared, dropped, .. } = report;
    let Replay {
        questions, equal, different, differences, abstained, strikes, examples, cost, ..
    } = compared;
    let differences = differences.iter().map(|(what, count)| (what.name().to_owned(), *count));
    ShadowView {
        role: candidate.role.name().to_owned(),
        candidate: seat(candidate, None),
        since_unix_ms: *since_unix_ms,
        compared: *questions,
        equal: *equal,
        different: *different,
        differ_permille: compared.differ_permille(),
        differences: differences.collect(),
        abstained: *abstained,
        strikes: strikes.iter().map(|(strike, count)| (strike.to_string(), *count)).collect(),
        dropped: *dropped,
        mean_ns: cost.mean_ns,
        p99_ns: cost.p99_ns,
        predicted: predicted(report),
        examples: examples.iter().map(example).collect(),
        steps: step_views(steps),
    }
}

fn predicted(report: &ShadowReport) -> PredictedView {
    let told = &report.predicted;
    PredictedView {
        packets: told.packets,
        live_us: told.live_us.checked_div(told.packets),
        candidate_us: told.candidate_us.checked_div(told.packets),
        live_copies_bytes: told.live_copies_bytes,
        candidate_copies_bytes: told.candidate_copies_bytes,
        withheld: told.withheld,
        released: told.released,
        live_moves: told.live_moves,
        candidate_moves: told.candidate_moves,
    }
}

fn example(example: &Example) -> ExampleView {
    let Example { number, differs, strike, was, would, question } = example.clone();
    ExampleView {
        number,
        differs: differs.iter().map(|what| what.name().to_owned()).collect(),
        strike: strike.map(|strike| strike.to_string()),
        was,
        would,
        question,
    }
}
