//! The control API: HTTP/1.1 and JSON, with server-sent events, on a Unix socket.
//!
//! The [`server`] answers whoever runs as the same user, or as root, and nobody else; the
//! [`client`] is what the commands use. Both speak [`views`], which are separate from the
//! core's types so that names and units stay while the core changes.
//!
//! It never listens on a network, never answers a web page, and never holds more than the
//! `CONTROL_*` limits.

mod caller;
pub mod client;
mod guard;
mod metrics;
mod routes;
pub mod server;
pub mod socket;
mod streams;
pub mod views;

/// What the `Host` header of every request must be: no name that a web page could reach.
pub const HOST: &str = "pointsman.local";
