//! What a policy costs counts as often as it is asked: one that burns time goes within two
//! seconds, and one that is asked now and then may take longer than one that is asked for every
//! packet.

use pointsman_core::policy::{
    Failover, FailoverQuestion, Misconduct, Role, Selector, SelectorQuestion, Strike, builtin,
};
use pointsman_sdk::Settings;
use pointsman_sdk::failover::Verdict;
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut};

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{PROBATION_US, failover, fast_and_slow, rollbacks, selector};

/// What a question to the shipped failover policy costs in WebAssembly when caches are cold, in
/// nanoseconds; measured on a quiet machine.
const COLD_NS: u32 = 53_000;

/// The bits of a verdict that let it hold for more than one packet.
const LEASE: u64 = 0xffff << 32;

/// A shipped policy whose questions cost so many nanoseconds, and that leases nothing.
#[derive(Debug)]
struct Costing<P: ?Sized>(u32, Box<P>);

impl Selector for Costing<dyn Selector> {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        self.1.choose(question).map(|verdict| verdict & !LEASE)
    }

    fn mean_cost_ns(&self) -> Option<u32> {
        Some(self.0)
    }
}

impl Failover for Costing<dyn Failover> {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Verdict, Strike> {
        self.1.decide(question)
    }

    fn mean_cost_ns(&self) -> Option<u32> {
        Some(self.0)
    }
}

/// What comes of a good selector that costs so much, with a message every so many microseconds:
/// why and when it went. Each packet is a question.
fn chooses(cost_ns: u32, every_us: u64) -> Vec<(u64, Misconduct)> {
    let shipped = builtin::selector("fastest-first", &Settings::default()).expect("a shipped one");
    let mut scene = Scene::uneven(1, fast_and_slow());
    scene.stream(Class::Realtime, 200, every_us, SECOND_US);
    let swapped = scene.world.now();
    scene.world.tell(scene.a, selector(Box::new(Costing(cost_ns, shipped)), 7));
    scene.stream(Class::Realtime, 200, every_us, PROBATION_US);
    rollbacks(&scene, Role::Selector, swapped)
}

/// What comes of a good failover policy that costs so much, while the link that carries the load
/// is dead: since the cut.
fn decides(cost_ns: u32) -> Vec<(u64, Misconduct)> {
    let shipped = builtin::failover("standby", &Settings::default()).expect("a shipped one");
    let mut scene = Scene::uneven(1, fast_and_slow());
    scene.world.tell(scene.a, failover(Box::new(Costing(cost_ns, shipped)), 7));
    scene.stream(Class::Interactive, 1_000, 5_000, SECOND_US);
    let cut = scene.world.now();
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    scene.stream(Class::Interactive, 1_000, 5_000, PROBATION_US);
    rollbacks(&scene, Role::Failover, cut)
}

#[test]
fn a_good_failover_policy_stays_although_each_question_finds_cold_caches() {
    assert_eq!(decides(COLD_NS), []);
    assert_eq!(decides(4 * COLD_NS), []);
}

#[test]
fn a_failover_policy_that_burns_time_on_every_question_goes() {
    let seen = decides(300_000);
    let because = Misconduct::Dear { mean_ns: 300_000, bound_ns: 250_000 };
    assert!(matches!(seen[..], [(..=2_000_000, why)] if why == because), "{seen:?}");
}

#[test]
fn a_selector_that_burns_time_on_every_question_goes() {
    for every_us in [500, 10_000, 100_000] {
        let seen = chooses(300_000, every_us);
        let because = Misconduct::Dear { mean_ns: 300_000, bound_ns: 250_000 };
        assert!(matches!(seen[..], [(..=2_000_000, why)] if why == because), "{seen:?}");
    }
}

#[test]
fn what_a_selector_may_cost_depends_on_how_often_it_is_asked() {
    let each_ns = 200_000;
    assert_eq!(chooses(each_ns, 10_000), []);
    let seen = chooses(each_ns, 500);
    let is_why = |because| matches!(because, Misconduct::Greedy { permille: 251.., .. });
    assert!(matches!(seen[..], [(..=2_000_000, why)] if is_why(why)), "{seen:?}");
}

#[test]
fn one_that_costs_what_shipped_ones_do_stays_at_many_thousand_packets_a_second() {
    assert_eq!(chooses(1_000, 50), []);
}
