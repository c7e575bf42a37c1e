//! The cache of compiled modules: what it gives back, and above all what it does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::guests::{BUDGET_US, Guest, SELECTOR, question, terms};
use pointsman_core::policy::Selector as _;
use pointsman_engine::{Engine, Limits, Module, Setup};
use pointsman_sdk::Settings;
use tempfile::TempDir;

fn engine(folder: &Path) -> Engine {
    engine_with(folder, Limits::default())
}

fn engine_with(folder: &Path, limits: Limits) -> Engine {
    let setup = Setup { limits, cache: Some(folder.to_owned()), ..Setup::default() };
    Engine::new(setup).expect("the folder can be used")
}

fn open(folder: &Path) -> Module {
    engine(folder).open(&SELECTOR.bytes()).expect("it is sound")
}

/// A folder that does not exist yet, in one that ends with the test.
fn fresh() -> (TempDir, PathBuf) {
    let above = tempfile::tempdir().expect("there is a folder for temporary files");
    let folder = above.path().join("state/compiled");
    (above, folder)
}

/// The files of code in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut code: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "code")).collect();
    code.sort();
    code
}

/// Another module each time.
fn numbered(number: usize) -> Vec<u8> {
    let choose = ["i64.const 0x11", "i64.const 0x21", "i64.const 0x31"][number];
    Guest { choose, ..SELECTOR }.bytes()
}

fn why_not(folder: &Path) -> String {
    let setup = Setup { cache: Some(folder.to_owned()), ..Setup::default() };
    Engine::new(setup).expect_err("it must not be used").to_string()
}

#[test]
fn a_module_is_compiled_once_and_answers_the_same_afterwards() {
    let (_above, folder) = fresh();
    let first = open(&folder);
    assert!(first.was_compiled());
    let again = open(&folder);
    assert!(!again.was_compiled(), "by another engine, as after a restart");
    assert_eq!(again.inspection(), first.inspection());
    let mut policy = again.selector(&terms(&Settings::default(), BUDGET_US)).expect("it runs");
    assert_eq!(policy.choose(&question(1)), Ok(0x11));
}

#[test]
fn without_a_folder_every_module_is_compiled() {
    let engine = Engine::new(Setup::default()).expect("this machine runs WebAssembly");
    for _ in 0..2 {
        assert!(engine.open(&SELECTOR.bytes()).expect("it is sound").was_compiled());
    }
}

#[test]
fn a_module_that_is_in_use_is_not_compiled_again() {
    let engine = Engine::new(Setup::default()).expect("this machine runs WebAssembly");
    let open = || engine.open(&SELECTOR.bytes()).expect("it is sound");
    let (first, again) = (open(), open());
    assert!(first.was_compiled() && !again.was_compiled());
    assert_eq!(first.inspection(), again.inspection());
    let policy = again.selector(&terms(&Settings::default(), BUDGET_US)).expect("it runs");
    drop((first, again));
    assert!(!open().was_compiled(), "its policy is in use");
    drop(policy);
    assert!(open().was_compiled(), "nobody used it any more");
}

