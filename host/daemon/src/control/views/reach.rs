//! What others reach this node by.

use serde::{Deserialize, Serialize};

use crate::net::nat::{Evidence, External, Reach, Reservation};

/// What others reach this node by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachView {
    /// Whether anybody reaches it without a relay; `null` where nobody has tried.
    pub direct: Option<bool>,
    /// The addresses at which others see it.
    pub addresses: Vec<ExternalView>,
    /// Where it has reservations, or asks for them.
    pub reservations: Vec<ReservationView>,
}

/// An address at which others see this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalView {
    /// The multiaddr, without the peer's identity.
    pub address: String,
    /// Who says so: `observed`, `interface`, `router`, `config` or `relay`.
    pub evidence: String,
    /// Whether it leads here; `null` where nobody has tried.
    pub reachable: Option<bool>,
}

/// A reservation at a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationView {
    /// The relay.
    pub relay: String,
    /// The uplink that leads to it.
    pub uplink: String,
    /// Where this node is reached by it, without the peer's identity.
    pub address: String,
    /// Whether the relay has said yes.
    pub confirmed: bool,
}

/// The whole of it.
pub fn reach(reach: &Reach) -> ReachView {
    ReachView {
        direct: reach.is_reachable(),
        addresses: reach.externals.iter().map(external).collect(),
        reservations: reach.reservations.iter().map(reservation).collect(),
    }
}

fn external(one: &External) -> ExternalView {
    let evidence = match one.evidence {
        Evidence::Observed => "observed",
        Evidence::Interface => "interface",
        Evidence::Router => "router",
        Evidence::Config => "config",
        Evidence::Relay => "relay",
    };
    ExternalView {
        address: one.address.to_string(),
        evidence: evidence.to_owned(),
        reachable: one.reachable,
    }
}

fn reservation(one: &Reservation) -> ReservationView {
    ReservationView {
        relay: one.relay.to_string(),
        uplink: one.uplink.clone(),
        address: one.address.to_string(),
        confirmed: one.confirmed,
    }
}
