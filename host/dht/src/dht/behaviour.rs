//! The behaviour as the swarm sees it: what happens goes to the parts below first.

use std::future::Future as _;
use std::task::{Context, Poll};

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandlerSelect, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId as Libp2p};
use pointsman_core::subnet::Subnet;

use super::{Below, Dht};
use crate::event::Event;
use crate::requests::{Requests, bare};
use crate::server::Server;

/// Between two looks at what is due and found no room, in microseconds.
const PAUSE_US: u64 = 1_000;

impl Dht {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn remote(&mut self, event: &FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let address = bare(event.endpoint.get_remote_address());
                let subnet = Subnet::of(&address.to_string());
                let (last, count) = self.remotes.entry(event.peer_id).or_default();
                *last = subnet.or(*last);
                *count += 1;
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some((_, count)) = self.remotes.get_mut(&event.peer_id) {
                    *count -= 1;
                    if *count == 0 {
                        self.remotes.remove(&event.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn below(&mut self, below: Below) {
        match below {
            Below::Server(served) => self.served(served),
            Below::Requests(outcome) => self.came(*outcome),
        }
    }

    /// Whether it is time for what is due; the alarm is set for it. What is due and can't be done
    /// yet, for want of room, is not tried in a circle.
    fn is_due(&mut self, cx: &mut Context<'_>, worked: bool) -> bool {
        let (due, now) = (self.due(), self.clock.now());
        if due <= now && !worked {
            return true;
        }
        let at = self.clock.instant(due.max(now.after(PAUSE_US)));
        if self.alarm.as_ref().is_none_or(|(set, _)| *set != at) {
            self.alarm = Some((at, Box::pin(tokio::time::sleep_until(at))));
        }
        match &mut self.alarm {
            Some((_, sleep)) => sleep.as_mut().poll(cx).is_ready(),
            None => false,
        }
    }
}

impl NetworkBehaviour for Dht {
    type ConnectionHandler = ConnectionHandlerSelect<THandler<Server>, THandler<Requests>>;
    type ToSwarm = Event;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.parts.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Libp2p,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.parts.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Libp2p,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.parts.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.remote(&event);
        self.parts.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: Libp2p,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.parts.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let mut worked = false;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            match self.parts.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(below)) => self.below(below),
                Poll::Ready(other) => {
                    // Neither part tells anything but what was taken above.
                    return Poll::Ready(other.map_out(|_| unreachable!("taken above")));
                }
                Poll::Pending if !self.touched.is_empty() || self.is_due(cx, worked) => {
                    self.work();
                    worked = true;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
