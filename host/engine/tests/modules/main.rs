//! Modules of every kind against the engine.

mod cache;
mod children;
mod guests;
mod hostile;
mod refused;
mod roles;
mod shipped;
