//! The network task: it owns the swarm, carries orders out and tells facts.
//!
//! It never waits for the loop: facts that the loop does not take yet wait here, bounded by
//! what they are about (links, dials under way, uplinks), and mDNS is not listened to while
//! any do. It ends when the last [`Net`] is dropped, and all connections with it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, TransportError};
use libp2p::core::upgrade::Version;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{self, ListenError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, connection_limits, memory_connection_limits};
use pointsman_core::id::{DialId, PeerId as Identity};
use pointsman_core::input::{Address, DialFailure, Protocol};
use pointsman_core::limits;
use pointsman_dht::Dht;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, interval_at};

use super::address::dial_options;
use super::api::{LinkFact, ListenAddress, Listener, Net, NetFact, NetFacts, NetOptions, Order};
use super::bindings::Bindings;
use super::ble::RadioPort;
use super::gate::Gate;
use super::identify::{Identify, Learned};
use super::links::behaviour::{LinkEvent, Links};
use super::links::{GUEST_IDLE_MAX, Wires, WithCircuits};
use super::listeners::{Bind, Listeners, wanted};
use super::mdns::Mdns;
use super::nat::{Fenced, Identity as NatIdentity, Nat, NatEvent, Reach};
use super::phone::{Phone, PhoneBook, PhoneOrder, phone};
use super::ping::Ping;
use super::refusals::Refusals;
use super::registry::Registry;
use super::secure::Security;
use super::transport::transport;
use super::ways::{Routed, Ways};
use crate::identity;

/// Orders that wait for the task: all dials that the Node may have under way, two for each
/// uplink, and what the phone book is told.
const ORDERS_MAX: usize = limits::DIALS_MAX + 2 * limits::UPLINKS_MAX + limits::SEEKS_QUEUED_MAX;

/// The records of others go to the store this often: they are hints, and come again.
const SHELVING: Duration = Duration::from_secs(300);

/// Questions of operators to the phone book that wait for the task.
const PHONE_ORDERS_MAX: usize = 16;

/// Starts the network task on our own transports. Must be called within a tokio runtime. An
/// error only where no certificate can be made of the key.
pub fn start(
    options: NetOptions,
    bindings: Bindings,
    registry: Registry,
    radios: Vec<RadioPort>,
) -> io::Result<(Net, NetFacts)> {
    let transport = transport(&options.keypair, bindings, registry.clone(), radios)?;
    let refusals = registry.refusals().clone();
    start_counting(options, transport, Box::new(registry), refusals)
}

/// Starts the network task on any transport whose connections `wires` knows.
pub fn start_over(
    options: NetOptions,
    transport: Boxed<(PeerId, StreamMuxerBox)>,
    wires: Box<dyn Wires>,
) -> io::Result<(Net, NetFacts)> {
    start_counting(options, transport, wires, Refusals::default())
}

fn start_counting(
    options: NetOptions,
    transport: Boxed<(PeerId, StreamMuxerBox)>,
    wires: Box<dyn Wires>,
    refusals: Refusals,
) -> io::Result<(Net, NetFacts)> {
    let (orders, order_queue) = mpsc::channel(ORDERS_MAX);
    let (links, link_facts) = mpsc::channel(limits::LINK_FACTS_MAX);
    let (net, net_facts) = mpsc::channel(limits::NET_FACTS_MAX);
    let (listening, listening_now) = watch::channel(Arc::from([]));
    let (reach, reach_now) = watch::channel(Arc::default());
    let ways = Ways::default();
    let (nat, transport, wires) = with_nat(&options, transport, wires, &ways, reach)?;
    let (dht, phone) = phone(&options.network, &options.keypair, options.phone.clone());
    let (phone_orders, phone_queue) = mpsc::channel(PHONE_ORDERS_MAX);
    let book = PhoneBook::new(phone.is_some().then_some(phone_orders));
    let behaviour = Behaviour::new(&options, wires, links.clone(), nat, dht);
    let me = options.keypair.public().to_peer_id();
    let task = Task {
        phone,
        phone_orders: phone_queue,
        shelving: interval_at(Instant::now() + SHELVING, SHELVING),
        swarm: Swarm::new(transport, behaviour, me, swarm_config()),
        ways,
        mdns: options.mdns.then(|| mdns(&options)).flatten(),
        orders: order_queue,
        links_waiting: VecDeque::new(),
        net_waiting: VecDeque::new(),
        listeners: Listeners::default(),
        listening,
        reach: reach_now.clone(),
        refusals: refusals.clone(),
    };
    tokio::spawn(task.run(links, net));
    Ok((
        Net { orders, listening: listening_now, reach: reach_now, refusals, phone: book },
        NetFacts { links: link_facts, net: net_facts },
    ))
}

