//! Peers: who they are, where they may be reachable, and what is on its way to and from them.
//!
//! A peer is kept from its first sighting, link or message on. When there are too many, a
//! discouraged one makes room, then the one that was of no use for longest; one that has links, messages or a line in
//! the config stays. What was seen of it outlives it.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use pointsman_sdk::selector::{Class, Verdict};

use crate::chance::Chance;
use crate::delivery::{Inbox, Outbox};
use crate::id::{DialId, LinkId, PeerId, PeerNumber, Time, UplinkId};
use crate::input::{Address, DialFailure, Source};
use crate::limits::SUBNETS_PER_PEER_MAX;
use crate::reputation::{Grant, Hearsay, Level, Memory, Record, Saying, Score, Told};
use crate::subnet::Subnet;

/// Bytes that may be spent on copies without having been earned, so that a peer with little
/// traffic can be hedged too.
const DUPLICATE_BURST_BYTES: u64 = 256 << 10;

/// The time in which that allowance is whole again, in microseconds.
const DUPLICATE_REFILL_US: u64 = 60_000_000;

/// One peer in so many is spared the consequences of its score, by lot.
const SPARED_ONE_IN: u64 = 16;

/// What was saved up for copies never exceeds this.
const DUPLICATE_BYTES_MAX: u64 = 4 << 20;

/// One way to dial a peer: an address over an uplink.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) dialling: Option<DialId>,
    pub(crate) dialled_at: Time,
    pub(crate) failures: u32,
    pub(crate) next_try: Time,
    pub(crate) last_failure: Option<DialFailure>,
    pub(crate) setup_us: Option<u64>,
    /// What the peer calls the interface that this led to.
    pub(crate) reached: Option<String>,
}

/// An address and how dialling it went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) sources: BTreeSet<Source>,
    pub(crate) attempts: BTreeMap<UplinkId, Attempt>,
}

/// A verdict that holds for the next packets of a class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) verdict: Verdict,
    pub(crate) packets: u8,
    pub(crate) until: Time,
}

/// One class of traffic with a peer.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) lease: Option<Lease>,
    /// A verdict said to wait until then, or until a path changes.
    pub(crate) held_until: Time,
}

impl Lane {
    /// The verdict that still holds, one packet of it used up.
    pub(crate) fn take_lease(&mut self, now: Time) -> Option<Verdict> {
        let lease = self.lease.as_mut().filter(|lease| lease.packets > 0 && lease.until >= now)?;
        lease.packets -= 1;
        Some(lease.verdict)
    }
}

/// How far a peer is trusted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    pub(crate) score: Score,
    pub(crate) level: Level,
    /// Since when it has that level.
    pub(crate) since: Time,
    /// What was last told of it.
    pub(crate) told: (i32, Level),
    /// By lot its score has no say in whom to dial first or to evict, so that scoring alone
    /// can't choose all company.
    pub(crate) is_spared: bool,
}

impl Trust {
    /// What counts when peers are compared.
    pub(crate) fn rank(&self) -> Level {
        let spared = self.is_spared && self.level == Level::Discouraged;
        if spared { Level::Unknown } else { self.level }
    }
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) number: PeerNumber,
    /// The other side's run, as its newest hello says.
    pub(crate) session: Option<u64>,
    pub(crate) links: Vec<LinkId>,
    pub(crate) places: BTreeMap<Address, Place>,
    pub(crate) lanes: [Lane; 3],
    pub(crate) useful_at: Time,
    /// A link to it is wanted, whether or not anything waits for it.
    pub(crate) wanted: bool,
    /// Lookups since it had a link, and when the next is due.
    pub(crate) seeks: u32,
    pub(crate) seek_at: Time,
    pub(crate) moves: Vec<Time>,
    pub(crate) moves_total: u64,
    /// What copies may still cost, in bytes.
    pub(crate) duplicate_bytes: u64,
    refilled_at: Time,
    /// A duplicate arrived on this link: acknowledgements of other links may be lost.
    pub(crate) tell_acks_on: Option<LinkId>,
    /// When the failover policy is asked next because something is wrong.
    pub(crate) next_tick: Option<Time>,
    /// What was seen of it, and where that has it stand.
    pub(crate) record: Record,
    /// What others say of it.
    pub(crate) hearsay: Hearsay,
    /// What is said of it to others.
    pub(crate) saying: Saying,
    /// How far it was told of others.
    pub(crate) told: Told,
    /// How much it may tell of others.
    pub(crate) grant: Grant,
    /// Where its links came from or led to, the newest last.
    pub(crate) subnets: Vec<Subnet>,
    /// What follows from all of that.
    pub(crate) trust: Trust,
    /// The mask of its links is that of a failover policy that is gone, and ends then.
    pub(crate) inherited_until: Option<Time>,
}

impl Peer {
    pub(crate) fn new(id: PeerId, number: PeerNumber, now: Time) -> Self {
        let lane = |class| Lane {
            outbox: Outbox::new(class),
            inbox: Inbox::default(),
            lease: None,
            held_until: Time::default(),
        };
        Self {
            id,
            number,
            session: None,
            links: Vec::new(),
            places: BTreeMap::new(),
            lanes: Class::ALL.map(lane),
            useful_at: now,
            wanted: false,
            seeks: 0,
            seek_at: now,
            moves: Vec::new(),
            moves_total: 0,
            duplicate_bytes: DUPLICATE_BURST_BYTES,
            refilled_at: now,
            tell_acks_on: None,
            next_tick: None,
            record: Record::default(),
            hearsay: Hearsay::default(),
            saying: Saying::default(),
            told: Told::default(),
            grant: Grant::new(now),
            subnets: Vec::new(),
            trust: Trust::default(),
            inherited_until: None,
        }
    }

