//! The fence around the parts: what they see of the swarm, and what the swarm sees of them.

use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::external::bare;
use super::parts::Parts;
use super::{Nat, NatEvent};
use crate::net::address::{is_circuit, is_radio};

impl NetworkBehaviour for Nat {
    type ConnectionHandler = Either<THandler<Parts>, dummy::ConnectionHandler>;
    type ToSwarm = NatEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if is_radio(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler =
            self.parts.handle_established_inbound_connection(connection, peer, local, remote);
        handler.map(Either::Left)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if is_radio(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler =
            self.parts.handle_established_outbound_connection(connection, peer, remote, role, port);
        handler.map(Either::Left)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established)
                if is_radio(established.endpoint.get_remote_address()) => {}
            FromSwarm::ConnectionClosed(closed)
                if is_radio(closed.endpoint.get_remote_address()) => {}
            // What relays call themselves, and what the parts have told.
            FromSwarm::NewListenAddr(told) if is_circuit(told.addr) => {}
            FromSwarm::ExpiredListenAddr(told) if is_circuit(told.addr) => {}
            FromSwarm::ExternalAddrConfirmed(told) if is_circuit(told.addr) => {}
            FromSwarm::ExternalAddrExpired(told) if is_circuit(told.addr) => {}
            FromSwarm::NewListenAddr(told) => {
                self.parts.on_swarm_event(event);
                self.listening.push((told.listener_id, told.addr.clone()));
                self.tell_routers();
                self.listening(told.addr);
            }
            FromSwarm::ExpiredListenAddr(told) => {
                self.parts.on_swarm_event(event);
                self.listening.retain(|(id, at)| (*id, at) != (told.listener_id, told.addr));
                self.tell_routers();
                self.listening_no_more(told.addr);
            }
            other => self.parts.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self.parts.on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if self.poll_routers(cx) {
                return Poll::Ready(ToSwarm::GenerateEvent(NatEvent::Left));
            }
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            match self.parts.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    if let Some(event) = self.happened(event) {
                        return Poll::Ready(ToSwarm::GenerateEvent(event));
                    }
                }
                Poll::Ready(ToSwarm::ExternalAddrConfirmed(address)) => {
                    let address = self.confirmed(&address);
                    return Poll::Ready(ToSwarm::ExternalAddrConfirmed(address));
                }
                Poll::Ready(ToSwarm::ExternalAddrExpired(address)) => {
                    let address = bare(&address);
                    self.externals.expired(&address);
                    self.changed();
                    return Poll::Ready(ToSwarm::ExternalAddrExpired(address));
                }
                Poll::Ready(ToSwarm::NewExternalAddrCandidate(_)) => {}
                Poll::Ready(other) => {
                    let action = other.map_in(Either::Left);
                    return Poll::Ready(action.map_out(|_| unreachable!("events are taken above")));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