/// A transport whose connections are ready for a swarm.
type Whole = Boxed<(PeerId, StreamMuxerBox)>;

/// The ways around NATs, and the transport and its wires with circuits beside them. Every dial
/// names an uplink below it.
fn with_nat(
    options: &NetOptions,
    transport: Boxed<(PeerId, StreamMuxerBox)>,
    wires: Box<dyn Wires>,
    ways: &Ways,
    reach: watch::Sender<Arc<Reach>>,
) -> io::Result<(Fenced<Nat>, Whole, WithCircuits)> {
    let me = options.keypair.public().to_peer_id();
    let identity = NatIdentity { me, security: Security::new(&options.keypair)? };
    let registry = Registry::default();
    let (nat, circuits) = Nat::new(identity, &options.nat, ways, registry.clone(), reach);
    let either = circuits.map_err(io::Error::other).or_transport(transport);
    let either = either.map(|output, _| output.into_inner()).map_err(|error| error.into_inner());
    let transport = Routed::new(either, ways.clone()).boxed();
    Ok((nat, transport, WithCircuits { below: wires, circuits: registry }))
}

fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(GUEST_IDLE_MAX)
        .with_max_negotiating_inbound_streams(limits::SUBSTREAMS_PER_LINK_MAX)
}

fn mdns(options: &NetOptions) -> Option<Mdns> {
    match Mdns::start(identity::peer_id(&options.keypair), &options.network) {
        Ok(mdns) => Some(mdns),
        Err(error) => {
            tracing::warn!(%error, "no mDNS here: peers on the local network are not found");
            None
        }
    }
}

/// In the order in which they may refuse a connection; links come last, so that they only
/// hear of those that all others let in.
#[derive(NetworkBehaviour)]
struct Behaviour {
    gate: Gate,
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    ping: Ping,
    identify: Identify,
    dht: Toggle<Dht>,
    nat: Fenced<Nat>,
    links: Links,
}

impl Behaviour {
    fn new(
        options: &NetOptions,
        wires: WithCircuits,
        facts: mpsc::Sender<LinkFact>,
        nat: Fenced<Nat>,
        dht: Toggle<Dht>,
    ) -> Self {
        let relays = options.nat.relays.iter().filter_map(|(_, id)| identity::to_libp2p(*id));
        Self {
            gate: Gate::new(&options.allow, relays.collect()),
            limits: connection_limits::Behaviour::new(connection_limits()),
            memory: memory_connection_limits::Behaviour::with_max_bytes(limits::MEMORY_BYTES_MAX),
            ping: Ping,
            identify: Identify::new(options.keypair.public()),
            dht,
            nat,
            links: Links::new(&options.network, Box::new(wires), facts),
        }
    }
}

fn connection_limits() -> connection_limits::ConnectionLimits {
    let count = |limit: usize| Some(u32::try_from(limit).unwrap_or(u32::MAX));
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits::PENDING_INBOUND_MAX))
        .with_max_pending_outgoing(count(limits::DIALS_MAX))
        .with_max_established(count(limits::LINKS_MAX + limits::GUESTS_MAX))
        .with_max_established_per_peer(count(
            limits::LINKS_PER_PEER_MAX + limits::GUESTS_PER_PEER_MAX,
        ))
}

struct Task {
    swarm: Swarm<Behaviour>,
    phone: Option<Phone>,
    phone_orders: mpsc::Receiver<PhoneOrder>,
    /// When the records of others go to the store again.
    shelving: Interval,
    ways: Ways,
    mdns: Option<Mdns>,
    orders: mpsc::Receiver<Order>,
    links_waiting: VecDeque<LinkFact>,
    net_waiting: VecDeque<NetFact>,
    listeners: Listeners,
    listening: watch::Sender<Arc<[ListenAddress]>>,
    reach: watch::Receiver<Arc<Reach>>,
    refusals: Refusals,
}

impl Task {
    async fn run(mut self, links: mpsc::Sender<LinkFact>, net: mpsc::Sender<NetFact>) {
        loop {
            let idle = self.net_waiting.is_empty();
            tokio::select! {
                biased;
                permit = links.reserve(), if !self.links_waiting.is_empty() => {
                    let (Ok(permit), Some(fact)) = (permit, self.links_waiting.pop_front()) else {
                        return;
                    };
                    permit.send(fact);
                }
                permit = net.reserve(), if !idle => {
                    let (Ok(permit), Some(fact)) = (permit, self.net_waiting.pop_front()) else {
                        return;
                    };
                    permit.send(fact);
                }
                order = self.orders.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.happened(event),
                _ = self.shelving.tick(), if self.phone.is_some() => {
                    let records = self.with_phone(|_, dht| dht.shelved());
                    self.net_waiting.push_back(NetFact::Shelved(records));
                }
                Some(order) = self.phone_orders.recv() => {
                    self.with_phone(|phone, dht| phone.order(dht, order));
                }
                // Its sender lives in the swarm.
                Ok(()) = self.reach.changed() => self.tell_reach(),
                facts = heard(&mut self.mdns), if idle => match facts {
                    Some(facts) => self.heard(facts),
                    None => self.mdns = None,
                },
            }
        }
    }

