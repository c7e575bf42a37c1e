//! What a node remembers over a restart: peers and where they were, how they stand, signed
//! records, and a few named values.
//!
//! The store is one file of redb, a B-tree that is never changed in place. It is written by
//! batches: each is there as a whole after a loss of power, or not at all. It is read once,
//! when the node starts; what the node knows while it runs is in memory, and a disk that fails
//! costs it no more than its memory of this run.
//!
//! **Life.** [`Store::open`] finds the file, makes it, or moves it aside and makes another one
//! where it can't be used: [`Opened`] says which. The `load_*` methods give out what is in
//! it. Then [`Writer`] takes the store: a thread that writes what has changed at times and at
//! the end, so that nobody else waits for a disk.
//!
//! **Limits.** Every table is bounded by a constant in [`pointsman_core::limits`]; what is worth
//! least makes room, and no subnet can take the room of the others. A row is bounded as
//! well. Times are wall time, because the monotonic clock begins anew with the machine.
//!
//! **Growth.** A row begins with the version of its form, and may get longer: older programs read
//! the beginning. A table of another kind (messages, say) is a new entry in `tables`, and needs
//! no other version of the file. What older programs would misread does: they refuse a file
//! of a newer version and leave it as it is.

mod batch;
mod codec;
mod error;
mod file;
mod memory_disk;
mod rows;
mod store;
mod tables;
mod worth;
mod writer;

pub use batch::{Batch, TooLarge};
pub use error::{OpenError, StoreError};
pub use file::Opened;
pub use memory_disk::{MemoryBackend, MemoryDisk, Survivors};
pub use rows::peer::{KnownAddress, Origin, Peer};
pub use rows::record::Record;
pub use rows::standing::{KINDS, PeerStanding, Reason, SubnetStanding, Track};
pub use rows::value::Value;
pub use store::{Loaded, Store, Written};
pub use writer::{Behind, Notice, Writer};
