//! The Node: facts go in by [`Node::handle`], orders come out by [`Node::poll`].
//!
//! It never waits, reads no clock, draws no randomness and cannot fail. Whoever runs it
//! repeats: give it facts with the time at which they are true; take orders until there are
//! none; come back at [`Node::deadline`] at the latest, with [`Input::Tick`]. Orders are
//! made while they are taken: packets are spread over paths when [`Node::poll`] is called,
//! so that facts that arrived together are decided upon together.

use crate::config::NodeConfig;
use crate::id::{PeerId, Time};
use crate::input::Input;
use crate::output::Output;
use crate::snapshot::Snapshot;

/// All that the program knows.
#[derive(Debug)]
pub struct Node;

impl Node {
    /// A Node that knows nothing yet. `session` must differ from one run to the next: it is
    /// the seed of every choice that chance decides, and message numbers begin anew with it.
    pub fn new(me: PeerId, config: NodeConfig, session: u64) -> Self {
        let _ = (me, config, session);
        Self
    }

    /// Takes a fact that is true at `now`. Time never runs backwards: an earlier `now` counts
    /// as the latest one seen.
    pub fn handle(&mut self, now: Time, input: Input) {
        let _ = (now, input);
    }

    /// The next order, until there are none.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Tick`] is due at the latest, if ever.
    pub fn deadline(&self) -> Option<Time> {
        None
    }

    /// What it knows.
    pub fn snapshot(&self) -> Snapshot {
        unreachable!("the first step of the build")
    }
}
