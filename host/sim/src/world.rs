//! The world: its clock, its queue of happenings, and what people do to it.

mod links;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pointsman_core::Node;
use pointsman_core::config::NodeConfig;
use pointsman_core::frame::{Channel, Frame, encode};
use pointsman_core::id::{DialId, LinkId, PeerId, Time, Token, UplinkId};
use pointsman_core::input::{
    Address, DialFailure, DownReason, Input, Protocol, Send, Source, Uplink,
};
use pointsman_core::output::{Event, Output};
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::selector::Class;

use self::links::address;
use crate::site::{Arrival, Site};
use crate::wire::{Cut, Port, Wire};

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeIndex(pub usize);

/// A segment of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentIndex(pub usize);

/// A node's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub NodeIndex, pub usize);

/// A QUIC connection whose peer is gone ends after so many microseconds.
const IDLE_US: u64 = 10_000_000;

#[derive(Debug)]
enum Happening {
    Fact(usize, u64, Box<Input>),
    Frame { from: usize, link: LinkId, channel: Channel, frame: Frame, bytes: usize, tries: u32 },
    Arrive { there: usize, life: u64, link: LinkId, channel: Channel, frame: Frame },
    Dialled { from: usize, life: u64, dial: DialId, port: usize, address: Address },
    Drop { there: usize, link: LinkId, reason: DownReason },
}

/// Nodes, segments, and what is under way.
#[derive(Debug)]
pub struct World {
    now: Time,
    chance: u64,
    config: NodeConfig,
    segments: Vec<Wire>,
    sites: Vec<Site>,
    lives: Vec<u64>,
    queue: BTreeMap<(Time, u64), Happening>,
    next_happening: u64,
    next_token: u64,
    trace: u64,
}

