//! What the Node must look at when time passes: at most one entry per link and per peer, one for
//! the whole, one for policies on probation, and one for radio neighbours.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LinkId, PeerNumber, Time};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Overdue acknowledgements, heartbeats, greetings.
    Link(LinkId),
    /// Expiring messages, held lanes, dials, ticks of the failover policy.
    Peer(PeerNumber),
    /// Samples, and questions off the loop.
    Step,
    /// Policies on probation.
    Judge,
    /// Who is in radio range.
    Neighbours,
}

/// The entries, earliest first. Looking too early is harmless: whoever looks sets the entry
/// anew. So an entry is only ever moved forward, which keeps the usual case, a deadline that
/// recedes with every acknowledgement, free of cost.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Time, Timer)>,
    set: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Look at it at `at`, or earlier.
    pub(super) fn by(&mut self, timer: Timer, at: Time) {
        match self.set.get(&timer) {
            Some(&earlier) if earlier <= at => {}
            later => {
                if let Some(&later) = later {
                    self.queue.remove(&(later, timer));
                }
                self.set.insert(timer, at);
                self.queue.insert((at, timer));
            }
        }
    }

    /// Never look at it again.
    pub(super) fn forget(&mut self, timer: Timer) {
        if let Some(at) = self.set.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// The next entry that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let &(at, timer) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.set.remove(&timer);
        Some(timer)
    }
}
