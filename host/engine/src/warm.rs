//! An instance that is ready to answer, and its return after a failure.
//!
//! A failed instance is dropped at once, because nothing in its store can be used again. The
//! next question brings it back: in line where that fits into one call's budget, otherwise on
//! a thread of its own, while the questions are answered with [`Strike::Unavailable`]. What
//! failures and rebuilds cost the caller's loop is bounded by a [`Waste`] account, which is
//! charged what each of them can have cost at most.
//!
//! Time is what the machine took, so whether a policy is back at a certain question depends on
//! the machine, as it does whether it ran over its budget. Who looks back later finds in each
//! decision who took it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use pointsman_core::policy::Strike;
use wasmtime::Store;

use crate::bare::{BareCode, BareSelector};
use crate::bindings::common::pointsman::policy::types;
use crate::calls::Calls;
use crate::compiled::{Allowance, Compiled, StartError, strike};
use crate::cost::MeanCost;
use crate::error::Step;
use crate::guest::{Guest, Lines};

/// All that it takes to make an instance that is ready.
pub(crate) struct Blueprint<C: Calls> {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) indices: C::Indices,
    pub(crate) name: String,
    pub(crate) settings: Vec<types::Setting>,
    pub(crate) learned: Option<types::State>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) allowance: Allowance,
}

/// An instance that is ready.
pub(crate) struct Live<C> {
    store: Store<Guest>,
    calls: C,
}

impl<C: Calls> Blueprint<C> {
    /// Makes an instance, each step within the budget.
    pub(crate) fn build(&self, budget_us: u32) -> Result<Live<C>, StartError> {
        if let (Some(calls), Some(code)) = (C::BARE, self.compiled.bare()) {
            let (store, selector) = self.build_bare(code, budget_us)?;
            return Ok(Live { store, calls: calls(selector) });
        }
        let lines = Arc::clone(&self.lines);
        let mut started = self.compiled.start(&self.name, self.allowance, budget_us, lines)?;
        let deadline = self.compiled.ticker.deadline(budget_us);
        started.configure(deadline, &self.settings, self.learned.as_ref())?;
        let mut store = started.store;
        let calls = C::load(&self.indices, &mut store, &started.instance)
            .map_err(|error| failed(Step::Start, &error, &store))?;
        Ok(Live { store, calls })
    }

    /// The same without a component.
    fn build_bare(
        &self,
        code: &BareCode,
        budget_us: u32,
    ) -> Result<(Store<Guest>, BareSelector), StartError> {
        let Self { compiled, name, lines, .. } = self;
        let mut store = compiled.store(name, self.allowance, budget_us, Arc::clone(lines));
        let selector =
            code.start(&mut store).map_err(|error| failed(Step::Start, &error, &store))?;
        store.set_epoch_deadline(compiled.ticker.deadline(budget_us));
        let answer = selector.configure(&mut store, &self.settings, self.learned.as_ref());
        answer
            .map_err(|error| failed(Step::Configure, &error, &store))?
            .map_err(StartError::Refused)?;
        Ok((store, selector))
    }

    /// The same off the loop, where each step may take as long as at the first load.
    pub(crate) fn build_at_leisure(&self) -> Result<Live<C>, StartError> {
        self.build(self.compiled.limits().load_us)
    }
}

fn failed(step: Step, error: &wasmtime::Error, store: &Store<Guest>) -> StartError {
    StartError::Failed(step, strike(error, store.data()))
}

enum State<C> {
    Ready(Box<Live<C>>),
    Broken,
    Building(Receiver<Option<Box<Live<C>>>>),
}

/// A policy that answers as long as it can.
pub(crate) struct Warm<C: Calls> {
    blueprint: Arc<Blueprint<C>>,
    state: State<C>,
    budget_us: u32,
    /// The same in epochs.
    ticks: u64,
    cost: MeanCost,
    /// A build did not fit into the budget of a call.
    builds_slowly: bool,
    waste: Waste,
}

