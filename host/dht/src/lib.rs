//! The phone book: who is where, in a Kademlia network of our own.
