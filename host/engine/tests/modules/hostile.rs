//! Guests that misbehave while they are asked: each costs a strike, the builtin answers the
//! same question, and the module comes back.

use std::time::{Duration, Instant};

use crate::guests::{
    BUDGET_US, FAILOVER, Guest, SELECTOR, TIGHT_US, engine_with, failover_of, failover_question,
    open, question, selector_of, terms,
};
use pointsman_core::config::Config;
use pointsman_core::policy::slot::{FailoverSlot, SelectorSlot};
use pointsman_core::policy::{Selector as _, Strike};
use pointsman_engine::{InspectError, Limits, LoadError, Step, Terms, WasmSelector};
use pointsman_sdk::Settings;
use pointsman_sdk::selector::Verdict;

fn selector(guest: Guest, call_us: u32) -> WasmSelector {
    selector_of(&guest.bytes(), call_us).expect("it behaves until it is asked")
}

/// The strikes of a guest that is asked so many times, a millisecond apart.
fn strikes(guest: Guest, times: u64) -> Vec<Option<Strike>> {
    let mut policy = selector(guest, BUDGET_US);
    (1..=times).map(|ms| policy.choose(&question(ms * 1_000)).err()).collect()
}

/// Asks a slot that holds the guest: the strike, and whether the builtin's verdict came out.
fn through_a_slot(guest: Guest) -> (Option<Strike>, bool) {
    within(guest, BUDGET_US)
}

fn within(guest: Guest, call_us: u32) -> (Option<Strike>, bool) {
    let native = SelectorSlot::default().ask(&question(1)).verdict;
    let mut slot = SelectorSlot::default();
    slot.swap(Some(Box::new(selector(guest, call_us))));
    let answer = slot.ask(&question(1));
    (answer.strike, answer.verdict == native)
}

#[test]
fn a_guest_that_behaves_is_obeyed() {
    let mut slot = SelectorSlot::default();
    slot.swap(Some(Box::new(selector(SELECTOR, BUDGET_US))));
    let answer = slot.ask(&question(1));
    assert_eq!((answer.verdict, answer.strike), (Verdict::send(0), None));
}

#[test]
fn an_endless_loop_is_stopped_and_the_builtin_answers() {
    let endless = Guest { choose: "(loop $again (br $again)) unreachable", ..SELECTOR };
    assert_eq!(within(endless, TIGHT_US), (Some(Strike::TimedOut), true));
}

#[test]
fn an_endless_loop_ends_within_10_ms_over_its_budget() {
    let endless = Guest { choose: "(loop $again (br $again)) unreachable", ..SELECTOR };
    let mut policy = selector(endless, TIGHT_US);
    let took = (1..=5).map(|second| {
        let began = Instant::now();
        assert_eq!(policy.choose(&question(second * 1_000_000)), Err(Strike::TimedOut));
        began.elapsed()
    });
    // The best of five: a busy machine may delay any of them, but not what is tested.
    let best = took.min().expect("five were asked");
    assert!(best >= Duration::from_millis(1), "it got its budget: {best:?}");
    assert!(best <= Duration::from_millis(11), "it was stopped: {best:?}");
}

#[test]
fn filling_all_memory_again_and_again_is_stopped_after_one_such_instruction() {
    let fills = Guest {
        choose: "(drop (memory.grow (i32.const 250)))
            (loop $again
                (memory.fill (i32.const 0) (i32.const 7) (i32.mul (memory.size) (i32.const 65536)))
                (br $again)) unreachable",
        ..SELECTOR
    };
    let took = (1..=5).map(|second| {
        let mut policy = selector(fills, TIGHT_US);
        let began = Instant::now();
        assert_eq!(policy.choose(&question(second * 1_000_000)), Err(Strike::TimedOut));
        began.elapsed()
    });
    // An instruction can't be interrupted: up to 1 ms for each of its 16 MiB comes on top, and
    // some more on a busy machine.
    let best = took.min().expect("five were asked");
    assert!(best <= Duration::from_millis(60), "it was stopped: {best:?}");
}

