//! Detached signatures: `NAME.wasm.minisig` beside `NAME.wasm`.
//!
//! A signature is read once, with the module that it lies beside, and stays with those bytes:
//! what lies there later belongs to what lies there later.
//!
//! Both of minisign's forms are taken, the one that signs a hash of the file and the older one
//! that signs the file itself. The trusted comment is signed as well, so it must fit, too.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{PublicKey, Signature};

use super::super::state;
use super::{Signer, TrustError};

/// Largest signature file, in bytes. One with ordinary comments takes 300.
const SIGNATURE_BYTES_MAX: usize = 8 << 10;
/// A key's number stands behind the two letters of the algorithm, in keys and in signatures.
const NUMBER: std::ops::Range<usize> = 2..10;

/// The file of a module, and what lay beside it as its signature when the module was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    file: PathBuf,
    beside: Beside,
}

/// What lies where a signature should be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Bytes(Vec<u8>),
    /// Something that is no signature, with the reason.
    Other(String),
    /// It can't be read, with the reason.
    Unreadable(String),
}

impl Origin {
    /// Of a module in this file. Reads the signature beside it, if there is one; what is wrong
    /// with it shows only where a signature is demanded.
    pub fn read(file: &Path) -> Self {
        let beside = match state::read(&signature_of(file), SIGNATURE_BYTES_MAX) {
            Ok(None) => Beside::Nothing,
            Ok(Some(bytes)) => Beside::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::Other => Beside::Other(error.to_string()),
            Err(error) => Beside::Unreadable(error.to_string()),
        };
        Self { file: file.to_owned(), beside }
    }

    /// Where the module was.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The signature's file as it was read; `None` where there was none.
    pub fn signature(&self) -> Option<&[u8]> {
        match &self.beside {
            Beside::Bytes(bytes) => Some(bytes),
            Beside::Nothing | Beside::Other(_) | Beside::Unreadable(_) => None,
        }
    }
}

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

/// Who signed a module, if it is one of these.
pub(super) fn verify(keys: &[Key], origin: &Origin, bytes: &[u8]) -> Result<Signer, TrustError> {
    let path = signature_of(&origin.file);
    let text = text(origin, &path)?;
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
    Err(TrustError::BadSignature { file: origin.file.clone(), signature: path, key })
}

/// Where the signature of a module's file is.
pub(crate) fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

fn text(origin: &Origin, path: &Path) -> Result<String, TrustError> {
    let signature = path.to_owned();
    match &origin.beside {
        Beside::Nothing => Err(TrustError::Unsigned { file: origin.file.clone(), signature }),
        Beside::Other(why) => Err(TrustError::NoSignature { signature, why: why.clone() }),
        Beside::Unreadable(why) => Err(TrustError::Unreadable { signature, why: why.clone() }),
        Beside::Bytes(bytes) => String::from_utf8(bytes.clone())
            .map_err(|_| TrustError::NoSignature { signature, why: "it is not text".to_owned() }),
    }
}

/// The number of the key in a line of base64, as minisign shows it.
fn number_of(line: &str) -> Option<String> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    let number: [u8; 8] = bytes.get(NUMBER)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(number)))
}