    /// Who is on the local network is also somebody to begin with in the phone book.
    fn heard(&mut self, facts: Vec<NetFact>) {
        for fact in &facts {
            if let NetFact::Sighted { peer, address, .. } = fact {
                self.with_phone(|_, dht| Phone::sighted_near(dht, *peer, address));
            }
        }
        self.net_waiting.extend(facts);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Dial { dial, peer, address, uplink } => {
                self.dial(dial, peer, &address, &uplink);
            }
            Order::Listen(listener) => self.listen(&listener),
            Order::Unlisten(uplink) => {
                self.swarm.behaviour_mut().links.subnets.forget(&uplink);
                self.ways.forget(&uplink);
                self.rebind(&uplink, Vec::new());
            }
            Order::Allow(allow) => self.swarm.behaviour_mut().gate.allow(&allow),
            Order::Seek(peer) => self.with_phone(|phone, dht| phone.seek(dht, peer)),
            Order::Standing { peer, score, level } => {
                self.with_phone(|_, dht| dht.set_standing(peer, score));
                if let Some(peer) = identity::to_libp2p(peer) {
                    self.swarm.behaviour_mut().nat.stood(peer, level);
                }
            }
            Order::Leave => self.leave(),
            Order::Dht(config) => self.with_phone(|phone, dht| phone.configured(dht, &config)),
        }
    }

    /// Hands out what is worth remembering. What others did for this node ends.
    fn leave(&mut self) {
        let (met, shelved) = self.with_phone(|_, dht| (dht.contacts(), dht.shelved()));
        self.net_waiting.extend([NetFact::Met(met), NetFact::Shelved(shelved)]);
        self.swarm.behaviour_mut().nat.leave();
    }

    fn dial(&mut self, dial: DialId, peer: Option<Identity>, address: &Address, uplink: &str) {
        let Some(options) = dial_options(peer, address, uplink) else {
            let text = format!("`{}` is no address of a peer", address.text);
            let failure = DialFailure::Other;
            self.net_waiting.push_back(NetFact::DialFailed { dial, failure, text });
            return;
        };
        let behaviour = self.swarm.behaviour_mut();
        behaviour.links.expect(options.connection_id(), dial);
        if address.protocol == Protocol::Circuit
            && let Ok(address) = address.text.parse::<Multiaddr>()
        {
            return behaviour.nat.connect(&address, uplink, options);
        }
        // A failure at once is told by the behaviour too, like every other.
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(dial = dial.0, %error, "dial failed at once");
        }
    }

    fn listen(&mut self, listener: &Listener) {
        self.swarm.behaviour_mut().links.subnets.set(&listener.uplink);
        self.ways.set(&listener.uplink);
        self.swarm.behaviour_mut().nat.uplinks_changed();
        self.rebind(&listener.uplink.name, wanted(listener));
    }

    /// Closes what is not wanted before it opens the rest: a port may move between them.
    fn rebind(&mut self, uplink: &str, wanted: Vec<Bind>) {
        let changes = self.listeners.changes(uplink, wanted);
        for id in changes.close {
            self.listeners.closed(id);
            self.swarm.remove_listener(id);
        }
        for bind in changes.open {
            match self.swarm.listen_on(bind.address.clone()) {
                Ok(id) => self.listeners.opened(id, bind),
                // libp2p tells only its own errors; those of a socket it shows as nothing.
                Err(TransportError::Other(error)) => self.listen_failed(bind, error.to_string()),
                Err(error @ TransportError::MultiaddrNotSupported(_)) => {
                    self.listen_failed(bind, error.to_string());
                }
            }
        }
        self.tell_listening();
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Links(event)) => self.link_happened(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(learned)) => self.learned(&learned),
            SwarmEvent::Behaviour(BehaviourEvent::Nat(event)) => self.nat_happened(event),
            SwarmEvent::Behaviour(BehaviourEvent::Dht(event)) => {
                let facts = self.with_phone(|phone, dht| phone.happened(dht, event));
                self.net_waiting.extend(facts);
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.listeners.reached(listener_id, &address);
                self.tell_listening();
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                self.listeners.expired(listener_id, &address);
                self.tell_listening();
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if let Some(bind) = self.listeners.closed(listener_id) {
                    let text = reason.err().map_or("closed".to_owned(), |error| error.to_string());
                    self.listen_failed(bind, text);
                    self.tell_listening();
                }
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(%error, "listener");
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(remote = %send_back_addr, %error, "connection not accepted");
                match error {
                    ListenError::Denied { .. } => self.refusals.count_refused(),
                    ListenError::Aborted
                    | ListenError::WrongPeerId { .. }
                    | ListenError::LocalPeerId { .. }
                    | ListenError::Transport(_) => self.refusals.count_failed(),
                }
            }
            // Connections are told by the links behaviour; the enum is open.
            _ => {}
        }
    }

    fn learned(&mut self, learned: &Learned) {
        let nat = &mut self.swarm.behaviour_mut().nat;
        match learned {
            Learned::Peer { connection, peer, info } => {
                nat.identified(*connection, info);
                self.with_phone(|phone, dht| phone.identified(dht, *peer, info));
            }
            Learned::Observed(address) => nat.observed(address),
        }
    }

    fn nat_happened(&mut self, event: NatEvent) {
        match event {
            NatEvent::Dial(options) => {
                self.swarm.behaviour_mut().links.expect_unordered(options.connection_id());
                if let Err(error) = self.swarm.dial(options) {
                    tracing::debug!(%error, "no hole was punched");
                }
            }
            NatEvent::Left => self.net_waiting.push_back(NetFact::Left),
            NatEvent::Unreached { connection, failure, text } => {
                self.swarm.behaviour_mut().links.unreached(connection, failure, text);
            }
            NatEvent::Observed { relay, because } => {
                let fact = |peer| NetFact::Observed { peer, because, weight: 1 };
                self.net_waiting.extend(identity::from_libp2p(&relay).map(fact));
            }
        }
    }

    fn link_happened(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Down { link, reason } => {
                self.links_waiting.push_back(LinkFact::Down { link, reason });
            }
            LinkEvent::DialFailed { dial, failure, text } => {
                self.net_waiting.push_back(NetFact::DialFailed { dial, failure, text });
            }
        }
    }

    fn listen_failed(&mut self, bind: Bind, text: String) {
        let Bind { uplink, protocol, .. } = bind;
        self.net_waiting.push_back(NetFact::ListenFailed { uplink, protocol, text });
    }

    /// Tells what others reach this node by. What waits to be told of it is out of date.
    fn tell_reach(&mut self) {
        let reach = self.reach.borrow_and_update().clone();
        self.net_waiting.retain(|fact| !matches!(fact, NetFact::Reached(_)));
        self.net_waiting.push_back(NetFact::Reached(reach));
        self.tell_phone();
    }

    /// The phone book learns where others reach this node.
    fn tell_phone(&mut self) {
        let reach = self.reach.borrow().clone();
        let leading_here: Vec<Multiaddr> = reach.leading_here().cloned().collect();
        let listening = self.listeners.addresses();
        let direct = reach.is_reachable();
        self.with_phone(|phone, dht| phone.reached(dht, direct, &leading_here, &listening));
    }

    /// Does something with the phone book, where there is one.
    fn with_phone<T: Default>(&mut self, act: impl FnOnce(&mut Phone, &mut Dht) -> T) -> T {
        match (&mut self.phone, self.swarm.behaviour_mut().dht.as_mut()) {
            (Some(phone), Some(dht)) => act(phone, dht),
            (Some(_) | None, _) => T::default(),
        }
    }

    /// Tells the addresses, if they changed. What waits to be told of them is out of date.
    fn tell_listening(&mut self) {
        let addresses = self.listeners.addresses();
        if *self.listening.borrow() == addresses {
            return;
        }
        if let Some(mdns) = &mut self.mdns {
            let by_ip = addresses.iter().filter(|one| one.address.protocol != Protocol::Bluetooth);
            mdns.advertise(&by_ip.cloned().collect::<Vec<_>>());
        }
        self.net_waiting.retain(|fact| !matches!(fact, NetFact::Listening(_)));
        self.net_waiting.push_back(NetFact::Listening(addresses.to_vec()));
        self.listening.send_replace(addresses);
        self.tell_phone();
    }
}

/// What mDNS heard; never, where there is none.
async fn heard(mdns: &mut Option<Mdns>) -> Option<Vec<NetFact>> {
    match mdns {
        Some(mdns) => mdns.next().await,
        None => std::future::pending().await,
    }
}
