//! A valid but bad policy is noticed by what comes of it, and the one before is brought back
//! within two seconds; nothing is lost.

use pointsman_core::input::Input;
use pointsman_core::output::Event;
use pointsman_core::policy::{FailoverQuestion, Misconduct, Role, SelectorQuestion, Strike};
use pointsman_sdk::failover::{self, Resend};
use pointsman_sdk::selector::{Class, Verdict};
use pointsman_sdk::{Paths, path};
use pointsman_sim::{At, Cut, Wire};

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{
    Choosing, Deciding, PROBATION_US, dawdles, everywhere, everywhere_on_lease, expires, failover,
    fast_and_slow, happened, holds, holds_briefly, on_probation, rollbacks, selector, slowest,
    slowest_at_times, slowest_on_lease, stores,
};

/// A stream of messages: class, bytes, microseconds from one to the next.
type Load = (Class, usize, u64);

const LOADS: [Load; 6] = [
    (Class::Interactive, 1_024, 500),
    (Class::Realtime, 200, 1_000),
    (Class::Interactive, 1_024, 10_000),
    (Class::Realtime, 100, 100_000),
    (Class::Interactive, 500, 100_000),
    (Class::Bulk, 20_000, 20_000),
];

/// Streams for 2 s, swaps the selector, streams on: why it went, and after how long.
fn trial(
    seed: u64,
    load: Load,
    bad: fn(&SelectorQuestion) -> Verdict,
) -> Option<(u64, Misconduct)> {
    let (class, bytes, every_us) = load;
    let mut scene = Scene::uneven(seed, fast_and_slow());
    let mut tokens = scene.stream(class, bytes, every_us, 2 * SECOND_US);
    let swapped = scene.world.now();
    scene.world.tell(scene.a, selector(Box::new(Choosing(bad)), 7));
    tokens.extend(scene.stream(class, bytes, every_us, 5 * SECOND_US / 2));
    scene.world.run_for(2 * SECOND_US);
    assert!(scene.all_delivered(&tokens), "something was lost under {load:?}");
    rollbacks(&scene, Role::Selector, swapped).first().copied()
}

/// The policy goes within 2 s under each of the loads, for this reason.
fn goes(bad: fn(&SelectorQuestion) -> Verdict, loads: &[Load], is_why: fn(&Misconduct) -> bool) {
    for &load in loads {
        let seeds = if load.2 < 5_000 { 1 } else { 3 };
        for seed in 0..seeds {
            let Some((after_us, because)) = trial(seed, load, bad) else {
                panic!("seed {seed} under {load:?}: unnoticed")
            };
            assert!(after_us <= 2 * SECOND_US, "{after_us} us under {load:?}");
            assert!(is_why(&because), "{because:?} under {load:?}");
        }
    }
}

fn is_slow(because: &Misconduct) -> bool {
    matches!(because, Misconduct::Slow { p99_us, before_us } if p99_us > before_us)
}

fn is_wasteful(because: &Misconduct) -> bool {
    matches!(because, Misconduct::Wasteful { permille: 300.., before: 0 })
}

fn is_stalled(because: &Misconduct) -> bool {
    matches!(because, Misconduct::Stalled { .. })
}

#[test]
fn a_selector_that_always_takes_the_slowest_path_goes() {
    goes(slowest, &LOADS, is_slow);
    goes(slowest_on_lease, &LOADS, is_slow);
}

#[test]
fn a_selector_that_takes_the_slowest_path_at_times_goes() {
    goes(slowest_at_times, &LOADS[..3], is_slow);
}

#[test]
fn a_selector_that_always_duplicates_goes() {
    goes(everywhere, &LOADS, is_wasteful);
    goes(everywhere_on_lease, &LOADS, is_wasteful);
}

#[test]
fn a_selector_that_always_holds_goes() {
    for bad in [holds, holds_briefly, stores] {
        goes(bad, &LOADS, is_stalled);
    }
}

#[test]
fn a_selector_that_lets_every_message_wait_first_goes() {
    goes(dawdles, &LOADS[..5], |because| is_slow(because) || is_stalled(because));
}

#[test]
fn a_selector_that_gives_up_what_could_be_sent_goes_and_nothing_is_given_up() {
    goes(expires, &LOADS, |why| matches!(why, Misconduct::Late { permille: 1.., before: 0 }));
}

#[test]
fn one_strike_is_enough_and_the_question_is_answered_all_the_same() {
    #[derive(Debug)]
    struct Trapping;
    impl pointsman_core::policy::Selector for Trapping {
        fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
            Err(Strike::Trapped)
        }
    }
    let mut scene = Scene::uneven(2, fast_and_slow());
    let swapped = scene.world.now();
    scene.world.tell(scene.a, selector(Box::new(Trapping), 7));
    let tokens = scene.stream(Class::Realtime, 100, 10_000, SECOND_US / 10);
    scene.world.run_for(SECOND_US);
    let because = Misconduct::Struck(Strike::Trapped);
    assert_eq!(rollbacks(&scene, Role::Selector, swapped), [(0, because)]);
    let back = Event::RolledBack { role: Role::Selector, generation: 7, to: 0, because };
    assert!(happened(&scene, &back) && scene.all_delivered(&tokens));
}

#[test]
fn a_bad_selector_that_comes_while_nobody_sends_goes_when_somebody_does() {
    let mut scene = Scene::uneven(3, fast_and_slow());
    scene.world.tell(scene.a, selector(Box::new(Choosing(slowest)), 7));
    scene.world.run_for(PROBATION_US - SECOND_US / 10);
    let began = scene.world.now();
    scene.stream(Class::Interactive, 1_000, 50_000, 3 * SECOND_US);
    let seen = rollbacks(&scene, Role::Selector, began);
    assert!(matches!(seen[..], [(..=2_000_000, because)] if is_slow(&because)), "{seen:?}");
}

