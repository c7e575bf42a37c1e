//! The secret of a cache folder, and the codes of authentication that are made with it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{TAG_BYTES, folder};

/// Its file in the folder.
const FILE: &str = "key";
const KEY_BYTES: usize = 32;
/// Of SHA-256 (FIPS 180-4).
const BLOCK_BYTES: usize = 64;

/// 256 random bits.
pub(super) struct Key([u8; KEY_BYTES]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key of a folder; made where there is none, or one that others could have read.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        match read(&path) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(file = %path.display(), "the key of the cache is made anew: {error}");
                fs::remove_file(&path)?;
            }
        }
        create(folder, &path)?;
        // Whoever was first: two processes may begin at once.
        read(&path)
    }

    /// The code of authentication of some code under a name.
    pub(super) fn tag(&self, name: &str, code: &[u8]) -> [u8; TAG_BYTES] {
        let length = (name.len() as u64).to_le_bytes();
        hmac(&self.0, &[&length, name.as_bytes(), code])
    }

    /// Whether a tag was made with this key.
    pub(super) fn made(&self, tag: &[u8], name: &str, code: &[u8]) -> bool {
        let right = self.tag(name, code);
        // Without an early end, so that time tells nothing of how much of it was right.
        tag.len() == right.len() && tag.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

fn read(path: &Path) -> io::Result<Key> {
    let mut bytes = Vec::new();
    folder::open_own(path)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let wrong = |_| io::Error::other("it has not the length of a key");
    bytes.try_into().map(Key).map_err(wrong)
}

/// Written whole and then given its name, which fails where the name is taken.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let unfinished = super::unfinished(folder);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(&key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// HMAC with SHA-256 (RFC 2104) of the parts as one text; the key is shorter than a block.
fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK_BYTES];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(padded(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new_with_prefix(padded(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_2104() {
        // RFC 4231, test case 2, has a shorter key: padded with zeros it is the same key.
        let mut key = [0; KEY_BYTES];
        key[..4].copy_from_slice(b"Jefe");
        let tag = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        let wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, wanted);
    }

    #[test]
    fn a_tag_is_for_one_name_and_one_code() {
        let key = Key([7; KEY_BYTES]);
        let tag = key.tag("name", b"code");
        assert!(key.made(&tag, "name", b"code"));
        assert!(!key.made(&tag, "nam", b"ecode"));
        assert!(!key.made(&tag, "name", b"Code"));
        assert!(!Key([8; KEY_BYTES]).made(&tag, "name", b"code"));
        assert!(!key.made(&tag[..31], "name", b"code"));
    }
}
