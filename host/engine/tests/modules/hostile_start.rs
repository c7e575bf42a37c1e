//! Guests of every role that misbehave before they are asked anything: each is refused with the
//! step and the reason.

use std::time::{Duration, Instant};

use crate::by_role::{assembled, guest, least, policy, with, with_body};
use crate::guests::{BUDGET_US, Guest, engine_with};
use pointsman_core::policy::{Role, Strike};
use pointsman_engine::{InspectError, Limits, LoadError, Step};

const ENDLESS: &str = "(loop $again (br $again))";

/// Short enough that the tests are fast, long enough for a start on a busy machine.
fn limits() -> Limits {
    Limits { load_us: 150_000, ..Limits::default() }
}

/// The step in which the module fails, and how.
fn failure(bytes: &[u8]) -> (Step, Strike) {
    let began = Instant::now();
    let refused = policy(&engine_with(limits()), bytes, BUDGET_US).map(drop);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let Err(LoadError::Inspect(InspectError::Failed { step, strike })) = refused else {
        panic!("it must be refused for failing: {refused:?}");
    };
    (step, strike)
}

fn sound(role: Role) -> Guest {
    guest(role, least(role))
}

#[test]
fn an_endless_loop_is_stopped_in_every_step_of_every_role() {
    for role in Role::ALL {
        let starts = with(sound(role), "(func $main (loop $a (br $a))) (start $main)");
        assert_eq!(failure(&starts.bytes()), (Step::Start, Strike::TimedOut), "{}", role.name());
        let endless = format!("{ENDLESS} i32.const 1100");
        let described = with_body(sound(role), "describe", &endless);
        assert_eq!(failure(&described), (Step::Describe, Strike::TimedOut), "{}", role.name());
        let configured = Guest { configure: ENDLESS, ..sound(role) }.bytes();
        assert_eq!(failure(&configured), (Step::Configure, Strike::TimedOut), "{}", role.name());
    }
}

#[test]
fn bombs_are_stopped_before_any_question() {
    let bomb = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1))))
        unreachable";
    let deep = "(func $down (param i64) (result i64)
        (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))";
    for role in Role::ALL {
        let starts = with(sound(role), &format!("(func $main {bomb}) (start $main)"));
        assert_eq!(failure(&starts.bytes()), (Step::Start, Strike::Exhausted), "{}", role.name());
        let configured = Guest { configure: bomb, ..sound(role) }.bytes();
        assert_eq!(failure(&configured), (Step::Configure, Strike::Exhausted), "{}", role.name());
        let start = "(func $main (drop (call $down (i64.const 1)))) (start $main)";
        let falls = with(sound(role), &format!("{deep} {start}"));
        assert_eq!(failure(&falls.bytes()), (Step::Start, Strike::Exhausted), "{}", role.name());
    }
}

#[test]
fn what_is_declared_too_large_is_refused_without_being_made() {
    let memory = |pages: u32| {
        let guest = sound(Role::Selector);
        let text = guest.text();
        let larger = text.replace(
            r#"(memory (export "memory") 2)"#,
            &format!(r#"(memory (export "memory") {pages})"#),
        );
        assert_ne!(text, larger);
        assembled(&guest, &larger)
    };
    for pages in [5_000, 65_536] {
        assert_eq!(failure(&memory(pages)), (Step::Start, Strike::Exhausted), "{pages} pages");
    }
    let table = with(sound(Role::Selector), "(table 9000000 funcref)").bytes();
    assert_eq!(failure(&table), (Step::Start, Strike::Exhausted));
}

#[test]
fn a_trap_at_the_start_is_told_as_such() {
    let trap = with(sound(Role::Failover), "(func $main unreachable) (start $main)");
    assert_eq!(failure(&trap.bytes()), (Step::Start, Strike::Trapped));
    let beyond = with(sound(Role::Anomaly), r#"(data (i32.const 2000000) "x")"#);
    assert_eq!(failure(&beyond.bytes()), (Step::Start, Strike::Trapped));
}

#[test]
fn a_manifest_that_lies_outside_its_memory_is_refused() {
    for address in ["-4", "1101"] {
        let body = format!("i32.const {address}");
        let bytes = with_body(sound(Role::Reputation), "describe", &body);
        assert_eq!(failure(&bytes), (Step::Describe, Strike::Trapped), "{address}");
    }
    // A name of 1 GiB, and one of half a memory.
    for length in ["\\00\\00\\00\\40", "\\00\\00\\01\\00"] {
        let long = format!(r#"(data (i32.const 1104) "{length}")"#);
        let refused =
            policy(&engine_with(limits()), &with(sound(Role::Selector), &long).bytes(), BUDGET_US);
        let said = refused.expect_err("such a name").to_string();
        assert!(said.contains("`describe`") || said.contains("manifest is unusable"), "{said}");
    }
}
