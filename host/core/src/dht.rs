//! The phone book of the world: a Kademlia network of nodes that distrust each other.
//!
//! This module decides; it sends nothing. A shell asks peers what it is told to ask, with
//! libp2p's own messages (FIND_NODE, GET_VALUE), and brings what came of it:
//!
//! - [`key`]: where peers and records lie, and how far from each other;
//! - [`contact`]: a peer with its addresses, and which of these are worth a dial;
//! - [`table`]: who is let into our routing table, and who makes room;
//! - [`lookup`]: finding a peer, a record or the closest nodes, over several disjoint paths;
//! - [`crawl`]: reading everyone's table, to see the whole network;
//! - [`size`]: how many nodes there are;
//! - [`sybil`]: whether the nodes closest to a key were made to lie there.
//!
//! Nothing here is believed because someone said it. A contact counts when it answered itself, a
//! record when its signature held; what a reply says beyond that is a rumour that costs a bounded
//! number of questions.

pub mod contact;
pub mod crawl;
pub mod key;
pub mod lookup;
pub mod size;
pub mod sybil;
pub mod table;
