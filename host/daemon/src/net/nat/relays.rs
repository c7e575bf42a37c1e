//! The relays that this node uses: which it knows, where it has a reservation, and the
//! connections to them that circuits go through.
//!
//! A relay is known from the config, or because a peer that was dialled says that it is one.
//! While nothing else leads to this node, it keeps reservations at up to
//! [`RESERVATIONS_MAX`] of them, over different uplinks where there are several; one that is
//! lost is replaced. Those that stand better are tried first. A reservation that stands goes
//! with its connection, or when its relay is shunned; no circuit is made through such a one.
//!
//! A relay that refuses, or lets nothing through, is told of as [`RelayEvent::Observed`]. What
//! links through relays say of them, the Node sees by itself.
//!
//! A circuit that is ordered waits here until the relay is connected over the same uplink and
//! has said what it sees of us, because a hole can only be punched to addresses that are known
//! when the circuit begins.

mod known;
mod reservations;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::relay::{HOP_PROTOCOL_NAME, client};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, FromSwarm, NetworkBehaviour as _, ToSwarm};
use libp2p::{Multiaddr, PeerId, identify};
use pointsman_core::input::DialFailure;
use pointsman_core::limits::CIRCUITS_PENDING_MAX;
use pointsman_core::reputation::{Cause, Level};
use tokio::time::{Instant, Sleep, sleep_until};

use self::known::Known;
pub use self::reservations::Reservation;
use self::reservations::Reservations;
use super::circuits::Halves;
use super::clients::Clients;
use super::fence::{Fence, Wish};
use crate::net::address::{is_circuit, split_uplink, with_uplink, without_peer};
use crate::net::failure::relay_fault;
use crate::net::links::dials;
use crate::net::ways::Ways;

#[cfg(doc)]
use pointsman_core::limits::RESERVATIONS_MAX;

/// How long a relay may take to say what it sees of us. A circuit is made without it then.
const IDENTIFY_MAX: Duration = Duration::from_secs(1);

/// What becomes of relays.
#[derive(Debug)]
pub(in crate::net) enum RelayEvent {
    /// A circuit that was ordered is not even tried.
    Unreached { connection: ConnectionId, failure: DialFailure, text: String },
    /// A relay did this.
    Observed { relay: PeerId, because: Cause },
    /// Reservations changed.
    Changed,
}

type Action = Wish<Relays>;

/// The relays.
pub(in crate::net) struct Relays {
    clients: Clients,
    ways: Ways,
    known: Known,
    reservations: Reservations,
    /// Direct connections to anybody; each may turn out to be one to a relay.
    connections: HashMap<ConnectionId, Connection>,
    /// Connections to relays that are being made: to whom, and over which uplink.
    dials: HashMap<ConnectionId, (PeerId, String)>,
    pending: Vec<Pending>,
    /// Whether reservations are wanted.
    wanted: bool,
    actions: VecDeque<Action>,
    timer: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    uplink: String,
    /// What was dialled, without uplink and peer; of an accepted one nothing that helps.
    address: Option<Multiaddr>,
    since: Instant,
    identified: bool,
    is_relay: bool,
}

/// A circuit that was ordered.
struct Pending {
    options: DialOpts,
    relay: PeerId,
    uplink: String,
}

impl Relays {
    pub(super) fn new(halves: Halves, ways: Ways, fixed: Vec<(PeerId, Multiaddr)>) -> Self {
        Self {
            clients: Clients::new(halves),
            ways,
            known: Known::new(fixed),
            reservations: Reservations::default(),
            connections: HashMap::new(),
            dials: HashMap::new(),
            pending: Vec::new(),
            wanted: false,
            actions: VecDeque::new(),
            timer: None,
            waker: None,
        }
    }

