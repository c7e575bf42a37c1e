//! Asking one peer: over a connection that is there, or one that is dialled for it.
//!
//! A request lives from [`Requests::ask`] to its [`Outcome`], which comes exactly once and at the
//! latest when its time is over. Between them it waits for a connection, goes to the handler of
//! that connection, and has a substream of its own there. Connections are never kept for their
//! own sake: a handler holds its connection as long as it has a request, and no longer.
//!
//! libp2p-stream would do, were it not that its 0.5 remembers each connection that ever was, and
//! picks any of several. [`Via::Dial`] needs to know which: only who answers over a connection
//! that we dialled is known to be where he says.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour, NotifyHandler,
    StreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId as Libp2p};
use pointsman_core::id::PeerId;
use pointsman_core::limits;
use tokio::time::{Instant, Sleep};

use crate::identity;
use crate::wire::{Answer, Ask, InvalidAnswer};

mod handler;

pub use handler::Handler;
use handler::{Exchanged, Job};

/// A request, by number. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Turns an address into those that a dial may use: the same over each uplink, for instance.
pub type Route = Arc<dyn Fn(&Multiaddr) -> Vec<Multiaddr> + Send + Sync>;

/// Which connection a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Any; one that we dialled, if there is one.
    Any,
    /// Only one that we dialled.
    Dial,
}

/// Something to ask a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whom.
    pub peer: PeerId,
    /// Where, if a dial is needed.
    pub addresses: Vec<Multiaddr>,
    /// What.
    pub ask: Ask,
    /// Over which connection.
    pub via: Via,
    /// Within which time, the dial included.
    pub within: Duration,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which request.
    pub id: RequestId,
    /// Who was asked.
    pub peer: PeerId,
    /// What was asked.
    pub ask: Ask,
    /// The answer, or why there is none.
    pub result: Result<Answer, Failure>,
    /// The address of the connection, if we dialled it: without uplink and peer.
    pub dialled: Option<Multiaddr>,
    /// Where it was said to be.
    pub addresses: Vec<Multiaddr>,
    /// Whether there was a connection.
    pub was_connected: bool,
    /// How long it took.
    pub took: Duration,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// There is no connection, and no address to dial.
    #[error("no address to dial")]
    NoAddress,
    /// The dial failed.
    #[error("the dial failed")]
    Dial,
    /// Somebody else answered at the address.
    #[error("another peer is at that address")]
    WrongPeer,
    /// The connection ended before the answer.
    #[error("the connection ended")]
    Closed,
    /// The peer doesn't speak the protocol: it is no server, or of another network.
    #[error("the peer does not serve this network")]
    Unsupported,
    /// There was no answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer breaks the protocol.
    #[error(transparent)]
    Invalid(#[from] InvalidAnswer),
    /// It was withdrawn.
    #[error("withdrawn")]
    Cancelled,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// All places are taken.
    #[error("too many requests under way")]
    Total,
    /// All places for that peer are taken.
    #[error("too many requests to that peer under way")]
    Peer,
    /// The peer's identity is no key, or our own.
    #[error("no peer to ask")]
    NoPeer,
}

struct Pending {
    request: Request,
    to: Libp2p,
    since: Instant,
    deadline: Instant,
    /// The connection that it was given to.
    on: Option<ConnectionId>,
    /// The dial that it waits for.
    dial: Option<ConnectionId>,
    /// A connection that ended under it. It is begun anew once: connections that nobody used for
    /// a while end, and one side knows before the other.
    ended: Option<ConnectionId>,
}

/// A connection that is there.
struct Link {
    dialled: Option<Multiaddr>,
}

