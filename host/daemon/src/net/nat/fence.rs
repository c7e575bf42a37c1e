//! A fence around a behaviour: what it sees of the swarm, and what the swarm sees of it.
//!
//! Whoever stands at the fence says so in [`Fence`], which by itself lets everything through. The
//! rest of what libp2p wants of a behaviour is [`Fenced`], the same for all. What it keeps out of
//! a connection has no handler there.

use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// Who stands at the fence.
pub(in crate::net) trait Fence: Sized + 'static {
    /// What is behind it.
    type Inner: NetworkBehaviour;
    /// What is told of it.
    type Event: std::fmt::Debug + Send + 'static;

    fn inner(&mut self) -> &mut Self::Inner;

    /// Whether it takes part in a connection from `remote` that was accepted at `local`.
    fn accepts(&self, _local: &Multiaddr, _remote: &Multiaddr) -> bool {
        true
    }

    /// Whether it takes part in a connection that was dialled.
    fn dials(&self, _remote: &Multiaddr) -> bool {
        true
    }

    /// Something happened in the swarm.
    fn hears(&mut self, event: FromSwarm<'_>) {
        self.inner().on_swarm_event(event);
    }

    /// What it wants next.
    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Wish<Self>>;
}

/// What somebody behind a fence wants of the swarm.
pub(in crate::net) type Wish<F> =
    ToSwarm<<F as Fence>::Event, THandlerInEvent<<F as Fence>::Inner>>;

/// The fence as a behaviour.
pub(in crate::net) struct Fenced<F>(pub(super) F);

impl<F> Deref for Fenced<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.0
    }
}

impl<F> DerefMut for Fenced<F> {
    fn deref_mut(&mut self) -> &mut F {
        &mut self.0
    }
}

impl<F: Fence> NetworkBehaviour for Fenced<F> {
    type ConnectionHandler = Either<THandler<F::Inner>, dummy::ConnectionHandler>;
    type ToSwarm = F::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.accepts(local, remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let inner = self.inner();
        let handler = inner.handle_established_inbound_connection(connection, peer, local, remote);
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
        if !self.dials(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let inner = self.inner();
        let handler =
            inner.handle_established_outbound_connection(connection, peer, remote, role, port);
        handler.map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.hears(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => {
                self.inner().on_connection_handler_event(peer, connection, event);
            }
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.wants(cx).map(|action| action.map_in(Either::Left))
    }
}
