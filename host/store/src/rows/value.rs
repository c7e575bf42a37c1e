//! Named values: small things that somebody else knows how to read.

use pointsman_core::limits::{STORE_VALUE_BYTES_MAX, STORE_VALUE_NAME_BYTES_MAX};

use super::Row;
use crate::codec::{Decoder, Encoder, Malformed};
use crate::tables::Table;
use crate::worth::Worth;

/// Bytes under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is called; [`STORE_VALUE_NAME_BYTES_MAX`] bytes at most.
    pub name: String,
    /// What it is; [`STORE_VALUE_BYTES_MAX`] bytes at most.
    pub bytes: Vec<u8>,
}

impl Row for Value {
    const TABLE: Table = Table::Values;

    fn key(&self) -> &[u8] {
        self.name.as_bytes()
    }

    fn encode(&self, row: &mut Encoder) {
        row.u32(u32::try_from(self.bytes.len()).expect("a value is bounded"));
        row.raw(&self.bytes);
    }

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let name = core::str::from_utf8(key).map_err(|_| Malformed)?.to_owned();
        let length = usize::try_from(row.u32()?).map_err(|_| Malformed)?;
        if length > STORE_VALUE_BYTES_MAX || name.len() > STORE_VALUE_NAME_BYTES_MAX {
            return Err(Malformed);
        }
        Ok(Self { name, bytes: row.raw(length)?.to_vec() })
    }

    /// None makes room for another: their names are ours, so a new one that does not fit is
    /// refused.
    fn worth(&self) -> Worth {
        Worth { class: u8::MAX, group: 0, merit: (0, 0) }
    }
}
