//! Bluetooth LE as a libp2p transport, with Noise and yamux over the byte stream of a radio.
//!
//! An address is `/unix/ble:AA:BB:CC:DD:EE:FF` with its uplink, the adapter, before it; no other
//! transport takes it, and it never leaves the node. Who is at an address, only the handshake
//! tells, so it is dialled without a peer to expect. A listener lives until it is removed or its
//! adapter goes. How many connections there may be is for the radio to bound.

mod stream;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use libp2p::Multiaddr;
use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as Part;
use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::id::UplinkId;
use pointsman_core::input::Protocol;
use pointsman_core::limits::RADIO_FRAME_BYTES_MAX;
use pointsman_radio::{Bluetooth, Channel};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::stream::CutChannel;
use super::address::{radio, split_uplink};
use super::bindings::{Binding, Bindings, Bound};
use super::failure::ConnectError;
use super::registry::{Key, LinkHandle, Registered, Registry};
use super::secure::{Output, Security};

/// How long a handshake may take: its kilobyte and three round trips at a connection interval
/// of 100 ms, on a channel that others use too, and some patience.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Connections that are accepted before other tasks have their turn.
const ACCEPTED_PER_POLL: usize = 16;

type Upgrade = BoxFuture<'static, Result<Output, ConnectError>>;
type Event = TransportEvent<Upgrade, ConnectError>;

/// An adapter, as the transport uses it.
#[derive(Debug)]
pub struct RadioPort {
    /// The uplink that it is.
    pub id: UplinkId,
    /// What dials.
    pub bluetooth: Bluetooth,
    /// Who connected to us.
    pub arrived: mpsc::Receiver<(RadioAddress, Channel)>,
}

/// The transport.
pub struct Ble {
    security: Security,
    bindings: Bindings,
    registry: Registry,
    ports: Vec<RadioPort>,
    changes: BoxStream<'static, ()>,
    listeners: Vec<Listener>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

struct Listener {
    id: ListenerId,
    bound: Bound,
    address: Multiaddr,
}

impl Ble {
    pub(super) fn new(
        keypair: &Keypair,
        bindings: Bindings,
        registry: Registry,
        ports: Vec<RadioPort>,
    ) -> io::Result<Self> {
        Ok(Self {
            security: Security::new(keypair)?.in_frames_of(RADIO_FRAME_BYTES_MAX),
            changes: bindings.changes(),
            bindings,
            registry,
            ports,
            listeners: Vec::new(),
            events: VecDeque::new(),
            waker: None,
        })
    }

    /// The radio that an address names, and its uplink; an error for what is not ours.
    fn read(
        &self,
        address: &Multiaddr,
    ) -> Result<(RadioAddress, Bound), TransportError<ConnectError>> {
        let foreign = || TransportError::MultiaddrNotSupported(address.clone());
        let target = radio(address).ok_or_else(foreign)?;
        let uplink = split_uplink(address).0.ok_or_else(foreign)?;
        match self.bindings.bound(&uplink) {
            Some(bound) => Ok((target, bound)),
            None => Err(TransportError::Other(ConnectError::NoUplink(uplink))),
        }
    }

    /// Closes the listeners of adapters that are gone, or that came anew.
    fn follow(&mut self) {
        let (bindings, events) = (&self.bindings, &mut self.events);
        self.listeners.retain(|listener| {
            let now = bindings.bound(&listener.bound.binding.name);
            let stays = now.is_some_and(|now| now.life == listener.bound.life);
            if !stays {
                events.extend(ending(listener));
            }
            stays
        });
    }

    /// Accepts one connection of each radio; whether there was any.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for port in &mut self.ports {
            let at = |listener: &&Listener| listener.bound.binding.id == port.id;
            let Some(listener) = self.listeners.iter().find(at) else { continue };
            if let Poll::Ready(Some((from, channel))) = port.arrived.poll_recv(cx) {
                any = true;
                let event = admit(listener, from, channel, &self.security, &self.registry);
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

impl Transport for Ble {
    type Output = Output;
    type Error = ConnectError;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<ConnectError>> {
        let (_, bound) = self.read(&address)?;
        let address = split_uplink(&address).1;
        let listen_addr = address.clone();
        self.events.push_back(TransportEvent::NewAddress { listener_id: id, listen_addr });
        self.listeners.push(Listener { id, bound, address });
        self.wake();
        Ok(())
    }

    /// The connections that the listener accepted go on.
    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(at) = self.listeners.iter().position(|listener| listener.id == id) else {
            return false;
        };
        let listener = self.listeners.remove(at);
        self.events.extend(ending(&listener));
        self.wake();
        true
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Upgrade, TransportError<ConnectError>> {
        let (target, Bound { binding, .. }) = self.read(&address)?;
        let Some(port) = self.ports.iter().find(|port| port.id == binding.id) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (bluetooth, security) = (port.bluetooth.clone(), self.security.clone());
        let (registry, key) = (self.registry.clone(), Key::dialled(&address));
        // Nobody is expected there: the swarm compares, should it ever be told whom to find.
        Ok(Box::pin(async move {
            let channel = bluetooth.dial(target).await?;
            secure(channel, &binding, security, options.role, registry, key).await
        }))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..ACCEPTED_PER_POLL {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if self.changes.poll_next_unpin(cx).is_ready() {
                self.follow();
            } else if !self.poll_arrivals(cx) {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn ending(listener: &Listener) -> [Event; 2] {
    let (listener_id, listen_addr) = (listener.id, listener.address.clone());
    [
        TransportEvent::AddressExpired { listener_id, listen_addr },
        TransportEvent::ListenerClosed { listener_id, reason: Ok(()) },
    ]
}

fn admit(
    listener: &Listener,
    from: RadioAddress,
    channel: Channel,
    security: &Security,
    registry: &Registry,
) -> Event {
    let local_addr = listener.address.clone();
    let send_back_addr = Multiaddr::empty().with(Part::Unix(format!("ble:{from}").into()));
    let key = Key::Accepted { local: local_addr.clone(), send_back: send_back_addr.clone() };
    let (security, registry) = (security.clone(), registry.clone());
    let binding = listener.bound.binding.clone();
    let upgrade: Upgrade = Box::pin(async move {
        secure(channel, &binding, security, Endpoint::Listener, registry, key).await
    });
    TransportEvent::Incoming { listener_id: listener.id, upgrade, local_addr, send_back_addr }
}

/// Does the handshake over a channel, and registers what comes of it.
async fn secure(
    channel: Channel,
    binding: &Binding,
    security: Security,
    role: Endpoint,
    registry: Registry,
    key: Key,
) -> Result<Output, ConnectError> {
    let gauge = channel.gauge();
    let stream = CutChannel::new(channel, binding.cut.clone());
    let secured = timeout(HANDSHAKE_MAX, security.secure(stream, role)).await;
    let output = secured.map_err(|_| ConnectError::TimedOut)??;
    let registered = Registered {
        uplink: binding.name.clone(),
        uplink_id: binding.id,
        protocol: Protocol::Bluetooth,
        handle: LinkHandle::radio(gauge),
    };
    registry.register(key, registered);
    Ok(output)
}
