//! The Node: facts go in by [`Node::handle`], orders come out by [`Node::poll`].
//!
//! It never waits, reads no clock, draws no randomness and cannot fail. Whoever runs it
//! repeats: give it facts with the time at which they are true; take orders until there are
//! none; come back at [`Node::deadline`] at the latest, with [`Input::Tick`]. Orders are
//! made while they are taken: packets are spread over paths when [`Node::poll`] is called,
//! so that facts that arrived together are decided upon together.
//!
//! The files below it follow a link's life: `dialling` makes it (`seeking` has the shell look
//! up where a peer is), `greeting` admits it,
//! `receiving` takes what it brings, `sending` asks the selector what goes on it, and
//! `failing` notices that it falters and asks the failover policy, `obeying` does what that
//! says, `nearby` does what the radio neighbourhood wishes, `relaying` makes do with relays, and
//! `observing` keeps what was seen for the policies that are asked off the loop.
//! `trusting` makes of that what a peer is worth and what follows, `gossiping` tells others and
//! hears them, `bridging` finds those who must not be cut, `explaining` says why.
//! `proving` exchanges the policies themselves, `judging` and `watching` see what the new ones
//! are worth, `deciding` tells of their decisions.

mod bridging;
mod deciding;
mod dialling;
mod explaining;
mod failing;
mod gossiping;
mod greeting;
mod judging;
mod nearby;
mod obeying;
mod observing;
mod proving;
mod reaching;
mod receiving;
mod relaying;
mod report;
mod seeking;
mod sending;
mod timers;
mod trusting;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::bluetooth::RadioAddress;
use crate::bluetooth::neighbours::Neighbourhood;
use crate::chance::Chance;
use crate::config::NodeConfig;
use crate::id::{DialId, LinkId, PeerId, PeerNumber, Time, UplinkId};
use crate::input::{Address, Input, Uplink};
use crate::links::{Link, saturate};
use crate::monitor::Monitor;
use crate::output::{Event, Fate, Output, Refusal};
use crate::peers::Peers;
use crate::policy::Misconduct;
use crate::policy::slot::{FailoverSlot, SelectorSlot};
use crate::reputation::Subnets;
use deciding::Sampler;
use pointsman_sdk::UNKNOWN;
use proving::Proving;
use report::Counters;
use timers::{Timer, Timers};

/// Battery and mains, as last told.
#[derive(Clone, Copy, Debug, Default)]
struct Power {
    battery_permille: Option<u16>,
    charging: bool,
    saver: bool,
}

/// All that the program knows.
#[derive(Debug)]
pub struct Node {
    me: PeerId,
    config: NodeConfig,
    session: u64,
    /// A secret of every run: see [`Node::salted`].
    salt: u64,
    /// What every choice by chance draws from.
    chance: Chance,
    now: Time,
    power: Power,
    uplinks: BTreeMap<UplinkId, Uplink>,
    /// Bytes of packets that went over each interface since the start, both ways.
    used_bytes: BTreeMap<UplinkId, u64>,
    peers: Peers,
    /// What is known of the networks that peers came from.
    subnets: Subnets,
    /// Peers without whom others could not be reached, and which.
    bridges: BTreeMap<PeerNumber, Vec<PeerNumber>>,
    /// The number of the last change of what is said of peers to others.
    changes: u64,
    /// When something of it may be said again.
    renewal_at: Time,
    /// Peers that are to be looked at when there is room for a dial.
    wanting: BTreeSet<PeerNumber>,
    links: BTreeMap<LinkId, Link>,
    dials: BTreeMap<DialId, (PeerNumber, Address, UplinkId)>,
    /// Dials to whoever is at a radio's address.
    approaches: BTreeMap<DialId, (UplinkId, RadioAddress)>,
    next_dial: u64,
    neighbours: Neighbourhood,
    selector: SelectorSlot,
    failover: FailoverSlot,
    proving: Proving,
    sampler: Sampler,
    timers: Timers,
    /// Peers whose queues or links changed since packets were last spread.
    unsettled: BTreeSet<PeerNumber>,
    orders: VecDeque<Output>,
    /// Bytes that wait in all queues.
    queued_bytes: u64,
    /// Bytes that are held of incomplete, waiting and unconsumed messages.
    held_bytes: u64,
    /// The loop ran late by so much, and when.
    lag: (u64, Time),
    counters: Counters,
    /// What was measured over time; `None` before the first fact.
    monitor: Option<Monitor>,
    /// The peer that the reputation policy was asked about last.
    folded: Option<PeerNumber>,
}

impl Node {
    /// A Node that knows nothing yet. `session` must grow from one run to the next by more than
    /// the peers that a run meets, such as the wall time in milliseconds shifted left by 20
    /// bits and random below: it is the seed of every choice that chance decides, and message
    /// numbers begin anew with it.
    pub fn new(me: PeerId, config: NodeConfig, session: u64) -> Self {
        let neighbours = Neighbourhood::new(me, config.bluetooth, session);
        Self {
            me,
            config,
            session,
            salt: 0,
            chance: Chance::new(session),
            now: Time::default(),
            power: Power::default(),
            uplinks: BTreeMap::new(),
            used_bytes: BTreeMap::new(),
            peers: Peers::new(session),
            subnets: Subnets::default(),
            bridges: BTreeMap::new(),
            changes: 0,
            renewal_at: Time::default(),
            wanting: BTreeSet::new(),
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            approaches: BTreeMap::new(),
            next_dial: 1,
            neighbours,
            selector: SelectorSlot::default(),
            failover: FailoverSlot::default(),
            proving: Proving::default(),
            sampler: Sampler::default(),
            timers: Timers::default(),
            unsettled: BTreeSet::new(),
            orders: VecDeque::new(),
            queued_bytes: 0,
            held_bytes: 0,
            lag: (0, Time::default()),
            counters: Counters::default(),
            monitor: None,
            folded: None,
        }
    }