#[test]
fn filling_all_memory_that_a_slot_gives_by_default_ends_within_10_ms_over_its_budget() {
    let fills = Guest {
        choose: "(drop (memory.grow (i32.const 62)))
            (loop $again
                (memory.fill (i32.const 0) (i32.const 7) (i32.mul (memory.size) (i32.const 65536)))
                (br $again)) unreachable",
        ..SELECTOR
    };
    let memory_bytes = (Config::default().selector.memory_mib as usize) << 20;
    assert_eq!(memory_bytes, 64 << 16, "it grows by all but the two pages that it begins with");
    let (module, none) = (open(&fills.bytes()).expect("it is sound"), Settings::default());
    let took = (1..=5).map(|second| {
        let terms = Terms { memory_bytes, ..terms(&none, TIGHT_US) };
        let mut policy = module.selector(&terms).expect("it is ready");
        let began = Instant::now();
        assert_eq!(policy.choose(&question(second * 1_000_000)), Err(Strike::TimedOut));
        began.elapsed()
    });
    let best = took.min().expect("five were asked");
    assert!(best <= Duration::from_millis(11), "it was stopped: {best:?}");
}

#[test]
fn a_budget_longer_than_the_tickers_patience_still_ends() {
    let endless = Guest { choose: "(loop $again (br $again)) unreachable", ..SELECTOR };
    let mut policy = selector(endless, 150_000);
    assert_eq!(policy.choose(&question(1)), Err(Strike::TimedOut));
}

#[test]
fn after_a_trap_the_module_answers_again_from_the_next_question_on() {
    let third = Guest {
        extra: "(global $calls (mut i32) (i32.const 0))",
        choose: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))
            i64.const 0x11",
        ..SELECTOR
    };
    let trap = Some(Strike::Trapped);
    assert_eq!(strikes(third, 9), [None, None, trap, None, None, trap, None, None, trap]);
}

#[test]
fn a_module_that_traps_at_once_is_rebuilt_ever_less_often() {
    let traps = Guest { choose: "unreachable", ..SELECTOR };
    let mut policy = selector(traps, 5_000);
    let strikes: Vec<_> = (0..25_000).map(|n| policy.choose(&question(n * 40))).collect();
    let rebuilt = strikes.iter().filter(|answer| **answer == Err(Strike::Trapped)).count();
    let spared = strikes.iter().filter(|answer| **answer == Err(Strike::Unavailable)).count();
    assert_eq!(rebuilt + spared, 25_000);
    // 20 ms in reserve and 2 % of the second, at a tick, a MiB given back and a rebuild each:
    // 1,225 µs where nothing else runs here, and more on a busy machine.
    assert!((4..=34).contains(&rebuilt), "{rebuilt}");
}

#[test]
fn failing_late_costs_a_module_more_of_its_returns_than_failing_at_once() {
    let late = Guest {
        choose: "(loop $again
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (global.get $n) (i32.const 20000000)))) unreachable",
        extra: "(global $n (mut i32) (i32.const 0))",
        ..SELECTOR
    };
    let mut policy = selector(late, BUDGET_US);
    let strikes: Vec<_> = (1..=400).map(|n| policy.choose(&question(n))).collect();
    let began = strikes.iter().filter(|answer| **answer != Err(Strike::Unavailable)).count();
    // 400 ms in reserve, at 5 ms or more each.
    assert!((1..=90).contains(&began), "{began}");
}

#[test]
fn a_memory_bomb_stays_within_its_memory() {
    let bomb = Guest {
        choose: "(loop $more (br_if $more
                (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            (if (i32.gt_u (memory.size) (i32.const 256)) (then (loop $escaped (br $escaped))))
            unreachable",
        ..SELECTOR
    };
    assert_eq!(through_a_slot(bomb), (Some(Strike::Exhausted), true));
}

#[test]
fn a_deep_recursion_exhausts_its_stack_and_not_ours() {
    let deep = Guest {
        extra: "(func $down (param i64) (result i64)
            (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))",
        choose: "(call $down (local.get 0))",
        ..SELECTOR
    };
    assert_eq!(through_a_slot(deep), (Some(Strike::Exhausted), true));
}

#[test]
fn a_verdict_of_all_ones_is_struck() {
    let absurd = Guest { choose: "i64.const -1", ..SELECTOR };
    assert_eq!(through_a_slot(absurd), (Some(Strike::Invalid), true));
}

