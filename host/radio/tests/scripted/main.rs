//! Connections between scripted radios.

mod air;
mod carriers;
mod opening;
mod world;
