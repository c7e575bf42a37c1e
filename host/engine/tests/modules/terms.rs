//! The terms on which a policy is made of a module: settings, what was learned, memory.

use crate::aside::COUNTING;
use crate::guests::{BUDGET_US, Guest, SELECTOR, open, question, selector_of, terms};
use pointsman_core::policy::{Selector as _, Strike};
use pointsman_engine::{LoadError, Terms};
use pointsman_sdk::{Settings, State, Value};

/// Takes `limit`, from 0 to 9, and `eager`.
const CHOOSY: Guest = Guest {
    extra: r#"(data (i32.const 1132) "\a4\06\00\00\52\00\00\00") (data (i32.const 1700)
        "limit: integer 0..=9 = 5  how far it goes\neager: boolean = true  how it goes\n     ")"#,
    ..SELECTOR
};

fn refused(guest: Guest, terms: &Terms<'_>) -> LoadError {
    let module = open(&guest.bytes()).expect("it is sound");
    module.selector(terms).expect_err("it must be refused")
}

fn settings(entries: Vec<(&str, Value)>) -> Settings {
    Settings::new(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
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
