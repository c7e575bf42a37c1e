//! Runs Nodes on a virtual clock and a virtual network.
//!
//! A [`World`] holds Nodes, segments that they are attached to, and everything that is under
//! way between them. Time jumps from one happening to the next; nothing waits. All chance
//! comes from the seed, so the same seed and the same calls give the same orders, byte for
//! byte: [`World::trace`] is a digest of all of them.
//!
//! Links behave as the daemon's do: four ordered, reliable channels over a path that delays,
//! loses, limits and interrupts. What a stream loses comes late; what a datagram loses is
//! gone. What the simulator leaves out is what the Node cannot see: handshakes, congestion
//! control, packets smaller than a frame.

mod site;
mod wire;
mod world;

pub use site::{Arrival, Site};
pub use wire::{Cut, Wire};
pub use world::{At, NodeIndex, SegmentIndex, World};
