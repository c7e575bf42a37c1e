//! Giving way: what loads a policy does so in small pieces, with rests between.
//!
//! A priority is not enough. A thread that was put on a processor keeps it until the scheduler's
//! next tick, 4 ms at 250 Hz, whatever its priority, and whoever was there before waits for as
//! long, the loop's own thread too: a load of 4 ms delayed every message under way by as much. A
//! thread that sleeps gives its processor back at once.
//!
//! A rest is long, so that a load takes a small part of a processor: at full load, what it takes
//! is taken from messages. `pointsman-bench swap` measures what they notice.

use std::time::{Duration, Instant};

/// How long a piece of work may be that can be cut.
const PIECE: Duration = Duration::from_micros(100);
/// A rest. The system makes it a little longer.
const REST: Duration = Duration::from_millis(1);

/// Leaves the processor to others. Never on the loop.
pub(crate) fn give_way() {
    std::thread::sleep(REST);
}

/// Cuts work of many small parts into pieces.
#[derive(Debug)]
pub(crate) struct Pace {
    rested: Instant,
}

impl Pace {
    /// Has just rested.
    pub(crate) fn new() -> Self {
        Self { rested: Instant::now() }
    }

    /// Rests where that is due at this time, the latest one that is known; for how long.
    pub(crate) fn keep(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.rested) < PIECE {
            return Duration::ZERO;
        }
        give_way();
        *self = Self::new();
        self.rested.duration_since(now)
    }
}
