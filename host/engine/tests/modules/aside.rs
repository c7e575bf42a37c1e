//! The roles that are asked aside, and learning.

use crate::guests::{
    ANOMALY, BUDGET_US, Guest, REPUTATION, SELECTOR, failover_of, open, question, selector_of,
    terms,
};
use pointsman_core::policy::{
    Anomaly as _, AnomalyQuestion, Policy, Question, Reputation as _, ReputationQuestion, Role,
    Strike, Verdict,
};
use pointsman_engine::WasmLearner;
use pointsman_sdk::anomaly::{Finding, Remedy, Series, Severity};
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::{Outcome, Settings, State};

/// Learns state of schema 3, at most 64 bytes, and reads schema 2, too.
const LEARNS: &str = r#"(data (i32.const 1116)
        "\03\00\00\00\c8\05\00\00\01\00\00\00\40\00\00\00") (data (i32.const 1480) "\02\00\00\00")"#;

/// Sums the numbers of outcomes in four bytes, and gives them back as state of schema 3.
pub(crate) const COUNTING: Guest = Guest {
    extra: LEARNS,
    learn: "(i32.store8 (i32.const 1600) (i32.const 1)) (i32.store (i32.const 1604) (i32.const 3))
        (i32.store (i32.const 1608) (i32.const 1640)) (i32.store (i32.const 1612) (i32.const 4))
        (if (local.get 0)
            (then (i32.store (i32.const 1640) (i32.load (local.get 2))))
            (else (i32.store (i32.const 1640) (i32.const 0))))
        (i32.store (i32.const 1640) (i32.add (i32.load (i32.const 1640)) (local.get 5)))
        i32.const 1600",
    ..SELECTOR
};

fn series(metric: u32, subject: u32, samples: Vec<i64>) -> Series {
    Series { metric, subject, step_ms: 1_000, samples }
}

fn learner(guest: Guest) -> WasmLearner {
    let module = open(&guest.bytes()).expect("it is sound");
    module.learner(&terms(&Settings::default(), BUDGET_US)).expect("it is ready")
}

#[test]
fn a_reputation_policy_gets_the_standing_and_what_was_seen() {
    let module = open(&REPUTATION.bytes()).expect("it is sound");
    assert_eq!(module.inspection().role, Role::Reputation);
    let mut policy =
        module.reputation(&terms(&Settings::default(), BUDGET_US)).expect("it is ready");
    let seen = vec![Observation { kind: Kind::Spam, weight: 2, at_ms: 5 }; 3];
    let was = Standing { score: 10, a: 77, b: 1, c: 1, updated_ms: 1 };
    let folded = policy.fold(&ReputationQuestion { now_ms: 9_000, was, seen });
    assert_eq!(folded, Ok(Standing { score: 13, a: 77, b: 0, c: 0, updated_ms: 9_000 }));
}

#[test]
fn an_anomaly_policy_gets_the_window_and_tells_findings() {
    let module = open(&ANOMALY.bytes()).expect("it is sound");
    assert_eq!(module.inspection().role, Role::Anomaly);
    let mut policy = module.anomaly(&terms(&Settings::default(), BUDGET_US)).expect("it is ready");
    let window = vec![series(6, 4, vec![-1, 2]), series(7, 5, Vec::new())];
    let found = policy.inspect(&AnomalyQuestion { now_ms: 1, window });
    let finding = Finding {
        rule: 7,
        severity: Severity::Warn,
        metric: 6,
        subject: 4,
        evidence: -1,
        remedy: Remedy::Inspect,
    };
    assert_eq!(found, Ok(vec![finding]));
}

#[test]
fn a_policy_of_any_role_is_asked_alike() {
    let none = Settings::default();
    let module = open(&REPUTATION.bytes()).expect("it is sound");
    let mut policy = module.policy(&terms(&none, BUDGET_US)).expect("it is ready");
    assert!(matches!(policy, Policy::Reputation(_)));
    let answer = policy.answer(&Question::Reputation(ReputationQuestion::default()));
    assert_eq!(answer, Ok(Some(Verdict::Reputation(Standing::default()))));
    assert_eq!(policy.answer(&Question::Selector(question(1))), Err(Strike::Invalid));
}

#[test]
fn a_reputation_policy_that_traps_comes_back() {
    let third = Guest {
        extra: "(global $calls (mut i32) (i32.const 0))",
        fold: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 2)) (then unreachable)) i32.const 1304",
        ..REPUTATION
    };
    let module = open(&third.bytes()).expect("it is sound");
    let mut policy =
        module.reputation(&terms(&Settings::default(), BUDGET_US)).expect("it is ready");
    let mut ask = |now_ms| policy.fold(&ReputationQuestion { now_ms, ..Default::default() }).err();
    assert_eq!([ask(1), ask(2), ask(3)], [None, Some(Strike::Trapped), None]);
}

#[test]
fn a_reputation_policy_is_no_selector() {
    let bytes = REPUTATION.bytes();
    let said = selector_of(&bytes, BUDGET_US).expect_err("a wrong slot").to_string();
    assert_eq!(
        said,
        "this is a reputation policy, the slot wants a selector policy; name it under [policy.reputation]"
    );
    assert!(failover_of(&bytes, BUDGET_US).is_err());
}

#[test]
fn what_was_learned_grows_with_outcomes() {
    let mut learner = learner(COUNTING);
    let seen = [Outcome::default(); 5];
    let first = learner.learn(None, &seen).expect("it learns");
    assert_eq!(first, Some(State { schema: 3, bytes: vec![5, 0, 0, 0] }));
    let second = learner.learn(first, &seen[..2]).expect("it learns");
    assert_eq!(second, Some(State { schema: 3, bytes: vec![7, 0, 0, 0] }));
}

#[test]
fn state_that_the_manifest_does_not_promise_is_struck() {
    let other_schema = "(i32.store8 (i32.const 1600) (i32.const 1)) i32.const 1600";
    let too_large = "(i32.store8 (i32.const 1600) (i32.const 1))
        (i32.store (i32.const 1604) (i32.const 3)) (i32.store (i32.const 1608) (i32.const 1024))
        (i32.store (i32.const 1612) (i32.const 65)) i32.const 1600";
    for learn in [other_schema, too_large, "unreachable"] {
        let answer = learner(Guest { learn, ..COUNTING }).learn(None, &[]);
        let wanted = if learn == "unreachable" { Strike::Trapped } else { Strike::Invalid };
        assert_eq!(answer, Err(wanted), "{learn}");
    }
}

#[test]
fn a_policy_that_learns_nothing_may_give_back_what_it_got() {
    // The parameters are a present state; its flag, schema, address and length come back.
    let gives_back = "(i32.store8 (i32.const 1600) (local.get 0))
        (i32.store (i32.const 1604) (local.get 1)) (i32.store (i32.const 1608) (local.get 2))
        (i32.store (i32.const 1612) (local.get 3)) i32.const 1600";
    let before = Some(State { schema: 9, bytes: vec![1, 2, 3] });
    let after = learner(Guest { learn: gives_back, ..SELECTOR }).learn(before.clone(), &[]);
    assert_eq!(after, Ok(before));
}
