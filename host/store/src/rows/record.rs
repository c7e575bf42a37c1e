//! Signed records of the DHT. What is in them, only the DHT knows; here they are bytes.

use pointsman_core::id::PeerId;
use pointsman_core::limits::{STORE_RECORD_BYTES_MAX, STORE_RECORD_KEY_BYTES_MAX};

use super::Row;
use crate::codec::{Decoder, Encoder, Malformed};
use crate::tables::Table;
use crate::worth::Worth;
use pointsman_core::subnet::Subnet;

/// A signed record. There is one of each key: whether another one may take its place, the DHT
/// decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is found by; [`STORE_RECORD_KEY_BYTES_MAX`] bytes at most.
    pub key: Vec<u8>,
    /// The record; [`STORE_RECORD_BYTES_MAX`] bytes at most.
    pub value: Vec<u8>,
    /// Who signed it.
    pub publisher: PeerId,
    /// Which of the publisher's it is.
    pub sequence: u64,
    /// When it is worth nothing any more, in seconds of Unix time.
    pub expires_unix_s: u64,
    /// The subnet of who brought it.
    pub source: Option<Subnet>,
}

impl Record {
    /// Whether it is worth nothing any more.
    pub fn is_expired(&self, now_unix_s: u64) -> bool {
        self.expires_unix_s <= now_unix_s
    }
}

impl Row for Record {
    const TABLE: Table = Table::Records;

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn encode(&self, row: &mut Encoder) {
        row.u64(self.expires_unix_s);
        row.u64(self.sequence);
        row.raw(&self.publisher.0);
        row.bytes(self.source.as_ref().map_or(&[], Subnet::bytes));
        row.bytes(&self.value);
    }

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        if key.len() > STORE_RECORD_KEY_BYTES_MAX {
            return Err(Malformed);
        }
        let (expires_unix_s, sequence) = (row.u64()?, row.u64()?);
        let publisher = PeerId(row.key()?);
        let source = match row.bytes(usize::MAX)? {
            [] => None,
            bytes => Some(Subnet::from_bytes(bytes).ok_or(Malformed)?),
        };
        let value = row.bytes(STORE_RECORD_BYTES_MAX)?.to_vec();
        Ok(Self { key: key.to_vec(), value, publisher, sequence, expires_unix_s, source })
    }

    /// The longer it lasts, the more it is worth, compared with those of the same source.
    fn worth(&self) -> Worth {
        let merit = (self.expires_unix_s, self.sequence);
        Worth { class: 1, group: Worth::group_of(self.source), merit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for source in [None, Some(Subnet::V4([1, 2, 3])), Some(Subnet::V6([1; 6]))] {
            let record = Record {
                key: vec![1; STORE_RECORD_KEY_BYTES_MAX],
                value: vec![2; STORE_RECORD_BYTES_MAX],
                publisher: PeerId([3; 32]),
                sequence: 4,
                expires_unix_s: 5,
                source,
            };
            let bytes = record.to_bytes();
            assert_eq!(Record::from_bytes(record.key(), &bytes), Ok((record, 0)));
        }
    }
}