    /// Whether reservations are wanted from now on.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        self.consider();
    }

    /// The uplinks changed: another try is due.
    pub(super) fn uplinks_changed(&mut self) {
        self.known.forgive();
        self.consider();
    }

    /// A peer is treated so from now on. One that is shunned relays no more.
    pub(super) fn stood(&mut self, peer: PeerId, level: Level) {
        self.known.stood(peer, level);
        if level == Level::Shunned {
            for id in self.reservations.listeners(peer).collect::<Vec<_>>() {
                self.push(ToSwarm::RemoveListener { id });
            }
            self.give_up(DialFailure::Other, "its relay is shunned", |one| one.relay == peer);
        }
        self.consider();
    }

    pub(super) fn reservations(&self) -> &[Reservation] {
        self.reservations.all()
    }

    /// Makes a circuit through the relay that the address names, over this uplink.
    pub(super) fn connect(&mut self, address: &Multiaddr, uplink: &str, options: DialOpts) {
        let connection = options.connection_id();
        let Some((relay, at)) = relay_of(address) else {
            let text = "the address names no relay".to_owned();
            return self.unreached(connection, DialFailure::Other, text);
        };
        if self.known.is_shunned(&relay) {
            let text = "its relay is shunned".to_owned();
            return self.unreached(connection, DialFailure::Other, text);
        }
        if self.pending.len() >= CIRCUITS_PENDING_MAX {
            let text = "too many dials wait for their relays".to_owned();
            return self.unreached(connection, DialFailure::Limited, text);
        }
        self.pending.push(Pending { options, relay, uplink: uplink.to_owned() });
        if self.connection(&relay, uplink).is_none() {
            self.dial(relay, vec![at], uplink);
        }
        self.release();
    }

    /// What a peer says of itself on a connection.
    pub(super) fn identified(&mut self, connection: ConnectionId, info: &identify::Info) {
        let Some(one) = self.connections.get_mut(&connection) else { return };
        one.identified = true;
        one.is_relay = info.protocols.contains(&HOP_PROTOCOL_NAME);
        if let Some(address) = one.address.clone().filter(|_| one.is_relay) {
            self.known.met(one.peer, address);
        }
        self.release();
        self.consider();
    }

    /// The connection to a relay over an uplink.
    fn connection(&self, relay: &PeerId, uplink: &str) -> Option<&Connection> {
        let mut here = self.connections.values().filter(|one| one.peer == *relay);
        here.find(|one| one.uplink == uplink)
    }

    fn dial(&mut self, relay: PeerId, addresses: Vec<Multiaddr>, uplink: &str) {
        let to = (relay, uplink.to_owned());
        if self.dials.values().any(|dial| *dial == to) {
            return;
        }
        let addresses = addresses.iter().map(|address| with_uplink(address, uplink)).collect();
        let options =
            DialOpts::peer_id(relay).condition(PeerCondition::Always).addresses(addresses).build();
        self.dials.insert(options.connection_id(), to);
        self.push(ToSwarm::Dial { opts: options });
    }

    /// Lets the circuits go whose relay is ready.
    fn release(&mut self) {
        let now = Instant::now();
        let mut wait = None;
        let pending = std::mem::take(&mut self.pending);
        for one in pending {
            match self.connection(&one.relay, &one.uplink) {
                Some(relay) if relay.identified || now >= relay.since + IDENTIFY_MAX => {
                    self.push(ToSwarm::Dial { opts: one.options });
                }
                Some(relay) => {
                    wait = Some(relay.since + IDENTIFY_MAX);
                    self.pending.push(one);
                }
                None => self.pending.push(one),
            }
        }
        if let Some(at) = wait {
            self.wake_at(at);
        }
    }

    /// Sees to it that there are as many reservations as there should be.
    fn consider(&mut self) {
        if !self.wanted {
            return;
        }
        let now = Instant::now();
        while let Some(uplink) = self.reservations.next_uplink(&self.ways.out()) {
            let taken = |peer: &PeerId| self.reservations.has(peer);
            let under_way = self.dials.values().map(|(peer, _)| *peer).collect::<Vec<_>>();
            let Some(relay) = self.known.next(now, taken) else { break };
            if under_way.contains(&relay.peer) {
                break;
            }
            let (peer, addresses) = (relay.peer, relay.addresses.clone());
            match self.connection(&peer, &uplink) {
                Some(one) if one.is_relay => {
                    let address = one.address.clone().unwrap_or_else(|| addresses[0].clone());
                    let listen = self.reservations.begin(peer, &uplink, &address);
                    self.push(ToSwarm::ListenOn { opts: listen });
                }
                Some(one) if one.identified => self.known.failed(&peer, now),
                Some(_) => break,
                None => {
                    self.dial(peer, addresses, &uplink);
                    break;
                }
            }
        }
        if let Some(at) = self.known.next_try(now) {
            self.wake_at(at);
        }
    }

    fn dial_failed(&mut self, connection: ConnectionId, failure: DialFailure, text: &str) {
        let Some((relay, uplink)) = self.dials.remove(&connection) else { return };
        self.known.failed(&relay, Instant::now());
        let text = format!("its relay was not reached: {text}");
        self.give_up(failure, &text, |one| one.relay == relay && one.uplink == uplink);
        self.consider();
    }

    /// Circuits that wait are not tried any more.
    fn give_up(&mut self, failure: DialFailure, why: &str, which: impl Fn(&Pending) -> bool) {
        let (lost, kept) = std::mem::take(&mut self.pending).into_iter().partition(which);
        self.pending = kept;
        let lost: Vec<Pending> = lost;
        for one in lost {
            self.unreached(one.options.connection_id(), failure, why.to_owned());
        }
    }

    /// A reservation is gone, or was not granted.
    fn lost(&mut self, listener: ListenerId, reason: Result<(), &io::Error>) {
        let Some(relay) = self.reservations.closed(listener) else { return };
        self.known.failed(&relay, Instant::now());
        if let Some(because) = reason.err().and_then(|error| relay_fault(error)) {
            self.push(ToSwarm::GenerateEvent(RelayEvent::Observed { relay, because }));
        }
        self.push(ToSwarm::GenerateEvent(RelayEvent::Changed));
        self.consider();
    }

    /// Circuits that came to nothing because of their relay speak against it.
    fn blame(&mut self, error: &DialError) {
        let DialError::Transport(errors) = error else { return };
        for (address, error) in errors.iter().filter(|(address, _)| is_circuit(address)) {
            if let Some(((relay, _), because)) = relay_of(address).zip(relay_fault(error)) {
                self.push(ToSwarm::GenerateEvent(RelayEvent::Observed { relay, because }));
            }
        }
    }

    fn unreached(&mut self, connection: ConnectionId, failure: DialFailure, text: String) {
        let event = RelayEvent::Unreached { connection, failure, text };
        self.push(ToSwarm::GenerateEvent(event));
    }

    fn wake_at(&mut self, at: Instant) {
        let earlier = self.timer.as_ref().is_some_and(|timer| timer.deadline() <= at);
        if !earlier {
            self.timer = Some(Box::pin(sleep_until(at)));
            self.wake();
        }
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn add(&mut self, connection: ConnectionId, peer: PeerId, remote: Option<&Multiaddr>) {
        let (uplink, address) = match remote {
            Some(remote) => {
                let (uplink, bare) = split_uplink(remote);
                (uplink.unwrap_or_default(), Some(without_peer(&bare)))
            }
            None => (String::new(), None),
        };
        let since = Instant::now();
        let (identified, is_relay) = (false, false);
        let one = Connection { peer, uplink, address, since, identified, is_relay };
        self.connections.insert(connection, one);
    }

    fn reserved(&mut self, event: &client::Event) -> bool {
        match event {
            client::Event::ReservationReqAccepted { relay_peer_id, .. } => {
                self.known.worked(relay_peer_id);
                self.reservations.confirmed(relay_peer_id)
            }
            client::Event::OutboundCircuitEstablished { .. }
            | client::Event::InboundCircuitEstablished { .. } => false,
        }
    }
}

