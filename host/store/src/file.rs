//! The store as a file: who may touch it, and what becomes of one that can't be used.
//!
//! The file is the user's that runs the node, and nobody else's. Whatever is in its place and is
//! no store is moved aside, never deleted: the newest few are kept. There are three exceptions, where
//! somebody has to decide: another process has it, a later program wrote it, others could have
//! forged it.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pointsman_core::limits::STORE_ASIDE_MAX;
use redb::Database;
use redb::backends::FileBackend;
use rustix::fs::OFlags;

use crate::error::{Failure, OpenError};
use crate::store::{Store, start};

/// How the store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none, so a new one was made.
    Fresh,
    /// It was there.
    Found,
    /// What was there could not be used. It was moved aside, and a new one was made.
    Rebuilt {
        /// Where the store is.
        path: PathBuf,
        /// Where that is now.
        moved_to: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("a new store"),
            Self::Found => f.write_str("the store of an earlier run"),
            Self::Rebuilt { path, moved_to, why } => write!(
                f,
                "the store {} could not be used ({why}); it was moved to {}, and a new one \
                 takes its place",
                path.display(),
                moved_to.display()
            ),
        }
    }
}

impl Store {
    /// Opens the store in this file, and makes one where there is none or none that can be
    /// used. Folders are made where they are missing.
    pub fn open(path: &Path) -> Result<(Self, Opened), OpenError> {
        let folder = folder_of(path);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| OpenError::io(path, source))?;
        let (database, opened) = match look(path)? {
            Place::Empty => (create(path)?, Opened::Fresh),
            Place::File(file) => open_or_rebuild(path, file)?,
            Place::Unusable(why) => rebuild(path, why)?,
        };
        let path = path.to_owned();
        Ok((Self::new(database, move || reopen(&path)), opened))
    }
}

/// What is where the store should be.
enum Place {
    Empty,
    File(File),
    Unusable(String),
}

fn look(path: &Path) -> Result<Place, OpenError> {
    let failed = |source| OpenError::io(path, source);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Empty),
        Err(error) => return Err(failed(error)),
    };
    if metadata.is_symlink() {
        return Err(failed(rustix::io::Errno::LOOP.into()));
    }
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "no regular file" };
        return Ok(Place::Unusable(format!("it is {what}")));
    }
    check_owner(path, &metadata)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened =
        File::options().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path);
    match opened {
        Ok(file) => check(path, file),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Place::Unusable(format!("it can't be opened: {error}")))
        }
        Err(error) => {
            let error = Failure::of_io(error).on_open(path);
            if let OpenError::Corrupt { why, .. } = error {
                return Ok(Place::Unusable(why));
            }
            Err(error)
        }
    }
}

/// Checks the open file, not the path, which may lead elsewhere by now.
fn check(path: &Path, file: File) -> Result<Place, OpenError> {
    let failed = |source| OpenError::io(path, source);
    let metadata = file.metadata().map_err(failed)?;
    check_owner(path, &metadata)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(OpenError::Exposed { path: path.to_owned(), mode });
    }
    if mode & 0o077 != 0 {
        tracing::info!("others could read the store {}; now they can't", path.display());
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    }
    // Another process may be making it at this moment: then it is empty, and no harm is done.
    lock(path, &file)?;
    let is_empty = file.metadata().map_err(failed)?.len() == 0;
    // Where there are no locks this fails, and it does not matter.
    let _ = file.unlock();
    Ok(if is_empty { Place::Unusable("it is empty".to_owned()) } else { Place::File(file) })
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), OpenError> {
    let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner == me { Ok(()) } else { Err(OpenError::Foreign { path: path.to_owned(), owner, me }) }
}

/// Takes the lock of the whole file, which redb takes as well.
fn lock(path: &Path, file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { place: path.to_owned() }),
        // A filesystem without locks; redb does without them as well.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(source)) => Err(OpenError::io(path, source)),
    }
}

