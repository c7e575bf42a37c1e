//! The highest version of each signed policy that was live, in a file of the state folder.
//!
//! The file is read whenever it is asked, so an operator may edit or remove it at any time. It
//! appears whole or not at all, and survives a loss of power. One that is damaged, or that
//! others could have written, is never taken for an empty one.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pointsman_core::policy::Role;
use rustix::fs::OFlags;
use semver::Version;
use serde::{Deserialize, Serialize};

/// The file's name in the state folder.
const NAME: &str = "policy-versions.json";
/// Policies that are remembered: more than anybody signs for one node.
const ENTRIES_MAX: usize = 1_024;
/// Largest file, in bytes: so many entries of 192 bytes, which is more than names and versions
/// of 64 characters take.
const BYTES_MAX: u64 = 1_024 * 256;
/// What this program writes and reads.
const FORMAT: u32 = 1;

/// Why it is not known what was live.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The file can't be read or written.
    #[error("{}, which remembers the versions of signed policies: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not say what was live.
    #[error(
        "{}, which remembers the versions of signed policies, can't be trusted: {why}; restore it, or remove it to accept whichever version is loaded next", file.display()
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no room for another policy.
    #[error(
        "{} remembers {ENTRIES_MAX} signed policies, and can't take another; remove those that are no longer used", file.display()
    )]
    Full {
        /// Which file.
        file: PathBuf,
    },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    highest: Vec<Entry>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    role: String,
    name: String,
    version: String,
}

/// The file.
#[derive(Debug)]
pub(super) struct Floor {
    file: PathBuf,
    /// Held from reading to writing.
    writing: Mutex<()>,
}

impl Floor {
    pub(super) fn new(state_folder: &Path) -> Self {
        Self { file: state_folder.join(NAME), writing: Mutex::new(()) }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The highest version of this policy that was live; `None` where none was.
    pub(super) fn highest(&self, role: Role, name: &str) -> Result<Option<Version>, FloorError> {
        let entries = self.read()?;
        let known =
            entries.into_iter().find(|(of, known, _)| (*of, known.as_str()) == (role, name));
        Ok(known.map(|(_, _, version)| version))
    }

    /// Remembers a version if it is higher than the one before, or whatever it is.
    pub(super) fn raise(
        &self,
        role: Role,
        name: &str,
        version: Version,
        even_lower: bool,
    ) -> Result<(), FloorError> {
        // Nothing in here panics while it is held, and the guarded value is empty.
        let _writing = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut entries = self.read()?;
        let is_full = entries.len() >= ENTRIES_MAX;
        match entries.iter_mut().find(|(of, known, _)| (*of, known.as_str()) == (role, name)) {
            Some((_, _, highest)) if even_lower || version.cmp_precedence(highest).is_gt() => {
                *highest = version;
            }
            Some(_) => return Ok(()),
            None if is_full => {
                return Err(FloorError::Full { file: self.file.clone() });
            }
            None => entries.push((role, name.to_owned(), version)),
        }
        self.write(&entries).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> FloorError {
        FloorError::Io { file: self.file.clone(), source }
    }

    fn damaged(&self, why: impl Into<String>) -> FloorError {
        FloorError::Damaged { file: self.file.clone(), why: why.into() }
    }

    fn read(&self) -> Result<Vec<(Role, String, Version)>, FloorError> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let flags = flags.bits().cast_signed();
        let file = match File::options().read(true).custom_flags(flags).open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        self.check(&file)?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|source| self.failed(source))?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(self.damaged(format!("it is larger than {BYTES_MAX} bytes")));
        }
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| self.damaged(error.to_string()))?;
        if record.format != FORMAT {
            let why = format!("its format is {}, and this program knows {FORMAT}", record.format);
            return Err(self.damaged(why));
        }
        record.highest.into_iter().map(|entry| self.entry(entry)).collect()
    }

    fn entry(&self, entry: Entry) -> Result<(Role, String, Version), FloorError> {
        let role = Role::ALL.into_iter().find(|role| role.name() == entry.role);
        let role = role.ok_or_else(|| self.damaged(format!("no role is {:?}", entry.role)))?;
        let version = Version::parse(&entry.version)
            .map_err(|error| self.damaged(format!("version {:?}: {error}", entry.version)))?;
        Ok((role, entry.name, version))
    }

    /// Checks the open file, not the path, which may lead elsewhere by now.
    fn check(&self, file: &File) -> Result<(), FloorError> {
        let metadata = file.metadata().map_err(|source| self.failed(source))?;
        let me = rustix::process::geteuid().as_raw();
        if !metadata.is_file() {
            return Err(self.damaged("it is no regular file"));
        }
        if metadata.uid() != me {
            return Err(self.damaged(format!("it belongs to user {}", metadata.uid())));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(self.damaged("others may write it"));
        }
        Ok(())
    }

    /// Writes beside the file, and renames.
    fn write(&self, entries: &[(Role, String, Version)]) -> io::Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let entry = |(role, name, version): &(Role, String, Version)| Entry {
            role: role.name().to_owned(),
            name: name.clone(),
            version: version.to_string(),
        };
        let record = Record { format: FORMAT, highest: entries.iter().map(entry).collect() };
        let mut draft = tempfile::Builder::new().prefix(".policy-versions.").tempfile_in(folder)?;
        serde_json::to_writer_pretty(&mut draft, &record)?;
        draft.write_all(b"\n")?;
        draft.as_file().sync_all()?;
        draft.persist(&self.file)?;
        File::open(folder)?.sync_all()
    }
}
