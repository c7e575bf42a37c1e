//! One decision in so many is told, and what became of its packet.

use std::collections::BTreeMap;

use bytes::Bytes;
use pointsman_core::input::Input;
use pointsman_core::policy::{
    Answerer, Decision, Question, Role, SelectorQuestion, Strike, Verdict,
};
use pointsman_sdk::selector::{Class, Mode};
use pointsman_sdk::{Outcome, Paths, UNKNOWN, failover};
use pointsman_sim::{At, Cut};

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{self, Choosing, fast_and_slow};

fn sampled(seed: u64, every: u32) -> Scene {
    let mut scene = Scene::uneven(seed, fast_and_slow());
    scene.world.tell(scene.a, Input::SampleDecisions { every });
    scene
}

fn decisions(scene: &Scene, role: Role) -> Vec<&Decision> {
    let decisions = scene.world.site(scene.a).decisions.iter().map(|(_, decision)| decision);
    decisions.filter(|decision| decision.question.role() == role).collect()
}

fn outcomes(scene: &Scene) -> BTreeMap<u64, Outcome> {
    let told = &scene.world.site(scene.a).outcomes;
    let by_number: BTreeMap<_, _> = told.iter().map(|(_, o)| (o.decision, *o)).collect();
    assert_eq!(by_number.len(), told.len(), "an outcome was told twice");
    by_number
}

#[test]
fn nothing_is_told_unless_it_is_asked_for() {
    let mut scene = Scene::uneven(1, fast_and_slow());
    scene.stream(Class::Interactive, 1_000, 10_000, SECOND_US);
    assert!(scene.world.site(scene.a).decisions.is_empty());
    assert!(scene.world.site(scene.a).outcomes.is_empty());
}

#[test]
fn each_decision_is_told_as_it_was_asked_with_what_became_of_its_packet() {
    let mut scene = sampled(1, 1);
    let tokens = scene.stream(Class::Interactive, 1_000, 20_000, SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&tokens));
    let (told, outcomes) = (decisions(&scene, Role::Selector), outcomes(&scene));
    assert_eq!((told.len(), outcomes.len()), (50, 50));
    for decision in told {
        let (Question::Selector(question), Verdict::Selector(verdict)) =
            (&decision.question, &decision.verdict)
        else {
            panic!("{decision:?}")
        };
        assert_eq!((verdict.mode, decision.by), (Mode::Send, Answerer::Builtin));
        let path = Paths::new(&question.paths).at(verdict.paths.trailing_zeros() as usize);
        let outcome = outcomes[&decision.number];
        assert_eq!((Some(outcome.path), outcome.bytes), (path.map(|path| path.id()), 1_000));
        assert!((5_000..8_000).contains(&outcome.ack_us) && !outcome.late, "{outcome:?}");
        assert!(!outcome.duplicate_won && outcome.queue_us == 0);
    }
}

#[test]
fn one_in_so_many_is_told() {
    let mut scene = sampled(2, 10);
    scene.stream(Class::Interactive, 1_000, 20_000, 2 * SECOND_US);
    scene.world.run_for(SECOND_US);
    let told = decisions(&scene, Role::Selector);
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|decision| decision.number.is_multiple_of(10)));
    scene.world.tell(scene.a, Input::SampleDecisions { every: 0 });
    scene.stream(Class::Interactive, 1_000, 20_000, SECOND_US);
    assert_eq!(decisions(&scene, Role::Selector).len(), 10);
}

#[test]
fn who_answered_is_told_too() {
    #[derive(Debug)]
    struct Striking;
    impl pointsman_core::policy::Selector for Striking {
        fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
            Err(Strike::Exhausted)
        }
    }
    let mut scene = sampled(3, 1);
    scene.world.tell(scene.a, schemers::selector(Box::new(Choosing(schemers::slowest)), 4));
    scene.send(Class::Interactive, 100);
    scene.world.run_for(SECOND_US);
    scene.world.tell(scene.a, schemers::selector(Box::new(Striking), 5));
    scene.send(Class::Interactive, 100);
    scene.world.run_for(SECOND_US);
    let told: Vec<_> =
        decisions(&scene, Role::Selector).iter().map(|d| (d.generation, d.by)).collect();
    assert_eq!(told, [(4, Answerer::Module), (5, Answerer::InsteadOf(Strike::Exhausted))]);
}

#[test]
fn a_copy_that_was_faster_is_told() {
    let mut scene = sampled(4, 1);
    scene.world.tell(scene.a, schemers::selector(Box::new(Choosing(schemers::everywhere)), 4));
    scene.send(Class::Interactive, 100);
    scene.world.run_for(SECOND_US);
    let seen: Vec<_> = outcomes(&scene).into_values().collect();
    assert_eq!(seen.len(), 1);
    let fast = scene.world.site(scene.a).node.as_ref().expect("running").snapshot();
    let fastest = fast.peers[0].links.iter().min_by_key(|link| link.srtt_us).expect("two");
    assert_eq!(seen[0].duplicate_won, seen[0].path != fastest.path, "{seen:?}");
    assert!(seen[0].ack_us < 10_000);
}

#[test]
fn a_packet_that_is_given_up_has_an_outcome_too() {
    let mut scene = sampled(5, 1);
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::BOTH);
    }
    let deadline = Some(scene.world.now().after(300_000));
    let (a, b, payload) = (scene.a, scene.b, Bytes::from_static(b"late"));
    scene.world.send_as(a, b, Class::Interactive, false, deadline, payload);
    scene.world.run_for(SECOND_US);
    let told = decisions(&scene, Role::Selector);
    let outcomes = outcomes(&scene);
    let outcome = outcomes.get(&told[0].number).expect("an outcome");
    assert_eq!((outcome.ack_us, outcome.late, outcome.bytes), (UNKNOWN, true, 4));
}

#[test]
fn decisions_of_the_failover_policy_are_told_with_the_packet_that_was_late() {
    let mut scene = sampled(6, 1);
    scene.stream(Class::Interactive, 1_000, 5_000, SECOND_US);
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    scene.stream(Class::Interactive, 1_000, 5_000, 200_000);
    scene.world.run_for(SECOND_US);
    let told = decisions(&scene, Role::Failover);
    let hedge = told.iter().find(|decision| {
        matches!(decision.verdict, Verdict::Failover(failover::Verdict::Hedge { .. }))
    });
    let hedge = hedge.expect("a hedge");
    assert!(
        matches!(&hedge.question, Question::Failover(q) if q.event == failover::Event::Suspect)
    );
    let outcome = outcomes(&scene).get(&hedge.number).copied().expect("an outcome");
    assert!(outcome.duplicate_won && outcome.queue_us >= 45_000, "{outcome:?}");
}
