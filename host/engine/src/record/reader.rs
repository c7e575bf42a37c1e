//! Reading a log line by line, whatever is in it.

use std::io::{self, BufRead, Read as _};

use super::{LINE_BYTES_MAX, Record, RecordError, parse};

/// A line that is no record. Reading goes on with the next one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct BadLine {
    /// Which, from 1.
    pub line: u64,
    /// Why.
    pub error: RecordError,
}

/// Reads records one after another, holding one line at a time.
///
/// A last line without an end was being written when the program stopped: it is left out, and
/// [`Reader::torn`] tells so. Empty lines are left out too.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    line: u64,
    torn: bool,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Over a log, from its beginning.
    pub fn new(source: R) -> Self {
        Self { source, line: 0, torn: false, buffer: Vec::new() }
    }

    /// Whether the last line had no end.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// The next record, or what is wrong with the next line; `None` at the end. An error of
    /// the source itself ends the log.
    pub fn next_record(&mut self) -> io::Result<Option<Result<Record, BadLine>>> {
        loop {
            self.buffer.clear();
            // One byte more than a line may have tells one that is too long.
            let most = LINE_BYTES_MAX as u64 + 2;
            let read = self.source.by_ref().take(most).read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let has_end = self.buffer.last() == Some(&b'\n');
            if !has_end && read as u64 == most {
                let is_whole = self.skip_line()?;
                self.torn = !is_whole;
                return Ok(is_whole.then(|| Err(self.bad(RecordError::TooLong))));
            }
            if !has_end {
                self.torn = true;
                return Ok(None);
            }
            if let Some(record) = self.record() {
                return Ok(Some(record));
            }
        }
    }

    /// What is in the buffer; `None` where that is nothing.
    fn record(&self) -> Option<Result<Record, BadLine>> {
        let line = self.buffer.trim_ascii();
        if line.is_empty() {
            return None;
        }
        let text = core::str::from_utf8(line).map_err(|e| RecordError::NotJson(e.to_string()));
        Some(text.and_then(parse).map_err(|error| self.bad(error)))
    }

    fn bad(&self, error: RecordError) -> BadLine {
        BadLine { line: self.line, error }
    }

    /// Passes over the rest of a line without keeping it; whether it has an end.
    fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            let seen = self.source.fill_buf()?;
            if seen.is_empty() {
                return Ok(false);
            }
            let end = seen.iter().position(|&byte| byte == b'\n');
            let used = end.map_or(seen.len(), |at| at + 1);
            self.source.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
