//! A network in memory: nodes with routing tables of the rules under test, replies that take a
//! while, and hostile nodes of every kind.

use std::collections::BTreeMap;

use pointsman_core::dht::contact::{Contact, Scope};
use pointsman_core::dht::key::{Key, Preimages};
use pointsman_core::dht::lookup::{Ask, Goal, Lookup, Options, Outcome, Question, RecordFact, Why};
use pointsman_core::dht::table::{Candidate, Table};
use pointsman_core::id::{PeerId, Time};

/// Contacts in an honest reply.
const REPLY: usize = 20;

/// What a silent peer takes until the shell gives up on it.
const SILENCE_US: u64 = 10_000_000;

pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn peer(&mut self) -> PeerId {
        let words: [u64; 4] = core::array::from_fn(|_| self.next());
        PeerId(core::array::from_fn(|at| words[at / 8].to_be_bytes()[at % 8]))
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Gone, while others still have it in their tables.
    Offline,
    /// Tells of its accomplices only, and of no record.
    Lies,
    /// Takes connections, and never answers.
    Drops,
    /// Tells of thousands who are not there, of the asker, of the target at wrong addresses, and
    /// of places inside the asker's network; and of records that are forged.
    Poisons,
    /// Answers as if honest, and keeps the first record that it was given.
    Stale,
}

pub(crate) struct Node {
    pub(crate) peer: PeerId,
    pub(crate) key: Key,
    pub(crate) address: String,
    pub(crate) manner: Manner,
    pub(crate) table: Table,
    /// The sequence of the record at a key.
    pub(crate) records: BTreeMap<Key, u64>,
}

impl Node {
    pub(crate) fn contact(&self) -> Contact {
        Contact { peer: self.peer, addresses: vec![self.address.clone()] }
    }

    fn is_hostile(&self) -> bool {
        matches!(self.manner, Manner::Lies | Manner::Drops | Manner::Poisons)
    }
}

