//! A number that tells whether what something was made of has changed.

use std::fs;
use std::path::Path;

/// FNV-1a over 64 bits: tells changes apart, not adversaries.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Takes these bytes in.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// Takes in what lies in a folder but links, and what is made there.
    pub fn folder(&mut self, folder: &Path) {
        let mut paths: Vec<_> =
            folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let made = ["target", "node_modules", ".venv", "__pycache__"];
            let is_made = made.iter().any(|made| path.ends_with(made))
                || path.extension().is_some_and(|ending| ending == "wasm");
            if is_made || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                self.folder(&path);
            } else {
                self.bytes(path.file_name().unwrap_or_default().as_encoded_bytes());
                self.bytes(&fs::read(&path).unwrap_or_default());
            }
        }
    }
    /// The number of all that was taken in.
    pub fn number(self) -> u64 {
        self.0
    }
}
