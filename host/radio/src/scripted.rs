//! Radios that share a medium in memory, for tests here and in the daemon.

use std::sync::Arc;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;

use crate::{Fact, Order, Radio};

/// The air between scripted radios. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Medium {
    _air: Arc<()>,
}

/// A radio on a [`Medium`].
#[derive(Debug)]
pub struct Scripted {
    _facts: mpsc::Sender<Fact>,
}

impl Medium {
    /// An air without radios, loss or delay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a radio on the air; it can be used at once.
    pub fn radio(&self, address: RadioAddress) -> (Scripted, mpsc::Receiver<Fact>) {
        let _ = address;
        let (facts_in, facts) = mpsc::channel(64);
        (Scripted { _facts: facts_in }, facts)
    }
}

impl Radio for Scripted {
    fn order(&self, order: Order) {
        drop(order);
    }
}
