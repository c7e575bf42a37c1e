//! Compiled modules on disk, so that a node that starts again does not compile again.
//!
//! Machine code can't be checked, so what is loaded must be known to be ours: the folder is
//! ours and closed to everybody else, and every file carries a code of authentication made with
//! a secret key that is in it. What is damaged, incomplete, under another name or made with
//! another key is thrown away and compiled anew. Nothing here is needed: where the disk fails,
//! modules are compiled, and a warning says so.

mod folder;
mod key;

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use wasmtime::Engine;

use crate::error::EngineError;
use key::Key;

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"pmcache\n";
/// Grows with every change of what is checked or compiled before code is kept, or of the form of
/// a file.
const VERSION: u32 = 3;
/// How the name of a file of code ends.
const SUFFIX: &str = ".code";
/// How the name of a file that is being written begins.
const UNFINISHED: &str = "unfinished-";
/// Bytes of the code of authentication.
const TAG_BYTES: usize = 32;
/// Files at most, however small.
const FILES_MAX: usize = 1024;
/// What is unfinished for so long is not being written any more.
const ABANDONED: Duration = Duration::from_secs(3_600);
/// Tells what this process writes apart.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A folder of compiled modules.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: Key,
    /// What code must have in common with the engine's.
    kind: u64,
    bytes_max: u64,
}

impl Cache {
    /// Opens a folder for this engine's code, or makes it.
    pub(crate) fn open(
        folder: &Path,
        engine: &Engine,
        bytes_max: u64,
    ) -> Result<Self, EngineError> {
        let refused =
            |why: String| EngineError::Cache { folder: folder.display().to_string(), why };
        folder::make(folder).map_err(|error| refused(error.to_string()))?;
        folder::check(folder).map_err(refused)?;
        let key = Key::of(folder).map_err(|error| refused(error.to_string()))?;
        let mut hasher = DefaultHasher::new();
        (VERSION, engine.precompile_compatibility_hash()).hash(&mut hasher);
        let (folder, kind) = (folder.to_owned(), hasher.finish());
        let cache = Self { folder, key, kind, bytes_max };
        cache.sweep();
        Ok(cache)
    }

    /// The code of the module with this digest, if it is there and ours.
    pub(crate) fn find(&self, digest: &str) -> Option<Vec<u8>> {
        let name = self.name(digest);
        match self.read(&name) {
            Ok(code) => Some(code),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.discard(digest, &error.to_string());
                None
            }
        }
    }

    /// Throws the code of a module away.
    pub(crate) fn discard(&self, digest: &str, why: &str) {
        let file = self.folder.join(self.name(digest));
        tracing::warn!(file = %file.display(), "cached code of a policy is not used, and compiled anew: {why}");
        if let Err(error) = fs::remove_file(&file) {
            tracing::warn!(file = %file.display(), "it cannot be removed: {error}");
        }
    }

    /// Keeps the code of a module; what was not used for longest makes room.
    pub(crate) fn keep(&self, digest: &str, code: &[u8]) {
        let kept = folder::check(&self.folder).map_err(io::Error::other).and_then(|()| {
            if code.len() as u64 > self.bytes_max {
                return Ok(());
            }
            self.write(&self.name(digest), code)?;
            folder::shrink(&self.folder, SUFFIX, self.bytes_max, FILES_MAX)
        });
        if let Err(error) = kept {
            let folder = self.folder.display();
            tracing::warn!(%folder, "compiled code of a policy is not kept: {error}");
        }
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{:016x}{SUFFIX}", self.kind)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        folder::check(&self.folder).map_err(io::Error::other)?;
        let mut file = folder::open_own(&self.folder.join(name))?;
        let mut head = [0; MAGIC.len() + TAG_BYTES];
        file.read_exact(&mut head).map_err(|_| io::Error::other("it is cut off"))?;
        let size = file.metadata().map_or(0, |found| found.len());
        let mut code = Vec::with_capacity(size.min(self.bytes_max) as usize);
        (&mut file).take(self.bytes_max + 1).read_to_end(&mut code)?;
        let (magic, tag) = head.split_at(MAGIC.len());
        if magic != MAGIC || !self.key.made(tag, name, &code) {
            return Err(io::Error::other("it is damaged, or was not made by this node"));
        }
        // Only the order in which files make room depends on it.
        let _ = file.set_modified(SystemTime::now());
        Ok(code)
    }

    /// Under another name first: nobody ever sees half a file.
    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let unfinished = unfinished(&self.folder);
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(MAGIC)?;
            file.write_all(&self.key.tag(name, code))?;
            file.write_all(code)?;
            fs::rename(&unfinished, self.folder.join(name))
        };
        write().inspect_err(|_| drop(fs::remove_file(&unfinished)))
    }

    /// Removes what a process left that was ended while it wrote.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let is_old = entry
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|written| written.elapsed().is_ok_and(|age| age > ABANDONED));
            if is_old && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A name for a file that is being written, which nobody else uses.
fn unfinished(folder: &Path) -> PathBuf {
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{UNFINISHED}{}-{number}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Reserve, config};
    use crate::limits::Limits;

    #[test]
    fn code_for_another_configuration_is_another_file() {
        let above = tempfile::tempdir().expect("there is a folder for temporary files");
        let folder = above.path().join("compiled");
        let cache = |reserve| {
            let engine = Engine::new(&config(&Limits::default(), reserve));
            Cache::open(&folder, &engine.expect("both can be had"), 1 << 20).expect("it is ours")
        };
        cache(Reserve::Whole).keep("digest", b"code");
        assert_eq!(cache(Reserve::Modest).find("digest"), None);
        assert_eq!(cache(Reserve::Whole).find("digest").as_deref(), Some(b"code".as_slice()));
    }
}
