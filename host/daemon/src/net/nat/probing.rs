//! Which addresses lead here: asking others to dial them (AutoNAT v2), and answering others.
//!
//! A server that sees this node at another address than the one in question wants up to
//! 100 kB for its answer, so that nobody has it flood a third party. So nobody is asked over
//! metered uplinks or through relays, and only about addresses that were seen by somebody and
//! could be reached by anybody. An answer counts only where the server's dial has arrived.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::autonat::v2::{client, server};
use libp2p::core::ConnectedPoint;
use libp2p::swarm::behaviour::{ConnectionEstablished, DialFailure, NewExternalAddrCandidate};
use libp2p::swarm::{ConnectionId, DialError, FromSwarm, NetworkBehaviour as _, ToSwarm};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::fence::{Fence, Wish};
use crate::net::address::{is_circuit, split_uplink};
use crate::net::ways::Ways;

/// Dials that are made for others within [`DIALS_WINDOW`], and for one of them.
const DIALS_MAX: usize = 30;
const DIALS_PER_PEER_MAX: usize = 6;
const DIALS_WINDOW: Duration = Duration::from_secs(60);

/// Asking.
pub(in crate::net) struct Asking {
    inner: client::Behaviour,
    ways: Ways,
    connections: HashMap<ConnectionId, (PeerId, ConnectedPoint)>,
}

impl Asking {
    pub(super) fn new(ways: Ways) -> Self {
        Self { inner: client::Behaviour::default(), ways, connections: HashMap::new() }
    }

    /// Forgets what was found out: libp2p's client asks about no address twice.
    pub(super) fn begin_anew(&mut self) {
        self.inner = client::Behaviour::default();
        for (connection, (peer, endpoint)) in &self.connections {
            self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: *peer,
                connection_id: *connection,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
    }

    /// Somebody sees this node at an address: whether it leads here is the question. It is
    /// never forgotten, so whoever tells it bounds how many there are.
    pub(super) fn candidate(&mut self, address: &Multiaddr) {
        let candidate = NewExternalAddrCandidate { addr: address };
        self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
    }

    /// What an address that names no uplink was dialled over is what leads there.
    fn may_cost(&self, remote: &Multiaddr) -> bool {
        let uplink = split_uplink(remote).0.or_else(|| self.ways.to(remote));
        let way = uplink.and_then(|uplink| self.ways.named(&uplink));
        !is_circuit(remote) && way.is_some_and(|way| !way.metered)
    }
}

impl Fence for Asking {
    type Inner = client::Behaviour;
    type Event = client::Event;

    fn inner(&mut self) -> &mut client::Behaviour {
        &mut self.inner
    }

    /// It takes part in all that was accepted: a server's dial comes back like that.
    fn dials(&self, remote: &Multiaddr) -> bool {
        self.may_cost(remote)
    }

    fn hears(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(one) = event {
            self.connections.insert(one.connection_id, (one.peer_id, one.endpoint.clone()));
        } else if let FromSwarm::ConnectionClosed(one) = event {
            self.connections.remove(&one.connection_id);
        }
        // Of addresses only those count that are told by [`Self::candidate`].
        if !matches!(event, FromSwarm::NewExternalAddrCandidate(_)) {
            self.inner.on_swarm_event(event);
        }
    }

    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Wish<Self>> {
        self.inner.poll(cx)
    }
}

/// Answering.
pub(in crate::net) struct Answering {
    inner: server::Behaviour,
    /// The dials of the last minute: for whom, and when.
    dials: VecDeque<(PeerId, Instant)>,
}

impl Answering {
    pub(super) fn new() -> Self {
        Self { inner: server::Behaviour::default(), dials: VecDeque::new() }
    }

    /// Whether another dial may be made for a peer.
    fn allow(&mut self, peer: PeerId, now: Instant) -> bool {
        while self.dials.front().is_some_and(|(_, at)| now.duration_since(*at) >= DIALS_WINDOW) {
            self.dials.pop_front();
        }
        let of_peer = self.dials.iter().filter(|(other, _)| *other == peer).count();
        let allowed = self.dials.len() < DIALS_MAX && of_peer < DIALS_PER_PEER_MAX;
        if allowed {
            self.dials.push_back((peer, now));
        }
        allowed
    }
}

impl Fence for Answering {
    type Inner = server::Behaviour;
    type Event = server::Event;

    fn inner(&mut self) -> &mut server::Behaviour {
        &mut self.inner
    }

    fn accepts(&self, local: &Multiaddr, _: &Multiaddr) -> bool {
        !is_circuit(local)
    }

    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Wish<Self>> {
        loop {
            match self.inner.poll(cx) {
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    let peer = opts.get_peer_id();
                    if peer.is_some_and(|peer| self.allow(peer, Instant::now())) {
                        return Poll::Ready(ToSwarm::Dial { opts });
                    }
                    self.inner.on_swarm_event(FromSwarm::DialFailure(DialFailure {
                        peer_id: peer,
                        error: &DialError::Aborted,
                        connection_id: opts.connection_id(),
                    }));
                }
                Poll::Ready(other) => return Poll::Ready(other),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pointsman_core::input::Uplink;

    use super::*;
    use crate::net::ways::uplink;

    /// Whether whoever was dialled at this address is asked.
    fn is_asked(asking: &Asking, address: &str) -> bool {
        asking.dials(&address.parse().unwrap())
    }

    #[test]
    fn nobody_is_asked_over_what_costs_money_or_through_a_relay() {
        let ways = Ways::default();
        ways.set(&Uplink { metered: true, ..uplink(1, "wwan0", &["10.1.0.2/24"]) });
        let asking = Asking::new(ways.clone());
        let [cheap, dear] =
            ["eth0", "wwan0"].map(|uplink| format!("/ip6zone/{uplink}/ip4/45.10.0.1/tcp/1"));
        let named_none = "/ip4/45.10.0.1/tcp/1";
        for address in [dear.as_str(), cheap.as_str(), named_none] {
            assert!(!is_asked(&asking, address), "{address}");
        }
        ways.set(&uplink(2, "eth0", &["192.168.1.2/24"]));
        assert!(is_asked(&asking, &cheap) && is_asked(&asking, named_none));
        assert!(!is_asked(&asking, &dear));
        let circuit = format!("{cheap}/p2p/{}/p2p-circuit", PeerId::random());
        assert!(!is_asked(&asking, &circuit));
    }

    #[test]
    fn one_peer_gets_its_share_of_dials_and_all_together_theirs() {
        let mut answering = Answering::new();
        let (now, greedy) = (Instant::now(), PeerId::random());
        let got = (0..100).filter(|_| answering.allow(greedy, now)).count();
        assert_eq!(got, DIALS_PER_PEER_MAX);
        let got = (0..100).filter(|_| answering.allow(PeerId::random(), now)).count();
        assert_eq!(got, DIALS_MAX - DIALS_PER_PEER_MAX);
        assert!(answering.allow(greedy, now + DIALS_WINDOW));
    }
}
