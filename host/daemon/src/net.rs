//! The world of links: everything of this program that knows libp2p.
//!
//! [`start`] spawns one task that owns the libp2p swarm; it lives until the last [`Net`] is
//! dropped. Orders go in by [`Net`], facts come out of [`NetFacts`], and frames bypass the
//! swarm: a [`LinkSender`] leads straight into the task of its connection, and what a
//! connection reads goes straight into [`NetFacts::links`]. Nothing here decides anything
//! about peers or packets; that is the Node's.

pub mod address;
pub mod api;
pub mod bindings;
pub mod ble;
mod closing;
pub mod cut;
pub mod failure;
pub mod gate;
mod handshakes;
pub mod identify;
pub mod links;
mod listeners;
mod listening;
pub mod mdns;
pub mod nat;
pub mod phone;
pub mod ping;
pub mod quic;
pub mod refusals;
pub mod registry;
mod secure;
mod sockets;
pub mod subnets;
pub mod swarm;
pub mod tcp;
pub mod transport;
pub mod ways;

pub use api::{Busy, LinkFact, ListenAddress, Listener, Net, NetFact, NetFacts, NetOptions};
pub use links::queue::{LinkSender, SendError};
pub use swarm::{start, start_over};
