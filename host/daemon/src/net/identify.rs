//! libp2p's identify, so that nodes of other make can talk to this one.
//!
//! It is told no address with an uplink in it, and none of a radio: names of our interfaces are
//! nobody's business, and neither is where they are on the air.
//! What peers say of our addresses, or of their own, is only theirs to say: it is told as
//! [`Learned`], and confirms nothing.

use std::task::{Context, Poll};

use libp2p::core::{ConnectedPoint, Endpoint, transport::PortUse};
use libp2p::identity::PublicKey;
use libp2p::swarm::{
    AddressChange, ConnectionClosed, ConnectionDenied, ConnectionId, ExpiredListenAddr, FromSwarm,
    NetworkBehaviour, NewListenAddr, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    behaviour::ConnectionEstablished,
};
use libp2p::{Multiaddr, PeerId, identify};

use super::address::{is_circuit, is_radio, split_uplink};

/// The protocol family that identify tells; ours alone.
const PROTOCOL_VERSION: &str = "/pointsman/1";

/// What a peer says.
#[derive(Debug)]
pub enum Learned {
    /// Of itself.
    Peer {
        /// On which connection.
        connection: ConnectionId,
        /// Who.
        peer: PeerId,
        /// What.
        info: Box<identify::Info>,
    },
    /// It sees this node at this address, as far as can be told.
    Observed(Multiaddr),
}

/// Identify, behind a fence.
pub struct Identify {
    inner: identify::Behaviour,
}

impl Identify {
    /// For a node with this key. It tells its listen addresses, as they are without uplinks.
    pub fn new(key: PublicKey) -> Self {
        let config = identify::Config::new(PROTOCOL_VERSION.to_owned(), key)
            .with_agent_version(concat!("pointsman/", env!("CARGO_PKG_VERSION")).to_owned())
            .with_cache_size(0);
        Self { inner: identify::Behaviour::new(config) }
    }
}

/// What may be told of an address: nothing of a radio's.
fn bare(address: &Multiaddr) -> Multiaddr {
    if is_radio(address) { Multiaddr::empty() } else { split_uplink(address).1 }
}

fn learned(event: identify::Event) -> Option<Learned> {
    match event {
        identify::Event::Received { connection_id, peer_id, info }
        | identify::Event::Pushed { connection_id, peer_id, info } => {
            let info = Box::new(info);
            Some(Learned::Peer { connection: connection_id, peer: peer_id, info })
        }
        identify::Event::Sent { .. } | identify::Event::Error { .. } => None,
    }
}

fn bare_endpoint(endpoint: &ConnectedPoint) -> ConnectedPoint {
    let mut endpoint = endpoint.clone();
    match &mut endpoint {
        ConnectedPoint::Dialer { address, .. } => *address = bare(address),
        ConnectedPoint::Listener { local_addr, send_back_addr } => {
            *local_addr = bare(local_addr);
            *send_back_addr = bare(send_back_addr);
        }
    }
    endpoint
}

impl NetworkBehaviour for Identify {
    type ConnectionHandler = <identify::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = Learned;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let (local, remote) = (bare(local), bare(remote));
        self.inner.handle_established_inbound_connection(connection, peer, &local, &remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let remote = bare(remote);
        self.inner.handle_established_outbound_connection(connection, peer, &remote, role, port)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let endpoint = bare_endpoint(event.endpoint);
                let event = ConnectionEstablished { endpoint: &endpoint, ..event };
                self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(event));
            }
            FromSwarm::ConnectionClosed(event) => {
                let endpoint = bare_endpoint(event.endpoint);
                let event = ConnectionClosed { endpoint: &endpoint, ..event };
                self.inner.on_swarm_event(FromSwarm::ConnectionClosed(event));
            }
            FromSwarm::AddressChange(event) => {
                let (old, new) = (bare_endpoint(event.old), bare_endpoint(event.new));
                let event = AddressChange { old: &old, new: &new, ..event };
                self.inner.on_swarm_event(FromSwarm::AddressChange(event));
            }
            FromSwarm::NewListenAddr(NewListenAddr { addr, .. })
            | FromSwarm::ExpiredListenAddr(ExpiredListenAddr { addr, .. })
                if is_radio(addr) || is_circuit(addr) => {}
            FromSwarm::NewListenAddr(event) => {
                let addr = bare(event.addr);
                let event = NewListenAddr { addr: &addr, ..event };
                self.inner.on_swarm_event(FromSwarm::NewListenAddr(event));
            }
            FromSwarm::ExpiredListenAddr(event) => {
                let addr = bare(event.addr);
                let event = ExpiredListenAddr { addr: &addr, ..event };
                self.inner.on_swarm_event(FromSwarm::ExpiredListenAddr(event));
            }
            FromSwarm::ExternalAddrConfirmed(_) | FromSwarm::ExternalAddrExpired(_) => {
                self.inner.on_swarm_event(event);
            }
            // Failures and candidates: identify needs none of them. The enum is open.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event }) => {
                    return Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event });
                }
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    if let Some(learned) = learned(event) {
                        return Poll::Ready(ToSwarm::GenerateEvent(learned));
                    }
                }
                Poll::Ready(ToSwarm::NewExternalAddrCandidate(address)) => {
                    return Poll::Ready(ToSwarm::GenerateEvent(Learned::Observed(address)));
                }
                // Addresses of peers end here.
                Poll::Ready(_) => {}
            }
        }
    }
}
