//! Segments and the interfaces on them: how long a frame takes, and whether it arrives.

use pointsman_core::id::Time;

/// How a segment carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// One way, in microseconds.
    pub latency_us: u64,
    /// Added to the latency, evenly spread from 0 to this, in microseconds.
    pub jitter_us: u64,
    /// Lost frames, per million.
    pub loss_ppm: u32,
    /// Each interface's rate out, in bytes per second; `None` for no limit.
    pub bytes_per_s: Option<u64>,
}

impl Wire {
    /// No loss, no jitter, no limit of rate.
    pub fn of_latency_us(latency_us: u64) -> Self {
        Self { latency_us, jitter_us: 0, loss_ppm: 0, bytes_per_s: None }
    }
}

/// Which way an interface carries nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Nothing goes out.
    pub out: bool,
    /// Nothing comes in.
    pub inward: bool,
}

impl Cut {
    /// Nothing passes.
    pub const BOTH: Self = Self { out: true, inward: true };
    /// Everything passes.
    pub const NONE: Self = Self { out: false, inward: false };
}

/// A node's interface on a segment.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) segment: usize,
    pub(crate) name: String,
    pub(crate) cut: Cut,
    /// Until then it is busy sending.
    pub(crate) busy_until: Time,
}

impl Port {
    /// When a frame of so many bytes that is given to it now has left it.
    pub(crate) fn send(&mut self, now: Time, bytes: usize, wire: &Wire) -> Time {
        let start = now.max(self.busy_until);
        let took_us = wire.bytes_per_s.map_or(0, |rate| bytes as u64 * 1_000_000 / rate.max(1));
        self.busy_until = start.after(took_us);
        self.busy_until
    }
}
