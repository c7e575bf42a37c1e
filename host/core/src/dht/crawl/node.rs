//! What a crawl knows of one peer.

use std::collections::BTreeSet;

use super::state::{CrawlNode, CrawlStatus};
use crate::dht::contact::Contact;
use crate::limits::{DHT_ADDRESSES_PER_CONTACT_MAX, DHT_CRAWL_ENTRIES_MAX};

/// Of those whom a peer named, so many have to prove dead until the rest are asked last,
const DOUBT_AFTER: u32 = 6;

/// if that are more than so many times those that answered.
const DOUBT_RATIO: u32 = 4;

/// The same, until the rest are not asked at all.
const HOPELESS_AFTER: u32 = 20;

/// See [`DOUBT_RATIO`].
const HOPELESS_RATIO: u32 = 16;

/// Of those who named a peer, so many are remembered.
const TELLERS_MAX: usize = 4;

/// Who failed so often is not tried again, whatever addresses are told of it.
const FAILURES_MAX: u8 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was named without an address.
    Placeless,
    /// It has a bucket that was not asked for.
    Waiting,
    /// It has a question.
    Asked,
    /// Its table was read.
    Read,
    /// It stopped answering in the middle.
    Partial,
    /// It never answered.
    Unreachable,
}

impl Status {
    pub(super) fn shown(self) -> CrawlStatus {
        match self {
            Self::Placeless | Self::Waiting | Self::Asked => CrawlStatus::Open,
            Self::Read => CrawlStatus::Read,
            Self::Partial => CrawlStatus::Partial,
            Self::Unreachable => CrawlStatus::Unreachable,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) contact: Contact,
    pub(super) status: Status,
    /// The numbers of some of those who named it; nobody where it was ours.
    pub(super) tellers: Vec<u32>,
    /// Whether it waits because nobody vouches for those who named it.
    pub(super) is_held_back: bool,
    /// The bucket that is asked for next, and how many were read.
    pub(super) bucket: u32,
    pub(super) failures: u8,
    /// The numbers of those in its table.
    pub(super) entries: BTreeSet<u32>,
    /// Of those that it named, how many answered,
    pub(super) vouched: u32,
    /// and how many did not.
    pub(super) unconfirmed: u32,
}

impl Node {
    pub(super) fn new(contact: Contact, teller: Option<u32>) -> Self {
        let is_placeless = contact.addresses.is_empty();
        Self {
            status: if is_placeless { Status::Placeless } else { Status::Waiting },
            contact,
            tellers: teller.into_iter().collect(),
            is_held_back: false,
            bucket: 0,
            failures: 0,
            entries: BTreeSet::new(),
            vouched: 0,
            unconfirmed: 0,
        }
    }

    /// Whether it never answered.
    pub(super) fn is_stranger(&self) -> bool {
        self.bucket == 0 && self.status != Status::Read
    }

    pub(super) fn is_doubted(&self) -> bool {
        self.unconfirmed >= DOUBT_AFTER && self.unconfirmed > DOUBT_RATIO * self.vouched
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.unconfirmed >= HOPELESS_AFTER && self.unconfirmed > HOPELESS_RATIO * self.vouched
    }

    /// One more named it; of too many, the one at that place is forgotten.
    pub(super) fn named_by(&mut self, teller: u32, in_doubt: Option<usize>) {
        if self.tellers.is_empty() || self.tellers.contains(&teller) {
            return;
        }
        if self.tellers.len() < TELLERS_MAX {
            self.tellers.push(teller);
        } else if let Some(at) = in_doubt {
            self.tellers[at] = teller;
        }
    }

    /// Takes addresses that were not known. Whether it is to be asked now, or again.
    pub(super) fn hear(&mut self, contact: &Contact) -> bool {
        let known = &mut self.contact.addresses;
        let is_new = |text: &&String| !known.contains(text);
        let mut addresses: Vec<String> = contact.addresses.iter().filter(is_new).cloned().collect();
        if addresses.is_empty() || !self.is_stranger() {
            return false;
        }
        addresses.append(&mut self.contact.addresses);
        addresses.truncate(2 * DHT_ADDRESSES_PER_CONTACT_MAX);
        self.contact.addresses = addresses;
        match self.status {
            Status::Placeless => {}
            // One more try, at what was not tried.
            Status::Unreachable if self.failures < FAILURES_MAX => {}
            Status::Unreachable
            | Status::Waiting
            | Status::Asked
            | Status::Read
            | Status::Partial => return false,
        }
        self.status = Status::Waiting;
        true
    }

    /// Takes what a reply told. Whether there is more to ask.
    pub(super) fn read(&mut self, entries: Vec<u32>, is_whole: bool, buckets: u32) -> bool {
        self.failures = 0;
        self.bucket += 1;
        for entry in entries {
            if self.entries.len() < DHT_CRAWL_ENTRIES_MAX {
                self.entries.insert(entry);
            }
        }
        let is_read = is_whole || self.bucket >= buckets;
        self.status = if is_read { Status::Read } else { Status::Waiting };
        !is_read
    }

    pub(super) fn restore(&mut self, node: &CrawlNode, entries: Vec<u32>) {
        self.bucket = node.buckets_read;
        self.entries = entries.into_iter().take(DHT_CRAWL_ENTRIES_MAX).collect();
        if node.status == CrawlStatus::Read {
            self.status = Status::Read;
        }
    }
}
