//! Swaps lose and delay nothing, however many there are.

use pointsman_core::id::{Time, Token};
use pointsman_core::input::Input;
use pointsman_core::output::{Event, Fate};
use pointsman_core::policy::{Misconduct, Role, SelectorQuestion, Swap, builtin};
use pointsman_sdk::selector::{Class, Verdict};
use pointsman_sim::{At, Cut, Wire};

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{
    Choosing, failover, fast_and_slow, happened, on_probation, rollbacks, selector, slowest,
};

/// Streams for so long; after each so many microseconds both policies are swapped.
fn swap_loop(seed: u64, for_us: u64, swap_every_us: Option<u64>) -> (Scene, Vec<Token>) {
    let mut scene = Scene::uneven(seed, fast_and_slow());
    scene.stream(Class::Interactive, 1_000, 1_000, SECOND_US);
    let (mut tokens, mut generation) = (Vec::new(), 0);
    let step_us = swap_every_us.unwrap_or(1_000);
    for _ in 0..for_us / step_us {
        if swap_every_us.is_some() {
            generation += 1;
            scene.world.tell(scene.a, selector(builtin::default_selector(), generation));
            scene.world.tell(scene.a, failover(builtin::default_failover(), generation));
        }
        tokens.extend(scene.stream(Class::Interactive, 1_000, 500, step_us));
    }
    scene.world.run_for(2 * SECOND_US);
    (scene, tokens)
}

fn p99_us(scene: &Scene, tokens: &[Token]) -> u64 {
    let took = tokens.iter().map(|token| match scene.world.site(scene.a).fate(*token) {
        Some(Fate::Delivered { took_us }) => took_us,
        fate => panic!("{fate:?}"),
    });
    let mut took: Vec<u64> = took.collect();
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[test]
fn a_thousand_swaps_in_a_second_lose_nothing_and_delay_nothing() {
    for seed in 0..3 {
        let (scene, tokens) = swap_loop(seed, SECOND_US, Some(1_000));
        assert_eq!(scene.counter(scene.a, "swaps"), 2_000);
        let (still, same) = swap_loop(seed, SECOND_US, None);
        let (with, without) = (p99_us(&scene, &tokens), p99_us(&still, &same));
        assert!(with <= without + 1_000, "{with} us with swaps, {without} us without");
    }
}

#[test]
fn a_swap_every_10_ms_for_a_minute_leaves_the_last_proven_one_to_fall_back_on() {
    let (mut scene, tokens) = swap_loop(1, 60 * SECOND_US, Some(10_000));
    assert!(scene.all_delivered(&tokens));
    for role in [Role::Selector, Role::Failover] {
        assert_eq!(rollbacks(&scene, role, Time(0)), []);
        scene.world.tell(scene.a, Input::RollBack(role));
        let because = Misconduct::Ordered;
        let back = Event::RolledBack { role, generation: 6_000, to: 0, because };
        assert!(happened(&scene, &back));
    }
}

#[test]
fn an_order_brings_back_the_one_before_and_only_while_it_is_warm() {
    let mut scene = Scene::uneven(2, fast_and_slow());
    let settled = Swap::settled(builtin::default_selector(), 3);
    scene.world.tell(scene.a, Input::SelectorSwapped(settled));
    scene.world.tell(scene.a, Input::RollBack(Role::Selector));
    scene.world.tell(scene.a, selector(Box::new(Choosing(slowest)), 4));
    scene.world.tell(scene.a, Input::RollBack(Role::Selector));
    scene.world.tell(scene.a, Input::RollBack(Role::Selector));
    assert_eq!(rollbacks(&scene, Role::Selector, Time(0)).len(), 1);
    let seen = scene.world.site(scene.a).node.as_ref().expect("running").snapshot().selector;
    assert_eq!((seen.generation, seen.on_probation), (3, false));
}

#[test]
fn a_fresh_instance_that_learned_takes_its_place_without_a_new_probation() {
    let mut scene = Scene::uneven(2, fast_and_slow());
    scene.world.tell(scene.a, selector(Box::new(Choosing(slowest)), 4));
    for generation in [4, 9] {
        let module = builtin::default_selector();
        scene.world.tell(scene.a, Input::SelectorLearned { module, generation });
    }
    let tokens = scene.stream(Class::Interactive, 1_000, 10_000, SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(p99_us(&scene, &tokens) < 20_000, "the slowest path is still in use");
    let seen = scene.world.site(scene.a).node.as_ref().expect("running").snapshot().selector;
    assert_eq!((seen.generation, seen.on_probation), (4, true));
    assert!(seen.shadowed > 0 && seen.shadowed <= seen.asked, "{seen:?}");
}

#[test]
fn a_verdict_that_held_ends_with_its_policy() {
    let mut scene = Scene::uneven(3, fast_and_slow());
    let stored: fn(&SelectorQuestion) -> Verdict = |_| Verdict::store();
    let settled = Swap::settled(Box::new(Choosing(stored)) as _, 1);
    scene.world.tell(scene.a, Input::SelectorSwapped(settled));
    let token = scene.send(Class::Realtime, 100);
    scene.world.run_for(SECOND_US);
    assert!(!scene.all_delivered(&[token]));
    scene.world.tell(scene.a, selector(builtin::default_selector(), 2));
    scene.world.run_for(SECOND_US / 10);
    assert!(scene.all_delivered(&[token]));
}

/// How many links are masked.
fn masked(scene: &Scene) -> usize {
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    node.snapshot().peers[0].links.iter().filter(|link| link.masked).count()
}

#[test]
fn a_mask_outlives_the_policy_that_made_it_but_not_for_long() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(2_500));
    scene.stream(Class::Interactive, 1_000, 5_000, SECOND_US);
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::BOTH);
        scene.stream(Class::Interactive, 1_000, 5_000, SECOND_US);
        scene.world.cut(At(scene.a, port), Cut::NONE);
        if masked(&scene) > 0 {
            break;
        }
        scene.world.run_for(5 * SECOND_US);
    }
    assert_eq!(masked(&scene), 1);
    let stays = crate::schemers::Deciding(|_| pointsman_sdk::failover::Verdict::Stay { reason: 1 });
    let swap = Swap { module: Some(Box::new(stays) as _), generation: 2, probation: on_probation() };
    scene.world.tell(scene.a, Input::FailoverSwapped(swap));
    scene.world.run_for(500_000);
    assert_eq!(masked(&scene), 1);
    scene.world.run_for(SECOND_US);
    assert_eq!(masked(&scene), 0);
}

#[test]
fn the_same_seed_gives_the_same_swaps_and_rollbacks() {
    let run = |seed| {
        let (mut scene, _) = swap_loop(seed, SECOND_US, Some(7_000));
        scene.world.tell(scene.a, Input::SampleDecisions { every: 3 });
        scene.world.tell(scene.a, selector(Box::new(Choosing(slowest)), 999));
        scene.stream(Class::Interactive, 1_000, 3_000, 3 * SECOND_US);
        assert_eq!(rollbacks(&scene, Role::Selector, Time(0)).len(), 1);
        scene.world.trace()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
