//! Policies that are valid and bad, the swaps that bring them, and what is seen of them.

use pointsman_core::id::Time;
use pointsman_core::input::Input;
use pointsman_core::output::Event;
use pointsman_core::policy::{
    Failover, FailoverQuestion, Misconduct, Probation, Role, Selector, SelectorQuestion, Strike,
    Swap,
};
use pointsman_sdk::selector::Verdict;
use pointsman_sdk::{Path, Paths, failover};
use pointsman_sim::Wire;

use crate::scene::{SECOND_US, Scene};

/// For how long a policy must prove itself in these tests.
pub(crate) const PROBATION_US: u64 = 5 * SECOND_US;

/// A selector that is a function.
#[derive(Debug)]
pub(crate) struct Choosing(pub(crate) fn(&SelectorQuestion) -> Verdict);

impl Selector for Choosing {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        Ok((self.0)(question).pack())
    }

    fn mean_cost_ns(&self) -> Option<u32> {
        Some(900)
    }
}

/// A failover policy that is a function.
#[derive(Debug)]
pub(crate) struct Deciding(pub(crate) fn(&FailoverQuestion) -> failover::Verdict);

impl Failover for Deciding {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<failover::Verdict, Strike> {
        Ok((self.0)(question))
    }
}

fn sound(list: &[u32]) -> impl Iterator<Item = (usize, Path<'_>)> {
    Paths::new(list).iter().enumerate().filter(|(_, path)| path.is_sound())
}

/// The path with the longest round trip.
pub(crate) fn slowest(question: &SelectorQuestion) -> Verdict {
    let slowest = sound(&question.paths).max_by_key(|(_, path)| path.srtt_us());
    slowest.map_or(Verdict::store(), |(position, _)| Verdict::send(position))
}

/// The same, with a lease.
pub(crate) fn slowest_on_lease(question: &SelectorQuestion) -> Verdict {
    slowest(question).lease(32, 20)
}

/// Every path.
pub(crate) fn everywhere(question: &SelectorQuestion) -> Verdict {
    match sound(&question.paths).fold(0, |set, (position, _)| set | 1 << position) {
        0 => Verdict::store(),
        set => Verdict::duplicate(set),
    }
}

/// The same, with a lease.
pub(crate) fn everywhere_on_lease(question: &SelectorQuestion) -> Verdict {
    everywhere(question).lease(32, 20)
}

/// Nothing, for as long as a verdict may say.
pub(crate) fn holds(_: &SelectorQuestion) -> Verdict {
    Verdict::hold(u32::MAX)
}

/// Nothing, for a short while, again and again.
pub(crate) fn holds_briefly(_: &SelectorQuestion) -> Verdict {
    Verdict::hold(1_000)
}

/// Nothing, until a path changes.
pub(crate) fn stores(_: &SelectorQuestion) -> Verdict {
    Verdict::store()
}

/// Gives up everything.
pub(crate) fn expires(_: &SelectorQuestion) -> Verdict {
    Verdict::expire()
}

/// The shortest round trip, after every message has waited for 60 ms.
pub(crate) fn dawdles(question: &SelectorQuestion) -> Verdict {
    let fastest = sound(&question.paths).min_by_key(|(_, path)| path.srtt_us());
    match fastest {
        Some((position, _)) if question.head_age_us >= 60_000 => Verdict::send(position),
        Some(_) => Verdict::hold(60_000 - question.head_age_us),
        None => Verdict::store(),
    }
}

/// The slowest path for one question of eight.
pub(crate) fn slowest_at_times(question: &SelectorQuestion) -> Verdict {
    let fastest = sound(&question.paths).min_by_key(|(_, path)| path.srtt_us());
    match fastest {
        Some((position, _)) if !question.seed.is_multiple_of(8) => Verdict::send(position),
        Some(_) | None => slowest(question),
    }
}

/// What a policy must prove in these tests.
pub(crate) const TERMS: Probation = Probation {
    us: PROBATION_US,
    mean_cost_ns_max: 250_000,
    loop_permille: 250,
    slower_permille: 1_500,
};

pub(crate) fn on_probation() -> Option<Probation> {
    Some(TERMS)
}

pub(crate) fn selector(module: Box<dyn Selector>, generation: u64) -> Input {
    let module = Some(module);
    Input::SelectorSwapped(Swap { module, generation, probation: on_probation() })
}

pub(crate) fn failover(module: Box<dyn Failover>, generation: u64) -> Input {
    let module = Some(module);
    Input::FailoverSwapped(Swap { module, generation, probation: on_probation() })
}

/// The wires of a fast and a slow way to the same peer.
pub(crate) fn fast_and_slow() -> [Wire; 2] {
    [2_500, 40_000].map(|us| Wire { jitter_us: 500, ..Wire::of_latency_us(us) })
}

/// When and why policies went, since a moment.
pub(crate) fn rollbacks(scene: &Scene, role: Role, since: Time) -> Vec<(u64, Misconduct)> {
    let events = scene.world.site(scene.a).events.iter().filter(|(at, _)| *at >= since);
    let rollback = |(at, event): &(Time, Event)| {
        let Event::RolledBack { role: whose, because, .. } = event else { return None };
        (*whose == role).then(|| (at.since(since), *because))
    };
    events.filter_map(rollback).collect()
}

/// Whether something happened.
pub(crate) fn happened(scene: &Scene, event: &Event) -> bool {
    scene.world.site(scene.a).events.iter().any(|(_, seen)| seen == event)
}
