//! The thread that makes time pass for guests.
//!
//! wasmtime stops a guest when the engine's epoch reaches a deadline; this thread advances
//! the epoch. It sleeps for good while no guest is asked, so an idle node is not woken a
//! thousand times a second, and ends when the last handle to it is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle, park, sleep};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Ticks without a call after which the thread sleeps, unless a budget is longer.
const IDLE_TICKS: u64 = 50;

/// A handle to the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    tick_us: u32,
}

#[derive(Debug, Default)]
struct Shared {
    /// A guest was asked since the last tick.
    used: AtomicBool,
    /// The thread sleeps until it is unparked.
    asleep: AtomicBool,
    /// The longest deadline that was handed out: a call that began before the last tick may
    /// still run for so many.
    longest: AtomicU64,
    /// Ticks since the start.
    passed: AtomicU64,
    stop: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &wasmtime::Engine, tick_us: u32) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = Builder::new().name("policy-epoch".into()).spawn({
            let (shared, engine) = (Arc::clone(&shared), engine.weak());
            let tick = Duration::from_micros(u64::from(tick_us.max(100)));
            move || run(&shared, &engine, tick)
        })?;
        Ok(Self { shared, thread: Some(thread), tick_us: tick_us.max(100) })
    }

    /// The deadline in epochs for a budget: the tick that is under way does not count, so that
    /// the budget is given in full. Whoever asks a guest with it says so with [`Self::begin`].
    pub(crate) fn ticks(&self, budget_us: u32) -> u64 {
        let ticks = u64::from(budget_us.div_ceil(self.tick_us)) + 1;
        self.shared.longest.fetch_max(ticks, Ordering::SeqCst);
        ticks
    }

    /// Says that a guest is about to be asked.
    ///
    /// A flag that is set already needs no store: should the thread take it back at this very
    /// moment, it goes on for longer than the longest deadline before it sleeps.
    #[inline]
    pub(crate) fn begin(&self) {
        if !self.shared.used.load(Ordering::Relaxed) {
            self.announce();
        }
    }

    /// How many ticks have passed: no more than an atomic load.
    #[inline]
    pub(crate) fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// How long something can have taken at most that began after so many ticks, in
    /// microseconds, the scheduler's own delay aside.
    pub(crate) fn at_most_us(&self, passed: u64) -> u32 {
        let ticks = self.passed().saturating_sub(passed).saturating_add(1);
        u32::try_from(ticks).unwrap_or(u32::MAX).saturating_mul(self.tick_us)
    }

    /// [`Self::ticks`] for a call that begins now.
    pub(crate) fn deadline(&self, budget_us: u32) -> u64 {
        let ticks = self.ticks(budget_us);
        self.begin();
        ticks
    }

    #[cold]
    fn announce(&self) {
        // Sequentially consistent, as in `run`: of "used" here and "asleep" there at least one
        // side sees the other's store, so the thread never sleeps through a call.
        self.shared.used.store(true, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing to report: a panic in it would have been printed.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, engine: &EngineWeak, tick: Duration) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        sleep(tick);
        let Some(engine) = engine.upgrade() else { return };
        // First, so that whoever is stopped by the epoch finds its ticks counted.
        shared.passed.fetch_add(1, Ordering::Release);
        engine.increment_epoch();
        idle = if shared.used.swap(false, Ordering::SeqCst) { 0 } else { idle + 1 };
        if idle >= IDLE_TICKS.max(shared.longest.load(Ordering::SeqCst) + 2) {
            idle = 0;
            rest(shared);
        }
    }
}

/// Sleeps until a guest is asked or the engine ends.
fn rest(shared: &Shared) {
    shared.asleep.store(true, Ordering::SeqCst);
    while !shared.used.load(Ordering::SeqCst) && !shared.stop.load(Ordering::SeqCst) {
        park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}
