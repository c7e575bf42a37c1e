//! Reading the routing tables of all nodes, to see the whole network.
//!
//! A peer is asked for one bucket after the other: for a key that shares exactly so many first
//! bits with its own. Its reply holds the k closest to that key, so the bucket comes first. If a
//! reply holds anyone of a lower bucket, or fewer than k, then it held everyone of all higher
//! buckets too, and the peer has nothing more to tell. A table of 300 nodes takes some five
//! questions, not sixteen.
//!
//! Peers are strangers who owe us nothing: each is asked one thing at a time, with a pause in
//! between, and so many at once in all. Whom they name is asked in turn. A liar can name 320 who
//! are not there; once some of them proved dead and hardly any alive, the rest wait until everyone else
//! was asked. What was learned can be exported and taken up again, after a restart too.

mod node;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::node::{Node, Status};
pub use self::state::{CrawlNode, CrawlState, CrawlStatus};
use super::contact::{Contact, Scope};
use super::key::{Key, PREIMAGE_BITS};
use crate::id::{PeerId, Time};
use crate::limits::{
    DHT_BUCKET_MAX, DHT_CRAWL_NODES_MAX, DHT_CRAWL_PARALLEL_MAX, DHT_REPLY_CONTACTS_MAX,
    DHT_REPLY_READ_MAX,
};

/// An answer that takes so long does not come any more, in microseconds.
const ANSWER_US_MAX: u64 = 30_000_000;

/// Whoever gave no answer is tried again after so long, in microseconds, then twice that.
const RETRY_US: u64 = 2_000_000;

/// How a crawl is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which addresses are dialled.
    pub scope: Scope,
    /// Buckets that a peer is asked for at most; 16 is all that can be.
    pub buckets: u32,
    /// Questions under way at once, at most [`DHT_CRAWL_PARALLEL_MAX`].
    pub parallel: usize,
    /// Between an answer and the next question to the same peer, in microseconds.
    pub pause_us: u64,
    /// How often in a row a peer may give no answer.
    pub tries: u8,
}

impl Default for Options {
    fn default() -> Self {
        let buckets = PREIMAGE_BITS;
        Self { scope: Scope::Public, buckets, parallel: 32, pause_us: 50_000, tries: 2 }
    }
}

/// An order: ask this peer for the closest to a key that shares exactly `bits` with its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAsk {
    /// Whom.
    pub peer: PeerId,
    /// Where it is said to be.
    pub addresses: Vec<String>,
    /// See [`super::key::Preimages::find`].
    pub bits: u32,
}

/// How far a crawl is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Peers that are known of.
    pub known: usize,
    /// Questions under way.
    pub under_way: usize,
    /// Peers whose whole table was read.
    pub answered: usize,
    /// Peers that gave no answer.
    pub unreachable: usize,
    /// Entries of tables that were read.
    pub entries: usize,
    /// Questions that were asked.
    pub questions: u64,
    /// Peers that were named and had no place any more.
    pub dropped: u64,
}

/// A crawl under way.
#[derive(Clone, Debug)]
pub struct Crawl {
    own: PeerId,
    options: Options,
    nodes: Vec<Node>,
    numbers: BTreeMap<PeerId, u32>,
    /// To be asked now, in the order in which they were named.
    ready: VecDeque<u32>,
    /// Of those whom nobody vouches for.
    doubtful: VecDeque<u32>,
    /// To be asked again at a time.
    resting: BTreeSet<(Time, u32)>,
    /// Under way, until then.
    under_way: BTreeSet<(Time, u32)>,
    questions: u64,
    dropped: u64,
}

impl Crawl {
    /// Begins with contacts of our own table.
    pub fn new(own: PeerId, first: impl IntoIterator<Item = Contact>, options: Options) -> Self {
        let mut crawl = Self {
            own,
            options,
            nodes: Vec::new(),
            numbers: BTreeMap::new(),
            ready: VecDeque::new(),
            doubtful: VecDeque::new(),
            resting: BTreeSet::new(),
            under_way: BTreeSet::new(),
            questions: 0,
            dropped: 0,
        };
        for contact in first {
            crawl.hear(&contact.kept(options.scope), None);
        }
        crawl
    }

