//! The links behaviour: which connections there are, and what is to be told of each.
//!
//! It hands out link numbers, equips each connection with a handler, and keeps the account:
//! a dial ends in a link or in a failure, a link that came up goes down, each exactly once.
//!
//! Only a connection that was ordered for a link, on either side, becomes one: by the Node, or
//! by a hole that was punched for it. All others are guests: they carry what other behaviours
//! have to say, and end when these have no more use for them.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, DialFailure as DialFailed, FromSwarm,
    NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use pointsman_core::id::{DialId, LinkId, PeerId as Identity};
use pointsman_core::input::{DialFailure, DownReason, NewLink};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::dials;
use super::handler::{Assignment, Handler, Part, Told};
use super::protocol::Protocols;
use super::{Wire, Wires};
use crate::identity;
use crate::net::LinkFact;
use crate::net::address::{is_circuit, split_uplink, without_peer};
use crate::net::subnets::Subnets;

/// What became of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A dial came to nothing.
    DialFailed {
        /// Which.
        dial: DialId,
        /// Why.
        failure: DialFailure,
        /// The same for people.
        text: String,
    },
    /// A link that the loop was told of is gone.
    Down {
        /// Which.
        link: LinkId,
        /// Why.
        reason: DownReason,
    },
}

/// The links behaviour.
pub struct Links {
    protocols: Protocols,
    wires: Box<dyn Wires>,
    facts: mpsc::Sender<LinkFact>,
    /// Which remote addresses are in a subnet of ours.
    pub subnets: Subnets,
    /// Connections that are dialled for a link, with the order where there was one.
    dials: HashMap<ConnectionId, Option<DialId>>,
    /// Of connections that are, or may become, links.
    links: HashMap<ConnectionId, Account>,
    next_link: u32,
    actions: VecDeque<ToSwarm<LinkEvent, THandlerInEvent<Self>>>,
    waker: Option<Waker>,
}

/// What is known of one connection.
#[derive(Debug)]
struct Account {
    peer: PeerId,
    link: LinkId,
    dial: Option<DialId>,
    announced: bool,
    ending: Option<DownReason>,
    ended: bool,
}

