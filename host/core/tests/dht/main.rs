//! The phone book in a network in memory: honest nodes, liars, and a flood of identities.

mod crawl;
mod honest;
mod hostile;
mod net;
mod sybils;
