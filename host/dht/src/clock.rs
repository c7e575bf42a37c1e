//! The two clocks: one that only goes on, and the wall's.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pointsman_core::id::Time;
use tokio::time::Instant;

/// Tells the time: microseconds since the clock was made, and milliseconds since 1970.
#[derive(Clone)]
pub struct Clock {
    start: Instant,
    wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("wall_ms", &self.wall_ms()).finish_non_exhaustive()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::with_wall(Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }))
    }
}

impl Clock {
    /// One whose wall clock is this.
    pub fn with_wall(wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { start: Instant::now(), wall_ms }
    }

    /// Now.
    pub fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// When a time is, for a timer.
    pub fn instant(&self, time: Time) -> Instant {
        self.start + std::time::Duration::from_micros(time.0)
    }

    /// Milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        (self.wall_ms)()
    }

    /// Seconds since 1970.
    pub fn wall_s(&self) -> u64 {
        self.wall_ms() / 1000
    }
}
