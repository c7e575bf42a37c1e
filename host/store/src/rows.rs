//! The rows of each table: what is in them, and their bytes.

pub(crate) mod peer;
pub(crate) mod record;
pub(crate) mod standing;
pub(crate) mod value;

use crate::codec::{Decoder, Encoder, Malformed};
use crate::tables::Table;
use crate::worth::Worth;

/// What one table is made of.
pub(crate) trait Row: Sized {
    const TABLE: Table;

    fn key(&self) -> &[u8];

    /// Writes all but the key. What is beyond the bounds of a row is left out.
    fn encode(&self, row: &mut Encoder);

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed>;

    /// What it is worth to keep it.
    fn worth(&self) -> Worth;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut row = Encoder::row();
        self.encode(&mut row);
        row.finish()
    }

    /// Reads it; tells how many items of it were skipped.
    fn from_bytes(key: &[u8], bytes: &[u8]) -> Result<(Self, u64), Malformed> {
        let mut row = Decoder::row(bytes)?;
        let read = Self::decode(key, &mut row)?;
        Ok((read, row.finish()?))
    }
}

/// A peer's identity as a key.
fn peer_id(key: &[u8]) -> Result<pointsman_core::id::PeerId, Malformed> {
    key.try_into().map(pointsman_core::id::PeerId).map_err(|_| Malformed)
}

/// The beginning of a text, in so many bytes at most.
fn shortened(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests;