fn open_or_rebuild(path: &Path, file: File) -> Result<(Database, Opened), OpenError> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let tried = file.metadata().map(identity).map_err(|source| OpenError::io(path, source))?;
    match start_on(path, file) {
        Ok((database, true)) => Ok((database, Opened::Fresh)),
        Ok((database, false)) => Ok((database, Opened::Found)),
        Err(OpenError::Corrupt { why, .. }) => {
            // Another process may have been faster, and what is there now is its new one.
            let is_same = fs::symlink_metadata(path).is_ok_and(|found| identity(found) == tried);
            if is_same { rebuild(path, why) } else { Err(OpenError::InUse { place: path.into() }) }
        }
        Err(other) => Err(other),
    }
}

fn rebuild(path: &Path, why: String) -> Result<(Database, Opened), OpenError> {
    let moved_to = match move_aside(path) {
        Ok(moved_to) => moved_to,
        Err(source) => return Err(OpenError::Stuck { path: path.to_owned(), why, source }),
    };
    match create(path) {
        Ok(database) => {
            if let Err(error) = delete_oldest(path) {
                tracing::warn!("old corrupt stores are left beside {}: {error}", path.display());
            }
            Ok((database, Opened::Rebuilt { path: path.to_owned(), moved_to, why }))
        }
        Err(error) => {
            // On a disk that takes no new file, the old one may be as good as it ever was.
            if fs::symlink_metadata(path).is_err() {
                let _ = fs::rename(&moved_to, path);
            }
            Err(error)
        }
    }
}

fn create(path: &Path) -> Result<Database, OpenError> {
    let failed = |source| OpenError::io(path, source);
    let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(OpenError::InUse { place: path.to_owned() });
        }
        other => other.map_err(failed)?,
    };
    // So that nobody takes it for an empty one. Elsewhere redb's locks would collide with it.
    if cfg!(target_os = "linux") {
        lock(path, &file)?;
    }
    match start_on(path, file) {
        Ok((database, _)) => {
            File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
            Ok(database)
        }
        Err(error) => {
            // It is no store, and nobody else's: the next start would take it for a corrupt one.
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

/// Opens the file anew, after an error while the node runs. What is lost then stays where it is.
fn reopen(path: &Path) -> Result<Database, OpenError> {
    match look(path)? {
        Place::File(file) => start_on(path, file).map(|(database, _)| database),
        Place::Unusable(why) => Err(OpenError::corrupt(path, why)),
        Place::Empty => Err(OpenError::io(path, io::ErrorKind::NotFound.into())),
    }
}

fn start_on(path: &Path, file: File) -> Result<(Database, bool), OpenError> {
    let backend = FileBackend::new(file).map_err(|e| OpenError::io(path, io::Error::other(e)))?;
    start(path, backend)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the names of corrupt files begin with, before the time.
fn aside_prefix(path: &Path) -> io::Result<String> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(format!("{}.corrupt-", name.to_string_lossy()))
}

/// Gives it another name in its folder.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let prefix = aside_prefix(path)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut at_ms = since.as_millis();
    let moved_to = loop {
        let candidate = folder_of(path).join(format!("{prefix}{at_ms}"));
        match fs::symlink_metadata(&candidate) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break candidate,
            Err(error) => return Err(error),
            Ok(_) => at_ms += 1,
        }
    };
    fs::rename(path, &moved_to)?;
    Ok(moved_to)
}

/// Leaves the newest files with such names. Folders are not touched: a store never was one.
fn delete_oldest(path: &Path) -> io::Result<()> {
    let prefix = aside_prefix(path)?;
    let mut aside: Vec<(u128, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let at_ms = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok());
        if let Some(at_ms) = at_ms.filter(|_| entry.file_type().is_ok_and(|kind| !kind.is_dir())) {
            aside.push((at_ms, entry.path()));
        }
    }
    aside.sort();
    let old = aside.len().saturating_sub(STORE_ASIDE_MAX);
    aside.iter().take(old).try_for_each(|(_, path)| fs::remove_file(path))
}
