//! The folder of the cache: ours alone, and no larger than agreed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Makes the folder, and those above it, closed to everybody else.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether the folder is a folder, ours, and closed to everybody else; otherwise why not.
pub(super) fn check(folder: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err("it is no folder; name another, or move away what is there".to_owned());
    }
    if let Err(owner) = is_ours(&found) {
        return Err(format!("it belongs to the user {owner}; name a folder of your own"));
    }
    match found.mode() & 0o777 {
        0o700 => Ok(()),
        mode => Err(format!(
            "its mode is {mode:o}, so others could put code there; remove it, or `chmod 700` it if nobody did"
        )),
    }
}

/// Opens a file for reading if it is a plain file, ours, and closed to everybody else.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).expect("a flag of open(2) is an int");
    let file = OpenOptions::new().read(true).custom_flags(no_links).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || is_ours(&found).is_err() || found.mode() & 0o077 != 0 {
        return Err(io::Error::other("it is no file of this user alone"));
    }
    Ok(file)
}

fn is_ours(found: &Metadata) -> Result<(), u32> {
    if found.uid() == geteuid().as_raw() { Ok(()) } else { Err(found.uid()) }
}

/// Removes the files with this end of their names that were not used for longest, until the
/// rest is small enough.
pub(super) fn shrink(
    folder: &Path,
    suffix: &str,
    bytes_max: u64,
    files_max: usize,
) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(suffix) {
            let found = entry.metadata()?;
            let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((used, found.len(), entry.path()));
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut count = files.len();
    for (_, size, path) in files {
        if bytes <= bytes_max && count <= files_max {
            break;
        }
        fs::remove_file(path)?;
        bytes -= size;
        count -= 1;
    }
    Ok(())
}
