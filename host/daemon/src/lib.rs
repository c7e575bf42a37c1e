//! A network coordinator whose decisions are WebAssembly policies.

pub mod net;
