//! What survives a restart beside the config and the policies: peers, how they stand, records.
//!
//! It is read once, before the loop begins, and written by a thread of the store, which the loop
//! never waits for. A store that can't be opened costs the node its memory and nothing else: it
//! says why, runs on, and remembers nothing.

use std::path::Path;
use std::time::Duration;

use pointsman_core::dht::contact::{Contact, Scope};
use pointsman_core::id::Time;
use pointsman_core::input::Address;
use pointsman_core::reputation::{Cause, Recollection, RememberedCause, Subject};
use pointsman_dht::shelf::Shelved;
use pointsman_sdk::reputation::Standing;
use pointsman_store::{
    Batch, KnownAddress, Loaded, Notice, Opened, Origin, Peer, PeerStanding, Reason, Record, Store,
    StoreError, SubnetStanding, Track, Value, Writer,
};

use crate::shell::journal::unix_ms;

/// The file in the state folder.
const FILE: &str = "store.redb";

/// What changed goes to the disk this often.
const PERIOD: Duration = Duration::from_secs(5);

/// The Node is asked this often where peers stand, in microseconds.
const STOOD_US: u64 = 10_000_000;

/// The name of the sequence of this node's own record.
const SEQUENCE: &str = "record-sequence";

/// What is remembered from now on.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    writer: Option<Writer>,
    stood_at: Time,
}

/// What was remembered.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// For the rest of this run.
    pub(crate) memory: Memory,
    /// For the phone book.
    pub(crate) phone: Earlier,
    /// How peers and subnets stood.
    pub(crate) standings: Vec<Recollection>,
}

/// What the phone book had.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// Nodes that answered.
    pub(crate) contacts: Vec<Contact>,
    /// Records of others.
    pub(crate) records: Vec<Shelved>,
    /// The highest sequence of a record of this node.
    pub(crate) sequence: u64,
}

/// Opens the store in this folder. This waits for the disk.
pub(crate) fn recall(folder: &Path) -> Recalled {
    let store = match Store::open(&folder.join(FILE)) {
        Ok((store, opened)) => {
            if matches!(opened, Opened::Rebuilt { .. }) {
                tracing::warn!("{opened}; standings and known peers begin anew");
            }
            store
        }
        Err(error) => {
            tracing::warn!("nothing is remembered over a restart: {error}");
            return Recalled::default();
        }
    };
    let now = unix_ms();
    let mut recalled = read(&store, now).unwrap_or_else(|error| {
        tracing::warn!(%error, "the store can't be read: standings and known peers begin anew");
        Recalled::default()
    });
    match Writer::start(store, PERIOD, told) {
        Ok(writer) => recalled.memory.writer = Some(writer),
        Err(error) => tracing::warn!(%error, "nothing is remembered: no thread for the store"),
    }
    recalled
}

fn told(notice: Notice) {
    match notice {
        Notice::Saved(written) => tracing::trace!(?written, "the store is written"),
        Notice::Failing(error) => tracing::warn!(%error, "the store can't be written"),
        Notice::Behind { waiting } => {
            tracing::warn!(waiting, "the store's disk is too slow: changes are dropped");
        }
    }
}

fn read(store: &Store, now_ms: u64) -> Result<Recalled, StoreError> {
    let peers = rows(store.load_peers()?, "peers");
    let standings = rows(store.load_standings()?, "standings");
    let subnets = rows(store.load_subnets()?, "subnets");
    let records = rows(store.load_records(now_ms / 1000)?, "records");
    let values = rows(store.load_values()?, "values");
    let of_peer = |one: PeerStanding| recollection(now_ms, Subject::Peer(one.id), &one.track);
    let of_subnet =
        |one: SubnetStanding| recollection(now_ms, Subject::Subnet(one.subnet), &one.track);
    let sequence = values.iter().find(|value| value.name == SEQUENCE);
    let sequence = sequence.and_then(|value| value.bytes.as_slice().try_into().ok());
    Ok(Recalled {
        memory: Memory::default(),
        phone: Earlier {
            contacts: peers.iter().map(contact).collect(),
            records: records.into_iter().map(shelved).collect(),
            sequence: sequence.map_or(0, u64::from_be_bytes),
        },
        standings: standings
            .into_iter()
            .map(of_peer)
            .chain(subnets.into_iter().map(of_subnet))
            .collect(),
    })
}

/// The rows that could be read.
fn rows<T>(loaded: Loaded<T>, of: &str) -> Vec<T> {
    if loaded.skipped > 0 {
        tracing::warn!(skipped = loaded.skipped, of, "rows of the store can't be read");
    }
    loaded.rows
}

impl Memory {
    /// Whether it is time to ask where peers stand.
    pub(crate) fn is_due(&mut self, now: Time) -> bool {
        let is_due = self.writer.is_some() && now.since(self.stood_at) >= STOOD_US;
        if is_due {
            self.stood_at = now;
        }
        is_due
    }

    /// Peers and subnets stand so.
    pub(crate) fn stood(&self, standings: &[Recollection]) {
        let (now, mut batch) = (unix_ms(), Batch::new());
        for one in standings {
            let track = track(now, one);
            match one.about {
                Subject::Peer(id) => batch.put_standing(&PeerStanding { id, track }),
                Subject::Subnet(subnet) => batch.put_subnet(&SubnetStanding { subnet, track }),
            }
        }
        self.save(batch);
    }

