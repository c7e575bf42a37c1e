//! What a listener tells the swarm about its addresses: never with their uplink.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::core::transport::{ListenerId, TransportEvent};
use pointsman_core::input::Protocol;

use super::address::{Family, compose};
use super::bindings::Binding;

/// The addresses that a listener announced.
#[derive(Debug)]
pub(super) struct Announced {
    id: ListenerId,
    protocol: Protocol,
    known: Vec<Multiaddr>,
}

impl Announced {
    pub(super) fn new(id: ListenerId, protocol: Protocol) -> Self {
        Self { id, protocol, known: Vec::new() }
    }

    /// Announces the addresses under which a socket that is bound to `local` is reached, and
    /// takes back those under which it no longer is.
    pub(super) fn update<U, E>(
        &mut self,
        binding: &Binding,
        local: SocketAddr,
        events: &mut VecDeque<TransportEvent<U, E>>,
    ) {
        let now: Vec<_> = reached_at(binding, local)
            .map(|ip| compose(SocketAddr::new(ip, local.port()), self.protocol))
            .collect();
        self.replace(now, events);
    }

    /// Takes all addresses back and tells that the listener is closed.
    pub(super) fn close<U, E>(
        &mut self,
        reason: Result<(), E>,
        events: &mut VecDeque<TransportEvent<U, E>>,
    ) {
        self.replace(Vec::new(), events);
        events.push_back(TransportEvent::ListenerClosed { listener_id: self.id, reason });
    }

    fn replace<U, E>(&mut self, now: Vec<Multiaddr>, events: &mut VecDeque<TransportEvent<U, E>>) {
        let listener_id = self.id;
        for listen_addr in self.known.iter().filter(|old| !now.contains(old)).cloned() {
            events.push_back(TransportEvent::AddressExpired { listener_id, listen_addr });
        }
        for listen_addr in now.iter().filter(|new| !self.known.contains(new)).cloned() {
            events.push_back(TransportEvent::NewAddress { listener_id, listen_addr });
        }
        self.known = now;
    }
}

/// The uplink's addresses that a socket bound to `local` answers.
fn reached_at(binding: &Binding, local: SocketAddr) -> impl Iterator<Item = IpAddr> {
    let answers = move |ip: &&IpAddr| {
        let same_family = Family::of(**ip) == Family::of(local.ip());
        same_family && (local.ip().is_unspecified() || **ip == local.ip())
    };
    binding.addresses.iter().filter(answers).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pointsman_core::id::UplinkId;

    use super::*;

    type Events = VecDeque<TransportEvent<(), ()>>;

    fn binding(addresses: &[&str]) -> Binding {
        Binding {
            id: UplinkId(1),
            name: "eth0".into(),
            interface: Some("eth0".into()),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            cut: Arc::default(),
        }
    }

    fn told(events: &mut Events) -> Vec<String> {
        events
            .drain(..)
            .map(|event| match event {
                TransportEvent::NewAddress { listen_addr, .. } => format!("+{listen_addr}"),
                TransportEvent::AddressExpired { listen_addr, .. } => format!("-{listen_addr}"),
                TransportEvent::ListenerClosed { .. } => "closed".into(),
                TransportEvent::Incoming { .. } | TransportEvent::ListenerError { .. } => {
                    "unexpected".into()
                }
            })
            .collect()
    }

    #[test]
    fn only_what_changes_is_told_and_only_of_the_sockets_family() {
        let mut events = Events::new();
        let mut announced = Announced::new(ListenerId::next(), Protocol::Tcp);
        let local = "0.0.0.0:9".parse().unwrap();
        announced.update(&binding(&["192.0.2.1", "2001:db8::1"]), local, &mut events);
        assert_eq!(told(&mut events), ["+/ip4/192.0.2.1/tcp/9"]);
        announced.update(&binding(&["192.0.2.1", "192.0.2.2"]), local, &mut events);
        assert_eq!(told(&mut events), ["+/ip4/192.0.2.2/tcp/9"]);
        announced.update(&binding(&["192.0.2.2"]), local, &mut events);
        assert_eq!(told(&mut events), ["-/ip4/192.0.2.1/tcp/9"]);
        announced.close(Ok(()), &mut events);
        assert_eq!(told(&mut events), ["-/ip4/192.0.2.2/tcp/9", "closed"]);
    }
}
