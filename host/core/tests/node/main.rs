//! The Node through its public interface, on a virtual clock and network.

mod allowing;
mod delivery;
mod determinism;
mod failover;
mod hostile;
mod linking;
mod lone;
mod restart;
mod scene;
mod series;
mod sleep;
mod standing;
