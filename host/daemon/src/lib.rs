//! A network coordinator whose decisions are WebAssembly policies.

pub mod clock;
pub mod identity;
pub mod net;
pub mod uplinks;
