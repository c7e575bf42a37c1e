//! QUIC as a libp2p transport, one endpoint for each uplink and IP family.
//!
//! Wire-compatible with `/quic-v1`. An endpoint that listens dials too, so that a NAT maps
//! both to one port; without a listener an uplink dials from an ephemeral port. A listener
//! lives until it is removed, its uplink goes or its socket cannot be opened anew; while the
//! uplink lives it follows its addresses. Must be used within a tokio runtime. It never sends over any uplink but the
//! one that an address names, and refuses addresses that name none.

mod carrier;
mod config;
mod dial;
mod listener;
mod muxer;
mod punch;
mod socket;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{
    DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent,
};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use pointsman_core::input::Protocol;

use self::carrier::Carrier;
use self::config::Config;
use self::dial::{Arrival, Dial};
use self::listener::Listener;
use super::address::{Family, Host, Target};
use super::bindings::{Bindings, Bound};
use super::failure::ConnectError;
use super::handshakes::Handshakes;
use super::registry::{Key, Registry};
use super::sockets;

/// Connection attempts that are looked at before other tasks have their turn.
const ATTEMPTS_PER_POLL: usize = 64;

/// What a finished handshake gives.
pub type Output = (PeerId, StreamMuxerBox);

type Upgrade = BoxFuture<'static, Result<Output, ConnectError>>;
type Event = TransportEvent<Upgrade, ConnectError>;

/// The transport.
pub struct Quic {
    config: Config,
    bindings: Bindings,
    registry: Registry,
    handshakes: Handshakes,
    changes: BoxStream<'static, ()>,
    listeners: Vec<Listener>,
    dialers: HashMap<(String, Family), Carrier>,
    punches: HashMap<(String, SocketAddr), tokio::sync::oneshot::Sender<Arrival>>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

impl Quic {
    pub(super) fn new(
        keypair: &Keypair,
        bindings: Bindings,
        registry: Registry,
        handshakes: Handshakes,
    ) -> io::Result<Self> {
        Ok(Self {
            config: Config::new(keypair)?,
            changes: bindings.changes(),
            bindings,
            registry,
            handshakes,
            listeners: Vec::new(),
            dialers: HashMap::new(),
            punches: HashMap::new(),
            events: VecDeque::new(),
            waker: None,
        })
    }

    /// The target and its uplink; an error for what is not ours.
    fn read(&self, address: &Multiaddr) -> Result<(Target, Bound), TransportError<ConnectError>> {
        let foreign = || TransportError::MultiaddrNotSupported(address.clone());
        let target = Target::read(address).filter(|target| target.protocol == Protocol::Quic);
        let target = target.ok_or_else(foreign)?;
        let uplink = target.uplink.clone().ok_or_else(foreign)?;
        match self.bindings.bound(&uplink) {
            Some(bound) => Ok((target, bound)),
            None => Err(TransportError::Other(ConnectError::NoUplink(uplink))),
        }
    }

    /// Endpoints to dial from: one for each family that target and uplink share.
    fn carriers(
        &mut self,
        bound: &Bound,
        host: &Host,
        port_use: PortUse,
    ) -> Result<Vec<Carrier>, ConnectError> {
        let mut carriers = Vec::new();
        for family in [Family::V4, Family::V6] {
            let wanted = match host {
                Host::Ip(ip) => Family::of(*ip) == family,
                Host::Name(_, only) => only.is_none_or(|only| only == family),
            };
            if wanted && bound.binding.addresses.iter().any(|ip| Family::of(*ip) == family) {
                carriers.push(self.carrier(bound, family, port_use)?);
            }
        }
        match (carriers.is_empty(), host) {
            (false, _) => Ok(carriers),
            (true, Host::Ip(ip)) => {
                Err(ConnectError::NoFamily(bound.binding.name.clone(), Family::of(*ip)))
            }
            (true, Host::Name(..)) => Err(ConnectError::NoAddress),
        }
    }

