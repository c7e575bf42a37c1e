//! The shelf as libp2p's Kademlia sees it: it may read, and puts nothing there by itself.

use std::borrow::Cow;
use std::iter::Empty;

use libp2p::PeerId as Libp2p;
use libp2p::kad::store::{self, RecordStore};
use libp2p::kad::{ProviderRecord, Record, RecordKey};

use super::Shelf;
use crate::record::peer_of;

impl RecordStore for Shelf {
    type RecordsIter<'a> = Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let value = self.value(&peer_of(key.as_ref())?)?;
        Some(Cow::Owned(Record::new(key.clone(), value.to_vec())))
    }

    /// Kademlia is told to leave this to us, because only [`Shelf::keep`] knows who brought what.
    fn put(&mut self, _: Record) -> store::Result<()> {
        Err(store::Error::MaxRecords)
    }

    /// Records go when they expire, or make room.
    fn remove(&mut self, _: &RecordKey) {}

    /// What Kademlia would publish again by itself: nothing.
    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, _: ProviderRecord) -> store::Result<()> {
        Err(store::Error::MaxProvidedKeys)
    }

    fn providers(&self, _: &RecordKey) -> Vec<ProviderRecord> {
        Vec::new()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &Libp2p) {}
}
