//! What is found at a path, as far as telling two findings apart takes.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What is at a path. Two that are equal are the same file, not written in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Print {
    /// Nothing.
    Missing,
    /// Something that can't be looked at.
    Hidden(io::ErrorKind),
    /// A file, folder or whatever, at the end of all symbolic links.
    There(Numbers),
}

/// The numbers that every change of a file changes one of: the status time changes with
/// whatever is done to it, and can't be set by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    status: (i64, i64),
}

impl Print {
    pub(super) fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            // What is in a folder is not what we were asked about.
            Ok(found) if found.is_dir() => Self::There(Numbers::of_folder(&found)),
            Ok(found) => Self::There(Numbers::of(&found)),
            Err(error) => {
                let kind = error.kind();
                let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
                if missing.contains(&kind) { Self::Missing } else { Self::Hidden(kind) }
            }
        }
    }
}

impl Numbers {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            status: (found.ctime(), found.ctime_nsec()),
        }
    }

    fn of_folder(found: &Metadata) -> Self {
        Self { size: 0, modified: (0, 0), status: (0, 0), ..Self::of(found) }
    }
}