    fn carrier(
        &mut self,
        bound: &Bound,
        family: Family,
        port_use: PortUse,
    ) -> Result<Carrier, ConnectError> {
        let open = |config| Carrier::open(config, bound.clone(), sockets::any(family, 0), false);
        if port_use == PortUse::New {
            return open(&self.config);
        }
        let usable = |carrier: &&Carrier| {
            carrier.life == bound.life && carrier.fits(&bound.binding) && !carrier.is_dead()
        };
        let mut listening = self.listeners.iter().map(|listener| &listener.carrier);
        let same = |c: &&Carrier| {
            c.binding.name == bound.binding.name && Family::of(c.local.ip()) == family
        };
        if let Some(carrier) = listening.find(|carrier| same(carrier) && usable(carrier)) {
            return Ok(carrier.clone());
        }
        let key = (bound.binding.name.clone(), family);
        if let Some(carrier) = self.dialers.get(&key).filter(usable) {
            return Ok(carrier.clone());
        }
        let carrier = open(&self.config)?;
        if let Some(old) = self.dialers.insert(key, carrier.clone()) {
            old.close();
        }
        Ok(carrier)
    }

    /// Follows the table of uplinks: closes what belongs to those that are gone, and tells of
    /// addresses that came and went.
    fn follow(&mut self) {
        let bindings = &self.bindings;
        self.dialers.retain(|(uplink, _), carrier| {
            let bound = bindings.bound(uplink).filter(|bound| bound.life == carrier.life);
            let stays = bound.is_some_and(|bound| carrier.fits(&bound.binding));
            if !stays {
                carrier.close();
            }
            stays
        });
        let (config, events) = (&self.config, &mut self.events);
        self.listeners.retain_mut(|listener| {
            let bound = bindings.bound(&listener.carrier.binding.name);
            match listener.follow(config, bound, events) {
                Ok(true) => true,
                Ok(false) => listener.end(Ok(()), events),
                Err(error) => listener.end(Err(error), events),
            }
        });
    }

    /// Looks at one connection attempt of each listener; whether there was any.
    fn poll_listeners(&mut self, cx: &mut Context<'_>) -> bool {
        let mut attempts = Vec::new();
        let events = &mut self.events;
        let before = self.listeners.len();
        self.listeners.retain_mut(|listener| match listener.poll(cx) {
            Poll::Ready(Some(incoming)) => {
                attempts.push((listener.id, listener.carrier.clone(), incoming));
                true
            }
            Poll::Ready(None) => {
                let broken = io::Error::other("the listening socket broke");
                listener.end(Err(broken.into()), events)
            }
            Poll::Pending => true,
        });
        let any = !attempts.is_empty() || self.listeners.len() != before;
        for (id, carrier, incoming) in attempts {
            if let Some(event) = self.admit(id, &carrier, incoming) {
                self.events.push_back(event);
            }
        }
        any
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Transport for Quic {
    type Output = Output;
    type Error = ConnectError;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<ConnectError>> {
        let (target, bound) = self.read(&address)?;
        let Host::Ip(ip) = target.host else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let binding = bound.binding.clone();
        let wanted = SocketAddr::new(ip, target.port);
        let carrier = Carrier::open(&self.config, bound, wanted, true);
        let mut listener = Listener::new(id, wanted, carrier.map_err(TransportError::Other)?);
        listener.announce(&binding, &mut self.events);
        self.listeners.push(listener);
        self.wake();
        Ok(())
    }

    /// The connections that the listener accepted go on.
    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(at) = self.listeners.iter().position(|listener| listener.id == id) else {
            return false;
        };
        let mut listener = self.listeners.remove(at);
        listener.retire(&mut self.events);
        let carrier = listener.carrier;
        let key = (carrier.binding.name.clone(), Family::of(carrier.local.ip()));
        self.dialers.entry(key).or_insert(carrier);
        self.wake();
        true
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Upgrade, TransportError<ConnectError>> {
        let (target, bound) = self.read(&address)?;
        let nowhere = matches!(target.host, Host::Ip(ip) if ip.is_unspecified());
        if nowhere || target.port == 0 {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let key = Key::dialled(&address);
        if options.role == Endpoint::Listener {
            return self.punch(target, &bound, key).map_err(TransportError::Other);
        }
        let carriers = self.carriers(&bound, &target.host, options.port_use);
        let dial = Dial {
            carriers: carriers.map_err(TransportError::Other)?,
            client: self.config.client.clone(),
            registry: self.registry.clone(),
            key,
            target,
        };
        Ok(Box::pin(dial.run()))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..ATTEMPTS_PER_POLL {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if self.changes.poll_next_unpin(cx).is_ready() {
                self.follow();
            } else if !self.poll_listeners(cx) {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
