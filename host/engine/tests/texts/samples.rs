//! Decisions to write, read, replay and shadow.

use pointsman_core::policy::question::empty_paths;
use pointsman_core::policy::{
    AnomalyQuestion, Answerer, Decision, FailoverQuestion, Policy, Question, ReputationQuestion,
    Role, SelectorQuestion, Strike, Verdict, builtin,
};
use pointsman_sdk::anomaly::{Finding, Metric, Remedy, Series, Severity};
use pointsman_sdk::failover::{self, Dialable, Event, Resend};
use pointsman_sdk::path::flags;
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::selector::{self, Class};
use pointsman_sdk::{PathRow, Settings, UNKNOWN};

/// A list with paths of these round trips, in milliseconds.
pub(crate) fn paths(srtt_ms: &[u32]) -> Vec<u32> {
    let mut list = empty_paths();
    for &srtt_ms in srtt_ms {
        let row = PathRow {
            flags: flags::UP,
            srtt_us: srtt_ms * 1_000,
            silent_us: 1_000,
            rate_kbps: 20_000,
            room_bytes: 50_000,
            inflight_bytes: 0,
            queued_bytes: 0,
            rssi: (-70_i32).cast_unsigned(),
            ..PathRow::default()
        };
        row.write(&mut list);
    }
    list
}

/// A question about a packet that two paths could carry.
pub(crate) fn selector_question(head_bytes: u32) -> SelectorQuestion {
    SelectorQuestion {
        now_us: u64::MAX,
        seed: 7,
        class: Class::Bulk as u32,
        flags: selector::flags::ORDERED | selector::flags::CHARGING,
        head_bytes,
        deadline_left_us: UNKNOWN,
        backlog_bytes: head_bytes,
        standing: -1000,
        tried_paths: 1 << 31,
        paths: paths(&[20, 80]),
        ..SelectorQuestion::default()
    }
}

/// A question about a path that is late.
pub(crate) fn failover_question() -> FailoverQuestion {
    let mut dialables = vec![Dialable::STRIDE as u32];
    let dialable = Dialable {
        id: 9,
        transport: 3,
        uplink: 1,
        setup_ms: 40,
        success_ppm: UNKNOWN,
        price_per_mib: 0,
    };
    dialable.write(&mut dialables);
    FailoverQuestion {
        now_us: 5,
        seed: 7,
        peer: 1,
        event: Event::UplinkChanged,
        at: UNKNOWN,
        oldest_unacked_us: 60_000,
        unacked_bytes: [500, 0, 2_500],
        misses: 1,
        others_progressed: 0,
        loop_lag_us: 3,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        deadline_min_us: 1,
        hedge_budget_bytes: 10_000,
        store_left_kib: 0,
        paths: paths(&[20, 80]),
        dialables,
    }
}

fn decision(number: u64, question: Question, verdict: Verdict, by: Answerer) -> Decision {
    Decision { number, generation: 2, question, verdict, by }
}

/// What the default builtin of a role answered to a question.
pub(crate) fn answered(number: u64, question: Question) -> Decision {
    let verdict = native(question.role()).answer(&question).unwrap().unwrap();
    decision(number, question, verdict, Answerer::Module)
}

/// The default builtin of a role.
pub(crate) fn native(role: Role) -> Policy {
    let name = match role {
        Role::Selector => "fastest-first",
        Role::Failover => "standby",
        Role::Reputation | Role::Anomaly => panic!("asked in line only"),
    };
    builtin::policy(role, name, &Settings::default()).unwrap()
}

/// One decision of each form: every role, every failover verdict, every answerer.
pub(crate) fn every_form() -> Vec<Decision> {
    let question = || Question::Failover(failover_question());
    let (resend, reason) = (Resend::Urgent, 7);
    let verdicts = [
        failover::Verdict::Stay { reason },
        failover::Verdict::Hedge { onto: 0b11, budget_bytes: 9, reason },
        failover::Verdict::Move { onto: 0b10, resend, reason },
        failover::Verdict::Probe { paths: 1 << 15, reason },
        failover::Verdict::Dial(9),
        failover::Verdict::Close(1),
        failover::Verdict::Store,
        failover::Verdict::Abstain,
    ];
    let by = Answerer::InsteadOf(Strike::TimedOut);
    let mut all: Vec<_> = (1..)
        .zip(verdicts)
        .map(|(number, verdict)| decision(number, question(), Verdict::Failover(verdict), by))
        .collect();
    let chosen = selector::Verdict::stripe(0b11).lease(255, 255).because(65_535);
    all.extend([
        decision(
            u64::MAX,
            Question::Selector(selector_question(1_200)),
            Verdict::Selector(chosen),
            Answerer::Module,
        ),
        decision(20, reputation_question(), Verdict::Reputation(standing()), Answerer::Builtin),
        decision(21, anomaly_question(), Verdict::Anomaly(vec![finding()]), Answerer::Module),
        decision(22, anomaly_question(), Verdict::Anomaly(Vec::new()), Answerer::Builtin),
    ]);
    all
}

fn standing() -> Standing {
    Standing { score: -1000, a: 1, b: u32::MAX, c: 3, updated_ms: u64::MAX }
}

fn reputation_question() -> Question {
    let seen = Kind::ALL.map(|kind| Observation { kind, weight: 2, at_ms: 3 }).to_vec();
    Question::Reputation(ReputationQuestion { now_ms: 9, was: standing(), seen })
}

fn anomaly_question() -> Question {
    let series = |metric, subject| Series {
        metric,
        subject,
        step_ms: 1_000,
        samples: vec![i64::MIN, -1, i64::MAX],
    };
    let window = vec![series(Metric::SrttUs as u32, 4), series(99, UNKNOWN)];
    Question::Anomaly(AnomalyQuestion { now_ms: 9, window })
}

fn finding() -> Finding {
    Finding {
        rule: 3,
        severity: Severity::Critical,
        metric: Metric::SrttUs as u32,
        subject: UNKNOWN,
        evidence: i64::MIN,
        remedy: Remedy::Inspect,
    }
}