impl<C: Calls> Warm<C> {
    pub(crate) fn new(blueprint: Blueprint<C>, live: Live<C>, budget_us: u32) -> Self {
        Self {
            ticks: blueprint.compiled.ticker.ticks(budget_us),
            blueprint: Arc::new(blueprint),
            state: State::Ready(Box::new(live)),
            budget_us,
            cost: MeanCost::default(),
            builds_slowly: false,
            waste: Waste::new(budget_us),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.blueprint.name
    }

    /// Whether its instances do without their component.
    pub(crate) fn is_bare(&self) -> bool {
        C::BARE.is_some() && self.blueprint.compiled.bare().is_some()
    }

    /// What a question costs on average, in nanoseconds.
    pub(crate) fn mean_cost_ns(&self) -> Option<u32> {
        self.cost.mean_ns()
    }

    /// Asks, within the budget.
    #[inline]
    pub(crate) fn ask<A>(
        &mut self,
        now_us: u64,
        question: impl FnOnce(&C, &mut Store<Guest>) -> wasmtime::Result<A>,
    ) -> Result<A, Strike> {
        if !matches!(self.state, State::Ready(_)) {
            self.revive(now_us)?;
        }
        let State::Ready(live) = &mut self.state else { return Err(Strike::Unavailable) };
        let ticker = &self.blueprint.compiled.ticker;
        ticker.begin();
        let passed = ticker.passed();
        live.store.set_epoch_deadline(self.ticks);
        let guest = live.store.data_mut();
        (guest.now_us, guest.was_refused) = (now_us, false);
        let began = self.cost.is_due().then(Instant::now);
        let answer = question(&live.calls, &mut live.store);
        if let Some(began) = began {
            self.cost.add(began.elapsed());
        }
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let guest = live.store.data();
                let (strike, memory_bytes) = (strike(&error, guest), guest.memory_used());
                let call_us = ticker.at_most_us(passed);
                self.fail(now_us, call_us, memory_bytes);
                Err(strike)
            }
        }
    }

    /// A call failed that took so long at most.
    #[cold]
    fn fail(&mut self, now_us: u64, call_us: u32, memory_bytes: usize) {
        self.state = State::Broken;
        self.waste.charge(now_us, call_us.saturating_add(given_back_us(memory_bytes)));
    }

    /// Brings an instance back, unless too much time was wasted on it.
    #[cold]
    fn revive(&mut self, now_us: u64) -> Result<(), Strike> {
        if let State::Building(building) = &self.state {
            self.state = match building.try_recv() {
                Ok(Some(live)) => State::Ready(live),
                Err(TryRecvError::Empty) => return Err(Strike::Unavailable),
                Ok(None) | Err(TryRecvError::Disconnected) => State::Broken,
            };
            return Ok(());
        }
        if !self.waste.may(now_us) {
            return Err(Strike::Unavailable);
        }
        if self.builds_slowly {
            self.waste.charge(now_us, REBUILD_US);
            self.build_aside();
            return Err(Strike::Unavailable);
        }
        // Each of its steps may use up the budget. Looking at the clock costs nothing beside it.
        let began = Instant::now();
        let built = self.blueprint.build(self.budget_us);
        self.waste.charge(now_us, rebuild_us(began.elapsed()));
        match built {
            Ok(live) => {
                self.state = State::Ready(Box::new(live));
                Ok(())
            }
            Err(error) => {
                let strike = match error {
                    StartError::Failed(_, strike) => strike,
                    StartError::Refused(_) => Strike::Trapped,
                };
                self.builds_slowly = strike == Strike::TimedOut;
                Err(strike)
            }
        }
    }

    /// Builds on another thread; where there is none, the next question tries again.
    fn build_aside(&mut self) {
        let blueprint = Arc::clone(&self.blueprint);
        let (done, building) = sync_channel(1);
        let build = move || {
            let live = blueprint.build_at_leisure().ok().map(Box::new);
            // The policy may have been swapped out meanwhile: nobody listens then.
            let _ = done.send(live);
        };
        let thread = std::thread::Builder::new().name("policy-build".into()).spawn(build);
        self.state = match thread {
            Ok(_) => State::Building(building),
            Err(_) => State::Broken,
        };
    }
}

/// What a rebuild costs the loop at least, in microseconds, with what the clock does not see of
/// it: pages that are touched anew, and caches.
const REBUILD_US: u32 = 100;
/// What a MiB of memory costs when it is given back, if all of it was touched.
const GIVEN_BACK_US_PER_MIB: u32 = 125;

/// What a rebuild that took so long is charged.
fn rebuild_us(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(REBUILD_US)
}

/// What it costs at most to drop an instance with so much memory.
fn given_back_us(memory_bytes: usize) -> u32 {
    let mib = u32::try_from(memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
    mib.saturating_mul(GIVEN_BACK_US_PER_MIB)
}

/// How much of the loop's time a policy may waste by failing: 2 %, with a reserve. So a module
/// that fails now and then is back at the next question, and one that fails at once costs
/// little more than not having it.
#[derive(Debug)]
struct Waste {
    /// In microseconds; negative when overdrawn.
    left_us: i64,
    reserve_us: i64,
    at_us: u64,
}

impl Waste {
    fn new(budget_us: u32) -> Self {
        let reserve_us = i64::from(budget_us).saturating_mul(4).max(20_000);
        Self { left_us: reserve_us, reserve_us, at_us: 0 }
    }

    /// Whether there is something left at this time of the host's clock.
    fn may(&mut self, now_us: u64) -> bool {
        let earned_us = now_us.saturating_sub(self.at_us) / 50;
        if earned_us > 0 {
            let earned = i64::try_from(earned_us).unwrap_or(i64::MAX);
            self.left_us = self.left_us.saturating_add(earned).min(self.reserve_us);
            self.at_us += earned_us * 50;
        }
        self.left_us > 0
    }

    fn charge(&mut self, now_us: u64, cost_us: u32) {
        self.may(now_us);
        self.left_us = self.left_us.saturating_sub(i64::from(cost_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_failures_are_always_forgiven() {
        let mut waste = Waste::new(1_000);
        for second in 1..1_000 {
            assert!(waste.may(second * 1_000_000));
            // A timeout, three ticks at most, of an instance that used all its memory.
            let rebuilt_us = rebuild_us(Duration::from_micros(800));
            waste.charge(second * 1_000_000, 3_000 + given_back_us(16 << 20) + rebuilt_us);
        }
    }

    #[test]
    fn a_policy_that_always_fails_wastes_two_percent_of_the_time() {
        let mut waste = Waste::new(1_000);
        let mut wasted = 0_u64;
        for now_us in (0..10_000_000).step_by(40) {
            if waste.may(now_us) {
                waste.charge(now_us, 1_100);
                wasted += 1_100;
            }
        }
        let allowed = 20_000 + 10_000_000 / 50;
        assert!((allowed - 1_100..=allowed + 1_100).contains(&wasted), "{wasted} of {allowed}");
    }
}
