//! The bytes of a row: a version, then fields one after the other, numbers in little endian.
//!
//! A later version may add fields at the end of a row or of a part of one. Whoever knows less
//! reads what it knows and skips the rest; in a row of the version that it knows, a rest
//! is an error. No length in a row is believed before the bytes are there.

/// The form in which rows are written.
const ROW_VERSION: u8 = 1;

/// Bytes that are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Writes a row.
#[derive(Debug)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn row() -> Self {
        Self(vec![ROW_VERSION])
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    /// Bytes of a fixed number.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// Bytes with their length. The limits on rows keep it below 16 bits.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u16(u16::try_from(bytes.len()).expect("every field of a row is bounded"));
        self.raw(bytes);
    }

    /// A list, each of whose items is a part that may get longer.
    pub(crate) fn list<T>(&mut self, items: &[T], encode: impl Fn(&T, &mut Self)) {
        self.u8(u8::try_from(items.len()).expect("every list in a row is bounded"));
        for item in items {
            let mut part = Self(Vec::new());
            encode(item, &mut part);
            self.bytes(&part.0);
        }
    }
}

/// Reads a row.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    /// A later program wrote it, so there may be more in it than is known here.
    is_newer: bool,
    /// Items that were left out because this program can't make anything of them.
    skipped: u64,
}

impl<'a> Decoder<'a> {
    pub(crate) fn row(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&version, rest) = bytes.split_first().ok_or(Malformed)?;
        if version < ROW_VERSION {
            return Err(Malformed);
        }
        Ok(Self { rest, is_newer: version > ROW_VERSION, skipped: 0 })
    }

    /// Ends the row; tells how many items of it were skipped.
    pub(crate) fn finish(self) -> Result<u64, Malformed> {
        if self.rest.is_empty() || self.is_newer { Ok(self.skipped) } else { Err(Malformed) }
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn key(&mut self) -> Result<[u8; 32], Malformed> {
        self.array()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, length_max: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u16()?);
        if length > length_max {
            return Err(Malformed);
        }
        self.raw(length)
    }

    pub(crate) fn text(&mut self, length_max: usize) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.bytes(length_max)?).map_err(|_| Malformed)
    }

    /// A list with at most so many items; `decode` gives `None` for one that it can't use.
    pub(crate) fn list<T>(
        &mut self,
        items_max: usize,
        decode: impl Fn(&mut Self) -> Result<Option<T>, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u8()?;
        let mut items = Vec::new();
        for _ in 0..count {
            let rest = self.bytes(usize::MAX)?;
            let mut part = Self { rest, is_newer: self.is_newer, skipped: 0 };
            let item = decode(&mut part)?;
            let is_read = item.is_some();
            if is_read {
                part.finish()?;
            }
            match item.filter(|_| items.len() < items_max) {
                Some(item) => items.push(item),
                None => self.skipped += 1,
            }
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(version: u8, rest: &[u8]) -> Vec<u8> {
        [&[version], rest].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut row = Encoder::row();
        row.u8(1);
        row.u16(2);
        row.u32(3);
        row.i32(-4);
        row.u64(u64::MAX);
        row.bytes(b"five");
        row.list(&[6u8, 7], |item, part| part.u8(*item));
        let bytes = row.finish();
        let mut read = Decoder::row(&bytes).unwrap();
        assert_eq!((read.u8(), read.u16(), read.u32()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!((read.i32(), read.u64(), read.text(4)), (Ok(-4), Ok(u64::MAX), Ok("five")));
        assert_eq!(read.list(2, |part| part.u8().map(Some)), Ok(vec![6, 7]));
        assert_eq!(read.finish(), Ok(0));
    }

    #[test]
    fn a_rest_is_an_error_unless_a_later_program_wrote_the_row() {
        for (version, expected) in [(ROW_VERSION, Err(Malformed)), (ROW_VERSION + 1, Ok(0))] {
            let bytes = row_of(version, &[5, 6]);
            let mut read = Decoder::row(&bytes).unwrap();
            assert_eq!(read.u8(), Ok(5));
            assert_eq!(read.finish(), expected);
        }
    }

    #[test]
    fn a_part_may_be_longer_in_a_row_of_a_later_program() {
        let list = [1, 2, 0, 5, 6];
        for (version, expected) in [(ROW_VERSION, Err(Malformed)), (ROW_VERSION + 1, Ok(vec![5u8]))]
        {
            let bytes = row_of(version, &list);
            let mut read = Decoder::row(&bytes).unwrap();
            assert_eq!(read.list(9, |part| part.u8().map(Some)), expected);
        }
    }

    #[test]
    fn no_row_no_version_and_no_bytes_are_malformed() {
        assert!(Decoder::row(&[]).is_err());
        assert!(Decoder::row(&[0]).is_err());
        let mut short = Decoder::row(&[ROW_VERSION, 1]).unwrap();
        assert_eq!(short.u32(), Err(Malformed));
        let mut lying = Decoder::row(&[ROW_VERSION, 255, 255, 1]).unwrap();
        assert_eq!(lying.bytes(usize::MAX), Err(Malformed));
    }

    #[test]
    fn items_beyond_the_bound_are_skipped_and_counted() {
        let mut row = Encoder::row();
        row.list(&[1u8, 2, 3], |item, part| part.u8(*item));
        let bytes = row.finish();
        let mut read = Decoder::row(&bytes).unwrap();
        assert_eq!(read.list(2, |part| part.u8().map(Some)), Ok(vec![1, 2]));
        assert_eq!(read.finish(), Ok(1));
    }
}
