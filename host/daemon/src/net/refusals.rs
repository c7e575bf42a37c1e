//! How many connections came to nothing, so that an operator sees a flood in `status`.
//!
//! The transports count whom they turn away before any handshake, the network task counts
//! the rest. Two numbers, whoever comes: nothing here grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counts since the start. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Refusals {
    /// Inbound connections that were turned away: too many in all, from one address or of one
    /// peer, or of a peer that is not allowed.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Inbound connections that were let in and never finished their handshake.
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}
