//! The control socket as a file: who may see it, and whose it is.
//!
//! A lock file beside the socket is held as long as its node lives, so of two nodes that start
//! at once one loses, and a socket without a holder is known to be a dead node's. The socket
//! is bound inside a folder that only its owner can enter, gets mode 0600 there, and is moved
//! to its place only then: nobody can connect before, whatever the umask.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;

/// Longest path of a socket in bytes: `sun_path` of unix(7), less its end.
const PATH_BYTES_MAX: usize = 107;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A node answers there.
    #[error(
        "a node is running at {}; stop it, or give this one another place with --socket", .0.display()
    )]
    Taken(PathBuf),
    /// Something that is no socket has that name.
    #[error("{} exists and is no socket; remove it, or name another place with --socket", .0.display())]
    NotASocket(PathBuf),
    /// The folder is somebody else's, or open to others.
    #[error("others may write in the folder {}; run: chmod 700 {}, or use --socket", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The path does not fit into a socket's address.
    #[error("{} is too long for a socket; name a path of at most {PATH_BYTES_MAX} bytes with --socket", .0.display())]
    TooLong(PathBuf),
    /// The system refuses.
    #[error("cannot open the control socket {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    inode: u64,
    /// Held, never read: closing it releases the lock.
    _lock: File,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket stays behind");
        }
    }
}

/// Listens at this path. The socket of a dead node is replaced, that of a live one never.
pub fn bind(path: &Path) -> Result<(Socket, UnixListener), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let folder = folder_of(path);
    prepare(folder, failed)?;
    let lock = lock(path)?;
    clear(path)?;
    let draft_folder = folder.join(format!(".{}", std::process::id()));
    let draft = draft_folder.join("s");
    if draft.as_os_str().len().max(path.as_os_str().len()) > PATH_BYTES_MAX {
        return Err(SocketError::TooLong(path.to_owned()));
    }
    DirBuilder::new().mode(0o700).create(&draft_folder).map_err(failed)?;
    let bound = bind_draft(&draft, path);
    // What is left of a failed attempt must not block the next one.
    let _ = fs::remove_file(&draft);
    let removed = fs::remove_dir(&draft_folder);
    let (listener, inode) = bound.map_err(failed)?;
    removed.map_err(failed)?;
    Ok((Socket { path: path.to_owned(), inode, _lock: lock }, listener))
}

fn bind_draft(draft: &Path, path: &Path) -> io::Result<(UnixListener, u64)> {
    let listener = UnixListener::bind(draft)?;
    fs::set_permissions(draft, fs::Permissions::from_mode(0o600))?;
    let inode = fs::symlink_metadata(draft)?.ino();
    fs::rename(draft, path)?;
    Ok((listener, inode))
}

/// The folder of our own below a shared one is made; one that others can write in, unless
/// sticky like `/tmp`, would let them exchange the socket.
fn prepare(folder: &Path, failed: impl Fn(io::Error) -> SocketError) -> Result<(), SocketError> {
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
        Ok(found) => {
            let me = rustix::process::geteuid().as_raw();
            let trusted = found.uid() == me || found.uid() == 0;
            let shared = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
            if !trusted || shared {
                return Err(SocketError::Exposed(folder.to_owned()));
            }
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(PathBuf::from(name))
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(SocketError::Taken(path.to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

/// Removes what a dead node left. A socket that answers is another program's, without a lock.
fn clear(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) => found,
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/node.sock");
        let (socket, _listener) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_live_node_is_refused_and_that_of_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let (socket, listener) = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::Taken(_))));
        drop(listener);
        let dead = folder.path().join("dead.sock");
        fs::rename(&path, &dead).unwrap();
        drop(socket);
        fs::rename(&dead, &path).unwrap();
        bind(&path).expect("nobody answers there");
    }

    #[tokio::test]
    async fn another_programs_socket_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let _other = UnixListener::bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::Taken(_))));
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_folder_that_others_write_in_is_refused_unless_it_is_sticky() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::Exposed(_))));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        bind(&path).expect("others cannot exchange files in a sticky folder");
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(120));
        assert!(matches!(bind(&path), Err(SocketError::TooLong(_))));
    }
}