    /// These nodes of the DHT answered.
    pub(crate) fn met(&self, contacts: &[Contact]) {
        let (now, mut batch) = (unix_ms(), Batch::new());
        for contact in contacts {
            batch.put_peer(&peer(now, contact));
        }
        self.save(batch);
    }

    /// These records of others are kept.
    pub(crate) fn kept(&self, records: Vec<Shelved>) {
        let mut batch = Batch::new();
        batch.prune_records(unix_ms() / 1000);
        for one in records {
            let record = Record {
                key: one.key,
                value: one.value,
                publisher: one.peer,
                sequence: one.sequence,
                expires_unix_s: one.expires_s,
                source: one.subnet,
            };
            if let Err(error) = batch.put_record(&record) {
                tracing::debug!(%error, "a record is not stored");
            }
        }
        self.save(batch);
    }

    /// A record of this node with that sequence is out in the world.
    pub(crate) fn published(&self, sequence: u64) {
        let mut batch = Batch::new();
        let value = Value { name: SEQUENCE.to_owned(), bytes: sequence.to_be_bytes().to_vec() };
        if batch.put_value(&value).is_ok() {
            self.save(batch);
        }
    }

    fn save(&self, batch: Batch) {
        let Some(writer) = self.writer.as_ref().filter(|_| !batch.is_empty()) else { return };
        // It was told already that the disk is too slow.
        let _ = writer.save(batch);
    }
}

fn contact(peer: &Peer) -> Contact {
    let texts = peer.addresses.iter().map(|known| known.address.text.as_str());
    Contact::new(peer.id, texts, Scope::Any)
}

fn peer(now_ms: u64, contact: &Contact) -> Peer {
    let known = |text: &String| {
        Some(KnownAddress {
            address: Address::parse(text).ok()?,
            origin: Origin::Dht,
            success_unix_ms: Some(now_ms),
            seen_unix_ms: now_ms,
            failures: 0,
        })
    };
    Peer { id: contact.peer, addresses: contact.addresses.iter().filter_map(known).collect() }
}

fn shelved(record: Record) -> Shelved {
    Shelved {
        key: record.key,
        value: record.value,
        subnet: record.source,
        peer: record.publisher,
        sequence: record.sequence,
        expires_s: record.expires_unix_s,
    }
}

/// As it is stored: ages become times.
fn track(now_ms: u64, one: &Recollection) -> Track {
    let reason = |remembered: &RememberedCause| Reason {
        kind: remembered.cause.kind(),
        weight: u32::try_from(remembered.count).unwrap_or(u32::MAX),
        at_unix_ms: now_ms.saturating_sub(remembered.age_ms),
        text: remembered.cause.name().to_owned(),
    };
    Track {
        standing: Standing { updated_ms: now_ms.saturating_sub(one.age_ms), ..one.standing },
        seen: one.seen,
        reasons: one.causes.iter().map(reason).collect(),
    }
}

/// As the Node takes it: times become ages. A clock that was set back makes them young.
fn recollection(now_ms: u64, about: Subject, track: &Track) -> Recollection {
    let cause = |reason: &Reason| {
        Some(RememberedCause {
            cause: Cause::named(&reason.text)?,
            count: u64::from(reason.weight),
            age_ms: now_ms.saturating_sub(reason.at_unix_ms),
        })
    };
    Recollection {
        about,
        standing: track.standing,
        age_ms: now_ms.saturating_sub(track.standing.updated_ms),
        seen: track.seen,
        causes: track.reasons.iter().filter_map(cause).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pointsman_core::id::PeerId;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn stood(id: u8) -> Recollection {
        Recollection {
            about: Subject::Peer(PeerId([id; 32])),
            standing: Standing { score: -321, a: 1, b: 2, c: 3, updated_ms: 0 },
            age_ms: 60_000,
            seen: [7; 7],
            causes: vec![RememberedCause { cause: Cause::LyingReply, count: 3, age_ms: 90_000 }],
        }
    }

    #[test]
    fn a_standing_comes_back_older_by_the_time_that_the_node_was_off() {
        let one = stood(1);
        let back = recollection(NOW_MS + 5_000, one.about, &track(NOW_MS, &one));
        assert_eq!(back.age_ms, 65_000);
        assert_eq!(back.causes[0].age_ms, 95_000);
        assert_eq!((back.standing.score, back.seen), (-321, [7; 7]));
    }

    #[test]
    fn all_of_it_is_there_again_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = recall(folder.path());
        first.memory.stood(&[stood(1), stood(2)]);
        first.memory.met(&[Contact::new(PeerId([3; 32]), ["/ip4/192.0.2.1/tcp/1"], Scope::Any)]);
        first.memory.published(99);
        drop(first);
        let again = recall(folder.path());
        assert_eq!(again.standings.len(), 2);
        assert_eq!(again.phone.contacts[0].addresses, ["/ip4/192.0.2.1/tcp/1"]);
        assert_eq!(again.phone.sequence, 99);
    }

    #[test]
    fn a_store_that_is_no_store_costs_nothing_but_the_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), "not a store").expect("a file");
        let recalled = recall(folder.path());
        assert!(recalled.standings.is_empty());
        recalled.memory.published(7);
        drop(recalled);
        assert_eq!(recall(folder.path()).phone.sequence, 7);
    }
}
