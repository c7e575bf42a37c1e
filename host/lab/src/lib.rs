//! Hosts and networks of one process, on Linux: for tests, the demonstration and the
//! measurements.
//!
//! A [`Lab`] owns network namespaces (the hosts) and one thread that plays the cables and
//! radios between them ([`switch`]). Every interface of a host is a TAP device whose other end
//! that thread holds, so delay, loss, rate, queues, pauses and cuts can be set per interface
//! and direction while traffic flows, and a cut shows no loss of carrier. Nothing of it but the
//! NATs of an [`internet`] and their help ([`upnp`]) needs a program to be installed, and nothing
//! of it survives: namespaces, devices and the processes started inside die when the lab is
//! dropped, and also when its process is killed.
//!
//! It must never send a packet outside its own namespaces, and it changes nothing on the
//! machine that outlives the process.
//!
//! Where the process may not make namespaces it can run itself again in a user namespace of
//! its own ([`permission`]); where that is refused too, [`LabError`] says why and what helps.

#![cfg(target_os = "linux")]

pub mod dice;
pub mod error;
pub mod internet;
pub mod namespace;
pub mod permission;
pub mod pipe;
pub mod switch;
mod tap;
pub mod topology;
pub mod trial;
pub mod upnp;

pub use error::LabError;
pub use internet::{Internet, NatBox, NatKind, has_nft};
pub use namespace::Namespace;
pub use pipe::{Conditions, Counters};
pub use switch::{Direction, Port, Segment, Switch};
pub use topology::{Host, Lab, Mesh, TwoWays, Uplink};
pub use trial::trial;
pub use upnp::{Gateway, has_miniupnpd};
