//! Who this node is: an Ed25519 key in a file, and the forms of a peer's identity.
//!
//! The file holds the private key as libp2p encodes it (protobuf). It belongs to the user
//! that runs the node and nobody else may read it; a file that others can read is refused
//! rather than repaired, because it may have been read already.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::agreement::{PrivateKey, X25519};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use libp2p::identity::{Keypair, PublicKey, ed25519};
use pointsman_core::id::PeerId;
use rustix::fs::OFlags;

/// Largest key file that is read, in bytes. An Ed25519 key takes 68.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be opened, read or written. A symbolic link counts as one that can't.
    #[error("the identity file {path} can't be used: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("others may read the identity file {path} (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("the identity file {path} belongs to user {owner}; run: chown {me} {path}")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// Our number.
        me: u32,
    },
    /// It is no regular file, or holds no Ed25519 key.
    #[error("{path} holds no Ed25519 key: {why}")]
    NoKey {
        /// Which file.
        path: PathBuf,
        /// What it holds instead.
        why: String,
    },
    /// There is one already, and a new one would overwrite it.
    #[error("{path} exists already; remove it first if its identity shall be lost")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
}

/// The identity in this file; where there is no file, a new one is made and written.
pub fn load_or_create(path: &Path) -> Result<Keypair, IdentityError> {
    match load(path) {
        Err(IdentityError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            match create(path) {
                // Another process was faster.
                Err(IdentityError::Exists { .. }) => load(path),
                other => other,
            }
        }
        other => other,
    }
}

/// The public half of the X25519 key that messages for the owner of this identity are sealed
/// with.
///
/// The secret half follows from the identity, so there is one secret to keep and to lose.
pub fn sealing_key(keypair: &Keypair) -> [u8; 32] {
    let secret = sealing_secret(keypair);
    let secret = PrivateKey::from_private_key(&X25519, &secret).expect("it has 32 bytes");
    let public = secret.compute_public_key().expect("a secret key has a public half");
    public.as_ref().try_into().expect("it has 32 bytes")
}

fn sealing_secret(keypair: &Keypair) -> [u8; 32] {
    derived(keypair, b"pointsman sealing key 1")
}

/// A secret number of this identity, for hashes that others must not foresee.
pub(crate) fn salt(keypair: &Keypair) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = derived(keypair, b"pointsman salt 1");
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// HKDF-SHA-256 (RFC 5869) of the private key, for one use.
fn derived(keypair: &Keypair, for_what: &[u8]) -> [u8; 32] {
    let keypair = keypair.clone().try_into_ed25519().expect("identities are Ed25519 keys");
    let mut bytes = [0; 32];
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(keypair.secret().as_ref());
    let info = [for_what];
    let expanded = extracted.expand(&info, HKDF_SHA256);
    expanded.and_then(|key| key.fill(&mut bytes)).expect("one hash is 32 bytes");
    bytes
}

/// The identity in this file.
pub fn load(path: &Path) -> Result<Keypair, IdentityError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|source| failed(path, source))?;
    check(path, &file)?;
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|source| failed(path, source))?;
    let no_key = |why: String| IdentityError::NoKey { path: path.to_owned(), why };
    let keypair = Keypair::from_protobuf_encoding(&bytes).map_err(|e| no_key(e.to_string()))?;
    match keypair.clone().try_into_ed25519() {
        Ok(_) => Ok(keypair),
        Err(_) => Err(no_key(format!("a key of kind {:?}", keypair.key_type()))),
    }
}

/// Makes a new identity and writes it where no file is yet. Folders are made where they are
/// missing. The file appears whole or not at all, and survives a loss of power.
pub fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair.to_protobuf_encoding().expect("an Ed25519 key can be encoded");
    match write_new(path, &bytes) {
        Ok(()) => Ok(keypair),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            Err(IdentityError::Exists { path: path.to_owned() })
        }
        Err(source) => Err(failed(path, source)),
    }
}

/// The peer that has this key.
pub fn peer_id(keypair: &Keypair) -> PeerId {
    from_public(&keypair.public()).expect("identities here are Ed25519")
}

/// A peer's identity as libp2p has it. `None` where 32 bytes are no Ed25519 public key.
pub fn to_libp2p(peer: PeerId) -> Option<libp2p::PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&peer.0).ok()?;
    Some(libp2p::PeerId::from_public_key(&PublicKey::from(key)))
}

/// A peer's identity from libp2p's. `None` unless its key is Ed25519: only such an identity
/// contains its key.
pub fn from_libp2p(peer: &libp2p::PeerId) -> Option<PeerId> {
    let multihash = peer.as_ref();
    if multihash.code() != IDENTITY_MULTIHASH {
        return None;
    }
    from_public(&PublicKey::try_decode_protobuf(multihash.digest()).ok()?)
}

