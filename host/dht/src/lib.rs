//! The phone book: who is where, in a Kademlia network of our own.
//!
//! libp2p's Kademlia answers others ([`server`]); whatever this node wants to know, it asks by
//! itself ([`requests`]), because libp2p believes what it is told, and dials where it is sent.
//! What is decided without IO (whom to ask next, who gets into the table) is in the core's `dht`
//! module. What peers publish are signed records ([`record`]); those of others are kept on a
//! [`shelf`] that a flood can't empty.

pub mod clock;
pub mod identity;
pub mod intake;
pub mod quota;
pub mod record;
pub mod requests;
pub mod server;
pub mod shelf;
pub mod wire;
