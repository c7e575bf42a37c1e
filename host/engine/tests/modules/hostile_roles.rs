//! Guests of every role that misbehave while they are asked, or give absurd answers.

use std::time::{Duration, Instant};

use crate::by_role::{
    ENDLESS, assembled, guest, least, policy, question_for, strike, with, with_body,
};
use crate::guests::{BUDGET_US, Guest, TIGHT_US, WIT, engine, terms};
use pointsman_core::policy::{Role, Strike};
use pointsman_sdk::{Outcome, Settings, State};

/// Name, further functions, body, and the strike that it must cost.
const FAILURES: [(&str, &str, &str, Strike); 8] = [
    ("endless loop", "", ENDLESS, Strike::TimedOut),
    ("trap", "", "unreachable", Strike::Trapped),
    ("division", "", "(drop (i32.div_u (i32.const 1) (i32.const 0))) unreachable", Strike::Trapped),
    ("wild read", "", "(drop (i64.load (i32.const -8))) unreachable", Strike::Trapped),
    (
        "recursion",
        "(func $down (param i64) (result i64)
            (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))",
        "(drop (call $down (i64.const 1))) unreachable",
        Strike::Exhausted,
    ),
    (
        "memory bomb",
        "",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            unreachable",
        Strike::Exhausted,
    ),
    (
        "memory bomb in one",
        "",
        "(drop (memory.grow (i32.const 65000))) unreachable",
        Strike::Exhausted,
    ),
    (
        "table bomb",
        "(table $bomb 0 funcref)",
        "(loop $more (br_if $more
            (i32.ne (table.grow $bomb (ref.null func) (i32.const 5000)) (i32.const -1))))
            unreachable",
        Strike::Exhausted,
    ),
];

#[test]
fn every_role_is_struck_for_every_way_to_fail_and_soon() {
    let engine = engine();
    for role in Role::ALL {
        for (name, extra, body, wanted) in FAILURES {
            let bytes = with(guest(role, body), extra).bytes();
            let call_us = if wanted == Strike::TimedOut { TIGHT_US } else { BUDGET_US };
            let began = Instant::now();
            let struck = strike(&engine, role, &bytes, call_us);
            assert_eq!(struck, Some(wanted), "{name} in a {} policy", role.name());
            assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        }
    }
}

#[test]
fn every_role_that_does_little_is_not_struck() {
    let engine = engine();
    for role in Role::ALL {
        let bytes = guest(role, least(role)).bytes();
        assert_eq!(strike(&engine, role, &bytes, BUDGET_US), None, "{}", role.name());
    }
}

#[test]
fn every_role_that_traps_on_every_third_call_answers_the_others() {
    let engine = engine();
    for role in Role::ALL {
        let third = format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable)) {}",
            least(role)
        );
        let bytes = with(guest(role, &third), "(global $calls (mut i32) (i32.const 0))").bytes();
        let mut policy = policy(&engine, &bytes, BUDGET_US).expect("it behaves at first");
        let question = question_for(role);
        let strikes: Vec<_> = (0..6).map(|_| policy.answer(&question).err()).collect();
        let trap = Some(Strike::Trapped);
        assert_eq!(strikes, [None, None, trap, None, None, trap], "{}", role.name());
    }
}

/// Sends on the two paths that are there, with the longest lease and an odd reason: absurd, but a
/// verdict.
const LAVISH: u64 = 0x31 | 0xffff << 32 | 1 << 62;

#[test]
fn verdicts_of_unknown_modes_and_of_no_path_are_struck() {
    let engine = engine();
    let nothing = [1_u64, 2, 3];
    for bits in (7..16).chain(nothing).chain([u64::MAX, u64::MAX << 4 | 1, LAVISH]) {
        let body = format!("i64.const {}", bits.cast_signed());
        let struck =
            strike(&engine, Role::Selector, &guest(Role::Selector, &body).bytes(), BUDGET_US);
        let wanted = (bits != LAVISH).then_some(Strike::Invalid);
        assert_eq!(struck, wanted, "{bits:#x}");
    }
}

#[test]
fn absurd_standings_are_struck() {
    let engine = engine();
    let score =
        |score: i32| format!("(i32.store (i32.const 1400) (i32.const {score})) i32.const 1400");
    let cases = [
        (score(1_000), None),
        (score(1_001), Some(Strike::Invalid)),
        (score(i32::MIN), Some(Strike::Invalid)),
        ("i32.const -8".to_owned(), Some(Strike::Trapped)),
        ("i32.const 1401".to_owned(), Some(Strike::Trapped)),
    ];
    for (body, wanted) in cases {
        let bytes = guest(Role::Reputation, &body).bytes();
        assert_eq!(strike(&engine, Role::Reputation, &bytes, BUDGET_US), wanted, "{body}");
    }
}

#[test]
fn absurd_findings_are_struck() {
    let engine = engine();
    // A list of so many findings from 2048 on, where there are zeros: about the series shown.
    let list = |count: u32, first: &str| {
        format!(
            "(i32.store (i32.const 1400) (i32.const 2048))
            (i32.store (i32.const 1404) (i32.const {count})) {first} i32.const 1400"
        )
    };
    let cases = [
        (list(1, ""), None),
        (list(64, ""), None),
        (list(65, ""), Some(Strike::Invalid)),
        (list(1, "(i32.store (i32.const 2060) (i32.const 9))"), Some(Strike::Invalid)),
        (list(1, "(i32.store (i32.const 2056) (i32.const 77))"), Some(Strike::Invalid)),
        (list(1, "(i32.store8 (i32.const 2052) (i32.const 200))"), Some(Strike::Trapped)),
        (list(0x1000_0000, ""), Some(Strike::Trapped)),
        (list(u32::MAX >> 1, ""), Some(Strike::Trapped)),
        (list(100_000, "(drop (memory.grow (i32.const 100)))"), Some(Strike::Trapped)),
    ];
    for (body, wanted) in cases {
        let bytes = guest(Role::Anomaly, &body).bytes();
        assert_eq!(strike(&engine, Role::Anomaly, &bytes, BUDGET_US), wanted, "{body}");
    }
}