/// The text form of a peer's identity: base58, as in multiaddrs. Bytes that are no public key
/// are given in hexadecimal.
pub fn to_text(peer: PeerId) -> String {
    to_libp2p(peer).map_or_else(|| hex(&peer.0), |peer| peer.to_base58())
}

/// Reads [`to_text`]'s form of an Ed25519 identity.
pub fn from_text(text: &str) -> Option<PeerId> {
    from_libp2p(&text.parse().ok()?)
}

/// The multihash code of "the digest is the input".
const IDENTITY_MULTIHASH: u64 = 0;

fn from_public(key: &PublicKey) -> Option<PeerId> {
    let key = key.clone().try_into_ed25519().ok()?;
    Some(PeerId(key.to_bytes()))
}

fn failed(path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io { path: path.to_owned(), source }
}

/// Checks the open file, not the path, which may lead elsewhere by now.
fn check(path: &Path, file: &File) -> Result<(), IdentityError> {
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    if !metadata.is_file() {
        let why = "it is no regular file".to_owned();
        return Err(IdentityError::NoKey { path: path.to_owned(), why });
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        let (path, owner) = (path.to_owned(), metadata.uid());
        return Err(IdentityError::Foreign { path, owner, me });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Writes beside the file, then gives it its name by a hard link, which unlike a rename never
/// replaces another file.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let draft = folder.join(format!(".{}.{}", name.to_string_lossy(), hex(&random)));
    let written = write_draft(&draft, bytes).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    File::open(folder)?.sync_all()
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sealing_key_follows_from_the_identity() {
        let (one, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        assert_eq!(sealing_key(&one), sealing_key(&one));
        assert_ne!(sealing_key(&one), sealing_key(&other));
        assert_ne!(sealing_key(&one), sealing_secret(&one));
    }
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_identity_that_was_created_is_the_one_that_is_loaded() {
        let folder = folder();
        let path = folder.path().join("state/identity");
        let created = load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let loaded = load_or_create(&path).unwrap();
        assert_eq!(peer_id(&created), peer_id(&loaded));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no draft is left behind: {left:?}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let folder = folder();
        let path = folder.path().join("identity");
        create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o660, 0o777] {
            set_mode(&path, mode);
            let error = load_or_create(&path).expect_err("exposed");
            let remedy = format!("chmod 600 {}", path.display());
            assert!(error.to_string().contains(&remedy), "{error}");
        }
        set_mode(&path, 0o400);
        load(&path).expect("the owner may forbid himself to write");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let folder = folder();
        let (path, link) = (folder.path().join("identity"), folder.path().join("link"));
        create(&path).unwrap();
        symlink(&path, &link).unwrap();
        assert!(matches!(load_or_create(&link), Err(IdentityError::Io { .. })));
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let folder = folder();
        let path = folder.path().join("identity");
        create(&path).unwrap();
        let me = rustix::process::geteuid().as_raw();
        let changed = std::os::unix::fs::chown(&path, Some(me + 1), None);
        let result = load(&path);
        match changed {
            Ok(()) => assert!(matches!(result, Err(IdentityError::Foreign { .. }))),
            Err(e) => {
                // Only root can give a file away; then somebody else's file is at hand.
                assert_eq!(e.kind(), io::ErrorKind::PermissionDenied);
                let foreign = load(Path::new("/etc/hostname"));
                assert!(matches!(foreign, Err(IdentityError::Foreign { .. })));
            }
        }
    }

    #[test]
    fn a_folder_a_pipe_and_garbage_are_no_key() {
        let folder = folder();
        assert!(matches!(load_or_create(folder.path()), Err(IdentityError::NoKey { .. })));
        let path = folder.path().join("garbage");
        write_draft(&path, b"not a key").unwrap();
        assert!(matches!(load_or_create(&path), Err(IdentityError::NoKey { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(matches!(load_or_create(&pipe), Err(IdentityError::NoKey { .. })));
    }

    #[test]
    fn a_new_identity_never_overwrites_one() {
        let folder = folder();
        let path = folder.path().join("identity");
        let first = create(&path).unwrap();
        assert!(matches!(create(&path), Err(IdentityError::Exists { .. })));
        assert_eq!(peer_id(&load(&path).unwrap()), peer_id(&first));
    }

    #[test]
    fn a_peer_has_one_identity_in_every_form() {
        let keypair = Keypair::generate_ed25519();
        let peer = peer_id(&keypair);
        assert_eq!(to_libp2p(peer), Some(keypair.public().to_peer_id()));
        assert_eq!(from_libp2p(&keypair.public().to_peer_id()), Some(peer));
        assert_eq!(from_text(&to_text(peer)), Some(peer));
        assert_eq!(from_libp2p(&libp2p::PeerId::random()), None);
        assert_eq!(from_text("12D3KooWnonsense"), None);
    }
}
