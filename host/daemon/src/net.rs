//! The world of links: everything of this program that knows libp2p.

pub mod address;
pub mod bindings;
pub mod cut;
pub mod failure;
mod handshakes;
mod listening;
pub mod quic;
pub mod registry;
mod sockets;
pub mod tcp;
pub mod transport;
