//! Circuits as a libp2p transport: byte streams through relays, with Noise and yamux over them.
//!
//! libp2p's relay client uses whatever connection to a relay came first. So that a circuit goes
//! over the uplink that its address names, there is a client for each uplink, which sees the
//! connections over that one only. A client has two halves, a transport and a behaviour; what
//! makes one of them first puts the other where its owner finds it: [`Halves`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;
use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::relay::client;
use libp2p::{Multiaddr, PeerId};
use pointsman_core::input::Protocol;
use pointsman_core::limits::UPLINKS_MAX;
use tokio::time::timeout;

use crate::net::address::{is_circuit, split_uplink};
use crate::net::failure::ConnectError;
use crate::net::handshakes::HANDSHAKE_MAX;
use crate::net::registry::{Key, LinkHandle, Registered, Registry};
use crate::net::secure::{Output, Security};
use crate::net::ways::Ways;

type Upgrade = BoxFuture<'static, Result<Output, ConnectError>>;
type Event = TransportEvent<Upgrade, ConnectError>;

/// Where the clients of uplinks are made. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Halves {
    me: PeerId,
    made: Arc<Mutex<Made>>,
}

/// Clients by the name of their uplink; those beyond the limit share the one without a name.
#[derive(Default)]
struct Made {
    names: Vec<String>,
    transports: Vec<(String, client::Transport)>,
    behaviours: Vec<(String, client::Behaviour)>,
    transport_waker: Option<Waker>,
    behaviour_waker: Option<Waker>,
}

impl Halves {
    pub(super) fn new(me: PeerId) -> Self {
        let halves = Self { me, made: Arc::default() };
        halves.named("");
        halves
    }

    /// The name of the client for an uplink, which is made if there is none.
    pub(super) fn named(&self, uplink: &str) -> String {
        let mut made = self.lock();
        if !made.names.iter().any(|name| name == uplink) {
            if made.names.len() > UPLINKS_MAX {
                return String::new();
            }
            let (transport, behaviour) = client::new(self.me);
            made.names.push(uplink.to_owned());
            made.transports.push((uplink.to_owned(), transport));
            made.behaviours.push((uplink.to_owned(), behaviour));
            for waker in [made.transport_waker.take(), made.behaviour_waker.take()] {
                waker.into_iter().for_each(Waker::wake);
            }
        }
        uplink.to_owned()
    }

    /// The behaviours that were made since the last time; whoever asks is woken for the next.
    pub(super) fn behaviours(&self, waker: Option<&Waker>) -> Vec<(String, client::Behaviour)> {
        let mut made = self.lock();
        made.behaviour_waker = waker.cloned().or(made.behaviour_waker.take());
        std::mem::take(&mut made.behaviours)
    }

    fn transports(&self, waker: Option<&Waker>) -> Vec<(String, client::Transport)> {
        let mut made = self.lock();
        made.transport_waker = waker.cloned().or(made.transport_waker.take());
        std::mem::take(&mut made.transports)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transport.
pub(in crate::net) struct Circuits {
    halves: Halves,
    clients: BTreeMap<String, client::Transport>,
    security: Security,
    registry: Registry,
    ways: Ways,
}

impl Circuits {
    pub(super) fn new(halves: Halves, security: Security, registry: Registry, ways: Ways) -> Self {
        let clients = BTreeMap::new();
        Self { halves, clients, security, registry, ways }
    }

    /// The client that an address is for, and its uplink.
    fn client(&mut self, address: &Multiaddr) -> (&mut client::Transport, String) {
        let uplink = split_uplink(address).0.unwrap_or_default();
        let name = self.halves.named(&uplink);
        self.clients.extend(self.halves.transports(None));
        let client = self.clients.get_mut(&name).expect("it was made, and none is ever dropped");
        (client, uplink)
    }

    /// Makes a connection of a stream.
    fn secured(
        &self,
        stream: impl Future<Output = Result<client::Connection, client::transport::Error>>
        + Send
        + 'static,
        uplink: String,
        key: Key,
        role: Endpoint,
    ) -> Upgrade {
        let (security, registry, ways) =
            (self.security.clone(), self.registry.clone(), self.ways.clone());
        Box::pin(async move {
            let stream = stream.await.map_err(circuit_error)?;
            // The handshake takes the way through the relay, which is two ways.
            let secured = timeout(2 * HANDSHAKE_MAX, security.secure(stream, role)).await;
            let output = secured.map_err(|_| ConnectError::TimedOut)??;
            let way = ways.named(&uplink).ok_or(ConnectError::NoUplink(uplink.clone()))?;
            let handle = LinkHandle::circuit();
            let registered =
                Registered { uplink, uplink_id: way.id, protocol: Protocol::Circuit, handle };
            registry.register(key, registered);
            Ok(output)
        })
    }

    fn event(
        &self,
        event: TransportEvent<
            <client::Transport as Transport>::ListenerUpgrade,
            client::transport::Error,
        >,
    ) -> Event {
        let (local, send_back) = match &event {
            TransportEvent::Incoming { local_addr, send_back_addr, .. } => {
                (local_addr.clone(), send_back_addr.clone())
            }
            TransportEvent::NewAddress { .. }
            | TransportEvent::AddressExpired { .. }
            | TransportEvent::ListenerClosed { .. }
            | TransportEvent::ListenerError { .. } => (Multiaddr::empty(), Multiaddr::empty()),
        };
        let uplink = split_uplink(&local).0.unwrap_or_default();
        let key = Key::Accepted { local, send_back };
        let upgraded =
            event.map_upgrade(|stream| self.secured(stream, uplink, key, Endpoint::Listener));
        upgraded.map_err(circuit_error)
    }
}

fn circuit_error(error: client::transport::Error) -> ConnectError {
    ConnectError::Circuit(Box::new(error))
}

impl Transport for Circuits {
    type Output = Output;
    type Error = ConnectError;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<ConnectError>> {
        if !is_circuit(&address) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.client(&address).0.listen_on(id, address).map_err(|error| error.map(circuit_error))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.clients.values_mut().any(|client| client.remove_listener(id))
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Upgrade, TransportError<ConnectError>> {
        if !is_circuit(&address) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let (client, uplink) = self.client(&address);
        let key = Key::dialled(&address);
        let stream = client.dial(address, options).map_err(|error| error.map(circuit_error))?;
        Ok(self.secured(stream, uplink, key, Endpoint::Dialer))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        let this = &mut *self;
        this.clients.extend(this.halves.transports(Some(cx.waker())));
        let mut ready = None;
        for client in this.clients.values_mut() {
            if let Poll::Ready(event) = Pin::new(client).poll(cx) {
                ready = Some(event);
                break;
            }
        }
        match ready {
            Some(event) => Poll::Ready(this.event(event)),
            None => Poll::Pending,
        }
    }
}
