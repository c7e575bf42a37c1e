//! Modules of every kind against the engine.

mod aside;
mod bare;
mod by_role;
mod cache;
mod children;
mod guests;
mod hostile;
mod hostile_files;
mod hostile_roles;
mod hostile_start;
mod refused;
mod shipped;
mod terms;
mod trials;