/// All requests under way.
pub struct Requests {
    own: Libp2p,
    protocol: StreamProtocol,
    route: Route,
    next: u64,
    pending: BTreeMap<RequestId, Pending>,
    per_peer: HashMap<PeerId, usize>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    links: BTreeMap<ConnectionId, Link>,
    of_peer: HashMap<Libp2p, BTreeSet<ConnectionId>>,
    /// Our dials under way: what is dialled, and for which address it stands.
    dials: HashMap<ConnectionId, Vec<(Multiaddr, Multiaddr)>>,
    orders: VecDeque<ToSwarm<Outcome, Job>>,
    alarm: Option<(Instant, std::pin::Pin<Box<Sleep>>)>,
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("pending", &self.pending.len())
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl Requests {
    /// None yet, of this node, in this protocol.
    pub fn new(own: Libp2p, protocol: StreamProtocol, route: Route) -> Self {
        Self {
            own,
            protocol,
            route,
            next: 0,
            pending: BTreeMap::new(),
            per_peer: HashMap::new(),
            deadlines: BTreeSet::new(),
            links: BTreeMap::new(),
            of_peer: HashMap::new(),
            dials: HashMap::new(),
            orders: VecDeque::new(),
            alarm: None,
        }
    }

    /// Begins a request.
    pub fn ask(&mut self, request: Request) -> Result<RequestId, Busy> {
        let to = identity::to_libp2p(request.peer).filter(|peer| *peer != self.own);
        let to = to.ok_or(Busy::NoPeer)?;
        if self.pending.len() >= limits::DHT_REQUESTS_MAX {
            return Err(Busy::Total);
        }
        let of_peer = self.per_peer.entry(request.peer).or_default();
        if *of_peer >= limits::DHT_REQUESTS_PER_PEER_MAX {
            return Err(Busy::Peer);
        }
        *of_peer += 1;
        let id = RequestId(self.next);
        self.next += 1;
        let since = Instant::now();
        let deadline = since + request.within;
        self.deadlines.insert((deadline, id));
        self.pending.insert(
            id,
            Pending { request, to, since, deadline, on: None, dial: None, ended: None },
        );
        self.begin(id);
        Ok(id)
    }

    /// Withdraws a request: its outcome is that.
    pub fn cancel(&mut self, id: RequestId) {
        self.end(id, Err(Failure::Cancelled));
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.pending.len()
    }

    /// How many more may be begun.
    pub fn room(&self) -> usize {
        limits::DHT_REQUESTS_MAX - self.pending.len()
    }

    /// Whether there is a connection to a peer.
    pub fn is_connected(&self, peer: PeerId) -> bool {
        identity::to_libp2p(peer).is_some_and(|peer| self.of_peer.contains_key(&peer))
    }

    /// Over a connection that is there, or by a dial.
    fn begin(&mut self, id: RequestId) {
        let Some(pending) = self.pending.get(&id) else { return };
        match self.link(&pending.to, pending.request.via, pending.ended) {
            Some(connection) => self.hand_over(id, connection),
            None => self.dial(id),
        }
    }

    /// The best connection for it: one that we dialled, the newest.
    fn link(&self, peer: &Libp2p, via: Via, ended: Option<ConnectionId>) -> Option<ConnectionId> {
        let all = self.of_peer.get(peer)?.iter().filter(|id| Some(**id) != ended);
        let dialled =
            |id: &&ConnectionId| self.links.get(id).is_some_and(|link| link.dialled.is_some());
        let best = all.clone().rfind(dialled);
        match via {
            Via::Any => best.or(all.clone().next_back()).copied(),
            Via::Dial => best.copied(),
        }
    }

    fn hand_over(&mut self, id: RequestId, connection: ConnectionId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        pending.on = Some(connection);
        pending.dial = None;
        let job = Job { id, ask: pending.request.ask.clone(), deadline: pending.deadline };
        self.orders.push_back(ToSwarm::NotifyHandler {
            peer_id: pending.to,
            handler: NotifyHandler::One(connection),
            event: job,
        });
    }

    fn dial(&mut self, id: RequestId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let routed = |told: &Multiaddr| {
            let told = told.clone();
            (self.route)(&told).into_iter().map(move |way| (way, told.clone()))
        };
        let mut ways: Vec<_> = pending.request.addresses.iter().flat_map(routed).collect();
        ways.truncate(limits::DHT_DIAL_ADDRESSES_MAX);
        let addresses: Vec<Multiaddr> = ways.iter().map(|(way, _)| way.clone()).collect();
        if addresses.is_empty() {
            let was_cut = pending.ended.is_some();
            let failure = if was_cut { Failure::Closed } else { Failure::NoAddress };
            return self.end(id, Err(failure));
        }
        // Even while somebody else dials the peer: that may be to another place, and in vain.
        let options = DialOpts::peer_id(pending.to).condition(PeerCondition::Always);
        let opts = options.addresses(addresses).build();
        pending.dial = Some(opts.connection_id());
        self.dials.insert(opts.connection_id(), ways);
        self.orders.push_back(ToSwarm::Dial { opts });
    }

    /// A connection ended under a request.
    fn cut(&mut self, id: RequestId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if pending.ended.is_some() {
            return self.end(id, Err(Failure::Closed));
        }
        pending.ended = pending.on.take();
        self.begin(id);
    }

    fn end(&mut self, id: RequestId, result: Result<Answer, Failure>) {
        let Some(pending) = self.pending.remove(&id) else { return };
        self.deadlines.remove(&(pending.deadline, id));
        if let Some(count) = self.per_peer.get_mut(&pending.request.peer) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&pending.request.peer);
            }
        }
        let link = pending.on.and_then(|connection| self.links.get(&connection));
        self.orders.push_back(ToSwarm::GenerateEvent(Outcome {
            id,
            peer: pending.request.peer,
            ask: pending.request.ask,
            result,
            addresses: pending.request.addresses,
            was_connected: pending.on.is_some() || pending.ended.is_some(),
            dialled: link.and_then(|link| link.dialled.clone()),
            took: pending.since.elapsed(),
        }));
    }

    fn established(&mut self, event: ConnectionEstablished<'_>) {
        let remote = event.endpoint.get_remote_address();
        let ways = self.dials.remove(&event.connection_id).unwrap_or_default();
        let dialled = event.endpoint.is_dialer().then(|| {
            let is_it = |(way, _): &&(Multiaddr, Multiaddr)| identity::is_same(way, remote);
            ways.iter().find(is_it).map_or_else(|| bare(remote), |(_, told)| told.clone())
        });
        let is_dialled = dialled.is_some();
        self.links.insert(event.connection_id, Link { dialled });
        self.of_peer.entry(event.peer_id).or_default().insert(event.connection_id);
        let waiting = self.pending.iter().filter(|(_, pending)| {
            pending.to == event.peer_id
                && pending.on.is_none()
                && (is_dialled || pending.request.via == Via::Any)
        });
        let waiting: Vec<RequestId> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            self.hand_over(id, event.connection_id);
        }
    }

    fn closed(&mut self, event: ConnectionClosed<'_>) {
        let connection = event.connection_id;
        let cut = self.pending.iter().filter(|(_, pending)| pending.on == Some(connection));
        let cut: Vec<RequestId> = cut.map(|(id, _)| *id).collect();
        self.links.remove(&connection);
        if let Some(connections) = self.of_peer.get_mut(&event.peer_id) {
            connections.remove(&connection);
            if connections.is_empty() {
                self.of_peer.remove(&event.peer_id);
            }
        }
        for id in cut {
            self.cut(id);
        }
    }

    fn dial_failed(&mut self, event: DialFailure<'_>) {
        self.dials.remove(&event.connection_id);
        let failed = self.pending.iter().filter(|(_, pending)| {
            pending.on.is_none() && pending.dial == Some(event.connection_id)
        });
        let failed: Vec<RequestId> = failed.map(|(id, _)| *id).collect();
        let failure = match event.error {
            libp2p::swarm::DialError::WrongPeerId { .. } => Failure::WrongPeer,
            libp2p::swarm::DialError::NoAddresses => Failure::NoAddress,
            libp2p::swarm::DialError::LocalPeerId { .. }
            | libp2p::swarm::DialError::DialPeerConditionFalse(_)
            | libp2p::swarm::DialError::Aborted
            | libp2p::swarm::DialError::Denied { .. }
            | libp2p::swarm::DialError::Transport(_) => Failure::Dial,
        };
        for id in failed {
            self.end(id, Err(failure));
        }
    }

    /// Ends what is late, and sets the alarm for what is next.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.end(id, Err(Failure::Timeout));
        }
        let Some(&(next, _)) = self.deadlines.first() else {
            self.alarm = None;
            return;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != next) {
            self.alarm = Some((next, Box::pin(tokio::time::sleep_until(next))));
        }
        if let Some((_, sleep)) = &mut self.alarm
            && std::future::Future::poll(sleep.as_mut(), cx).is_ready()
        {
            self.alarm = None;
            cx.waker().wake_by_ref();
        }
    }
}

/// An address as others may use it: without our uplink before it and the peer behind it.
pub fn bare(address: &Multiaddr) -> Multiaddr {
    use libp2p::multiaddr::Protocol;
    let mut parts = address.iter().peekable();
    while parts.next_if(|part| matches!(part, Protocol::Ip6zone(_))).is_some() {}
    identity::without_peer(&parts.collect())
}

impl NetworkBehaviour for Requests {
    type ConnectionHandler = Handler;
    type ToSwarm = Outcome;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: Libp2p,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: Libp2p,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.established(event),
            FromSwarm::ConnectionClosed(event) => self.closed(event),
            FromSwarm::DialFailure(event) => self.dial_failed(event),
            // Addresses and listeners; the enum is open.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: Libp2p,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let Exchanged { id, result } = event;
        if result == Err(Failure::Closed) {
            self.cut(id);
        } else {
            self.end(id, result);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if self.orders.is_empty() {
            self.poll_deadlines(cx);
        }
        self.orders.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
