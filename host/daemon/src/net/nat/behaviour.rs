//! The fence around all parts: no radios, no uplinks, and addresses are what they are here.

use std::task::{Context, Poll};

use libp2p::Multiaddr;
use libp2p::swarm::{FromSwarm, NetworkBehaviour as _, ToSwarm};

use super::external::bare;
use super::fence::Fence;
use super::parts::Parts;
use super::{Action, Nat, NatEvent};
use crate::net::address::{is_circuit, is_radio};

impl Fence for Nat {
    type Inner = Parts;
    type Event = NatEvent;

    fn inner(&mut self) -> &mut Parts {
        &mut self.parts
    }

    fn accepts(&self, _: &Multiaddr, remote: &Multiaddr) -> bool {
        !is_radio(remote)
    }

    fn dials(&self, remote: &Multiaddr) -> bool {
        !is_radio(remote)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn hears(&mut self, event: FromSwarm<'_>) {
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

    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
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
                    return Poll::Ready(other.map_out(|_| unreachable!("events are taken above")));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
