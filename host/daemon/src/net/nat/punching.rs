//! Holes in NATs: after a relayed link the try to make a direct one (libp2p's DCUtR).
//!
//! Both ends learn by the relayed connection where the other one is seen, and dial at the same
//! time; see <https://github.com/libp2p/specs/blob/master/relay/DCUtR.md>. Where one end is
//! reached at an unforeseen address, libp2p's events and counts are wrong: it knows its own
//! dials only, and goes on dialling although the other's came through. So what counts here is
//! whether there is a direct connection, whoever made it, and there is no second one.

use std::collections::{HashMap, HashSet};
use std::task::{Context, Poll};

use libp2p::core::ConnectedPoint;
use libp2p::dcutr;
use libp2p::swarm::behaviour::{DialFailure, NewExternalAddrCandidate};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError, FromSwarm, NetworkBehaviour as _, ToSwarm};
use libp2p::{Multiaddr, PeerId};

use super::fence::{Fence, Wish};
use crate::net::address::split_uplink;
use crate::net::ways::Ways;

/// What punching wants.
#[derive(Debug)]
pub(in crate::net) enum PunchEvent {
    /// This dial is for a link.
    Dial(DialOpts),
    /// A connection came of one.
    Made,
    /// The tries for a peer came to nothing that they know of.
    GivenUp,
}

/// DCUtR, with an account of its own.
pub(in crate::net) struct Punching {
    inner: dcutr::Behaviour,
    ways: Ways,
    /// Peers that are connected through a relay.
    relayed: HashMap<PeerId, Relayed>,
    dials: HashSet<ConnectionId>,
}

#[derive(Debug, Default)]
struct Relayed {
    connections: usize,
    /// Direct ones that came since.
    direct: HashSet<ConnectionId>,
}

impl Punching {
    pub(super) fn new(me: PeerId, ways: Ways) -> Self {
        let (relayed, dials) = (HashMap::new(), HashSet::new());
        Self { inner: dcutr::Behaviour::new(me), ways, relayed, dials }
    }

    /// Somebody sees this node at an address: others shall dial it there.
    pub(super) fn candidate(&mut self, address: &Multiaddr) {
        let candidate = NewExternalAddrCandidate { addr: address };
        self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
    }

    fn is_direct(&self, peer: &PeerId) -> bool {
        self.relayed.get(peer).is_some_and(|relayed| !relayed.direct.is_empty())
    }

    /// A dial that would only make a second direct connection fails here.
    fn spare(&mut self, options: &DialOpts) {
        let failure = DialFailure {
            peer_id: options.get_peer_id(),
            error: &DialError::Aborted,
            connection_id: options.connection_id(),
        };
        self.inner.on_swarm_event(FromSwarm::DialFailure(failure));
    }

    fn relayed(&mut self, peer: PeerId, address: &Multiaddr) {
        let uplink = split_uplink(address).0.unwrap_or_default();
        self.ways.relayed(peer, &uplink);
        self.relayed.entry(peer).or_default().connections += 1;
    }

    fn relayed_no_more(&mut self, peer: &PeerId) {
        self.ways.relayed_no_more(peer);
        if let Some(relayed) = self.relayed.get_mut(peer) {
            relayed.connections -= 1;
            if relayed.connections == 0 {
                self.relayed.remove(peer);
            }
        }
    }

    fn note(&mut self, event: &FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(established) = event {
            let (peer, endpoint) = (established.peer_id, established.endpoint);
            if endpoint.is_relayed() {
                self.relayed(peer, local_or_remote(endpoint));
            } else if let Some(relayed) = self.relayed.get_mut(&peer) {
                relayed.direct.insert(established.connection_id);
            }
        } else if let FromSwarm::ConnectionClosed(closed) = event {
            if closed.endpoint.is_relayed() {
                self.relayed_no_more(&closed.peer_id);
            } else if let Some(relayed) = self.relayed.get_mut(&closed.peer_id) {
                relayed.direct.remove(&closed.connection_id);
            }
        } else if let FromSwarm::DialFailure(failed) = event {
            self.dials.remove(&failed.connection_id);
        }
    }
}

/// The address that names the relay.
fn local_or_remote(endpoint: &ConnectedPoint) -> &Multiaddr {
    match endpoint {
        ConnectedPoint::Dialer { address, .. } => address,
        ConnectedPoint::Listener { local_addr, .. } => local_addr,
    }
}

impl Fence for Punching {
    type Inner = dcutr::Behaviour;
    type Event = PunchEvent;

    fn inner(&mut self) -> &mut dcutr::Behaviour {
        &mut self.inner
    }

    fn hears(&mut self, event: FromSwarm<'_>) {
        self.note(&event);
        // Of addresses only those count that are told by [`Self::candidate`].
        if !matches!(event, FromSwarm::NewExternalAddrCandidate(_)) {
            self.inner.on_swarm_event(event);
        }
    }

    fn wants(&mut self, cx: &mut Context<'_>) -> Poll<Wish<Self>> {
        loop {
            match self.inner.poll(cx) {
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    if opts.get_peer_id().is_some_and(|peer| self.is_direct(&peer)) {
                        self.spare(&opts);
                        continue;
                    }
                    self.dials.insert(opts.connection_id());
                    return Poll::Ready(ToSwarm::GenerateEvent(PunchEvent::Dial(opts)));
                }
                Poll::Ready(ToSwarm::GenerateEvent(dcutr::Event { remote_peer_id, result })) => {
                    match result {
                        Ok(connection) if self.dials.remove(&connection) => {
                            return Poll::Ready(ToSwarm::GenerateEvent(PunchEvent::Made));
                        }
                        Ok(_) => {}
                        Err(error) => {
                            tracing::debug!(peer = %remote_peer_id, %error, "no hole was punched");
                            return Poll::Ready(ToSwarm::GenerateEvent(PunchEvent::GivenUp));
                        }
                    }
                }
                Poll::Ready(other) => return Poll::Ready(other.map_out(|_| PunchEvent::Made)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
