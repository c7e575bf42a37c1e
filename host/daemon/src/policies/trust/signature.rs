//! Detached signatures: `NAME.wasm.minisig` beside `NAME.wasm`.
//!
//! Both of minisign's forms are taken, the one that signs a hash of the file and the older one
//! that signs the file itself. The trusted comment is signed as well, so it must fit, too.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};
use rustix::fs::OFlags;

use super::{Signer, TrustError};

/// Largest signature file, in bytes. One with ordinary comments takes 300.
const SIGNATURE_BYTES_MAX: u64 = 8 << 10;
/// A key's number stands behind the two letters of the algorithm, in keys and in signatures.
const NUMBER: std::ops::Range<usize> = 2..10;

/// A key that may sign modules.
#[derive(Clone, Debug)]
pub(super) struct Key {
    number: String,
    key: PublicKey,
}

impl Key {
    /// From the base64 of a `.pub` file.
    pub(super) fn read(text: &str) -> Result<Self, TrustError> {
        let bad = |why: String| TrustError::BadKey { key: text.to_owned(), why };
        let key = PublicKey::from_base64(text).map_err(|error| bad(error.to_string()))?;
        let number = number_of(text).ok_or_else(|| bad("it is cut off".to_owned()))?;
        Ok(Self { number, key })
    }
}

/// Who signed a file, if it is one of these.
pub(super) fn verify(keys: &[Key], file: &Path, bytes: &[u8]) -> Result<Signer, TrustError> {
    let path = beside(file);
    let text = read(file, &path)?;
    let no_signature = |why: String| TrustError::NoSignature { signature: path.clone(), why };
    if text.trim().is_empty() {
        return Err(no_signature("it is empty".to_owned()));
    }
    let signature = Signature::decode(&text).map_err(|error| no_signature(error.to_string()))?;
    let number = text.lines().nth(1).and_then(number_of);
    let key = number.ok_or_else(|| no_signature("it names no key".to_owned()))?;
    let mut same = keys.iter().filter(|known| known.number == key).peekable();
    if same.peek().is_none() {
        let known: Vec<_> = keys.iter().map(|known| known.number.as_str()).collect();
        return Err(TrustError::UnknownKey { signature: path, key, known: known.join(", ") });
    }
    // A number is no proof: two keys may have the same one.
    if same.any(|known| known.key.verify(bytes, &signature, true).is_ok()) {
        let comment = signature.trusted_comment().escape_debug().to_string();
        return Ok(Signer { key, comment });
    }
    Err(TrustError::BadSignature { file: file.to_owned(), signature: path, key })
}

/// Where the signature of a file is.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

fn read(file: &Path, path: &Path) -> Result<String, TrustError> {
    let unreadable = |source| TrustError::Unreadable { signature: path.to_owned(), source };
    // A pipe without a writer must not hold us up.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let open = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (file, signature) = (file.to_owned(), path.to_owned());
            return Err(TrustError::Unsigned { file, signature });
        }
        Err(error) => return Err(unreadable(error)),
    };
    if !open.metadata().map_err(unreadable)?.is_file() {
        let why = "it is no regular file".to_owned();
        return Err(TrustError::NoSignature { signature: path.to_owned(), why });
    }
    let mut bytes = Vec::new();
    open.take(SIGNATURE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SIGNATURE_BYTES_MAX {
        let why = format!("it is larger than {SIGNATURE_BYTES_MAX} bytes");
        return Err(TrustError::NoSignature { signature: path.to_owned(), why });
    }
    String::from_utf8(bytes).map_err(|_| {
        let why = "it is not text".to_owned();
        TrustError::NoSignature { signature: path.to_owned(), why }
    })
}

/// The number of the key in a line of base64, as minisign shows it.
fn number_of(line: &str) -> Option<String> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    let number: [u8; 8] = bytes.get(NUMBER)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(number)))
}