#[test]
fn what_is_brought_back_does_as_well_as_before() {
    let mut scene = Scene::uneven(4, fast_and_slow());
    scene.stream(Class::Interactive, 1_000, 5_000, 2 * SECOND_US);
    scene.world.tell(scene.a, selector(Box::new(Choosing(slowest)), 7));
    scene.stream(Class::Interactive, 1_000, 5_000, 3 * SECOND_US);
    let tokens = scene.stream(Class::Interactive, 1_000, 5_000, 2 * SECOND_US);
    scene.world.run_for(SECOND_US);
    let sender = scene.world.site(scene.a);
    for token in tokens {
        let fate = sender.fate(token);
        let Some(pointsman_core::output::Fate::Delivered { took_us }) = fate else {
            panic!("{fate:?}")
        };
        assert!(took_us < 10_000, "{took_us} us");
    }
}

/// Streams, swaps the failover policy, streams for a second, cuts the fast path, and streams on:
/// why the policy went, and how long after the cut.
fn failover_trial(
    seed: u64,
    bad: fn(&FailoverQuestion) -> failover::Verdict,
) -> Option<(u64, Misconduct)> {
    let mut scene = Scene::uneven(seed, fast_and_slow());
    let load = (Class::Interactive, 1_000, 2_000);
    let mut tokens = scene.stream(load.0, load.1, load.2, 2 * SECOND_US);
    scene.world.tell(scene.a, failover(Box::new(Deciding(bad)), 7));
    tokens.extend(scene.stream(load.0, load.1, load.2, SECOND_US));
    let cut = scene.world.now();
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    tokens.extend(scene.stream(load.0, load.1, load.2, 3 * SECOND_US));
    scene.world.cut(At(scene.a, 0), Cut::NONE);
    tokens.extend(scene.stream(load.0, load.1, load.2, 2 * SECOND_US));
    scene.world.run_for(2 * SECOND_US);
    assert!(scene.all_delivered(&tokens), "something was lost");
    rollbacks(&scene, Role::Failover, cut).first().copied()
}

#[test]
fn a_failover_policy_that_never_leaves_a_dead_path_goes() {
    for seed in 0..5 {
        let went = failover_trial(seed, |_| failover::Verdict::Stay { reason: 1 });
        let Some((after_us, because)) = went else { panic!("seed {seed}: unnoticed") };
        assert!(after_us <= 2 * SECOND_US && is_stalled(&because), "{after_us} us, {because:?}");
    }
}

#[test]
fn a_failover_policy_that_flaps_on_every_tick_goes() {
    for seed in 0..5 {
        let went = failover_trial(seed, |question| {
            let paths = Paths::new(&question.paths);
            let masked = |at: &usize| {
                paths.at(*at).is_some_and(|path| path.flags() & path::flags::MASKED != 0)
            };
            let onto = (0..paths.len()).find(masked).unwrap_or(0);
            failover::Verdict::Move { onto: 1 << onto, resend: Resend::None, reason: 1 }
        });
        let Some((after_us, because)) = went else { panic!("seed {seed}: unnoticed") };
        assert!(after_us <= 2 * SECOND_US, "{after_us} us, {because:?}");
    }
}

#[test]
fn a_failover_policy_that_moves_traffic_onto_the_slow_path_goes_and_its_mask_with_it() {
    let mut scene = Scene::uneven(6, fast_and_slow());
    scene.stream(Class::Interactive, 1_000, 2_000, 2 * SECOND_US);
    let onto_slow = |question: &FailoverQuestion| {
        let paths = Paths::new(&question.paths).iter().enumerate();
        let slow = paths.max_by_key(|(_, path)| path.srtt_us()).map_or(0, |(at, _)| at);
        failover::Verdict::Move { onto: 1 << slow, resend: Resend::None, reason: 1 }
    };
    scene.world.tell(scene.a, failover(Box::new(Deciding(onto_slow)), 7));
    scene.stream(Class::Interactive, 1_000, 2_000, SECOND_US);
    let began = scene.world.now();
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    scene.stream(Class::Interactive, 1_000, 2_000, 200_000);
    scene.world.cut(At(scene.a, 0), Cut::NONE);
    scene.stream(Class::Interactive, 1_000, 2_000, 4 * SECOND_US);
    let seen = rollbacks(&scene, Role::Failover, began);
    assert!(matches!(seen[..], [(..=3_000_000, because)] if is_slow(&because)), "{seen:?}");
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    assert!(node.snapshot().peers[0].links.iter().all(|link| !link.masked));
}

#[test]
fn an_idle_node_proves_its_policies_by_time_alone() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(5_000));
    scene.world.tell(scene.a, selector(Box::new(Choosing(holds)), 7));
    let proven = Event::Proven { role: Role::Selector, generation: 7 };
    assert!(happened(&scene, &Event::Swapped { role: Role::Selector, generation: 7 }));
    scene.world.run_for(PROBATION_US - 1);
    assert!(!happened(&scene, &proven));
    scene.world.run_for(1);
    assert!(happened(&scene, &proven));
    scene.world.tell(scene.a, Input::RollBack(Role::Selector));
    assert_eq!(rollbacks(&scene, Role::Selector, pointsman_core::id::Time(0)), []);
    assert!(on_probation().is_some());
}
