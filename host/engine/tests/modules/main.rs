//! Modules of every kind against the engine.

mod aside;
mod cache;
mod children;
mod guests;
mod hostile;
mod refused;
mod shipped;
mod terms;
