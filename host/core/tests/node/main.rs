//! The Node through its public interface, on a virtual clock and network.

mod allowing;
mod cost;
mod delivery;
mod determinism;
mod failover;
mod goals;
mod hostile;
mod innocence;
mod linking;
mod lone;
mod nearby;
mod probation;
mod relaying;
mod restart;
mod sampling;
mod scene;
mod schemers;
mod seeking;
mod selectors;
mod series;
mod sleep;
mod standing;
mod swapping;
mod trusting;
