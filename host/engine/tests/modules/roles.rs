//! The roles that are asked aside, learning, and the terms on which a policy is made.

use crate::guests::{
    ANOMALY, BUDGET_US, Guest, REPUTATION, SELECTOR, failover_of, open, question, selector_of,
    terms,
};
use pointsman_core::policy::{
    Anomaly as _, AnomalyQuestion, Policy, Question, Reputation as _, ReputationQuestion, Role,
    Selector as _, Strike, Verdict,
};
use pointsman_engine::{LoadError, Terms, WasmLearner};
use pointsman_sdk::anomaly::{Finding, Remedy, Series, Severity};
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::{Outcome, Settings, State, Value};

/// Learns state of schema 3, at most 64 bytes, and reads schema 2, too.
const LEARNS: &str = r#"(data (i32.const 1116)
        "\03\00\00\00\c8\05\00\00\01\00\00\00\40\00\00\00") (data (i32.const 1480) "\02\00\00\00")"#;

/// Sums the numbers of outcomes in four bytes, and gives them back as state of schema 3.
const COUNTING: Guest = Guest {
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

/// Takes `limit`, from 0 to 9, and `eager`.
const CHOOSY: Guest = Guest {
    extra: r#"(data (i32.const 1132) "\a4\06\00\00\52\00\00\00") (data (i32.const 1700)
        "limit: integer 0..=9 = 5  how far it goes\neager: boolean = true  how it goes\n     ")"#,
    ..SELECTOR
};

fn series(metric: u32, subject: u32, samples: Vec<i64>) -> Series {
    Series { metric, subject, step_ms: 1_000, samples }
}

fn learner(guest: Guest) -> WasmLearner {
    let module = open(&guest.bytes()).expect("it is sound");
    module.learner(&terms(&Settings::default(), BUDGET_US)).expect("it is ready")
}

fn refused(guest: Guest, terms: &Terms<'_>) -> LoadError {
    let module = open(&guest.bytes()).expect("it is sound");
    module.selector(terms).expect_err("it must be refused")
}

fn settings(entries: Vec<(&str, Value)>) -> Settings {
    Settings::new(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
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

#[test]
fn what_was_learned_is_handed_to_the_policy_and_to_every_instance_after_it() {
    let first_byte = Guest {
        extra: r#"(data (i32.const 1116) "\03\00\00\00\00\00\00\00\00\00\00\00\40\00\00\00")
            (global $learned (mut i64) (i64.const 0)) (global $calls (mut i32) (i32.const 0))"#,
        configure: "(if (local.get 2) (then (global.set $learned (i64.load8_u (local.get 4)))))",
        choose: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 2)) (then unreachable))
            global.get $learned",
        ..SELECTOR
    };
    let learned = State { schema: 3, bytes: vec![0x31, 9, 9] };
    let none = Settings::default();
    let terms = Terms { learned: Some(&learned), ..terms(&none, BUDGET_US) };
    let module = open(&first_byte.bytes()).expect("it is sound");
    let mut policy = module.selector(&terms).expect("it is ready");
    let mut ask = |now_us| policy.choose(&question(now_us));
    assert_eq!([ask(1), ask(2), ask(3)], [Ok(0x31), Err(Strike::Trapped), Ok(0x31)]);
}

#[test]
fn state_of_a_schema_that_it_does_not_read_is_refused_with_what_it_reads() {
    let none = Settings::default();
    let module = open(&COUNTING.bytes()).expect("it is sound");
    for (schema, is_read) in [(3, true), (2, true), (1, false), (0, false)] {
        let learned = State { schema, bytes: vec![0; 4] };
        let made = module.selector(&Terms { learned: Some(&learned), ..terms(&none, BUDGET_US) });
        assert_eq!(made.is_ok(), is_read, "{schema}");
    }
    let learned = State { schema: 7, bytes: Vec::new() };
    let said = refused(COUNTING, &Terms { learned: Some(&learned), ..terms(&none, BUDGET_US) });
    assert_eq!(
        said.to_string(),
        "the policy by-hand cannot read learned state of schema 7: it writes 3 and reads [2]; start it without state, or name the schema in `reads_schemas`"
    );
}