    /// The same with a secret number of this node's that is the same in every run: by it paths
    /// get the numbers under which policies learn of them.
    pub fn salted(mut self, salt: u64) -> Self {
        self.salt = salt;
        self
    }

    /// Takes a fact that is true at `now`. Time never runs backwards: an earlier `now` counts
    /// as the latest one seen.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = self.now.max(now);
        self.begin_steps();
        match input {
            Input::Tick { lag_us } => self.tick(lag_us),
            Input::Resumed { asleep_us } => self.resumed(asleep_us),
            Input::UplinkChanged(uplink) => self.uplink_changed(uplink),
            Input::UplinkGone(uplink) => self.uplink_gone(uplink),
            Input::Sighted { peer, address, source } => self.sighted(peer, address, source),
            Input::Unsighted { peer, address, source } => self.unsighted(peer, &address, source),
            Input::Wanted { peer, wanted } => self.wanted(peer, wanted),
            Input::Overheard { uplink, address, payload, rssi } => {
                self.overheard(uplink, address, &payload, rssi);
            }
            Input::LinkUp(link) => self.link_up(link),
            Input::LinkDown { link, reason } => self.link_down(link, reason),
            Input::DialFailed { dial, failure } => self.dial_failed(dial, failure),
            Input::Received { link, channel, frame } => self.received(link, channel, frame),
            Input::Malformed { link, error } => self.malformed(link, error),
            Input::Measured { link, sample } => self.measured(link, sample),
            Input::Send(send) => self.send(send),
            Input::Consumed { peer, class, messages, bytes } => {
                self.consumed(&peer, class, messages, bytes);
            }
            Input::Power { battery_permille, charging, saver } => {
                self.power = Power { battery_permille, charging, saver };
                let on_battery = battery_permille.is_some() && !charging;
                self.neighbours.power(self.now, saver || on_battery);
            }
            Input::Configured(config) => self.configured(config),
            Input::SelectorSwapped(swap) => self.selector_swapped(swap),
            Input::FailoverSwapped(swap) => self.failover_swapped(swap),
            Input::SelectorLearned { module, generation } => {
                self.selector.learned(module, generation);
            }
            Input::FailoverLearned { module, generation } => {
                self.failover.learned(module, generation);
            }
            Input::RollBack(role) => self.roll_back(role, Misconduct::Ordered),
            Input::SampleDecisions { every } => self.sampler.sample(every),
            Input::Stood { about, standing } => self.stood(about, standing),
            Input::Observed { peer, because, weight } => self.observed(peer, because, weight),
            Input::Recalled(stored) => self.recalled(stored),
        }
        self.obey_neighbours();
        self.dial_wanting();
    }

    /// The next order, until there are none.
    pub fn poll(&mut self) -> Option<Output> {
        while self.orders.is_empty() {
            if let Some(peer) = self.unsettled.pop_first() {
                self.settle(peer);
            } else if !self.compare_next() {
                return None;
            }
        }
        self.orders.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest, if ever.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// This node's own identity.
    pub fn id(&self) -> PeerId {
        self.me
    }

    /// What is left of an interface's quota, in KiB.
    fn quota_left_kib(&self, uplink: &Uplink) -> u32 {
        if uplink.quota_left_kib == UNKNOWN {
            return UNKNOWN;
        }
        let used_kib = self.used_bytes.get(&uplink.id).copied().unwrap_or_default() / 1024;
        uplink.quota_left_kib.saturating_sub(saturate(used_kib))
    }

    fn tell(&mut self, event: Event) {
        self.orders.push_back(Output::Event(event));
    }

    /// The next draw of chance.
    fn draw(&mut self) -> u64 {
        self.chance.draw()
    }

    /// Time passed: whatever is due is done.
    fn tick(&mut self, lag_us: u64) {
        if lag_us > 0 {
            self.lag = (lag_us, self.now);
            if let Some(monitor) = &mut self.monitor {
                monitor.lagged(lag_us);
            }
        }
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Link(link) => self.check_link(link),
                Timer::Peer(peer) => self.check_peer(peer),
                Timer::Step => self.step(),
                Timer::Judge => self.judge(),
                Timer::Neighbours => self.neighbours.tick(self.now),
            }
        }
    }

    fn configured(&mut self, config: NodeConfig) {
        self.config = config;
        self.neighbours.configured(self.now, self.config.bluetooth);
        let unwanted: Vec<LinkId> =
            self.links.values().filter(|link| !self.allows(link)).map(Link::id).collect();
        for link in unwanted {
            self.close(link, crate::output::CloseReason::NotAllowed);
        }
        for peer in self.peers.numbers() {
            self.drop_unwanted(peer);
            self.consider_dials(peer);
        }
    }

    /// What waits for a peer that is not allowed any more has a fate too.
    fn drop_unwanted(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get(number).map(|peer| peer.id) else { return };
        if self.is_allowed(&peer) {
            return;
        }
        let Some(peer) = self.peers.get_mut(number) else { return };
        for lane in &mut peer.lanes {
            self.queued_bytes -= lane.outbox.bytes();
            for token in lane.outbox.give_up_all() {
                let fate = Fate::Refused(Refusal::NotAllowed);
                self.orders.push_back(Output::Fate { token, fate });
            }
        }
        self.outcomes_given_up(number);
    }
}
