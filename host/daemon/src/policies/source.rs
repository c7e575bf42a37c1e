//! Where the code of a policy comes from: this binary, natively or as a module, or a file.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use pointsman_core::config::Module;
use pointsman_core::limits::MODULE_BYTES_MAX;
use pointsman_core::policy::{Role, builtin};

use super::seat::{Kind, SeatError, Step};
use super::trust::Origin;

/// The modules in this binary: name and bytes.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Told of a slot whose module should be embedded and is not.
pub const NATIVE_BUILTINS: &str = "native builtins: this binary was built without a Wasm toolchain";

/// Names of the modules in this binary.
pub fn embedded() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|&(name, _)| name)
}

/// The bytes of a module in this binary.
pub(crate) fn embedded_bytes(name: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|&(_, bytes)| bytes)
}

/// Names of the native policies of a role.
pub fn natives(role: Role) -> &'static [&'static str] {
    match role {
        Role::Selector => &builtin::SELECTORS,
        Role::Failover => &builtin::FAILOVERS,
        Role::Reputation => &builtin::REPUTATIONS,
        Role::Anomaly => &builtin::ANOMALIES,
    }
}

/// Code that was found, and not looked at yet.
#[derive(Clone, Debug)]
pub(crate) enum Code {
    /// Compiled into this binary.
    Native { name: String, note: Option<String> },
    /// A module.
    Wasm(Wasm),
}

/// The bytes of a module.
#[derive(Clone, Debug)]
pub(crate) struct Wasm {
    pub(crate) bytes: Arc<[u8]>,
    /// SHA-256 in hexadecimal.
    pub(crate) digest: String,
    pub(crate) kind: Kind,
    /// The native policy that answers where an embedded module can't run here.
    pub(crate) twin: Option<String>,
    /// The file that it was read from, with its signature.
    pub(crate) origin: Option<Origin>,
}

impl Wasm {
    /// The file that it was read from.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.origin.as_ref().map(Origin::file)
    }

    /// The same module with the signature that lies beside its file now, if the file still holds
    /// it: that may have been signed after it was read.
    pub(crate) fn signed_since(&self) -> Option<Self> {
        let file = self.file()?;
        let bytes = read(file).ok()?;
        let origin = Some(Origin::read(file));
        (*self.bytes == *bytes).then(|| Self { origin, ..self.clone() })
    }
}

impl Code {
    /// SHA-256 of the module, or `builtin:NAME`.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Native { name, .. } => format!("builtin:{name}"),
            Self::Wasm(wasm) => wasm.digest.clone(),
        }
    }
}

/// Why a file can't be read as a module.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{}: this is no regular file; name the .wasm file itself", file.display())]
    NoFile {
        /// Which.
        file: PathBuf,
    },
    /// There is nothing in it.
    #[error("{}: the file is empty; was the build interrupted?", file.display())]
    Empty {
        /// Which.
        file: PathBuf,
    },
    /// It is larger than a module may be.
    #[error(
        "{}: larger than {} MiB, the most that a module may have; build it with `opt-level = \"s\"` and `strip = true`",
        file.display(), MODULE_BYTES_MAX >> 20
    )]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
}

/// A module as the config writes it.
pub fn module_text(module: &Module) -> String {
    match module {
        Module::Builtin(name) => format!("builtin:{name}"),
        Module::Embedded(name) => format!("embedded:{name}"),
        Module::File(path) => path.clone(),
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn digest_hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the code that a config names; file paths start from `folder`.
pub(crate) fn find(role: Role, module: &Module, folder: &Path) -> Result<Code, SeatError> {
    match module {
        Module::Builtin(name) => Ok(Code::Native { name: name.clone(), note: None }),
        Module::Embedded(name) => find_embedded(role, name),
        Module::File(path) => find_file(role, &folder.join(path)),
    }
}

fn find_file(role: Role, file: &Path) -> Result<Code, SeatError> {
    let bytes = read(file).map_err(|error| SeatError::new(role, Step::Read, "module", error))?;
    let digest = digest_hex(&bytes);
    let origin = Some(Origin::read(file));
    Ok(Code::Wasm(Wasm { bytes: bytes.into(), digest, kind: Kind::File, twin: None, origin }))
}

/// An embedded module that is missing is no mistake of the config: its native twin takes its
/// place.
fn find_embedded(role: Role, name: &str) -> Result<Code, SeatError> {
    let natives = natives(role);
    let twin = natives.contains(&name).then(|| name.to_owned());
    if let Some((_, bytes)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
        let digest = digest_hex(bytes);
        let bytes: Arc<[u8]> = Arc::from(*bytes);
        return Ok(Code::Wasm(Wasm { bytes, digest, kind: Kind::Embedded, twin, origin: None }));
    }
    if let Some(name) = twin {
        return Ok(Code::Native { name, note: Some(NATIVE_BUILTINS.to_owned()) });
    }
    let known: std::collections::BTreeSet<_> = embedded().chain(natives.iter().copied()).collect();
    let known: Vec<_> = known.into_iter().collect();
    let message = format!("no module {name:?} is in this binary; there is {}", known.join(", "));
    Err(SeatError::new(role, Step::Read, "module", message))
}

/// Reads a module's bytes. A pipe or a device is refused without waiting for it.
pub fn read(file: &Path) -> Result<Vec<u8>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { file: file.to_owned(), source };
    let open = open(file).map_err(unreadable)?;
    if !open.metadata().map_err(unreadable)?.is_file() {
        return Err(ReadError::NoFile { file: file.to_owned() });
    }
    let mut bytes = Vec::new();
    open.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() {
        0 => Err(ReadError::Empty { file: file.to_owned() }),
        length if length > MODULE_BYTES_MAX => Err(ReadError::TooLarge { file: file.to_owned() }),
        _ => Ok(bytes),
    }
}

fn open(file: &Path) -> std::io::Result<File> {
    let at_once = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(at_once).open(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_a_folder_and_an_empty_file_are_named_and_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let told = |name: &str| read(&folder.path().join(name)).unwrap_err().to_string();
        assert!(told("gone.wasm").contains("gone.wasm"));
        assert!(told("").contains("no regular file"));
        std::fs::write(folder.path().join("empty.wasm"), "").unwrap();
        assert!(told("empty.wasm").contains("empty"));
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.wasm");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(read(&pipe), Err(ReadError::NoFile { .. })));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let module = Module::Embedded("no-such".to_owned());
        let error = find(Role::Failover, &module, Path::new("/")).unwrap_err();
        assert!(error.message.contains("standby"), "{error}");
        assert_eq!((error.role, error.key.as_str()), (Role::Failover, "module"));
    }

    #[test]
    fn a_digest_is_sha_256_in_small_letters() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_hex(b""), empty);
    }
}