#[test]
fn state_larger_than_any_is_refused() {
    let (none, learned) = (Settings::default(), State { schema: 3, bytes: vec![0; 65_537] });
    let said = refused(COUNTING, &Terms { learned: Some(&learned), ..terms(&none, BUDGET_US) });
    assert!(matches!(said, LoadError::StateTooLarge { bytes: 65_537, .. }), "{said}");
}

#[test]
fn settings_are_held_against_the_schema_before_any_code_sees_them() {
    let never = Guest { configure: "unreachable", ..CHOOSY };
    let wrong = settings(vec![("limit", Value::Integer(10)), ("eeger", Value::Boolean(true))]);
    let said = refused(never, &terms(&wrong, BUDGET_US));
    assert_eq!(
        said.to_string(),
        "the policy by-hand refuses its settings: limit: takes a whole number from 0 to 9; eeger: not a setting; did you mean `eager`?"
    );
}

#[test]
fn settings_that_the_schema_takes_are_handed_over() {
    let right = settings(vec![("limit", Value::Integer(9)), ("eager", Value::Boolean(false))]);
    let module = open(&CHOOSY.bytes()).expect("it is sound");
    assert_eq!(module.schema().keys().len(), 2);
    module.selector(&terms(&right, BUDGET_US)).expect("it takes them");
}

#[test]
fn a_module_whose_schema_cannot_be_read_is_taught_the_form() {
    let old = r#"(data (i32.const 1132) "\a4\06\00\00\12\00\00\00")
        (data (i32.const 1700) "limit: integer = 5")"#;
    let said = open(&Guest { extra: old, ..SELECTOR }.bytes()).expect_err("an old form");
    assert_eq!(
        said.to_string(),
        "the description of settings in the manifest of by-hand cannot be read: line 1: `limit`: `integer` needs its range, such as `integer 0..=100`"
    );
}

#[test]
fn an_instance_has_the_memory_of_its_terms_and_no_more() {
    let grows = Guest {
        choose: "(if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))
            i64.const 0x11",
        ..SELECTOR
    };
    let (none, module) = (Settings::default(), open(&grows.bytes()).expect("it is sound"));
    let ask = |memory_bytes| {
        let mut policy = module
            .selector(&Terms { memory_bytes, ..terms(&none, BUDGET_US) })
            .expect("it starts with two pages");
        policy.choose(&question(1))
    };
    assert_eq!(ask(4 << 20), Ok(0x11));
    assert_eq!(ask(1 << 20), Err(Strike::Exhausted));
    assert_eq!(ask(usize::MAX), Ok(0x11), "the engine's own limit holds then");
}

#[test]
fn the_cost_of_questions_is_known_after_some_of_them() {
    let mut policy = selector_of(&SELECTOR.bytes(), BUDGET_US).expect("it is ready");
    assert_eq!(policy.mean_cost_ns(), None);
    for now_us in 1..=100 {
        policy.choose(&question(now_us)).expect("it answers");
    }
    let mean = policy.mean_cost_ns().expect("it was asked often enough");
    assert!((1..5_000_000).contains(&mean), "{mean}");
}

#[test]
fn a_module_is_made_policies_of_again_and_again() {
    let module = open(&SELECTOR.bytes()).expect("it is sound");
    let none = Settings::default();
    let make = || module.clone().selector(&terms(&none, BUDGET_US)).expect("it is ready");
    let mut policies: Vec<_> = (0..20).map(|_| make()).collect();
    drop(module);
    for policy in &mut policies {
        assert_eq!(policy.choose(&question(1)), Ok(0x11));
    }
}
