//! What a policy has learned, on disk: one file for each slot that learns.
//!
//! A file appears whole or not at all, belongs to this user alone, and carries a digest of what
//! it says. One that can't be trusted is moved aside, never used and never deleted: the policy
//! begins anew, and a person may look.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use pointsman_core::limits::LEARNED_BYTES_MAX;
use pointsman_core::policy::Role;
use pointsman_sdk::{Manifest, State};
use serde::{Deserialize, Serialize};

/// Largest file that is read, in bytes: the state in hexadecimal, and the rest.
const FILE_BYTES_MAX: usize = 2 * LEARNED_BYTES_MAX + 4096;

/// What was learned, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The policy's own name.
    pub name: String,
    /// SHA-256 of its module, in hexadecimal; empty for a native policy.
    pub digest: String,
    /// What.
    pub state: State,
}

impl Learned {
    /// Whether a policy can take it over: one of the same name that reads its schema.
    pub fn fits(&self, manifest: &Manifest) -> bool {
        let State { schema, bytes } = &self.state;
        self.name == manifest.name
            && (*schema == manifest.state_schema || manifest.reads_schemas.contains(schema))
            && bytes.len() <= most_bytes(manifest)
    }
}

/// Most bytes that are kept of what a policy has learned.
pub(super) fn most_bytes(manifest: &Manifest) -> usize {
    (manifest.max_state_bytes as usize).min(LEARNED_BYTES_MAX)
}

/// Why there is no using a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    /// The system does not let us.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// It is not what was written.
    #[error(
        "{path} is damaged ({why}); it was moved to {aside}, and the {} begins to learn anew",
        role.name()
    )]
    Damaged { path: PathBuf, role: Role, why: String, aside: PathBuf },
}

/// The file's form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    /// 1.
    format: u32,
    name: String,
    digest: String,
    schema: u32,
    /// In hexadecimal.
    state: String,
    /// SHA-256 over the fields above.
    sha256: String,
}

impl Form {
    fn of(learned: &Learned) -> Self {
        let mut form = Self {
            format: 1,
            name: learned.name.clone(),
            digest: learned.digest.clone(),
            schema: learned.state.schema,
            state: hex(&learned.state.bytes),
            sha256: String::new(),
        };
        form.sha256 = form.sum();
        form
    }

    fn sum(&self) -> String {
        let Self { format, name, digest: module, schema, state, .. } = self;
        let text = format!("{format}\n{name:?}\n{module:?}\n{schema}\n{state}\n");
        hex(digest(&SHA256, text.as_bytes()).as_ref())
    }

    fn learned(self) -> Result<Learned, String> {
        if self.format != 1 {
            return Err(format!("its format is {}, and 1 is known", self.format));
        }
        if self.sha256 != self.sum() {
            return Err("its digest is not that of what it says".to_owned());
        }
        let bytes = unhex(&self.state).ok_or("its state is not hexadecimal")?;
        let state = State { schema: self.schema, bytes };
        Ok(Learned { name: self.name, digest: self.digest, state })
    }
}

/// The file of a slot.
pub(super) fn file(folder: &Path, role: Role) -> PathBuf {
    folder.join(format!("{}.json", role.name()))
}

/// What was learned for a slot; `None` where nothing was. A damaged file is moved aside.
pub(super) fn load(folder: &Path, role: Role) -> Result<Option<Learned>, CheckpointError> {
    let path = file(folder, role);
    let failed = |source| CheckpointError::Io { path: path.clone(), source };
    let mut bytes = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(file) => file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?,
    };
    let form = match bytes.len() > FILE_BYTES_MAX {
        true => Err(format!("it is larger than {FILE_BYTES_MAX} bytes")),
        false => serde_json::from_slice::<Form>(&bytes).map_err(|error| error.to_string()),
    };
    match form.and_then(Form::learned) {
        Ok(learned) => Ok(Some(learned)),
        Err(why) => {
            let aside = path.with_extension("damaged");
            fs::rename(&path, &aside).map_err(failed)?;
            Err(CheckpointError::Damaged { path, role, why, aside })
        }
    }
}

/// Writes what was learned; `None` removes the file.
pub(super) fn save(
    folder: &Path,
    role: Role,
    learned: Option<&Learned>,
) -> Result<(), CheckpointError> {
    let path = file(folder, role);
    let written = match learned {
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        },
        Some(learned) => write(folder, &path, &Form::of(learned)),
    };
    written.map_err(|source| CheckpointError::Io { path, source })
}

fn write(folder: &Path, path: &Path, form: &Form) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.as_file().set_permissions(Permissions::from_mode(0o600))?;
    draft.write_all(&serde_json::to_vec(form).map_err(io::Error::other)?)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned() -> Learned {
        let state = State { schema: 3, bytes: vec![0, 127, 255] };
        Learned { name: "wise".into(), digest: "ab".repeat(32), state }
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder for temporary files")
    }

    #[test]
    fn what_was_saved_is_loaded_and_belongs_to_its_owner_alone() {
        let folder = folder();
        let inside = folder.path().join("learned");
        save(&inside, Role::Selector, Some(&learned())).expect("saved");
        assert_eq!(load(&inside, Role::Selector).expect("readable"), Some(learned()));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&file(&inside, Role::Selector))), (0o700, 0o600));
        assert_eq!(load(&inside, Role::Failover).expect("nothing is no error"), None);
    }

    #[test]
    fn saving_nothing_removes_what_was_there() {
        let folder = folder();
        save(folder.path(), Role::Selector, Some(&learned())).expect("saved");
        for _ in 0..2 {
            save(folder.path(), Role::Selector, None).expect("removed");
            assert_eq!(load(folder.path(), Role::Selector).expect("readable"), None);
        }
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_named() {
        let folder = folder();
        save(folder.path(), Role::Selector, Some(&learned())).expect("saved");
        let path = file(folder.path(), Role::Selector);
        let whole = fs::read_to_string(&path).expect("text");
        let damages = [
            whole.replace("007fff", "007ffe"),
            whole.replace("\"schema\":3", "\"schema\":4"),
            whole.replace("\"format\":1", "\"format\":2"),
            whole[..whole.len() / 2].to_owned(),
            String::new(),
            " ".repeat(FILE_BYTES_MAX + 1),
        ];
        for damage in damages {
            fs::write(&path, &damage).expect("written");
            let error = load(folder.path(), Role::Selector).expect_err("damaged");
            assert!(error.to_string().contains("selector.damaged"), "{error}");
            assert!(!path.exists());
            let aside = fs::read_to_string(path.with_extension("damaged")).expect("kept");
            assert_eq!(aside, damage);
        }
    }
}
