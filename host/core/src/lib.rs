//! The pure Node of pointsman: facts go in, orders come out.
//!
//! This crate does no IO. It has no sockets, files, threads, clock or entropy; it never
//! waits and cannot fail. The daemon turns the world into [`input::Input`]s and carries
//! [`output::Output`]s out; the simulator does the same with a world of its own. Begin
//! reading at [`node::Node`].

pub mod address;
pub mod bluetooth;
mod chance;
pub mod config;
mod delivery;
pub mod dht;
pub mod frame;
pub mod id;
pub mod input;
pub mod limits;
mod links;
mod monitor;
pub mod node;
pub mod output;
mod peers;
pub mod policy;
pub mod reputation;
pub mod snapshot;
pub mod subnet;

pub use node::Node;
