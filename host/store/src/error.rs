//! What can be wrong with the file, and with the disk below it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it, or another store of this one.
    #[error("the store {place} is in use; is another node running with the same state folder?")]
    InUse {
        /// Where it is.
        place: PathBuf,
    },
    /// A later program wrote it in a form that this one would misread. It is left as it is.
    #[error(
        "the store {place} has version {found}, and this program knows {known}; \
         run the newer program, or move the file away to begin anew"
    )]
    Newer {
        /// Where it is.
        place: PathBuf,
        /// Its version.
        found: u64,
        /// The latest version that is known.
        known: u64,
    },
    /// Others than the owner may write it, so what is in it may be forged.
    #[error("others may write the store {path} (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("the store {path} belongs to user {owner}; run: chown {me} {path}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// Our number.
        me: u32,
    },
    /// What is there is no store, or no whole one. A file is moved aside instead, unless this
    /// comes up while the node runs.
    #[error("the store {place} is corrupt: {why}")]
    Corrupt {
        /// Where it is.
        place: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is corrupt, and can't be moved aside.
    #[error("the store {path} can't be used ({why}), and can't be moved aside: {source}")]
    Stuck {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// Why it can't be moved.
        source: io::Error,
    },
    /// The system refuses. A symbolic link counts as one that can't be opened.
    #[error("the store {place} can't be used: {source}")]
    Io {
        /// Where it is.
        place: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(place: &Path, source: io::Error) -> Self {
        Self::Io { place: place.to_owned(), source }
    }

    pub(crate) fn corrupt(place: &Path, why: impl Into<String>) -> Self {
        Self::Corrupt { place: place.to_owned(), why: why.into() }
    }
}

/// Why nothing was read or written. The store stays usable: it opens its file anew the next time
/// that it is needed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or a quota is used up.
    #[error("no room for the store: {0}")]
    Full(io::Error),
    /// The disk fails.
    #[error("the disk of the store fails: {0}")]
    Io(io::Error),
    /// What is in the file makes no sense. It is moved aside at the next start.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// It was closed after an earlier error, and can't be opened.
    #[error(transparent)]
    Closed(OpenError),
}

impl StoreError {
    /// Whether the other one has the same cause, so that telling both would tell nothing new.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Io(a), Self::Io(b)) => a.kind() == b.kind(),
            (Self::Closed(a), Self::Closed(b)) => {
                core::mem::discriminant(a) == core::mem::discriminant(b)
            }
            (Self::Full(_), Self::Full(_)) | (Self::Corrupt(_), Self::Corrupt(_)) => true,
            (Self::Full(_) | Self::Io(_) | Self::Corrupt(_) | Self::Closed(_), _) => false,
        }
    }
}

/// Of opening it anew after an error.
impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io { source, .. } => Failure::Io(source).into(),
            OpenError::Corrupt { why, .. } => Self::Corrupt(why),
            other @ (OpenError::InUse { .. }
            | OpenError::Newer { .. }
            | OpenError::Exposed { .. }
            | OpenError::Foreign { .. }
            | OpenError::Stuck { .. }) => Self::Closed(other),
        }
    }
}

/// What redb's errors come down to.
#[derive(Debug)]
pub(crate) enum Failure {
    InUse,
    Corrupt(String),
    Io(io::Error),
}

impl Failure {
    fn of(error: redb::Error) -> Self {
        if let redb::Error::Io(error) = error {
            return Self::of_io(error);
        }
        if matches!(error, redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) {
            return Self::InUse;
        }
        let is_of_disk = matches!(
            error,
            redb::Error::PreviousIo
                | redb::Error::DatabaseClosed
                | redb::Error::Backend(_)
                | redb::Error::Unsupported
        );
        if is_of_disk {
            Self::Io(io::Error::other(error))
        } else {
            Self::Corrupt(error.to_string())
        }
    }

    pub(crate) fn of_io(error: io::Error) -> Self {
        let is_nonsense =
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        if is_nonsense { Self::Corrupt(error.to_string()) } else { Self::Io(error) }
    }

    /// When a file is opened, bytes that the disk can't give back are as lost as wrong ones.
    pub(crate) fn on_open(self, place: &Path) -> OpenError {
        match self {
            Self::InUse => OpenError::InUse { place: place.to_owned() },
            Self::Corrupt(why) => OpenError::corrupt(place, why),
            Self::Io(source) if is_bad_sector(&source) => {
                OpenError::corrupt(place, source.to_string())
            }
            Self::Io(source) => OpenError::io(place, source),
        }
    }
}

fn is_bad_sector(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::InUse => Self::Io(io::ErrorKind::ResourceBusy.into()),
            Failure::Corrupt(why) => Self::Corrupt(why),
            Failure::Io(error) if is_full(&error) => Self::Full(error),
            Failure::Io(error) => Self::Io(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Lets redb work. Its checks of a damaged file are not complete, and some of them panic: that is
/// an error like the others here.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(Failure::of),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Failure::Corrupt(text.unwrap_or("it makes no sense").to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_io(kind: io::ErrorKind) -> StoreError {
        Failure::of(redb::Error::Io(kind.into())).into()
    }

    #[test]
    fn a_full_disk_a_failing_disk_and_a_corrupt_file_are_told_apart() {
        assert!(matches!(of_io(io::ErrorKind::StorageFull), StoreError::Full(_)));
        assert!(matches!(of_io(io::ErrorKind::QuotaExceeded), StoreError::Full(_)));
        assert!(matches!(of_io(io::ErrorKind::ReadOnlyFilesystem), StoreError::Io(_)));
        assert!(matches!(of_io(io::ErrorKind::InvalidData), StoreError::Corrupt(_)));
    }

    #[test]
    fn what_the_disk_can_t_read_when_the_file_is_opened_is_lost() {
        let bad_sector = || io::Error::from(rustix::io::Errno::IO);
        let place = Path::new("store.redb");
        let opening = Failure::of_io(bad_sector()).on_open(place);
        assert!(matches!(opening, OpenError::Corrupt { .. }));
        assert!(matches!(StoreError::from(Failure::of_io(bad_sector())), StoreError::Io(_)));
    }

    #[test]
    fn a_panic_is_an_error_that_keeps_its_text() {
        let failure = guarded::<()>(|| panic!("page {} is odd", 7)).unwrap_err();
        assert!(matches!(failure, Failure::Corrupt(why) if why == "page 7 is odd"));
    }

    #[test]
    fn only_equal_causes_are_alike() {
        let full = of_io(io::ErrorKind::StorageFull);
        let read_only = of_io(io::ErrorKind::ReadOnlyFilesystem);
        assert!(full.is_like(&of_io(io::ErrorKind::QuotaExceeded)));
        assert!(read_only.is_like(&of_io(io::ErrorKind::ReadOnlyFilesystem)));
        assert!(!read_only.is_like(&of_io(io::ErrorKind::TimedOut)));
        assert!(!read_only.is_like(&full));
    }
}
