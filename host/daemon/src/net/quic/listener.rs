//! A listening endpoint: what it announces, and whom it lets in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{ListenerId, TransportEvent};
use pointsman_core::input::Protocol;
use quinn::Incoming;

use super::carrier::Carrier;
use super::config::Config;
use super::dial::{Arrival, finish};
use super::muxer::{Muxer, peer_of};
use super::{Event, Quic};
use crate::net::address::compose;
use crate::net::bindings::{Binding, Bound};
use crate::net::failure::ConnectError;
use crate::net::listening::Announced;
use crate::net::registry::Key;

pub(super) struct Listener {
    pub(super) id: ListenerId,
    pub(super) carrier: Carrier,
    wanted: SocketAddr,
    incoming: BoxStream<'static, Incoming>,
    announced: Announced,
}

impl Listener {
    pub(super) fn new(id: ListenerId, wanted: SocketAddr, carrier: Carrier) -> Self {
        let incoming = incoming(&carrier);
        Self { id, carrier, wanted, incoming, announced: Announced::new(id, Protocol::Quic) }
    }

    /// The next connection attempt; `None` when the endpoint is closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.incoming.poll_next_unpin(cx)
    }

    pub(super) fn announce(&mut self, binding: &Binding, events: &mut VecDeque<Event>) {
        self.announced.update(binding, self.carrier.local, events);
    }

    /// Follows its uplink; false when that is gone. A socket that is bound to an address
    /// which the uplink no longer has is opened anew, on the same port.
    pub(super) fn follow(
        &mut self,
        config: &Config,
        bound: Option<Bound>,
        events: &mut VecDeque<Event>,
    ) -> Result<bool, ConnectError> {
        let Some(bound) = bound.filter(|bound| bound.life == self.carrier.life) else {
            return Ok(false);
        };
        let binding = bound.binding.clone();
        if !self.carrier.fits(&binding) {
            let wanted = SocketAddr::new(self.wanted.ip(), self.carrier.local.port());
            let carrier = Carrier::open(config, bound, wanted, true)?;
            self.carrier.close();
            self.incoming = incoming(&carrier);
            self.carrier = carrier;
        }
        self.announce(&binding, events);
        Ok(true)
    }

    /// Closes the endpoint with all its connections. Always false: it does not stay.
    pub(super) fn end(
        &mut self,
        reason: Result<(), ConnectError>,
        events: &mut VecDeque<Event>,
    ) -> bool {
        self.carrier.close();
        self.announced.close(reason, events);
        false
    }

    /// Ends listening; connections stay.
    pub(super) fn retire(&mut self, events: &mut VecDeque<Event>) {
        self.carrier.stop_listening();
        self.announced.close(Ok(()), events);
    }
}

fn incoming(carrier: &Carrier) -> BoxStream<'static, Incoming> {
    stream::unfold(carrier.endpoint.clone(), |endpoint| async move {
        endpoint.accept().await.map(|incoming| (incoming, endpoint))
    })
    .boxed()
}

impl Quic {
    /// Lets a connection attempt in, if there is room for its handshake. When many are under
    /// way, a stranger must first prove that its address is its own.
    pub(super) fn admit(
        &mut self,
        listener_id: ListenerId,
        carrier: &Carrier,
        incoming: Incoming,
    ) -> Option<Event> {
        let remote = incoming.remote_address();
        let punch = self.punches.remove(&(carrier.binding.name.clone(), remote));
        if punch.is_none() && !incoming.remote_address_validated() && self.handshakes.is_busy() {
            if let Err(error) = incoming.retry() {
                error.into_incoming().refuse();
            }
            return None;
        }
        let Some(permit) = self.handshakes.begin(remote.ip()) else {
            incoming.refuse();
            self.registry.refusals().count_refused();
            return None;
        };
        let local_ip = incoming.local_ip().unwrap_or(carrier.local.ip());
        let connecting = match incoming.accept() {
            Ok(connecting) => connecting,
            Err(error) => {
                tracing::debug!(%remote, %error, "a connection attempt was no good");
                return None;
            }
        };
        let mut arrival = Arrival { connecting, permit };
        if let Some(punch) = punch {
            match punch.send(arrival) {
                Ok(()) => return None,
                Err(nobody_waits) => arrival = nobody_waits,
            }
        }
        let local = SocketAddr::new(local_ip, carrier.local.port());
        Some(self.event(listener_id, carrier, arrival, local, remote))
    }

    fn event(
        &self,
        listener_id: ListenerId,
        carrier: &Carrier,
        arrival: Arrival,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Event {
        let local_addr = compose(local, Protocol::Quic);
        let send_back_addr = compose(remote, Protocol::Quic);
        let key = Key::Accepted { local: local_addr.clone(), send_back: send_back_addr.clone() };
        let (registry, binding) = (self.registry.clone(), carrier.binding.clone());
        let upgrade = Box::pin(async move {
            let connection = arrival.connection().await?;
            let peer = peer_of(&connection)?;
            finish(&registry, key, &binding, &connection);
            Ok((peer, StreamMuxerBox::new(Muxer::new(connection))))
        });
        TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr }
    }
}