/// A module whose manifest announces a state of schema 3 and at most 16 bytes, and reads it.
const LEARNS: &str = r#"(data (i32.const 1060) "\03\00\00\00")
    (data (i32.const 1116) "\03\00\00\00\24\04\00\00\01\00\00\00\10\00\00\00")"#;

/// The body of a `learn` that gives so many bytes of a schema.
fn state(schema: u32, bytes: u32) -> String {
    format!(
        "(i32.store8 (i32.const 1400) (i32.const 1)) (i32.store (i32.const 1404) (i32.const {schema}))
        (i32.store (i32.const 1408) (i32.const 2048)) (i32.store (i32.const 1412) (i32.const {bytes}))
        i32.const 1400"
    )
}

#[test]
fn a_module_of_any_role_that_fails_in_learning_is_struck() {
    let engine = engine();
    let cases = [
        (state(3, 16), None),
        (state(4, 16), Some(Strike::Invalid)),
        (state(3, 17), Some(Strike::Invalid)),
        (state(3, u32::MAX >> 1), Some(Strike::Trapped)),
        (state(3, 100_000), Some(Strike::Trapped)),
        ("i32.const -4".to_owned(), Some(Strike::Trapped)),
        ("unreachable".to_owned(), Some(Strike::Trapped)),
        (ENDLESS.to_owned(), Some(Strike::TimedOut)),
    ];
    for role in Role::ALL {
        for (body, wanted) in &cases {
            let bytes = with_body(with(guest(role, least(role)), LEARNS), "learn", body);
            let module = engine.open(&bytes).expect("it is sound");
            let call_us = if *wanted == Some(Strike::TimedOut) { TIGHT_US } else { BUDGET_US };
            let settings = Settings::default();
            let mut learner = module.learner(&terms(&settings, call_us)).expect("it is sound");
            let before = State { schema: 3, bytes: vec![1] };
            let learned = learner.learn(Some(before), &[Outcome::default(); 32]);
            assert_eq!(learned.err(), *wanted, "{body} in a {} policy", role.name());
        }
    }
}

#[test]
fn a_handle_bomb_is_struck_at_its_bound() {
    // Handles need a resource, which the contract has none of: so it brings its own.
    let wit = WIT.replace(
        "world selector-policy {\n",
        "world selector-policy {\n  export bomb: interface { resource r { constructor(); } }\n",
    );
    assert_ne!(wit, WIT);
    let imports =
        r#"(import "[export]bomb" "[resource-new]r" (func $new (param i32) (result i32)))"#;
    let body = "(loop $more (drop (call $new (i32.const 1))) (br $more)) unreachable";
    let bomb = Guest { wit: wit.leak(), imports, ..guest(Role::Selector, body) };
    let extra = r#"(func (export "bomb#[constructor]r") (result i32) i32.const 1)"#;
    let bytes = with(bomb, extra).bytes();
    let began = Instant::now();
    let struck = strike(&engine(), Role::Selector, &bytes, BUDGET_US);
    assert_eq!(struck, Some(Strike::Trapped), "not for its time: after {:?}", began.elapsed());
}

/// Asks a selector that may log, with much memory.
fn logs(body: &str, call_us: u32) -> Option<Strike> {
    let imports =
        r#"(import "pointsman:policy/host-log@0.1.0" "emit" (func $emit (param i32 i32 i32)))"#;
    let body = format!("{body} i64.const 0");
    let loud = Guest { imports, ..guest(Role::Selector, &body) };
    let module = engine().open(&assembled(&loud, &loud.text())).expect("it may log");
    let settings = Settings::default();
    let terms = pointsman_engine::Terms { memory_bytes: 200 << 20, ..terms(&settings, call_us) };
    let mut policy = module.policy(&terms).expect("it is sound");
    policy.answer(&question_for(Role::Selector)).err()
}

#[test]
fn texts_for_the_log_cost_no_memory_of_ours_and_no_time_beyond_the_budget() {
    let emit = |at: i64, bytes: i64| {
        format!("(call $emit (i32.const 3) (i32.const {at}) (i32.const {bytes}))")
    };
    let grow = "(drop (memory.grow (i32.const 2100)))";
    assert_eq!(logs(&emit(1024, 7), BUDGET_US), None, "a short text is fine");
    let began = Instant::now();
    assert_eq!(logs(&format!("{grow} {}", emit(0, 128 << 20)), BUDGET_US), Some(Strike::Trapped));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(logs(&emit(0, 128 << 20), BUDGET_US), Some(Strike::Trapped), "beyond its memory");
    let again = format!("(loop $again {} (br $again))", emit(1024, 7));
    assert!(logs(&again, TIGHT_US).is_some(), "for ever");
    let garbage = format!("(i32.store (i32.const 2048) (i32.const -1)) {}", emit(2048, 4));
    assert_eq!(logs(&garbage, BUDGET_US), Some(Strike::Trapped), "no UTF-8");
}
