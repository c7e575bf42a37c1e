//! The behaviours of libp2p's relay client, one for each uplink.
//!
//! Each sees only the connections over its uplink, so that what it does for an address of that
//! uplink goes over it. A connection whose uplink its address does not name, because the other
//! side dialled, belongs to the client without a name. Connections through relays have no part.

use std::collections::{BTreeMap, HashMap};
use std::task::{Context, Poll};

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::relay::client;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::circuits::Halves;
use crate::net::address::split_uplink;

/// The clients.
pub(in crate::net) struct Clients {
    halves: Halves,
    by_uplink: BTreeMap<String, client::Behaviour>,
    /// Whose each connection is.
    connections: HashMap<ConnectionId, String>,
}

impl Clients {
    pub(super) fn new(halves: Halves) -> Self {
        let by_uplink = halves.behaviours(None).into_iter().collect();
        Self { halves, by_uplink, connections: HashMap::new() }
    }

    fn adopt(&mut self, connection: ConnectionId, uplink: &str) -> &mut client::Behaviour {
        let name = self.halves.named(uplink);
        self.by_uplink.extend(self.halves.behaviours(None));
        self.connections.insert(connection, name.clone());
        self.by_uplink.get_mut(&name).expect("it was made, and none is ever dropped")
    }

    fn of(&mut self, connection: ConnectionId) -> Option<&mut client::Behaviour> {
        self.by_uplink.get_mut(self.connections.get(&connection)?)
    }
}

impl NetworkBehaviour for Clients {
    type ConnectionHandler = <client::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let client = self.adopt(connection, "");
        client.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let uplink = split_uplink(remote).0.unwrap_or_default();
        let client = self.adopt(connection, &uplink);
        client.handle_established_outbound_connection(connection, peer, remote, role, port)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(client) = self.of(established.connection_id) {
                    client.on_swarm_event(FromSwarm::ConnectionEstablished(established));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                let connection = closed.connection_id;
                if let Some(client) = self.of(connection) {
                    client.on_swarm_event(FromSwarm::ConnectionClosed(closed));
                }
                self.connections.remove(&connection);
            }
            FromSwarm::ListenFailure(failed) => {
                self.connections.remove(&failed.connection_id);
            }
            FromSwarm::DialFailure(failed) => {
                self.connections.remove(&failed.connection_id);
                for client in self.by_uplink.values_mut() {
                    client.on_swarm_event(FromSwarm::DialFailure(failed));
                }
            }
            FromSwarm::ListenerClosed(closed) => {
                for client in self.by_uplink.values_mut() {
                    client.on_swarm_event(FromSwarm::ListenerClosed(closed));
                }
            }
            // Addresses; the enum is open.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(client) = self.of(connection) {
            client.on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.by_uplink.extend(self.halves.behaviours(Some(cx.waker())));
        for client in self.by_uplink.values_mut() {
            if let Poll::Ready(action) = client.poll(cx) {
                return Poll::Ready(action);
            }
        }
        Poll::Pending
    }
}
