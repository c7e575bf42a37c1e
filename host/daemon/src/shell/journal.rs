//! What happened, numbered, for people and programs to follow.
//!
//! The loop writes; any number of readers follow, each at its own pace. The last
//! [`JOURNAL_RECORDS_MAX`](pointsman_core::limits::JOURNAL_RECORDS_MAX) records are kept; a
//! reader that falls behind learns how many it missed. Writing never waits for a reader.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::Protocol;
use pointsman_core::limits::JOURNAL_RECORDS_MAX;
use pointsman_core::output;
use pointsman_core::policy::Role;
use pointsman_core::reputation::Level;
use pointsman_sdk::Transport;
use tokio::sync::watch;

use super::findings::OpenFinding;
use crate::radio::RadioState;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number: 1 for the first since the node started, without gaps.
    pub number: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// In the Node.
    Node {
        /// The event.
        event: output::Event,
        /// The link that it is about, where it is about one.
        link: Option<Arc<LinkInfo>>,
        /// The name of the uplink that it is about, where it is about one.
        uplink: Option<String>,
    },
    /// An edited config took effect; these keys changed.
    Reconfigured(Vec<String>),
    /// An operator cut an uplink, or mended it.
    Cut {
        /// Its name.
        uplink: String,
        /// Whether what arrives there is thrown away.
        inbound: bool,
        /// Whether what is sent there is thrown away.
        outbound: bool,
    },
    /// These are all the addresses that it listens on, as multiaddrs.
    Listening(Vec<String>),
    /// Others reach it by these addresses, as multiaddrs.
    Reached {
        /// Whether anybody does without a relay; `None` where nobody has tried.
        direct: Option<bool>,
        /// All that lead here, relays' among them.
        addresses: Vec<String>,
    },
    /// Somewhere could not be listened.
    ListenFailed {
        /// The uplink's name.
        uplink: String,
        /// Of which protocol.
        protocol: Protocol,
        /// Why.
        why: String,
    },
    /// A peer is treated otherwise than before.
    Standing {
        /// Who.
        peer: PeerId,
        /// Its effective score.
        score: i32,
        /// How it is treated.
        level: Level,
        /// How it was treated.
        was: Level,
    },
    /// This node's record in the DHT was published.
    Published {
        /// Its sequence.
        sequence: u64,
        /// How many nodes gave it back when they were asked for it.
        stored: usize,
    },
    /// The nodes nearest to a key of the DHT were made to lie there.
    Crowded {
        /// The key, in hexadecimal.
        key: String,
        /// How much their distances differ from those that chance gives, in thousandths of what
        /// still counts as chance.
        score_permille: u32,
    },
    /// Something is out of the ordinary, or more so than it was.
    Anomaly(OpenFinding),
    /// It is no more.
    AnomalyOver(OpenFinding),
    /// A policy failed to learn.
    LearnFailed {
        /// Of which role.
        role: Role,
        /// Of which generation.
        generation: u64,
        /// Why, and what comes of it.
        why: String,
    },
    /// A policy did not prove itself: the one before is back, and it stays out for a while.
    Quarantined(Quarantined),
    /// Something was edited and did not take effect: the node is as it was.
    EditRefused {
        /// What was edited.
        what: String,
        /// Why it was refused.
        why: String,
    },
    /// A Bluetooth adapter can be used, or can't any more.
    Radio(RadioState),
    /// The node finishes what is under way and ends.
    Stopping,
}

/// A policy that stays out of its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Which slot.
    pub role: Role,
    /// Its name, version and digest.
    pub policy: String,
    /// As it was named.
    pub module: String,
    /// What is back in the slot; `None` where it is not known any more.
    pub back: Option<String>,
    /// What it did.
    pub because: String,
    /// For so long, in seconds.
    pub left_s: u64,
}

/// What stays true of a link as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its number.
    pub link: LinkId,
    /// Who is at the other end.
    pub peer: PeerId,
    /// Kind of network.
    pub transport: Transport,
    /// Protocol below.
    pub protocol: Protocol,
    /// The name of the uplink that it is bound to.
    pub uplink: String,
    /// The remote address.
    pub remote: String,
}

