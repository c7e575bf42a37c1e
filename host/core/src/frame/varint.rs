//! LEB128 integers of up to 64 bits, and a cursor that reads a frame's fields.

use bytes::{BufMut, BytesMut};

use super::FrameError;
use crate::limits::NUMBER_MAX;

/// Appends an integer in its shortest form.
pub(super) fn put(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// How many bytes [`put`] appends: 1 to 10.
pub(super) fn len(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// What is left of a frame's body.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Result<u8, FrameError> {
        let (&byte, rest) = self.rest.split_first().ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// An integer; one that is not in its shortest form, or beyond 64 bits, is a bad `field`.
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64, FrameError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err(FrameError::BadField(field));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(FrameError::BadField(field)) } else { Ok(value) };
            }
        }
        Err(FrameError::BadField(field))
    }

    /// A number that counts from 1.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, FrameError> {
        match self.count(field)? {
            0 => Err(FrameError::BadField(field)),
            number => Ok(number),
        }
    }

    /// An integer from 0 to [`NUMBER_MAX`].
    pub(super) fn count(&mut self, field: &'static str) -> Result<u64, FrameError> {
        match self.varint(field)? {
            count @ 0..=NUMBER_MAX => Ok(count),
            _ => Err(FrameError::BadField(field)),
        }
    }

    /// An integer that fits a smaller type.
    pub(super) fn narrow<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, FrameError> {
        T::try_from(self.varint(field)?).map_err(|_| FrameError::BadField(field))
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), FrameError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FrameError::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_comes_back_and_has_the_length_told() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let mut out = BytesMut::new();
            put(&mut out, value);
            assert_eq!(out.len(), len(value), "{value}");
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.varint("value"), Ok(value));
            assert_eq!(cursor.end(), Ok(()));
        }
    }

    #[test]
    fn an_integer_that_could_be_shorter_is_refused() {
        for overlong in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &[0x81, 0x00]] {
            let read = Cursor::new(overlong).varint("value");
            assert_eq!(read, Err(FrameError::BadField("value")), "{overlong:x?}");
        }
    }

    #[test]
    fn an_integer_beyond_64_bits_is_refused() {
        let mut bytes = [0xff; 10];
        for last in [0x02, 0x7f, 0x80, 0xff] {
            bytes[9] = last;
            let read = Cursor::new(&bytes).varint("value");
            assert_eq!(read, Err(FrameError::BadField("value")), "{last:x}");
        }
        bytes[9] = 1;
        assert_eq!(Cursor::new(&bytes).varint("value"), Ok(u64::MAX));
    }

    #[test]
    fn an_integer_that_ends_too_early_is_truncated() {
        for length in 0..10 {
            let bytes = vec![0x80; length];
            assert_eq!(Cursor::new(&bytes).varint("value"), Err(FrameError::Truncated));
        }
    }
}
