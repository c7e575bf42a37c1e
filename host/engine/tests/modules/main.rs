//! Modules of every kind against the engine.

mod guests;
mod hostile;
mod refused;
mod shipped;
