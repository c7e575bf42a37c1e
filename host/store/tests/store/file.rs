//! The file: whose it is, who has it, and what becomes of one that is no store.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use pointsman_core::limits::STORE_ASIDE_MAX;
use pointsman_store::{OpenError, Opened, Store};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

use crate::samples::{a_row_of_each, value_of};

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    (folder, path)
}

/// A store with rows in it, closed.
fn filled() -> (TempDir, PathBuf) {
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.write(&a_row_of_each(7)).unwrap();
    store.close().unwrap();
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn aside(folder: &TempDir) -> Vec<String> {
    let names = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("store.redb.corrupt-"));
    names.sort();
    names
}

/// Opens it; it must have been moved aside as it was, with a message that says where.
fn expect_rebuilt(path: &Path) -> String {
    let before = fs::read(path).ok();
    let (store, opened) = Store::open(path).unwrap();
    let message = opened.to_string();
    let Opened::Rebuilt { moved_to, why, .. } = opened else { panic!("{message}") };
    for named in [path, &moved_to] {
        assert!(message.contains(&*named.to_string_lossy()), "{message}");
    }
    assert_eq!(before.map(|bytes| bytes.len()), fs::read(&moved_to).ok().map(|bytes| bytes.len()));
    assert_eq!(value_of(&store, "n"), None);
    store.write(&a_row_of_each(1)).unwrap();
    store.close().unwrap();
    let (_, opened) = Store::open(path).unwrap();
    assert_eq!(opened, Opened::Found);
    why
}

#[test]
fn a_new_store_is_the_owner_s_alone_and_is_found_again() {
    let (folder, _) = place();
    let path = folder.path().join("state/deep/store.redb");
    let (store, opened) = Store::open(&path).unwrap();
    assert_eq!(opened, Opened::Fresh);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    store.write(&a_row_of_each(7)).unwrap();
    store.close().unwrap();
    let (store, opened) = Store::open(&path).unwrap();
    assert_eq!(opened, Opened::Found);
    assert_eq!(value_of(&store, "n"), Some(7u64.to_be_bytes().to_vec()));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file is left");
}

#[test]
fn a_second_node_is_told_that_the_store_is_in_use() {
    let (_folder, path) = filled();
    let first = Store::open(&path).unwrap();
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("another node"), "{error}");
    drop(first);
    Store::open(&path).unwrap();
}

#[test]
fn an_empty_file_a_text_a_short_one_and_a_folder_are_moved_aside() {
    let (_folder, path) = place();
    fs::write(&path, b"").unwrap();
    assert_eq!(expect_rebuilt(&path), "it is empty");

    let (_folder, path) = place();
    fs::write(&path, b"a text, and no store").unwrap();
    assert!(expect_rebuilt(&path).contains("Not a redb database"));

    let (_folder, path) = filled();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    expect_rebuilt(&path);

    let (_folder, path) = place();
    fs::create_dir(&path).unwrap();
    assert_eq!(expect_rebuilt(&path), "it is a folder");
}

#[test]
fn a_pipe_is_moved_aside_and_nobody_waits_for_its_other_end() {
    let (_folder, path) = place();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    let (_, opened) = Store::open(&path).unwrap();
    assert!(matches!(opened, Opened::Rebuilt { .. }), "{opened}");
}

#[test]
fn a_database_of_something_else_is_moved_aside() {
    let (_folder, path) = place();
    let other = Database::create(&path).unwrap();
    let write = other.begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("peers")).unwrap().insert(1, 2).unwrap();
    write.commit().unwrap();
    drop(other);
    set_mode(&path, 0o600);
    assert_eq!(expect_rebuilt(&path), "it is a database of something else");
}

#[test]
fn a_file_that_its_owner_may_not_read_is_moved_aside() {
    let (_folder, path) = filled();
    set_mode(&path, 0o000);
    let (_, opened) = Store::open(&path).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!(opened, Opened::Found, "root reads everything");
    } else {
        assert!(matches!(opened, Opened::Rebuilt { .. }), "{opened}");
    }
}

#[test]
fn a_store_of_a_later_program_is_refused_and_left_as_it_is() {
    let (folder, path) = filled();
    let set_version = |version: u64| {
        let database = Database::create(&path).unwrap();
        let write = database.begin_write().unwrap();
        let meta = TableDefinition::<&str, u64>::new("meta");
        write.open_table(meta).unwrap().insert("schema", version).unwrap();
        write.commit().unwrap();
    };
    set_version(2);
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("newer program"), "{error}");
    assert_eq!(aside(&folder), [""; 0]);
    set_version(1);
    let (store, _) = Store::open(&path).unwrap();
    assert!(value_of(&store, "n").is_some());
}

#[test]
fn a_store_that_others_may_write_is_refused_and_one_that_they_may_read_is_closed_to_them() {
    let (_folder, path) = filled();
    for exposed in [0o620, 0o602, 0o666] {
        set_mode(&path, exposed);
        let error = Store::open(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    set_mode(&path, 0o644);
    assert_eq!(Store::open(&path).unwrap().1, Opened::Found);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_store_of_another_user_is_refused() {
    let (_folder, path) = filled();
    let me = rustix::process::geteuid().as_raw();
    // Only root can give a file away; everybody else finds files of others.
    let foreign = match std::os::unix::fs::chown(&path, Some(me + 1), None) {
        Ok(()) => path,
        Err(_) => PathBuf::from("/etc/hostname"),
    };
    let error = Store::open(&foreign).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let (folder, path) = filled();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(Store::open(&link), Err(OpenError::Io { .. })));
    assert!(link.is_symlink());
}

#[test]
fn of_the_corrupt_files_the_newest_are_kept() {
    let (folder, path) = place();
    let other = folder.path().join("store.redb.corrupt-by-hand");
    fs::File::create(&other).unwrap().write_all(b"mine").unwrap();
    let mut seen = Vec::new();
    for n in 0..STORE_ASIDE_MAX + 2 {
        fs::write(&path, format!("text {n}")).unwrap();
        let (_, opened) = Store::open(&path).unwrap();
        let Opened::Rebuilt { moved_to, .. } = opened else { panic!("{opened}") };
        seen.push(moved_to);
    }
    let kept: Vec<bool> = seen.iter().map(|path| path.exists()).collect();
    assert_eq!(kept, [false, false, true, true, true]);
    assert!(other.exists(), "its name is none that a store was moved to");
}

#[test]
fn a_store_that_can_t_be_moved_aside_is_an_error_that_says_so() {
    let (_folder, path) = place();
    fs::create_dir(&path).unwrap();
    let error = Store::open(&path.join("..")).unwrap_err();
    assert!(matches!(error, OpenError::Stuck { .. } | OpenError::Io { .. }), "{error}");
}