/// The records of one node.
#[derive(Debug)]
pub(crate) struct Journal {
    records: Mutex<VecDeque<Arc<Record>>>,
    tail: watch::Sender<Tail>,
}

/// Where the records end.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    newest: u64,
    closed: bool,
}

impl Journal {
    /// Without records.
    pub(crate) fn new() -> Self {
        Self { records: Mutex::default(), tail: watch::Sender::default() }
    }

    /// Writes a record.
    pub(crate) fn write(&self, what: Happening) {
        let unix_ms = unix_ms();
        let number = {
            let mut records = self.lock();
            let number = records.back().map_or(0, |last| last.number) + 1;
            if records.len() == JOURNAL_RECORDS_MAX {
                records.pop_front();
            }
            records.push_back(Arc::new(Record { number, unix_ms, what }));
            number
        };
        self.tail.send_modify(|tail| tail.newest = number);
    }

    /// Nothing will be written any more: followers end.
    pub(crate) fn close(&self) {
        self.tail.send_modify(|tail| tail.closed = true);
    }

    /// Follows from the first record with a number above `after` that is still kept.
    pub(crate) fn follow(self: &Arc<Self>, after: u64) -> Follower {
        let tail = self.tail.subscribe();
        Follower { journal: Arc::clone(self), tail, after }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a follower finds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The next record.
    Record(Arc<Record>),
    /// So many records were dropped before they were read.
    Missed(u64),
}

/// Reads records in their order.
#[derive(Debug)]
pub struct Follower {
    journal: Arc<Journal>,
    tail: watch::Receiver<Tail>,
    after: u64,
}

impl Follower {
    /// Number of the newest record now; 0 without any.
    pub fn newest(&self) -> u64 {
        self.tail.borrow().newest
    }

    /// The next one that is there already.
    pub fn try_next(&mut self) -> Option<Followed> {
        let records = self.journal.lock();
        let first = records.front()?.number;
        let wanted = self.after + 1;
        if wanted < first {
            self.after = first - 1;
            return Some(Followed::Missed(first - wanted));
        }
        let at = usize::try_from(wanted - first).ok()?;
        let record = Arc::clone(records.get(at)?);
        self.after = record.number;
        Some(Followed::Record(record))
    }

    /// Waits for the next one; `None` once the node is gone and all was read.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            let closed = self.tail.borrow_and_update().closed;
            if let Some(next) = self.try_next() {
                return Some(next);
            }
            if closed {
                return None;
            }
            self.tail.changed().await.ok()?;
        }
    }
}

/// Wall time: milliseconds since 1970-01-01 UTC, 0 before that.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: usize) -> Arc<Journal> {
        let journal = Arc::new(Journal::new());
        for _ in 0..count {
            journal.write(Happening::Stopping);
        }
        journal
    }

    fn number(followed: Option<Followed>) -> Option<u64> {
        match followed? {
            Followed::Record(record) => Some(record.number),
            Followed::Missed(_) => None,
        }
    }

    #[tokio::test]
    async fn a_follower_reads_what_was_and_then_what_comes() {
        let journal = written(2);
        let mut follower = journal.follow(1);
        assert_eq!(number(follower.next().await), Some(2));
        assert_eq!(follower.try_next(), None);
        journal.write(Happening::Stopping);
        assert_eq!(number(follower.next().await), Some(3));
    }

    #[test]
    fn a_follower_that_falls_behind_learns_how_many_it_missed() {
        let mut follower = written(JOURNAL_RECORDS_MAX + 5).follow(0);
        assert_eq!(follower.try_next(), Some(Followed::Missed(5)));
        assert_eq!(number(follower.try_next()), Some(6));
    }

    #[tokio::test]
    async fn followers_end_with_the_node() {
        let journal = written(1);
        let mut follower = journal.follow(0);
        journal.close();
        assert_eq!(number(follower.next().await), Some(1));
        assert_eq!(follower.next().await, None);
    }

    #[test]
    fn a_number_from_another_run_finds_nothing_until_it_is_reached() {
        assert_eq!(written(3).follow(99).try_next(), None);
    }
}
