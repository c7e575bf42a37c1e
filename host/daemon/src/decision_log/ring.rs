//! The ring on disk: segments that are only appended to, of which the oldest goes.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most that a segment has, in bytes. A ring of fewer MiB has eight segments all the same,
/// so that what goes is an eighth of it.
const SEGMENT_BYTES_MAX: u64 = 1 << 20;
const SEGMENTS_MIN: u64 = 8;

/// How a segment's name ends.
const EXTENSION: &str = "jsonl";

/// Segments in a folder.
#[derive(Debug)]
pub(super) struct Ring {
    folder: PathBuf,
    /// Stands at the head of each segment.
    head: String,
    live: Option<Live>,
    /// Held while this ring writes: another node of this user has a ring of its own or none.
    lock: Option<File>,
    /// The disk refused, and it was said.
    refused: bool,
}

/// The segment that is written.
#[derive(Debug)]
struct Live {
    file: File,
    bytes: u64,
    number: u64,
}

impl Ring {
    pub(super) fn new(folder: PathBuf, head: String) -> Self {
        Self { folder, head, live: None, lock: None, refused: false }
    }

    /// Appends lines, and keeps all segments together below `total` bytes; how many lines were
    /// written. What is not written is lost.
    pub(super) fn write(&mut self, lines: &[String], total: u64) -> u64 {
        let mut written = 0;
        for chunk in self.chunks(lines, total) {
            match self.append(chunk, total) {
                Ok(()) => {
                    written += chunk.len() as u64;
                    if std::mem::take(&mut self.refused) {
                        tracing::info!("decisions are recorded again");
                    }
                }
                Err(error) => {
                    self.live = None;
                    if !std::mem::replace(&mut self.refused, true) {
                        let folder = self.folder.display();
                        tracing::warn!(%folder, %error, "decisions are not recorded until the folder can be written again");
                    }
                }
            }
        }
        written
    }

    /// Cuts lines so that each part fits into a segment.
    fn chunks<'a>(&self, lines: &'a [String], total: u64) -> Vec<&'a [String]> {
        let most = segment_bytes(total);
        let mut chunks = Vec::new();
        let (mut from, mut bytes) = (0, 0);
        for (index, line) in lines.iter().enumerate() {
            let more = line.len() as u64 + 1;
            if index > from && bytes + more > most / 2 {
                chunks.extend(lines.get(from..index));
                (from, bytes) = (index, 0);
            }
            bytes += more;
        }
        chunks.extend(lines.get(from..).filter(|rest| !rest.is_empty()));
        chunks
    }

    fn append(&mut self, lines: &[String], total: u64) -> io::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        let more = text.len() as u64;
        let is_full = |live: &Live| live.bytes + more > segment_bytes(total);
        if self.live.as_ref().is_none_or(is_full) {
            self.begin_segment(total.saturating_sub(more))?;
        } else {
            self.make_room(total.saturating_sub(more))?;
        }
        let Some(live) = &mut self.live else { return Ok(()) };
        let before = live.bytes;
        if let Err(error) = live.file.write_all(text.as_bytes()) {
            // Half a line would spoil the next one.
            let _ = live.file.set_len(before);
            return Err(error);
        }
        live.bytes += more;
        Ok(())
    }

    /// Begins the next segment, within a room that the oldest ones make.
    fn begin_segment(&mut self, room: u64) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if self.lock.is_none() {
            self.lock = Some(lock(&self.folder)?);
        }
        let last = segments(&self.folder)?.last().map_or(0, |segment| segment.number);
        let last = self.live.take().map_or(last, |live| live.number.max(last));
        let head = format!("{}\n", self.head);
        self.make_room(room.saturating_sub(head.len() as u64))?;
        let number = last + 1;
        let path = self.folder.join(format!("{number:08}.{EXTENSION}"));
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(head.as_bytes())?;
        self.live = Some(Live { file, bytes: head.len() as u64, number });
        Ok(())
    }

    /// Removes the oldest segments, but never the one that is written.
    fn make_room(&self, total: u64) -> io::Result<()> {
        let segments = segments(&self.folder)?;
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let live = self.live.as_ref().map(|live| live.number);
        for segment in segments.iter().filter(|segment| Some(segment.number) != live) {
            if bytes <= total {
                break;
            }
            fs::remove_file(&segment.path)?;
            bytes -= segment.bytes;
        }
        Ok(())
    }
}