#[test]
fn a_path_that_was_not_offered_is_struck() {
    let astray = Guest { choose: "i64.const 0x41", ..SELECTOR };
    assert_eq!(through_a_slot(astray), (Some(Strike::Invalid), true));
}

#[test]
fn an_absurd_failover_verdict_is_struck() {
    let mut slot = FailoverSlot::default();
    let native = slot.ask(&failover_question(1)).verdict;
    for decide in [
        // Move onto path 15.
        "(i32.store8 (i32.const 1300) (i32.const 2)) (i32.store16 (i32.const 1304)
            (i32.const 0x8000)) i32.const 1300",
        // Dial what was not offered.
        "(i32.store8 (i32.const 1300) (i32.const 4)) (i32.store (i32.const 1304)
            (i32.const 77)) i32.const 1300",
    ] {
        let bytes = Guest { decide, ..FAILOVER }.bytes();
        let loaded = failover_of(&bytes, BUDGET_US);
        slot.swap(Some(Box::new(loaded.expect("it loads"))));
        let answer = slot.ask(&failover_question(1));
        assert_eq!((answer.strike, answer.verdict), (Some(Strike::Invalid), native));
    }
}

#[test]
fn a_verdict_outside_its_memory_or_its_type_is_struck() {
    let mut slot = FailoverSlot::default();
    for decide in ["i32.const -4", "(i32.store8 (i32.const 1300) (i32.const 200)) i32.const 1300"] {
        let bytes = Guest { decide, ..FAILOVER }.bytes();
        let loaded = failover_of(&bytes, BUDGET_US);
        slot.swap(Some(Box::new(loaded.expect("it loads"))));
        assert_eq!(slot.ask(&failover_question(1)).strike, Some(Strike::Trapped));
    }
}

#[test]
fn a_failover_policy_that_behaves_is_obeyed() {
    let loaded = failover_of(&FAILOVER.bytes(), BUDGET_US);
    let mut slot = FailoverSlot::default();
    slot.swap(Some(Box::new(loaded.expect("it loads"))));
    let answer = slot.ask(&failover_question(1));
    let stay = pointsman_sdk::failover::Verdict::Stay { reason: 9 };
    assert_eq!((answer.verdict, answer.strike), (stay, None));
}

#[test]
fn a_module_that_hangs_before_it_is_asked_is_refused_with_the_step() {
    let limits = Limits { load_us: 20_000, ..Limits::default() };
    let engine = engine_with(limits);
    let none = Settings::default();
    let endless = "(loop $again (br $again))";
    let in_start = Guest { extra: "(func $main (loop $a (br $a))) (start $main)", ..SELECTOR };
    let in_configure = Guest { configure: endless, ..SELECTOR };
    for (guest, wanted) in [(in_start, Step::Start), (in_configure, Step::Configure)] {
        let opened = engine.open(&guest.bytes()).map_err(LoadError::Inspect);
        let refused = opened.and_then(|module| module.selector(&terms(&none, BUDGET_US)));
        let Err(LoadError::Inspect(InspectError::Failed { step, strike })) = refused else {
            panic!("it must be refused: {refused:?}");
        };
        assert_eq!((step, strike), (wanted, Strike::TimedOut));
    }
}

#[test]
fn a_module_that_takes_long_to_start_is_rebuilt_aside() {
    // A start of several milliseconds: more than a call may take, less than loading may.
    let slow = Guest {
        extra: "(func $main (local $n i32) (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 20000000)))))
            (start $main) (global $calls (mut i32) (i32.const 0))",
        choose: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 2)) (then unreachable))
            i64.const 0x11",
        ..SELECTOR
    };
    let mut policy = selector(slow, TIGHT_US);
    let mut ask = |second: u64| policy.choose(&question(second * 1_000_000));
    assert_eq!(ask(1), Ok(0x11));
    assert_eq!(ask(2), Err(Strike::Trapped));
    assert_eq!(ask(3), Err(Strike::TimedOut), "in line it does not fit");
    assert_eq!(ask(4), Err(Strike::Unavailable), "so it is built aside");
    let patience = Instant::now() + Duration::from_secs(20);
    while ask(5) == Err(Strike::Unavailable) {
        assert!(Instant::now() < patience, "it never came back");
        std::thread::yield_now();
    }
    assert_eq!(ask(6), Err(Strike::Trapped), "the new instance counts anew");
}
