//! Who is let in, before anything is spent on him.
//!
//! Before the handshake an address (an IPv4 address, or an IPv6 /64) may only have so many
//! connections, in their handshake and established; what comes through a relay counts as from
//! the relay's. After it the peer must be allowed. What
//! counts all connections together is left to libp2p's own limits. Only connections that are
//! there are remembered, so the tables are as bounded as they are.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

use libp2p::core::{ConnectedPoint, Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use pointsman_core::config::Allow;
use pointsman_core::limits;

use super::address::is_circuit;
use super::subnets::ip;
use crate::identity;

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many handshakes under way from there.
    #[error("too many handshakes under way from that address")]
    Pending,
    /// Too many connections from there.
    #[error("too many connections from that address")]
    Established,
    /// The peer is not on the list.
    #[error("the peer is not allowed by this node's config")]
    NotAllowed,
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    allowed: Option<HashSet<PeerId>>,
    /// Whoever else is allowed.
    always: HashSet<PeerId>,
    pending: HashMap<ConnectionId, IpAddr>,
    established: HashMap<ConnectionId, IpAddr>,
    counts: HashMap<IpAddr, Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    pending: u32,
    established: u32,
}

impl Gate {
    /// A gate that lets these in, and always those: they serve, and are no peers for it.
    pub fn new(allow: &Allow, always: HashSet<PeerId>) -> Self {
        let mut gate = Self {
            allowed: None,
            always,
            pending: HashMap::new(),
            established: HashMap::new(),
            counts: HashMap::new(),
        };
        gate.allow(allow);
        gate
    }

    /// Lets these in from now on. Who is in stays in.
    pub fn allow(&mut self, allow: &Allow) {
        self.allowed = match allow {
            Allow::All => None,
            Allow::Listed(peers) => {
                Some(peers.iter().filter_map(|&peer| identity::to_libp2p(peer)).collect())
            }
        };
    }

    fn check(&self, peer: &PeerId) -> Result<(), Refused> {
        match &self.allowed {
            Some(allowed) if !allowed.contains(peer) && !self.always.contains(peer) => {
                Err(Refused::NotAllowed)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn begin(&mut self, connection: ConnectionId, address: IpAddr) -> Result<(), Refused> {
        let counts = self.counts.get(&address).copied().unwrap_or_default();
        if counts.pending >= limits::PENDING_INBOUND_PER_ADDRESS_MAX {
            return Err(Refused::Pending);
        }
        // Those in their handshake count too: all of them may succeed.
        if counts.pending + counts.established >= limits::ESTABLISHED_PER_ADDRESS_MAX {
            return Err(Refused::Established);
        }
        self.pending.insert(connection, address);
        self.counts.entry(address).or_default().pending += 1;
        Ok(())
    }

    /// The handshake is over, well or badly.
    fn settle(&mut self, connection: ConnectionId) {
        if let Some(address) = self.pending.remove(&connection) {
            self.change(address, |counts| counts.pending -= 1);
        }
    }

    fn establish(&mut self, connection: ConnectionId, address: IpAddr) {
        self.established.insert(connection, address);
        self.counts.entry(address).or_default().established += 1;
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(address) = self.established.remove(&connection) {
            self.change(address, |counts| counts.established -= 1);
        }
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.counts.get_mut(&address) {
            change(counts);
            if *counts == Counts::default() {
                self.counts.remove(&address);
            }
        }
    }
}

/// The part of an address that one host or site can't change: of IPv6 the /64.
fn origin(address: &Multiaddr) -> Option<IpAddr> {
    Some(match ip(address)? {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip @ IpAddr::V4(_) => ip,
    })
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match origin(if is_circuit(local) { local } else { remote }) {
            Some(address) => self.begin(connection, address).map_err(ConnectionDenied::new),
            None => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events are an open set, and only some concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                self.settle(established.connection_id);
                if let ConnectedPoint::Listener { local_addr, send_back_addr } =
                    established.endpoint
                    && let Some(address) =
                        origin(if is_circuit(local_addr) { local_addr } else { send_back_addr })
                {
                    self.establish(established.connection_id, address);
                }
            }
            FromSwarm::ListenFailure(failed) => self.settle(failed.connection_id),
            FromSwarm::ConnectionClosed(closed) => self.close(closed.connection_id),
            // Addresses, listeners and dials; the enum is open.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        origin(&text.parse().unwrap()).unwrap()
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn one_address_can_not_fill_the_handshakes() {
        let mut gate = Gate::new(&Allow::All, HashSet::new());
        let flood = address("/ip6/2001:db8::1/tcp/1");
        let most = limits::PENDING_INBOUND_PER_ADDRESS_MAX as usize;
        for n in 0..most {
            gate.begin(id(n), flood).unwrap();
        }
        let neighbour = address("/ip6/2001:db8::ffff/udp/1/quic-v1");
        assert_eq!(gate.begin(id(most), neighbour), Err(Refused::Pending));
        assert_eq!(gate.begin(id(most), address("/ip6/2001:db8:0:1::1/tcp/1")), Ok(()));
        assert_eq!(gate.begin(id(most + 1), address("/ip4/192.0.2.1/tcp/1")), Ok(()));
        gate.settle(id(0));
        assert_eq!(gate.begin(id(most + 2), neighbour), Ok(()));
    }

    #[test]
    fn established_connections_count_and_are_forgotten_when_closed() {
        let mut gate = Gate::new(&Allow::All, HashSet::new());
        let from = address("/ip4/192.0.2.1/tcp/1");
        let most = limits::ESTABLISHED_PER_ADDRESS_MAX as usize;
        for n in 0..most {
            gate.begin(id(n), from).unwrap();
            gate.settle(id(n));
            gate.establish(id(n), from);
        }
        assert_eq!(gate.begin(id(most), from), Err(Refused::Established));
        for n in 0..most {
            gate.close(id(n));
        }
        assert!(gate.counts.is_empty());
    }

    #[test]
    fn handshakes_under_way_count_against_the_share_of_an_address() {
        let (mut gate, from) =
            (Gate::new(&Allow::All, HashSet::new()), IpAddr::from([192, 0, 2, 1]));
        let most = limits::ESTABLISHED_PER_ADDRESS_MAX as usize;
        for n in 1..most {
            gate.begin(id(n), from).unwrap();
            gate.settle(id(n));
            gate.establish(id(n), from);
        }
        assert_eq!(gate.begin(id(most), from), Ok(()));
        assert_eq!(gate.begin(id(most + 1), from), Err(Refused::Established));
    }

    #[test]
    fn only_listed_peers_are_let_in() {
        let [friend, stranger] = [0, 1].map(|_| libp2p::identity::Keypair::generate_ed25519());
        let listed = Allow::Listed(vec![identity::peer_id(&friend)]);
        let mut gate = Gate::new(&listed, HashSet::new());
        assert_eq!(gate.check(&friend.public().to_peer_id()), Ok(()));
        assert_eq!(gate.check(&stranger.public().to_peer_id()), Err(Refused::NotAllowed));
        gate.allow(&Allow::All);
        assert_eq!(gate.check(&stranger.public().to_peer_id()), Ok(()));
    }
}