/// The relay that an address leads through, and where that is.
fn relay_of(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    use libp2p::multiaddr::Protocol as Part;
    let (_, bare) = split_uplink(address);
    let mut at = Multiaddr::empty();
    for part in &bare {
        if let Part::P2p(relay) = part {
            return Some((relay, at));
        }
        at.push(part);
    }
    None
}

impl Fence for Relays {
    type Inner = Clients;
    type Event = RelayEvent;

    fn inner(&mut self) -> &mut Clients {
        &mut self.clients
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn hears(&mut self, event: FromSwarm<'_>) {
        self.clients.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let endpoint = established.endpoint;
                if !endpoint.is_relayed() {
                    let dialled =
                        Some(endpoint.get_remote_address()).filter(|_| endpoint.is_dialer());
                    self.add(established.connection_id, established.peer_id, dialled);
                }
                self.dials.remove(&established.connection_id);
                self.release();
                self.consider();
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.connections.remove(&closed.connection_id);
                self.consider();
            }
            FromSwarm::DialFailure(failed) => {
                let (failure, text) = (dials::failure(failed.error), dials::text(failed.error));
                self.dial_failed(failed.connection_id, failure, &text);
                self.blame(failed.error);
            }
            FromSwarm::ListenerClosed(closed) => {
                self.lost(closed.listener_id, closed.reason);
            }
            // Addresses; the enum is open.
            _ => {}
        }
    }

    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            if let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                self.timer = None;
                self.release();
                self.consider();
                continue;
            }
            match self.clients.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    if self.reserved(&event) {
                        return Poll::Ready(ToSwarm::GenerateEvent(RelayEvent::Changed));
                    }
                }
                Poll::Ready(other) => {
                    return Poll::Ready(other.map_out(|_| RelayEvent::Changed));
                }
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}
