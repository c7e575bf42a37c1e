//! Changes that go into the store together.

use std::collections::BTreeMap;

use pointsman_core::id::PeerId;
use pointsman_core::limits::{
    STORE_RECORD_BYTES_MAX, STORE_RECORD_KEY_BYTES_MAX, STORE_VALUE_BYTES_MAX,
    STORE_VALUE_NAME_BYTES_MAX,
};

use crate::rows::Row;
use crate::rows::peer::Peer;
use crate::rows::record::Record;
use crate::rows::standing::{PeerStanding, SubnetStanding};
use crate::rows::value::Value;
use crate::tables::Table;
use pointsman_core::subnet::Subnet;

/// Changes that are written in one transaction: all of them survive a loss of power, or none.
/// Of several changes of one row, the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// By table and key: the row's new bytes, or `None` for one that goes.
    pub(crate) changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// Records that expired by then go.
    pub(crate) prune_unix_s: Option<u64>,
}

/// A row beyond its bounds; it is not in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {bytes} bytes; {bytes_max} are allowed")]
pub struct TooLarge {
    /// What is too large.
    pub what: &'static str,
    /// How large it is.
    pub bytes: usize,
    /// How large it may be.
    pub bytes_max: usize,
}

impl Batch {
    /// One without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows it changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.prune_unix_s.is_none()
    }

    /// Keeps a peer's addresses, in place of those that were kept.
    pub fn put_peer(&mut self, peer: &Peer) {
        self.put(peer);
    }

    /// Forgets where a peer was.
    pub fn forget_peer(&mut self, id: &PeerId) {
        self.forget(Table::Peers, &id.0);
    }

    /// Keeps how a peer stands.
    pub fn put_standing(&mut self, standing: &PeerStanding) {
        self.put(standing);
    }

    /// Forgets how a peer stood.
    pub fn forget_standing(&mut self, id: &PeerId) {
        self.forget(Table::Standings, &id.0);
    }

    /// Keeps how a subnet stands.
    pub fn put_subnet(&mut self, standing: &SubnetStanding) {
        self.put(standing);
    }

    /// Forgets how a subnet stood.
    pub fn forget_subnet(&mut self, subnet: &Subnet) {
        self.forget(Table::Subnets, subnet.bytes());
    }

    /// Keeps a record, in place of the one with the same key.
    pub fn put_record(&mut self, record: &Record) -> Result<(), TooLarge> {
        fits("the key of a record", record.key.len(), STORE_RECORD_KEY_BYTES_MAX)?;
        fits("a record", record.value.len(), STORE_RECORD_BYTES_MAX)?;
        self.put(record);
        Ok(())
    }

    /// Forgets a record.
    pub fn forget_record(&mut self, key: &[u8]) {
        self.forget(Table::Records, key);
    }

    /// Forgets all records that expired by then, in seconds of Unix time. Those that are put in
    /// the same batch are no exception.
    pub fn prune_records(&mut self, now_unix_s: u64) {
        self.prune_unix_s = self.prune_unix_s.max(Some(now_unix_s));
    }

    /// Keeps a named value, in place of the one with that name.
    pub fn put_value(&mut self, value: &Value) -> Result<(), TooLarge> {
        fits("the name of a value", value.name.len(), STORE_VALUE_NAME_BYTES_MAX)?;
        fits("a named value", value.bytes.len(), STORE_VALUE_BYTES_MAX)?;
        self.put(value);
        Ok(())
    }

    /// Forgets a named value.
    pub fn forget_value(&mut self, name: &str) {
        self.forget(Table::Values, name.as_bytes());
    }

    /// Adds changes that are newer than those in it.
    pub fn append(&mut self, newer: Self) {
        self.changes.extend(newer.changes);
        self.prune_unix_s = self.prune_unix_s.max(newer.prune_unix_s);
    }

    fn put<R: Row>(&mut self, row: &R) {
        self.changes.insert((R::TABLE, row.key().to_vec()), Some(row.to_bytes()));
    }

    fn forget(&mut self, table: Table, key: &[u8]) {
        self.changes.insert((table, key.to_vec()), None);
    }
}

fn fits(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), TooLarge> {
    if bytes > bytes_max { Err(TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, bytes: usize) -> Value {
        Value { name: name.to_owned(), bytes: vec![1; bytes] }
    }

    #[test]
    fn the_last_change_of_a_row_counts() {
        let (mut older, mut newer, mut expected) = (Batch::new(), Batch::new(), Batch::new());
        older.put_value(&value("a", 1)).unwrap();
        older.put_value(&value("b", 1)).unwrap();
        older.prune_records(5);
        newer.forget_value("a");
        newer.prune_records(4);
        older.append(newer);
        expected.forget_value("a");
        expected.put_value(&value("b", 1)).unwrap();
        expected.prune_records(5);
        assert_eq!((older.len(), older), (2, expected));
    }

    #[test]
    fn what_is_too_large_is_refused_with_its_size() {
        let mut batch = Batch::new();
        let error = batch.put_value(&value("a", STORE_VALUE_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(error.to_string(), "a named value has 262145 bytes; 262144 are allowed");
        assert!(batch.put_value(&value(&"n".repeat(65), 0)).is_err());
        assert!(batch.is_empty());
    }
}