fn segment_bytes(total: u64) -> u64 {
    (total / SEGMENTS_MIN).min(SEGMENT_BYTES_MAX)
}

/// Keeps other nodes out of the folder as long as the file is open.
fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join("lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::other("another node records there; give one of them a node.identity")
        }
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// A segment on disk.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// The segments of a folder, the oldest first. Other files are left alone.
pub(crate) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse::<u64>().ok());
        let is_segment = path.extension().is_some_and(|extension| extension == EXTENSION);
        if let (Some(number), true) = (number, is_segment) {
            segments.push(Segment { number, path, bytes: entry?.len() });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// All that is in the folder's segments, and how much that is.
    fn whole(folder: &Path) -> (String, u64) {
        let segments = segments(folder).expect("a folder");
        let text = segments.iter().map(|one| fs::read_to_string(&one.path).expect("a segment"));
        (text.collect(), segments.iter().map(|segment| segment.bytes).sum())
    }

    fn lines(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("{number:0100}")).collect()
    }

    #[test]
    fn the_ring_never_has_more_than_its_bound_and_loses_the_oldest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ring = Ring::new(folder.path().join("deep"), "head".to_owned());
        let total = 64 << 10;
        for batch in 0..40 {
            let batch = lines(batch * 100..(batch + 1) * 100);
            assert_eq!(ring.write(&batch, total), 100);
            assert!(whole(&ring.folder).1 <= total);
        }
        let (text, bytes) = whole(&ring.folder);
        assert!(bytes > total / 2, "{bytes}");
        let kept: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(kept.last(), Some(&3_999));
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "none is missing between");
        let heads = text.lines().filter(|line| *line == "head").count();
        assert_eq!(heads, segments(&ring.folder).expect("segments").len());
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&ring.folder), 0o700);
        assert_eq!(mode(&segments(&ring.folder).expect("segments")[0].path), 0o600);
    }

    #[test]
    fn a_later_run_goes_on_behind_what_is_there_and_a_smaller_ring_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let total = 64 << 10;
        let mut ring = Ring::new(folder.path().to_owned(), "first".to_owned());
        ring.write(&lines(0..300), total);
        drop(ring);
        let before = whole(folder.path()).0;
        let mut ring = Ring::new(folder.path().to_owned(), "second".to_owned());
        ring.write(&lines(300..310), total);
        let after = whole(folder.path()).0;
        assert!(after.starts_with(&before) && after.contains("second"));
        ring.write(&lines(310..320), 16 << 10);
        assert!(whole(folder.path()).1 <= 16 << 10);
        assert!(whole(folder.path()).0.ends_with(&format!("{}\n", lines(319..320)[0])));
    }

    #[test]
    fn what_the_disk_refuses_is_lost_and_the_ring_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("taken");
        fs::write(&place, "a file where the folder should be").expect("a file");
        let mut ring = Ring::new(place.clone(), "head".to_owned());
        assert_eq!(ring.write(&lines(0..3), 1 << 20), 0);
        assert!(ring.refused);
        fs::remove_file(&place).expect("it is there");
        assert_eq!(ring.write(&lines(3..5), 1 << 20), 2);
        assert!(!ring.refused);
    }

    #[test]
    fn two_nodes_never_write_into_one_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = Ring::new(folder.path().to_owned(), "first".to_owned());
        let mut second = Ring::new(folder.path().to_owned(), "second".to_owned());
        assert_eq!(first.write(&lines(0..1), 1 << 20), 1);
        assert_eq!(second.write(&lines(1..2), 1 << 20), 0);
        drop(first);
        assert_eq!(second.write(&lines(2..3), 1 << 20), 1);
    }

    #[test]
    fn foreign_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["notes.txt", "x.jsonl", "7.json"] {
            fs::write(folder.path().join(name), vec![b'x'; 200 << 10]).expect("a file");
        }
        let mut ring = Ring::new(folder.path().to_owned(), "head".to_owned());
        ring.write(&lines(0..500), 16 << 10);
        assert!(["notes.txt", "x.jsonl", "7.json"].iter().all(|n| folder.path().join(n).exists()));
    }
}
