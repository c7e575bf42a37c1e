//! The Node through its public interface, on a virtual clock and network.

mod delivery;
mod determinism;
mod failover;
mod hostile;
mod linking;
mod scene;
