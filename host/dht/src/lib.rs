//! The phone book: who is where, in a Kademlia network of our own.
//!
//! libp2p's Kademlia answers others ([`server`]); whatever this node wants to know, it asks by
//! itself ([`requests`]), because libp2p believes what it is told, and dials where it is sent.
//! What is decided without IO (whom to ask next, who gets into the table) is in the core's `dht`
//! module. What peers publish are signed records ([`record`]); those of others are kept on a
//! [`shelf`] that a flood can't empty. [`Dht`] is all of it, as one behaviour of a swarm.

mod chance;
pub mod clock;
mod config;
mod dht;
mod event;
pub mod identity;
pub mod intake;
mod probes;
mod publisher;
mod query;
pub mod quota;
pub mod record;
pub mod requests;
mod roster;
mod rounds;
mod seeds;
pub mod server;
pub mod shelf;
pub mod status;
pub mod wire;

pub use config::Config;
pub use dht::{Dht, TooMany};
pub use event::{Event, Observed, QueryId};
pub use query::Purpose;
