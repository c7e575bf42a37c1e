//! Reading a decision log from the command line: a file, or the folder of a node.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use pointsman_engine::record::{Reader, Record};

use crate::cli::Failure;
use crate::cli::out::Out;
use crate::decision_log::segments;

/// Bad lines that are told one by one.
const TOLD_MAX: usize = 3;

/// Records between two updates of the progress.
const STEP: u64 = 10_000;

/// The records of a log, one after another.
pub(super) struct Log<'a> {
    files: std::vec::IntoIter<PathBuf>,
    open: Option<(PathBuf, Reader<BufReader<File>>)>,
    out: &'a mut Out,
    /// Records so far.
    pub(super) records: u64,
    /// Lines that are no records, the first of them told.
    pub(super) bad: u64,
    pub(super) told: Vec<String>,
    /// Files whose last line had no end.
    pub(super) torn: u64,
    /// What can't be read.
    pub(super) failure: Option<Failure>,
}

impl<'a> Log<'a> {
    /// Over a file, or over the segments of a folder, the oldest first.
    pub(super) fn open(place: &Path, out: &'a mut Out) -> Result<Self, Failure> {
        let unreadable = |error| Failure::usage(format!("{}: {error}", place.display()));
        let files = if std::fs::metadata(place).map_err(unreadable)?.is_dir() {
            let found = segments(place).map_err(unreadable)?;
            found.into_iter().map(|segment| segment.path).collect()
        } else {
            vec![place.to_owned()]
        };
        if files.is_empty() {
            let why = format!("{}: no decisions are recorded there", place.display());
            return Err(Failure::usage(why));
        }
        Ok(Self {
            files: files.into_iter(),
            open: None,
            out,
            records: 0,
            bad: 0,
            told: Vec::new(),
            torn: 0,
            failure: None,
        })
    }

    /// The next record; `None` at the end, or where something can't be read.
    fn read(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            let Some((path, reader)) = &mut self.open else {
                let Some(path) = self.files.next() else { return Ok(None) };
                let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
                self.open = Some((path, Reader::new(BufReader::new(file))));
                continue;
            };
            match reader.next_record().map_err(|error| unreadable(path, &error))? {
                Some(Ok(record)) => return Ok(Some(record)),
                Some(Err(bad)) => {
                    self.bad += 1;
                    if self.told.len() < TOLD_MAX {
                        self.told.push(format!("{}: {bad}", path.display()));
                    }
                }
                None => {
                    self.torn += u64::from(reader.torn());
                    self.open = None;
                }
            }
        }
    }

    fn note_progress(&mut self) -> Result<(), Failure> {
        self.records += 1;
        if self.records.is_multiple_of(STEP) {
            self.out.progress(&format!("{} records", self.records))?;
        }
        Ok(())
    }
}

impl Iterator for Log<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let next = self.read().and_then(|record| self.note_progress().map(|()| record));
        next.unwrap_or_else(|failure| {
            self.failure = Some(failure);
            None
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}
