//! Files of a node that outlive it: private, and whole or not there.
//!
//! A file is written beside its place, forced to the disk and moved there, so that a node that
//! dies at any moment leaves the old one or the new one. Only the node's own user can read it.

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a folder that only its owner can enter, with those above it; one that is there stays
/// as it is.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts a file in its place, with mode 0600.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(file).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// Reads at most `most` bytes; `None` where there is no such file. A pipe or a device is refused
/// without waiting for it.
pub(crate) fn read(file: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let at_once = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let open = match fs::OpenOptions::new().read(true).custom_flags(at_once).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !open.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    open.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/file");
        assert_eq!(read(&file, 10).unwrap(), None);
        for text in ["first", "second"] {
            write(&file, text.as_bytes()).unwrap();
            assert_eq!(read(&file, 10).unwrap().unwrap(), text.as_bytes());
        }
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        assert!(read(&file, 3).is_err());
    }
}
