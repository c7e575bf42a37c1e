//! Questions to a reputation policy.

use pointsman_core::policy::{Question, ReputationQuestion};
use pointsman_sdk::reputation::{Kind, Observation, Standing};

use super::{Asked, EXTREMES};

/// An hour after the start, in milliseconds.
const NOW_MS: u64 = 3_600_000;

pub(super) fn questions() -> Vec<Asked> {
    let mut asked = Vec::new();
    for (was_name, was) in standings() {
        for (seen_name, seen) in histories() {
            let question = ReputationQuestion { now_ms: NOW_MS, was, seen };
            asked.push(of(format!("{seen_name} of {was_name}"), question));
        }
    }
    for (name, weight) in EXTREMES {
        for kind in Kind::ALL {
            let seen = vec![Observation { kind, weight, at_ms: NOW_MS }];
            let question = ReputationQuestion { now_ms: NOW_MS, was: STANDING, seen };
            asked.push(of(format!("{} with the weight {name}", kind.name()), question));
        }
    }
    for (name, now_ms) in [("0", 0), ("1", 1), ("2^63", 1 << 63), ("2^64 - 1", u64::MAX)] {
        for (seen_name, seen) in histories() {
            let question = ReputationQuestion { now_ms, was: STANDING, seen };
            asked.push(of(format!("{seen_name} at a time of {name}"), question));
        }
    }
    asked
}

/// Of somebody who is known a while.
const STANDING: Standing =
    Standing { score: 420, a: 12_000, b: 3_000, c: 7, updated_ms: NOW_MS - 60_000 };

/// Standings so far. Those of another policy stay when policies are exchanged, so `a`, `b` and
/// `c` may be anything.
fn standings() -> [(&'static str, Standing); 8] {
    [
        ("a new peer", Standing::default()),
        ("a peer that is known a while", STANDING),
        ("the most trusted peer", Standing { score: Standing::SCORE_MAX, ..STANDING }),
        ("the least trusted peer", Standing { score: Standing::SCORE_MIN, ..STANDING }),
        (
            "a peer whom another policy judged",
            Standing { a: u32::MAX, b: u32::MAX, c: u32::MAX, ..STANDING },
        ),
        (
            "a peer of whom another policy kept the half",
            Standing { a: 1 << 31, b: 1 << 31, c: 1 << 31, ..STANDING },
        ),
        ("a peer that was judged later than now", Standing { updated_ms: u64::MAX, ..STANDING }),
        ("a peer that was judged just now", Standing { updated_ms: NOW_MS, ..STANDING }),
    ]
}

/// What was seen since.
fn histories() -> [(&'static str, Vec<Observation>); 6] {
    let seen = |kind, ago_ms| Observation { kind, weight: 1, at_ms: NOW_MS - ago_ms };
    let varied = |n: u64| Observation {
        kind: Kind::ALL[n as usize % Kind::ALL.len()],
        weight: n as u32 % 4,
        at_ms: NOW_MS - 1_000 + n,
    };
    [
        ("nothing", Vec::new()),
        ("one acknowledgement", vec![seen(Kind::Ack, 10)]),
        ("one violation", vec![seen(Kind::Invalid, 10)]),
        ("one of each kind", Kind::ALL.map(|kind| seen(kind, 500)).to_vec()),
        ("500 observations", (0..500).map(varied).collect()),
        (
            "the largest weight at the largest time",
            vec![Observation { kind: Kind::Timeout, weight: u32::MAX, at_ms: u64::MAX }],
        ),
    ]
}

fn of(name: String, question: ReputationQuestion) -> Asked {
    Asked { name, question: Question::Reputation(question) }
}