pub(crate) struct Net {
    pub(crate) chance: Chance,
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_peer: BTreeMap<PeerId, usize>,
    pub(crate) names: Preimages,
    hostile: Vec<usize>,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance(seed),
            nodes: Vec::new(),
            by_peer: BTreeMap::new(),
            names: Preimages::default(),
            hostile: Vec::new(),
        }
    }

    /// Nodes that are not in each other's tables yet, each in a subnet of its own.
    pub(crate) fn add(&mut self, count: usize, manner: Manner) {
        for _ in 0..count {
            let peer = self.chance.peer();
            let subnet = self.nodes.len();
            self.join(peer, subnet, manner);
        }
    }

    pub(crate) fn join(&mut self, peer: PeerId, subnet: usize, manner: Manner) {
        let at = self.nodes.len();
        let address = format!("/ip4/{}.{}.{}.{}/tcp/4001", 20, subnet / 256, subnet % 256, 1);
        self.by_peer.insert(peer, at);
        self.nodes.push(Node {
            peer,
            key: Key::of_peer(&peer),
            address,
            manner,
            table: Table::new(peer),
            records: BTreeMap::new(),
        });
        if self.nodes[at].is_hostile() {
            self.hostile.push(at);
        }
    }

    /// Everyone met everyone, in an order of its own: the tables that a network has after long.
    pub(crate) fn meet(&mut self) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        for at in 0..self.nodes.len() {
            self.chance.shuffle(&mut order);
            let mut table = self.nodes[at].table.clone();
            for (time, &other) in order.iter().enumerate() {
                let other = &self.nodes[other];
                let (peer, address) = (other.peer, other.address.as_str());
                table.offer(Time(time as u64), &Candidate { peer, address, standing: 0 });
            }
            self.nodes[at].table = table;
        }
    }

    pub(crate) fn some(&mut self, manner: Manner) -> usize {
        loop {
            let at = self.chance.below(self.nodes.len());
            if self.nodes[at].manner == manner {
                return at;
            }
        }
    }

    /// Two honest nodes.
    pub(crate) fn pair(&mut self) -> (usize, usize) {
        let from = self.some(Manner::Honest);
        loop {
            let to = self.some(Manner::Honest);
            if to != from {
                return (from, to);
            }
        }
    }

    pub(crate) fn contacts(&self, of: usize, key: &Key) -> Vec<Contact> {
        let peers = self.nodes[of].table.closest(key, REPLY);
        peers.iter().map(|peer| self.nodes[self.by_peer[peer]].contact()).collect()
    }

    /// A lookup from a node, as it ends; with how it went.
    pub(crate) fn look(&mut self, from: usize, goal: Goal, options: Options) -> (Outcome, Lookup) {
        let options = Options { scope: Scope::Public, seed: self.chance.next(), ..options };
        let own = self.nodes[from].peer;
        let target = goal.target();
        let peers = self.nodes[from].table.closest(&target, options.paths * REPLY);
        let first: Vec<_> =
            peers.iter().map(|peer| self.nodes[self.by_peer[peer]].contact()).collect();
        let mut now = Time(1_000_000);
        let mut lookup = Lookup::new(now, own, goal, first, options);
        let mut coming: BTreeMap<(Time, usize), (PeerId, Reply)> = BTreeMap::new();
        let mut asked = 0;
        loop {
            while let Some(ask) = lookup.next(now) {
                asked += 1;
                let (after_us, reply) = self.reply(own, &lookup, &ask);
                coming.insert((now.after(after_us), asked), (ask.peer, reply));
            }
            let Some(deadline) = lookup.deadline() else { break };
            match coming.first_entry().filter(|entry| entry.key().0 <= deadline) {
                Some(entry) => {
                    now = entry.key().0;
                    let (peer, reply) = entry.remove();
                    match reply {
                        Reply::Answer(told, record) => lookup.answered(now, &peer, &told, record),
                        Reply::Nothing(why) => lookup.failed(now, &peer, why),
                    }
                }
                None => now = deadline,
            }
        }
        let outcome = lookup.outcome().expect("no deadline is left").clone();
        (outcome, lookup)
    }

    /// What comes of a question, and after how long.
    fn reply(&mut self, asker: PeerId, lookup: &Lookup, ask: &Ask) -> (u64, Reply) {
        let trip_us = 10_000 + self.chance.next() % 90_000;
        let Some(&at) = self.by_peer.get(&ask.peer) else {
            return (2_000_000, Reply::Nothing(Why::Unreachable));
        };
        let node = &self.nodes[at];
        if !ask.addresses.contains(&node.address) || node.manner == Manner::Offline {
            return (2_000_000, Reply::Nothing(Why::Unreachable));
        }
        let target = lookup.target();
        let key = match ask.question {
            Question::Target => target,
            Question::Beside { bits } => {
                Key::of_bytes(&self.names.find(&target, bits).expect("within reach"))
            }
        };
        let wants = ask.question == Question::Target && lookup.goal().wants_record();
        let record = self.nodes[at].records.get(&target).filter(|_| wants);
        let record = record.map(|&sequence| RecordFact::Verified { sequence, id: at as u64 });
        match self.nodes[at].manner {
            Manner::Honest | Manner::Stale => {
                let mut told = self.contacts(at, &key);
                told.retain(|contact| contact.peer != asker);
                (trip_us, Reply::Answer(told, record))
            }
            Manner::Lies => (trip_us, Reply::Answer(self.accomplices(&key), None)),
            Manner::Drops | Manner::Offline => (SILENCE_US, Reply::Nothing(Why::Silent)),
            Manner::Poisons => {
                let forged = wants.then_some(RecordFact::Bad).filter(|_| self.chance.below(2) == 0);
                (trip_us, Reply::Answer(self.poison(asker, Some(lookup.goal())), forged))
            }
        }
    }

    /// What a node answers to a question about a bucket, and after how long; `None` for nothing.
    pub(crate) fn bucket(
        &mut self,
        asker: PeerId,
        peer: &PeerId,
        addresses: &[String],
        key: &Key,
    ) -> (u64, Option<Vec<Contact>>) {
        let trip_us = 10_000 + self.chance.next() % 90_000;
        let Some(&at) = self.by_peer.get(peer) else { return (2_000_000, None) };
        if !addresses.contains(&self.nodes[at].address) {
            return (2_000_000, None);
        }
        match self.nodes[at].manner {
            Manner::Honest | Manner::Stale => {
                let mut told = self.contacts(at, key);
                told.retain(|contact| contact.peer != asker);
                (trip_us, Some(told))
            }
            Manner::Lies => (trip_us, Some(self.accomplices(key))),
            Manner::Poisons => (trip_us, Some(self.poison(asker, None))),
            Manner::Offline => (2_000_000, None),
            Manner::Drops => (SILENCE_US, None),
        }
    }

    fn accomplices(&self, key: &Key) -> Vec<Contact> {
        let mut all = self.hostile.clone();
        all.sort_by_key(|&at| key.distance(&self.nodes[at].key));
        all.truncate(REPLY);
        all.iter().map(|&at| self.nodes[at].contact()).collect()
    }

    fn poison(&mut self, asker: PeerId, goal: Option<Goal>) -> Vec<Contact> {
        let count = if self.chance.below(20) == 0 { 10_000 } else { 30 };
        let contact = |peer, address: String| Contact { peer, addresses: vec![address] };
        let mut told = vec![contact(asker, "/ip4/20.0.0.1/tcp/4001".into())];
        if let Some(Goal::Peer(target)) = goal {
            let port = 1 + self.chance.below(60_000);
            told.push(contact(target, format!("/ip4/99.9.9.9/tcp/{port}")));
        }
        while told.len() < count {
            let peer = self.chance.peer();
            let inside = "/ip4/192.168.1.1/tcp/80".to_owned();
            let nowhere = format!("/ip4/99.{}.1.1/tcp/1", self.chance.below(256));
            told.push(contact(peer, if told.len() % 3 == 0 { inside } else { nowhere }));
        }
        told
    }

    /// A node stores its record with those that it finds; with how many that were.
    pub(crate) fn publish(
        &mut self,
        from: usize,
        key: Key,
        sequence: u64,
        options: Options,
    ) -> usize {
        let (outcome, _) = self.look(from, Goal::Closest(key), options);
        for contact in &outcome.closest {
            let node = &mut self.nodes[self.by_peer[&contact.peer]];
            let kept = node.records.entry(key).or_insert(sequence);
            if node.manner != Manner::Stale {
                *kept = sequence;
            }
        }
        outcome.closest.len()
    }
}

enum Reply {
    Answer(Vec<Contact>, Option<RecordFact>),
    Nothing(Why),
}