    /// Whether somebody waits for a link to it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.wanted || self.lanes.iter().any(|lane| lane.outbox.len() > 0)
    }

    /// Whether it may make room for another.
    pub(crate) fn is_idle(&self) -> bool {
        self.links.is_empty()
            && !self.wanted
            && self.lanes.iter().all(|lane| lane.outbox.len() == 0 && lane.inbox.held() == 0)
            && self.places.values().all(|place| {
                !place.sources.contains(&Source::Config)
                    && place.attempts.values().all(|attempt| attempt.dialling.is_none())
            })
    }

    /// A link to it has this address at its other end.
    pub(crate) fn came_from(&mut self, remote: &str) {
        let Some(subnet) = Subnet::of_link(remote) else { return };
        self.subnets.retain(|&known| known != subnet);
        if self.subnets.len() >= SUBNETS_PER_PEER_MAX {
            self.subnets.remove(0);
        }
        self.subnets.push(subnet);
    }

    /// What was told on a link that is gone is told again on another.
    pub(crate) fn tell_again(&mut self) {
        for lane in &mut self.lanes {
            lane.inbox.tell_grant_again();
            lane.outbox.floor_due = true;
        }
    }

    /// A path changed: verdicts that were given for the paths as they were end.
    pub(crate) fn paths_changed(&mut self) {
        for lane in &mut self.lanes {
            lane.lease = None;
            lane.held_until = Time::default();
        }
    }

    /// Packets were sent: a share of their bytes may be spent on copies.
    pub(crate) fn earn_duplicates(&mut self, bytes: u32, permille: u16) {
        let earned = u64::from(bytes) * u64::from(permille) / 1000;
        self.duplicate_bytes = (self.duplicate_bytes + earned).min(DUPLICATE_BYTES_MAX);
    }

    /// Time passed: the allowance for copies grows back.
    pub(crate) fn refill_duplicates(&mut self, now: Time) {
        let passed_us = now.since(self.refilled_at).min(DUPLICATE_REFILL_US);
        self.refilled_at = now;
        let refilled = DUPLICATE_BURST_BYTES * passed_us / DUPLICATE_REFILL_US;
        let whole = self.duplicate_bytes.max(DUPLICATE_BURST_BYTES);
        self.duplicate_bytes = (self.duplicate_bytes + refilled).min(whole);
    }

    /// Bytes that wait to be sent for the first time in classes more urgent than this.
    pub(crate) fn backlog_above(&self, class: Class) -> u64 {
        self.lanes[..class as usize].iter().map(|lane| lane.outbox.unsent_bytes()).sum()
    }

    /// Moves within the 60 s before `now`.
    pub(crate) fn moves_last_60s(&mut self, now: Time) -> u32 {
        self.moves.retain(|&at| now.since(at) < 60_000_000);
        self.moves.len() as u32
    }
}

/// All peers, by number and by identity.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_number: BTreeMap<PeerNumber, Peer>,
    numbers: BTreeMap<PeerId, PeerNumber>,
    next: u32,
    /// What was seen of peers that made room.
    pub(crate) memory: Memory,
    chance: Chance,
}

impl Peers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed.rotate_left(32)), ..Self::default() }
    }

    pub(crate) fn number(&self, id: &PeerId) -> Option<PeerNumber> {
        self.numbers.get(id).copied()
    }

    pub(crate) fn get(&self, number: PeerNumber) -> Option<&Peer> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: PeerNumber) -> Option<&mut Peer> {
        self.by_number.get_mut(&number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_number.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.by_number.values_mut()
    }

    pub(crate) fn numbers(&self) -> Vec<PeerNumber> {
        self.by_number.keys().copied().collect()
    }

    /// The peer with this identity, made if need be; `None` where all places are taken by
    /// peers that are in use.
    pub(crate) fn meet(&mut self, now: Time, id: PeerId, max: usize) -> Option<&mut Peer> {
        let number = match self.numbers.get(&id) {
            Some(&number) => number,
            None => self.admit(now, id, max)?,
        };
        self.by_number.get_mut(&number)
    }

    fn admit(&mut self, now: Time, id: PeerId, max: usize) -> Option<PeerNumber> {
        if self.by_number.len() >= max {
            let idle = self.by_number.values().filter(|peer| peer.is_idle());
            let worth = |peer: &&Peer| (Reverse(peer.trust.rank()), peer.useful_at, peer.number);
            let least = idle.min_by_key(worth)?.number;
            let gone = self.by_number.remove(&least)?;
            self.numbers.remove(&gone.id);
            self.memory.keep(gone.id, gone.record);
        }
        let number = PeerNumber(self.next);
        self.next = self.next.wrapping_add(1);
        self.numbers.insert(id, number);
        let record = self.memory.recall(&id);
        let is_spared = self.chance.draw().is_multiple_of(SPARED_ONE_IN);
        let trust = Trust { is_spared, since: now, ..Trust::default() };
        self.by_number.insert(number, Peer { record, trust, ..Peer::new(id, number, now) });
        Some(number)
    }
}