#[test]
fn folder_and_files_are_closed_to_others() {
    let (_above, folder) = fresh();
    open(&folder);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("key")), 0o600);
    assert!(files(&folder).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn a_folder_that_others_may_enter_is_refused_with_a_remedy() {
    let (above, _) = fresh();
    for mode in [0o755, 0o770, 0o701] {
        fs::set_permissions(above.path(), Permissions::from_mode(mode)).expect("it is ours");
        let said = why_not(above.path());
        assert!(said.contains("is not used") && said.contains("chmod 700"), "{said}");
    }
}

#[test]
fn a_file_or_a_link_in_the_place_of_the_folder_is_refused() {
    let (above, _) = fresh();
    let (file, link) = (above.path().join("file"), above.path().join("link"));
    fs::write(&file, "").expect("the folder is ours");
    symlink(above.path(), &link).expect("the folder is ours");
    assert!(why_not(&link).contains("it is no folder"));
    // What is below a file can't even be made.
    assert!(why_not(&file.join("below")).contains("is not used"));
}

#[test]
fn a_folder_that_is_opened_to_others_later_gives_out_nothing() {
    let (_above, folder) = fresh();
    let engine = engine(&folder);
    engine.open(&SELECTOR.bytes()).expect("it is sound");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("it is ours");
    assert!(engine.open(&SELECTOR.bytes()).expect("it is sound").was_compiled());
}

#[test]
fn a_file_that_was_touched_is_thrown_away_and_compiled_anew() {
    let (_above, folder) = fresh();
    open(&folder);
    let [file] = files(&folder).try_into().expect("there is one module");
    let whole = fs::read(&file).expect("it is ours");
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("it is not empty") ^= 1;
    let mut longer = whole.clone();
    longer.push(0);
    let other_magic = [b"pmcache9".as_slice(), &whole[8..]].concat();
    let cut = whole[..whole.len() / 2].to_vec();
    for touched in [flipped, longer, other_magic, cut, whole[..20].to_vec(), Vec::new()] {
        fs::write(&file, touched).expect("it is ours");
        assert!(open(&folder).was_compiled());
        assert_eq!(fs::read(&file).expect("it was written again"), whole);
        assert!(!open(&folder).was_compiled());
    }
}

#[test]
fn a_file_made_with_another_key_is_not_loaded() {
    let ((_one, mine), (_other, theirs)) = (fresh(), fresh());
    open(&mine);
    open(&theirs);
    let name = |folder: &Path| files(folder).pop().expect("there is one module");
    fs::copy(name(&theirs), name(&mine)).expect("both are ours");
    assert!(open(&mine).was_compiled());
}

#[test]
fn code_under_the_name_of_another_module_is_not_loaded() {
    let (_above, folder) = fresh();
    let engine = engine(&folder);
    engine.open(&numbered(0)).expect("it is sound");
    let first = files(&folder).pop().expect("there is one module");
    engine.open(&numbered(1)).expect("it is sound");
    let second = files(&folder).into_iter().find(|file| *file != first).expect("there are two");
    fs::copy(&first, &second).expect("both are ours");
    let module = engine.open(&numbered(1)).expect("it is sound");
    assert!(module.was_compiled());
    let mut policy = module.selector(&terms(&Settings::default(), BUDGET_US)).expect("it runs");
    assert_eq!(policy.choose(&question(1)), Ok(0x21), "its own code ran");
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let (above, folder) = fresh();
    open(&folder);
    let file = files(&folder).pop().expect("there is one module");
    let elsewhere = above.path().join("elsewhere");
    fs::rename(&file, &elsewhere).expect("both are ours");
    symlink(&elsewhere, &file).expect("the folder is ours");
    assert!(open(&folder).was_compiled());
    assert!(!open(&folder).was_compiled(), "a file has taken its place");
}

#[test]
fn a_file_that_others_may_write_is_not_loaded() {
    let (_above, folder) = fresh();
    open(&folder);
    let file = files(&folder).pop().expect("there is one module");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("it is ours");
    assert!(open(&folder).was_compiled());
}

#[test]
fn a_key_that_others_could_read_is_made_anew_and_what_it_made_is_not_loaded() {
    let (_above, folder) = fresh();
    open(&folder);
    let key = folder.join("key");
    let before = fs::read(&key).expect("it is ours");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    assert!(open(&folder).was_compiled());
    assert_ne!(fs::read(&key).expect("it is ours"), before);
    assert!(!open(&folder).was_compiled());
}

#[test]
fn what_was_not_used_for_longest_makes_room() {
    let (_above, folder) = fresh();
    open(&folder);
    let size = fs::metadata(files(&folder).pop().expect("there is one")).expect("it is ours").len();
    fs::remove_dir_all(&folder).expect("it is ours");
    // Two of three fit.
    let engine = engine_with(&folder, Limits { cache_bytes: size * 5 / 2, ..Limits::default() });
    let compiles = |number| engine.open(&numbered(number)).expect("it is sound").was_compiled();
    let age = |file: &PathBuf, seconds| {
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(file).expect("it is ours");
        file.set_modified(long_ago).expect("it is ours");
    };
    assert!(compiles(0));
    age(&files(&folder)[0], 100);
    let first = files(&folder);
    assert!(compiles(1));
    age(files(&folder).iter().find(|file| !first.contains(file)).expect("a second"), 50);
    assert!(!compiles(0), "which makes it the one that was used last");
    assert!(compiles(2));
    assert_eq!(files(&folder).len(), 2);
    assert!(!compiles(0) && !compiles(2));
    assert!(compiles(1), "it made room");
}

#[test]
fn code_that_is_larger_than_the_folder_may_be_is_not_kept() {
    let (_above, folder) = fresh();
    let engine = engine_with(&folder, Limits { cache_bytes: 100, ..Limits::default() });
    for _ in 0..2 {
        assert!(engine.open(&SELECTOR.bytes()).expect("it is sound").was_compiled());
    }
    assert_eq!(files(&folder), [""; 0].map(PathBuf::from));
}

#[test]
fn what_a_crash_left_unfinished_is_cleared_away() {
    let (_above, folder) = fresh();
    open(&folder);
    let left = folder.join("unfinished-1-0");
    let file = fs::File::create(&left).expect("it is ours");
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    file.set_modified(hours_ago).expect("it is ours");
    engine(&folder);
    assert!(!left.exists());
}

#[test]
fn the_digest_does_not_vouch_for_a_module_that_fails_its_checks() {
    let (_above, folder) = fresh();
    let mut bytes = SELECTOR.bytes();
    open(&folder);
    bytes.truncate(bytes.len() / 2);
    assert!(engine(&folder).open(&bytes).is_err());
}