    /// The number of a peer, new or not; `None` where there is no place for it.
    fn hear(&mut self, contact: &Contact, teller: Option<u32>) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&contact.peer) {
            let is_new = self.nodes[number as usize].hear(contact);
            let is_freed = teller.is_some_and(|teller| self.vouch(number, teller));
            if (is_new || is_freed) && contact.peer != self.own {
                self.ready.push_back(number);
            }
            return Some(number);
        }
        if self.nodes.len() >= DHT_CRAWL_NODES_MAX {
            self.dropped += 1;
            return None;
        }
        let number = self.nodes.len() as u32;
        let node = Node::new(contact.clone(), teller);
        if node.status == Status::Waiting && contact.peer != self.own {
            self.ready.push_back(number);
        }
        self.nodes.push(node);
        self.numbers.insert(contact.peer, number);
        Some(number)
    }

    /// One more names a peer. Whether that peer was held back, and is not any more.
    fn vouch(&mut self, number: u32, teller: u32) -> bool {
        let doubted = |teller: u32| self.nodes[teller as usize].is_doubted();
        let is_doubted = doubted(teller);
        let in_doubt = self.nodes[number as usize].tellers.iter().position(|&old| doubted(old));
        let node = &mut self.nodes[number as usize];
        node.named_by(teller, in_doubt);
        let is_freed = node.is_held_back && !is_doubted;
        node.is_held_back &= is_doubted;
        is_freed
    }

    /// The next question to ask, if one is due. To be called until there is none, after each
    /// fact and at [`Crawl::deadline`].
    pub fn next(&mut self, now: Time) -> Option<BucketAsk> {
        self.expire(now);
        if self.under_way.len() >= self.options.parallel.clamp(1, DHT_CRAWL_PARALLEL_MAX) {
            return None;
        }
        let number = self.pick()?;
        let node = &mut self.nodes[number as usize];
        node.status = Status::Asked;
        self.questions += 1;
        self.under_way.insert((now.after(ANSWER_US_MAX), number));
        let addresses = node.contact.addresses.clone();
        Some(BucketAsk { peer: node.contact.peer, addresses, bits: node.bucket })
    }

    fn expire(&mut self, now: Time) {
        while let Some(&(due, number)) = self.under_way.first()
            && due <= now
        {
            self.give_up(now, number);
        }
        while let Some(&(due, number)) = self.resting.first()
            && due <= now
        {
            self.resting.pop_first();
            self.ready.push_back(number);
        }
    }

    fn pick(&mut self) -> Option<u32> {
        while let Some(number) = self.ready.pop_front() {
            if !self.all_tellers(number, Node::is_doubted) {
                return Some(number);
            }
            self.nodes[number as usize].is_held_back = true;
            self.doubtful.push_back(number);
        }
        // Someone who is asked just now may still vouch for them.
        let mut busy = self.under_way.iter().chain(&self.resting);
        if busy.any(|&(_, number)| !self.nodes[number as usize].is_held_back) {
            return None;
        }
        while let Some(number) = self.doubtful.pop_front() {
            let is_held_back = self.nodes[number as usize].is_held_back;
            if is_held_back && !self.all_tellers(number, Node::is_hopeless) {
                return Some(number);
            }
        }
        None
    }

    /// Whether a peer never answered, and all who named it are so.
    fn all_tellers(&self, number: u32, are: impl Fn(&Node) -> bool) -> bool {
        let node = &self.nodes[number as usize];
        let mut tellers = node.tellers.iter().map(|&teller| &self.nodes[teller as usize]);
        node.is_stranger() && !node.tellers.is_empty() && tellers.all(are)
    }

    /// When [`Crawl::next`] wants to be called although nothing happened; `None` when it is over.
    pub fn deadline(&self) -> Option<Time> {
        let due = |times: &BTreeSet<(Time, u32)>| times.first().map(|&(due, _)| due);
        due(&self.under_way).into_iter().chain(due(&self.resting)).min()
    }

    /// Whether everyone who can be reached was read.
    pub fn is_over(&self) -> bool {
        self.deadline().is_none() && self.ready.is_empty() && self.doubtful.is_empty()
    }

    /// A peer answered what it was asked. `told` is the reply's, as it came.
    pub fn answered(&mut self, now: Time, peer: &PeerId, told: &[Contact]) {
        let Some(number) = self.take(peer) else { return };
        if self.nodes[number as usize].is_stranger() {
            self.tell(number, |teller| teller.vouched += 1);
        }
        let key = Key::of_peer(peer);
        let bucket = self.nodes[number as usize].bucket;
        let mut is_whole = told.len() < DHT_BUCKET_MAX - 1;
        let mut entries = Vec::new();
        for contact in told.iter().take(DHT_REPLY_READ_MAX).filter(|told| told.peer != *peer) {
            is_whole |= key.common_bits(&Key::of_peer(&contact.peer)) < bucket;
            let kept = contact.kept(self.options.scope);
            entries.extend(self.hear(&kept, Some(number)));
            if entries.len() == DHT_REPLY_CONTACTS_MAX {
                break;
            }
        }
        let last = self.options.buckets.min(PREIMAGE_BITS);
        let node = &mut self.nodes[number as usize];
        if node.read(entries, is_whole, last) {
            self.resting.insert((now.after(self.options.pause_us), number));
        }
    }

    /// A peer gave no answer.
    pub fn failed(&mut self, now: Time, peer: &PeerId) {
        let Some(&number) = self.numbers.get(peer) else { return };
        if self.nodes[number as usize].status == Status::Asked {
            self.give_up(now, number);
        }
    }

    fn give_up(&mut self, now: Time, number: u32) {
        self.under_way.retain(|&(_, other)| other != number);
        let node = &mut self.nodes[number as usize];
        node.failures += 1;
        if node.failures < self.options.tries {
            node.status = Status::Waiting;
            let wait_us = RETRY_US << (node.failures - 1).min(6);
            self.resting.insert((now.after(wait_us), number));
            return;
        }
        node.status = if node.is_stranger() { Status::Unreachable } else { Status::Partial };
        if node.status == Status::Unreachable {
            self.tell(number, |teller| teller.unconfirmed += 1);
        }
    }

    /// What became of a peer is to the credit or the blame of all who named it.
    fn tell(&mut self, number: u32, of: impl Fn(&mut Node)) {
        for teller in self.nodes[number as usize].tellers.clone() {
            of(&mut self.nodes[teller as usize]);
        }
    }

    /// The number of a peer that has a question, which it has no more.
    fn take(&mut self, peer: &PeerId) -> Option<u32> {
        let &number = self.numbers.get(peer)?;
        let is_asked = self.nodes[number as usize].status == Status::Asked;
        is_asked.then(|| self.under_way.retain(|&(_, other)| other != number))?;
        Some(number)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let count = |wanted| self.nodes.iter().filter(|node| node.status == wanted).count();
        Progress {
            known: self.nodes.len(),
            under_way: self.under_way.len(),
            answered: count(Status::Read),
            unreachable: count(Status::Unreachable),
            entries: self.nodes.iter().map(|node| node.entries.len()).sum(),
            questions: self.questions,
            dropped: self.dropped,
        }
    }

    /// Everyone who is known, and whom each has in its table.
    pub fn export(&self) -> CrawlState {
        let peer = |&number: &u32| self.nodes[number as usize].contact.peer;
        let export = |node: &Node| CrawlNode {
            contact: node.contact.clone(),
            status: node.status.shown(),
            buckets_read: node.bucket,
            entries: node.entries.iter().map(peer).collect(),
        };
        CrawlState { nodes: self.nodes.iter().map(export).collect() }
    }

    /// Takes up where an exported one was. Who gave no answer then is tried again.
    pub fn resume(own: PeerId, state: &CrawlState, options: Options) -> Self {
        let contacts = state.nodes.iter().map(|node| node.contact.clone());
        let mut crawl = Self::new(own, contacts, options);
        crawl.ready.clear();
        for node in &state.nodes {
            let Some(&number) = crawl.numbers.get(&node.contact.peer) else { continue };
            let entries: Vec<u32> =
                node.entries.iter().filter_map(|peer| crawl.numbers.get(peer).copied()).collect();
            let kept = &mut crawl.nodes[number as usize];
            kept.restore(node, entries);
            if kept.status == Status::Waiting && kept.contact.peer != own {
                crawl.ready.push_back(number);
            }
        }
        crawl
    }
}
