//! The folders that are watched for the sake of files in them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Symbolic links on the way to a file: as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// A folder may come between looking for it and watching it: so often it is looked again.
const ROUNDS_MAX: usize = 8;

/// A folder's device and inode: a path may name another folder from one moment to the next, and
/// a watch stays with the old one.
type Identity = (u64, u64);

/// The system's watches, as far as it gives any.
#[derive(Debug)]
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
    was_told: bool,
}

impl Folders {
    pub(super) fn new(watcher: notify::Result<RecommendedWatcher>) -> Self {
        let mut folders = Self { watcher: None, watched: BTreeMap::new(), was_told: false };
        match watcher {
            Ok(watcher) => folders.watcher = Some(watcher),
            Err(error) => folders.tell(None, &error),
        }
        folders
    }

    /// Watches what these files need, and nothing else; whether all of it could be watched.
    pub(super) fn watch(&mut self, files: &[PathBuf]) -> bool {
        let Some(mut watcher) = self.watcher.take() else { return false };
        let mut is_complete = false;
        for _ in 0..ROUNDS_MAX {
            let wanted = wanted(files);
            if wanted == self.watched {
                is_complete = true;
                break;
            }
            if !self.change(&mut watcher, &wanted) {
                break;
            }
        }
        self.watcher = Some(watcher);
        is_complete
    }

    /// Whether all of them are watched now.
    fn change(
        &mut self,
        watcher: &mut RecommendedWatcher,
        wanted: &BTreeMap<PathBuf, Identity>,
    ) -> bool {
        self.watched.retain(|folder, identity| {
            let stays = wanted.get(folder) == Some(identity);
            if !stays {
                // Where the folder is gone, so is its watch.
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        let mut is_complete = true;
        for (folder, identity) in wanted {
            if self.watched.contains_key(folder) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder.clone(), *identity);
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    is_complete = false;
                    self.tell(Some(folder), &error);
                }
            }
        }
        is_complete
    }

    /// Says once that files are looked at by the clock, and what helps.
    fn tell(&mut self, folder: Option<&Path>, error: &notify::Error) {
        if std::mem::replace(&mut self.was_told, true) {
            return;
        }
        let what = folder.map_or_else(|| "files".to_owned(), |folder| folder.display().to_string());
        let remedy = if is_limit(error) {
            "; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances (sysctl)"
        } else {
            ""
        };
        tracing::warn!("cannot watch {what}: {error}; looking every 2 s instead{remedy}");
    }
}

/// The system has no more watches, or no more files, to give.
pub(super) fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => {
            let limits = [libc::EMFILE, libc::ENFILE, libc::ENOSPC];
            error.raw_os_error().is_some_and(|code| limits.contains(&code))
        }
        ErrorKind::Generic(_)
        | ErrorKind::PathNotFound
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_) => false,
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        ErrorKind::Generic(_)
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_)
        | ErrorKind::MaxFilesWatch => false,
    }
}

fn wanted(files: &[PathBuf]) -> BTreeMap<PathBuf, Identity> {
    let mut folders = BTreeMap::new();
    for file in files {
        collect(file, &mut folders);
    }
    folders
}

/// The folders that decide what a path leads to: the one that the file is in, each that holds
/// a symbolic link on the way, and where the way ends early the last one that is there.
fn collect(file: &Path, folders: &mut BTreeMap<PathBuf, Identity>) {
    let Ok(file) = std::path::absolute(file) else { return };
    let mut at = PathBuf::from("/");
    let mut rest: Vec<OsString> = components(&file).rev().collect();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        match fs::symlink_metadata(&next) {
            Ok(found) if found.is_symlink() => {
                insert(&at, folders);
                links += 1;
                let Ok(target) = fs::read_link(&next) else { return };
                if links > LINKS_MAX {
                    return;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(components(&target).rev());
            }
            Ok(_) if rest.is_empty() => insert(&at, folders),
            Ok(found) if found.is_dir() => at = next,
            Ok(_) | Err(_) => return insert(&at, folders),
        }
    }
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

fn insert(folder: &Path, folders: &mut BTreeMap<PathBuf, Identity>) {
    if let Ok(found) = fs::metadata(folder) {
        folders.insert(folder.to_owned(), (found.dev(), found.ino()));
    }
}