impl World {
    /// An empty world. All of its Nodes get this config.
    pub fn new(seed: u64, config: NodeConfig) -> Self {
        Self {
            now: Time(1_000_000),
            chance: seed,
            config,
            segments: Vec::new(),
            sites: Vec::new(),
            lives: Vec::new(),
            queue: BTreeMap::new(),
            next_happening: 0,
            next_token: 1,
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A digest of every order that any Node gave so far, with its time and its bytes.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// A new segment.
    pub fn segment(&mut self, wire: Wire) -> SegmentIndex {
        self.segments.push(wire);
        SegmentIndex(self.segments.len() - 1)
    }

    /// Changes how a segment carries frames from now on.
    pub fn rewire(&mut self, segment: SegmentIndex, wire: Wire) {
        self.segments[segment.0] = wire;
    }

    /// A new node on these segments. Its interfaces are numbered as the segments are given.
    pub fn node(&mut self, segments: &[SegmentIndex]) -> NodeIndex {
        let index = self.sites.len();
        let mut id = [0; 32];
        id[0] = index as u8 + 1;
        id[31] = 0xa5;
        let node = Node::new(PeerId(id), self.config.clone(), self.session());
        let mut site = Site::new(PeerId(id), node);
        for (port, segment) in segments.iter().enumerate() {
            let name = format!("if{port}");
            site.ports.push(Port { segment: segment.0, name, cut: Cut::NONE, busy_until: Time(0) });
        }
        self.sites.push(site);
        self.lives.push(0);
        self.tell_uplinks(index);
        NodeIndex(index)
    }

    fn tell_uplinks(&mut self, index: usize) {
        for port in 0..self.sites[index].ports.len() {
            let uplink = self.uplink(index, port);
            self.fact(self.now, index, Input::UplinkChanged(uplink));
        }
    }

    fn uplink(&self, index: usize, port: usize) -> Uplink {
        let at = &self.sites[index].ports[port];
        Uplink {
            id: UplinkId(port as u32),
            name: at.name.clone(),
            radio: None,
            has_default_route: false,
            addresses: vec![format!("10.{}.0.{}/24", at.segment, index + 1)],
            risk_group: port as u32,
            metered: false,
            price_per_mib: 0,
            quota_left_kib: UNKNOWN,
            wake_uj: 0,
            nj_per_byte: 0,
        }
    }

    /// A node and what its application saw.
    pub fn site(&self, node: NodeIndex) -> &Site {
        &self.sites[node.0]
    }

    /// Gives a Node a fact now.
    pub fn tell(&mut self, node: NodeIndex, input: Input) {
        self.fact(self.now, node.0, input);
        self.run_for(0);
    }

    /// Tells `node` all addresses of `other`, for these protocols.
    pub fn introduce(&mut self, node: NodeIndex, other: NodeIndex, protocols: &[Protocol]) {
        let peer = self.sites[other.0].id;
        for port in self.sites[other.0].ports.clone() {
            for &protocol in protocols {
                let address = address(port.segment, other.0, protocol);
                let sighted = Input::Sighted { peer, address, source: Source::Config };
                self.fact(self.now, node.0, sighted);
            }
        }
    }

    /// Hands a message over.
    pub fn send(&mut self, from: NodeIndex, to: NodeIndex, class: Class, payload: Bytes) -> Token {
        self.send_as(from, to, class, false, None, payload)
    }

    /// Hands a message over, in order or with a deadline.
    pub fn send_as(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        class: Class,
        ordered: bool,
        deadline: Option<Time>,
        payload: Bytes,
    ) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        let peer = self.sites[to.0].id;
        let send = Send { token, peer, class, ordered, deadline, payload };
        self.fact(self.now, from.0, Input::Send(send));
        token
    }

    /// Whether the application of a node consumes what is delivered; it does at first.
    pub fn consumes(&mut self, node: NodeIndex, yes: bool) {
        self.sites[node.0].consumes = yes;
    }

    /// Cuts an interface, or mends it.
    pub fn cut(&mut self, at: At, cut: Cut) {
        self.sites[at.0.0].ports[at.1].cut = cut;
    }

    /// The machine of a node loses power: what its Node knew is gone.
    pub fn crash(&mut self, node: NodeIndex) {
        self.lives[node.0] += 1;
        let links = std::mem::take(&mut self.sites[node.0].links);
        self.sites[node.0].node = None;
        for ends in links.into_values() {
            let latency_us = self.segments[self.sites[node.0].ports[ends.port].segment].latency_us;
            let after_us = if ends.quic { IDLE_US } else { latency_us };
            let (there, link) = (ends.there, ends.there_link);
            let drop = Happening::Drop { there, link, reason: DownReason::Broken };
            self.at(self.now.after(after_us), drop);
        }
    }

    /// The node comes back, under its identity and with a new session.
    pub fn restart(&mut self, node: NodeIndex) {
        let session = self.session();
        let site = &mut self.sites[node.0];
        site.node = Some(Node::new(site.id, self.config.clone(), session));
        self.tell_uplinks(node.0);
    }

    /// Runs for so many microseconds.
    pub fn run_for(&mut self, us: u64) {
        let end = self.now.after(us);
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until something is true, for at most so many microseconds; tells whether it is.
    pub fn run_until(&mut self, us: u64, mut is: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(us);
        loop {
            if is(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return is(self);
            }
        }
    }

    /// The next thing that happens until `end`; tells whether there was one.
    fn step(&mut self, end: Time) -> bool {
        let timer = self
            .sites
            .iter()
            .enumerate()
            .filter_map(|(index, site)| Some((site.node.as_ref()?.deadline()?, index)))
            .min();
        let happening = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let (at, ticking) = match (happening, timer) {
            (Some(at), Some((due, _))) if at <= due => (at, None),
            (_, Some((due, index))) => (due, Some(index)),
            (Some(at), None) => (at, None),
            (None, None) => return false,
        };
        if at > end {
            return false;
        }
        self.now = self.now.max(at);
        if let Some(index) = ticking {
            self.handle(index, Input::Tick { lag_us: 0 });
        } else if let Some((_, happening)) = self.queue.pop_first() {
            self.happen(happening);
        }
        true
    }

    fn at(&mut self, at: Time, happening: Happening) {
        self.next_happening += 1;
        self.queue.insert((at, self.next_happening), happening);
    }

    fn fact(&mut self, at: Time, index: usize, input: Input) {
        let life = self.lives[index];
        self.at(at, Happening::Fact(index, life, Box::new(input)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Fact(index, life, input) => {
                if self.lives[index] == life {
                    self.handle(index, *input);
                }
            }
            Happening::Frame { from, link, channel, frame, bytes, tries } => {
                self.carry(from, link, channel, frame, bytes, tries);
            }
            Happening::Arrive { there, life, link, channel, frame } => {
                if self.lives[there] == life && self.sites[there].links.contains_key(&link) {
                    self.handle(there, Input::Received { link, channel, frame });
                }
            }
            Happening::Dialled { from, life, dial, port, address } => {
                if self.lives[from] == life {
                    self.connect(from, dial, port, &address);
                }
            }
            Happening::Drop { there, link, reason } => {
                if self.sites[there].links.remove(&link).is_some() {
                    self.handle(there, Input::LinkDown { link, reason });
                }
            }
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(node) = self.sites[index].node.as_mut() else { return };
        node.handle(now, input);
        let mut orders = Vec::new();
        while let Some(order) = node.poll() {
            orders.push(order);
        }
        for order in orders {
            self.note(index, &order);
            self.obey(index, order);
        }
    }

    fn obey(&mut self, index: usize, order: Output) {
        let now = self.now;
        match order {
            Output::Transmit { link, channel, frame } => {
                let mut bytes = BytesMut::new();
                encode(&frame, &mut bytes);
                self.carry(index, link, channel, frame, bytes.len(), 0);
            }
            Output::Dial { dial, address, uplink, .. } => self.dial(index, dial, address, uplink),
            // This world has no radios: who is told of one by a test can reach nobody with it.
            Output::Approach { dial, .. } => {
                let failure = DialFailure::Unreachable;
                self.fact(now, index, Input::DialFailed { dial, failure });
            }
            // Nor has it a phone book: who is to be found is introduced.
            Output::Scan { .. } | Output::Advertise { .. } | Output::Seek { .. } => {}
            Output::Close { link, .. } => self.close(index, link),
            Output::Deliver(delivery) => {
                if self.sites[index].consumes {
                    let (peer, class) = (delivery.peer, delivery.class);
                    let bytes = delivery.payload.len() as u64;
                    self.fact(now, index, Input::Consumed { peer, class, messages: 1, bytes });
                }
                self.sites[index].arrivals.push(Arrival { at: now, delivery });
            }
            Output::Fate { token, fate } => {
                self.sites[index].fates.entry(token).or_default().push(fate);
            }
            Output::Event(event) => self.sites[index].events.push((now, event)),
            Output::Fold { about, question } => {
                self.sites[index].folds.push((now, about, question));
            }
            Output::StandingChanged { .. } => {}
            Output::Inspect(question) => self.sites[index].inspected = Some(question),
            Output::Decided(decision) => self.sites[index].decisions.push((now, *decision)),
            Output::Outcome(outcome) => self.sites[index].outcomes.push((now, outcome)),
        }
    }

    /// Mixes an order into the trace (FNV-1a).
    fn note(&mut self, index: usize, order: &Output) {
        let mut bytes = BytesMut::new();
        if let Output::Transmit { frame, .. } = order {
            encode(frame, &mut bytes);
        } else {
            bytes.extend_from_slice(format!("{order:?}").as_bytes());
        }
        let head = self.now.0.to_le_bytes().into_iter().chain([index as u8]);
        for byte in head.chain(bytes) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// How many links of a node are up, as its events tell.
    pub fn links_up(&self, node: NodeIndex) -> usize {
        let events = self.sites[node.0].events.iter();
        let mut up = std::collections::BTreeSet::new();
        for (_, event) in events {
            if let Event::LinkUp(link) = event {
                up.insert(*link);
            } else if let Event::LinkDown(link, _) | Event::Closed(link, _) = event {
                up.remove(link);
            }
        }
        up.len()
    }

    /// A number for a run of a Node, as the daemon makes it: time above chance.
    fn session(&mut self) -> u64 {
        self.now.0 << 20 | self.draw() & 0xf_ffff
    }

    /// The next draw of chance (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
