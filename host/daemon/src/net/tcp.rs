//! TCP as a libp2p transport, with Noise and yamux over it, bound to uplinks.
//!
//! Wire-compatible with `/tcp`: multistream-select, `/noise`, `/yamux/1.0.0`. A path that
//! goes dead is noticed by `TCP_USER_TIMEOUT`, and little is queued in the kernel because of
//! `TCP_NOTSENT_LOWAT`. A listener lives until it is removed, its uplink goes or its socket
//! cannot be opened anew; while the uplink lives it follows its addresses. Must be used within a tokio runtime. It never
//! sends over any uplink but the one that an address names, and refuses addresses that name
//! none. A dial in the listener's role takes the listener's part of the handshake. A dial that
//! may share a port leaves from the one that its uplink listens on, so that a NAT maps both to
//! one; where that way is taken already it leaves from a port of its own.

mod dial;
mod listener;
mod stream;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use libp2p::Multiaddr;
use libp2p::core::transport::{
    DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent,
};
use libp2p::identity::Keypair;
use pointsman_core::input::Protocol;

use self::dial::Dial;
use self::listener::Listener;
use super::address::{Host, Target};
use super::bindings::{Bindings, Bound};
use super::failure::ConnectError;
use super::handshakes::Handshakes;
use super::registry::{Key, Registry};
use super::secure::{Output, Security};

/// Connections that are accepted before other tasks have their turn.
const ACCEPTED_PER_POLL: usize = 64;

type Upgrade = BoxFuture<'static, Result<Output, ConnectError>>;
type Event = TransportEvent<Upgrade, ConnectError>;

/// The transport.
pub struct Tcp {
    security: Security,
    bindings: Bindings,
    registry: Registry,
    handshakes: Handshakes,
    changes: BoxStream<'static, ()>,
    listeners: Vec<Listener>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

impl Tcp {
    pub(super) fn new(
        keypair: &Keypair,
        bindings: Bindings,
        registry: Registry,
        handshakes: Handshakes,
    ) -> io::Result<Self> {
        Ok(Self {
            security: Security::new(keypair)?,
            changes: bindings.changes(),
            bindings,
            registry,
            handshakes,
            listeners: Vec::new(),
            events: VecDeque::new(),
            waker: None,
        })
    }

    /// The target and its uplink; an error for what is not ours.
    fn read(&self, address: &Multiaddr) -> Result<(Target, Bound), TransportError<ConnectError>> {
        let foreign = || TransportError::MultiaddrNotSupported(address.clone());
        let target = Target::read(address).filter(|target| target.protocol == Protocol::Tcp);
        let target = target.ok_or_else(foreign)?;
        let uplink = target.uplink.clone().ok_or_else(foreign)?;
        match self.bindings.bound(&uplink) {
            Some(bound) => Ok((target, bound)),
            None => Err(TransportError::Other(ConnectError::NoUplink(uplink))),
        }
    }

    /// The addresses that an uplink listens on, where a dial may share their ports.
    fn shared(&self, uplink: &str, port_use: PortUse) -> Vec<SocketAddr> {
        if port_use == PortUse::New {
            return Vec::new();
        }
        let here = self.listeners.iter().filter(|listener| listener.uplink() == uplink);
        here.filter(|listener| listener.shares()).map(Listener::local).collect()
    }

    /// Follows the table of uplinks: closes the listeners of those that are gone, and tells
    /// of addresses that came and went.
    fn follow(&mut self) {
        let (bindings, events) = (&self.bindings, &mut self.events);
        self.listeners.retain_mut(|listener| {
            let bound = bindings.bound(listener.uplink());
            match listener.follow(bound, events) {
                Ok(true) => true,
                Ok(false) => {
                    listener.end(Ok(()), events);
                    false
                }
                Err(error) => {
                    listener.end(Err(error), events);
                    false
                }
            }
        });
    }

    /// Accepts one connection of each listener; whether there was any.
    fn poll_listeners(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for listener in &mut self.listeners {
            let Poll::Ready(accepted) = listener.poll(cx) else { continue };
            any = true;
            match accepted {
                Ok((stream, remote)) => {
                    let event = listener.admit(
                        stream,
                        remote,
                        &self.handshakes,
                        &self.security,
                        &self.registry,
                    );
                    self.events.extend(event);
                }
                Err(error) => self.events.push_back(TransportEvent::ListenerError {
                    listener_id: listener.id,
                    error: error.into(),
                }),
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

impl Transport for Tcp {
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
        let wanted = SocketAddr::new(ip, target.port);
        let listener = Listener::open(id, bound, wanted, &mut self.events);
        self.listeners.push(listener.map_err(TransportError::Other)?);
        self.wake();
        Ok(())
    }

    /// The connections that the listener accepted go on.
    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(at) = self.listeners.iter().position(|listener| listener.id == id) else {
            return false;
        };
        self.listeners.remove(at).end(Ok(()), &mut self.events);
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
        let dial = Dial {
            from: self.shared(&bound.binding.name, options.port_use),
            binding: bound.binding,
            security: self.security.clone(),
            registry: self.registry.clone(),
            key: Key::dialled(&address),
            role: options.role,
            target,
        };
        Ok(Box::pin(dial.run()))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..ACCEPTED_PER_POLL {
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
