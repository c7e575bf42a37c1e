//! Links: libp2p connections with one substream per channel, used in both directions.
//!
//! The life of a link: libp2p establishes a connection (the handshake proves the peer); the
//! side that dialled it for a link opens four substreams, one per channel; when all are there
//! the loop is told by [`super::LinkFact::Up`] and gets a [`queue::LinkSender`]; frames go both
//! ways without touching the swarm; it ends when the sender is dropped, when the other side
//! finishes, or when the connection breaks, and the loop is told by
//! [`super::LinkFact::Down`]. A connection of which some substreams are opened, and not all
//! within [`OPEN_TIME_MAX`], is closed.
//!
//! A connection on which nobody opens a channel is a guest: queries, reservations, probes and
//! libp2p programs of other make use it. Nothing here keeps it open, and the swarm closes it
//! [`GUEST_IDLE_MAX`] after its last use.
//!
//! This room knows no protocol below libp2p's upgrade: what a connection is bound to, and
//! what can be measured of it, comes from [`Wires`].

use std::fmt;
use std::time::Duration;

use libp2p::Multiaddr;
use pointsman_core::id::UplinkId;
use pointsman_core::input::{LinkSample, Protocol};

use super::address::is_circuit;
use super::registry::{Registered, Registry};

pub mod behaviour;
mod datagrams;
pub(super) mod dials;
mod gauge;
pub mod handler;
mod mail;
pub mod protocol;
pub mod queue;
mod substream;
mod traffic;

/// How long a link may take to write what was sent before it was closed, and its peer to
/// read it.
pub const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);

/// How long a connection that is no link stays without any use: long enough for the next
/// query of a lookup, short enough that strangers don't fill the places.
pub const GUEST_IDLE_MAX: Duration = Duration::from_secs(10);

/// How long the four substreams of a link may take, from the first on.
pub const OPEN_TIME_MAX: Duration = Duration::from_secs(5);

/// What a connection is made of below libp2p's upgrade, as the transport knows it.
pub struct Wire {
    /// Which uplink it is bound to.
    pub uplink: UplinkId,
    /// The name of that.
    pub uplink_name: String,
    /// Which protocol it speaks.
    pub protocol: Protocol,
    /// What that protocol measures now.
    pub sample: Box<dyn Fn() -> LinkSample + Send>,
    /// The connection that takes datagrams, where there is one.
    pub datagrams: Option<quinn::Connection>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("uplink", &self.uplink_name)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// Where the wires of new connections are found: the transport's registry, or a test's.
pub trait Wires: Send {
    /// Of the connection that was made by dialling this address.
    fn dialled(&self, remote: &Multiaddr) -> Option<Wire>;
    /// Of the connection that was accepted between these addresses.
    fn accepted(&self, local: &Multiaddr, remote: &Multiaddr) -> Option<Wire>;
}

/// The registry of our own transports.
impl Wires for Registry {
    fn dialled(&self, remote: &Multiaddr) -> Option<Wire> {
        self.claim_dialled(remote).map(Wire::from)
    }

    fn accepted(&self, local: &Multiaddr, remote: &Multiaddr) -> Option<Wire> {
        self.claim_accepted(local, remote).map(Wire::from)
    }
}

impl From<Registered> for Wire {
    fn from(registered: Registered) -> Self {
        let Registered { uplink, uplink_id, protocol, handle } = registered;
        let datagrams = handle.datagrams();
        let sample = Box::new(move || handle.sample());
        Self { uplink: uplink_id, uplink_name: uplink, protocol, sample, datagrams }
    }
}

/// The wires of a transport, and those of the circuits beside it.
pub(super) struct WithCircuits {
    /// The transport's.
    pub(super) below: Box<dyn Wires>,
    /// Of circuits.
    pub(super) circuits: Registry,
}

impl Wires for WithCircuits {
    fn dialled(&self, remote: &Multiaddr) -> Option<Wire> {
        if is_circuit(remote) {
            Wires::dialled(&self.circuits, remote)
        } else {
            self.below.dialled(remote)
        }
    }

    fn accepted(&self, local: &Multiaddr, remote: &Multiaddr) -> Option<Wire> {
        if is_circuit(local) {
            Wires::accepted(&self.circuits, local, remote)
        } else {
            self.below.accepted(local, remote)
        }
    }
}