impl Links {
    /// For the network of this name. Links are told by `facts`, except for their ends.
    pub fn new(network: &str, wires: Box<dyn Wires>, facts: mpsc::Sender<LinkFact>) -> Self {
        Self {
            protocols: Protocols::new(network),
            wires,
            facts,
            subnets: Subnets::default(),
            dials: HashMap::new(),
            links: HashMap::new(),
            next_link: 1,
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// The connection of this number, soon to be dialled, belongs to an order of the Node.
    pub fn expect(&mut self, connection: ConnectionId, dial: DialId) {
        self.dials.insert(connection, Some(dial));
    }

    /// The connection of this number, soon to be dialled, is for a link too, though nobody
    /// ordered it.
    pub fn expect_unordered(&mut self, connection: ConnectionId) {
        self.dials.insert(connection, None);
    }

    /// A dial that was expected is not even tried.
    pub fn unreached(&mut self, connection: ConnectionId, failure: DialFailure, text: String) {
        if let Some(dial) = self.dials.remove(&connection).flatten() {
            self.tell(LinkEvent::DialFailed { dial, failure, text });
        }
    }

    /// Connections that are links of which the loop was told.
    pub fn count(&self) -> usize {
        self.links.values().filter(|account| account.announced).count()
    }

    fn handler(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        place: Place<'_>,
        wire: Option<Wire>,
    ) -> Result<Handler, ConnectionDenied> {
        let dial = self.dials.get(&connection).copied();
        let unfit = match (wire, identity::from_libp2p(&peer)) {
            (Some(wire), Some(identity)) if dial.is_some() || place.is_accepted => {
                let part = self.part(connection, (peer, identity), &place, wire, dial);
                return Ok(Handler::new(part, self.protocols.clone()));
            }
            (None, _) => Unfit::Unbound,
            (Some(_), _) => Unfit::OtherKey,
        };
        if dial.flatten().is_some() {
            return Err(ConnectionDenied::new(unfit));
        }
        Ok(Handler::new(Part::Never, self.protocols.clone()))
    }

    fn part(
        &mut self,
        connection: ConnectionId,
        (peer, identity): (PeerId, Identity),
        place: &Place<'_>,
        wire: Wire,
        dial: Option<Option<DialId>>,
    ) -> Part {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let opens = place.role == Endpoint::Dialer && !place.is_accepted;
        let number = dial.filter(|_| opens).map(|dial| dial.unwrap_or(DialId::unordered(link)));
        let new = self.new_link(link, identity, number, place.address, &wire);
        self.links.insert(connection, Account::new(peer, link, dial.flatten()));
        let assignment = Assignment { new, wire, loop_: PollSender::new(self.facts.clone()) };
        if opens { Part::Opens(assignment) } else { Part::Waits(assignment) }
    }

    fn new_link(
        &self,
        link: LinkId,
        peer: Identity,
        dial: Option<DialId>,
        address: &Multiaddr,
        wire: &Wire,
    ) -> NewLink {
        let datagrams = wire.datagrams.as_ref().and_then(quinn::Connection::max_datagram_size);
        NewLink {
            link,
            peer,
            transport: self.subnets.transport(&wire.uplink_name, address),
            protocol: wire.protocol,
            uplink: wire.uplink,
            dial,
            datagram_bytes: datagrams.map_or(0, |bytes| bytes.try_into().unwrap_or(u32::MAX)),
            remote: without_peer(&split_uplink(address).1).to_string(),
        }
    }

    fn dial_failed(&mut self, failed: &DialFailed<'_>) {
        self.links.remove(&failed.connection_id);
        let Some(dial) = self.dials.remove(&failed.connection_id).flatten() else { return };
        let (failure, text) = (dials::failure(failed.error), dials::text(failed.error));
        self.tell(LinkEvent::DialFailed { dial, failure, text });
    }

    /// Tells, once, that a connection is done with.
    fn ended(&mut self, connection: ConnectionId, text: String) {
        let Some(account) = self.links.get_mut(&connection) else { return };
        if std::mem::replace(&mut account.ended, true) {
            return;
        }
        tracing::debug!(link = account.link.0, peer = %account.peer, text, "connection ended");
        let reason = account.ending.unwrap_or(DownReason::Broken);
        let link = account.link;
        match (account.announced, account.dial) {
            (true, _) => self.tell(LinkEvent::Down { link, reason }),
            (false, Some(dial)) => {
                self.tell(LinkEvent::DialFailed { dial, failure: DialFailure::Other, text });
            }
            (false, None) => {}
        }
    }

    fn close(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let connection = CloseConnection::One(connection);
        self.push(ToSwarm::CloseConnection { peer_id, connection });
    }

    fn tell(&mut self, event: LinkEvent) {
        self.push(ToSwarm::GenerateEvent(event));
    }

    fn push(&mut self, action: ToSwarm<LinkEvent, THandlerInEvent<Self>>) {
        self.actions.push_back(action);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Account {
    fn new(peer: PeerId, link: LinkId, dial: Option<DialId>) -> Self {
        Self { peer, link, dial, announced: false, ending: None, ended: false }
    }
}

/// Where a connection leads, and how it came about.
struct Place<'a> {
    /// The other end; of an accepted circuit the relay's.
    address: &'a Multiaddr,
    role: Endpoint,
    is_accepted: bool,
}

/// Why a connection can't be a link.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it is bound to no known uplink")]
    Unbound,
    #[error("the peer's key is not Ed25519")]
    OtherKey,
}

impl NetworkBehaviour for Links {
    type ConnectionHandler = Handler;
    type ToSwarm = LinkEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let wire = self.wires.accepted(local, remote);
        let address = if is_circuit(local) { local } else { remote };
        let place = Place { address, role: Endpoint::Listener, is_accepted: true };
        self.handler(connection, peer, place, wire)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let wire = self.wires.dialled(remote);
        let place = Place { address: remote, role, is_accepted: false };
        self.handler(connection, peer, place, wire)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                self.dials.remove(&established.connection_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                let text = closed.cause.map_or_else(|| "closed".to_owned(), ToString::to_string);
                self.ended(closed.connection_id, text);
                self.links.remove(&closed.connection_id);
            }
            FromSwarm::DialFailure(failed) => self.dial_failed(&failed),
            FromSwarm::ListenFailure(failed) => {
                self.links.remove(&failed.connection_id);
            }
            // Addresses and listeners; the enum is open.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let Some(account) = self.links.get_mut(&connection) else { return };
        match event {
            Told::Announced => account.announced = true,
            Told::Ending(reason) => account.ending = Some(reason),
            Told::Ended(text) => {
                self.ended(connection, text);
                self.close(peer, connection);
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
