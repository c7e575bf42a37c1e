//! Files that change in every way, watched on the real file system.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;
use tokio::time::{interval, timeout};

use super::*;

/// Far more than any change takes to be told on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with `a` and `b`, both watched.
struct Scene {
    folder: TempDir,
    watch: Watch,
    told: mpsc::Receiver<Changed>,
}

impl Scene {
    fn new() -> Self {
        Self::with(notify::recommended_watcher)
    }

    fn with(watcher: impl FnOnce(Handler) -> notify::Result<RecommendedWatcher>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| folder.path().join(name));
        for file in &files {
            fs::write(file, "before").unwrap();
        }
        let (watch, told) = Watch::start_with(files.to_vec(), watcher).unwrap();
        Self { folder, watch, told }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next that is told, as names below the folder.
    async fn next(&mut self) -> Vec<String> {
        let told = timeout(PATIENCE, self.told.recv()).await.expect("a change is told");
        let names = told
            .expect("the watch goes on")
            .files
            .into_iter()
            .map(|file| file.strip_prefix(self.folder.path()).unwrap().display().to_string());
        names.collect()
    }

    /// Asserts that `a` is told, and nothing but a later change of `b` after it.
    async fn only_a(&mut self) {
        assert_eq!(self.next().await, ["a"]);
        self.nothing_else().await;
    }

    async fn nothing_else(&mut self) {
        fs::write(self.at("b"), format!("{:?}", Instant::now())).unwrap();
        assert_eq!(self.next().await, ["b"], "nothing else was told in between");
    }
}

fn replace(file: &Path, text: &str) {
    let draft = file.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, file).unwrap();
}

#[tokio::test]
async fn an_atomic_rename_is_told_once() {
    let mut scene = Scene::new();
    replace(&scene.at("a"), "after");
    scene.only_a().await;
    replace(&scene.at("a"), "again");
    scene.only_a().await;
}

#[tokio::test]
async fn a_file_written_in_place_deleted_and_made_anew_is_told_once() {
    let mut scene = Scene::new();
    fs::write(scene.at("a"), "during").unwrap();
    fs::remove_file(scene.at("a")).unwrap();
    fs::write(scene.at("a"), "after").unwrap();
    scene.only_a().await;
}

#[tokio::test]
async fn what_an_editor_does_with_backup_and_swap_files_is_told_once() {
    let mut scene = Scene::new();
    fs::write(scene.at(".a.swp"), "swap").unwrap();
    fs::rename(scene.at("a"), scene.at("a~")).unwrap();
    fs::write(scene.at("a"), "after").unwrap();
    fs::set_permissions(scene.at("a"), Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(scene.at("a~")).unwrap();
    fs::remove_file(scene.at(".a.swp")).unwrap();
    scene.only_a().await;
}

/// Writes a file bit by bit, which must not be told before it is whole. Tells whether that was
/// seen: a machine that was away for long had its quiet.
async fn is_told_when_it_is_whole() -> bool {
    let mut scene = Scene::new();
    let mut ticks = interval(Duration::from_millis(40));
    let (mut text, mut written) = (String::new(), Instant::now());
    for _ in 0..15 {
        ticks.tick().await;
        let told = scene.told.try_recv();
        if written.elapsed() > Duration::from_millis(150) {
            return false;
        }
        assert!(told.is_err(), "it is not quiet yet");
        text.push('x');
        fs::write(scene.at("a"), &text).unwrap();
        written = Instant::now();
    }
    scene.only_a().await;
    true
}

#[tokio::test]
async fn a_file_that_is_written_bit_by_bit_is_told_when_it_is_whole() {
    let began = Instant::now();
    while !is_told_when_it_is_whole().await {
        assert!(began.elapsed() < PATIENCE, "the machine never has the time");
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_is_told_and_so_is_its_return() {
    let mut scene = Scene::new();
    fs::remove_file(scene.at("a")).unwrap();
    scene.only_a().await;
    fs::write(scene.at("a"), "after").unwrap();
    scene.only_a().await;
}

#[tokio::test]
async fn a_file_that_becomes_unreadable_or_a_folder_is_told() {
    let mut scene = Scene::new();
    fs::set_permissions(scene.at("a"), Permissions::from_mode(0o0)).unwrap();
    scene.only_a().await;
    fs::remove_file(scene.at("a")).unwrap();
    fs::create_dir(scene.at("a")).unwrap();
    scene.only_a().await;
    fs::write(scene.at("a/within"), "not what was asked about").unwrap();
    scene.nothing_else().await;
}

#[tokio::test]
async fn a_symbolic_link_that_leads_elsewhere_is_told_and_so_is_an_edit_behind_it() {
    let mut scene = Scene::new();
    for version in ["v1", "v2"] {
        fs::create_dir(scene.at(version)).unwrap();
        fs::write(scene.at(version).join("file"), version).unwrap();
    }
    // As containers lay it out: a -> now/file, now -> v1.
    symlink("v1", scene.at("now")).unwrap();
    symlink("now/file", scene.at("link")).unwrap();
    scene.watch.set(vec![scene.at("link"), scene.at("b")]);
    scene.nothing_else().await;
    symlink("v2", scene.at("next")).unwrap();
    fs::rename(scene.at("next"), scene.at("now")).unwrap();
    assert_eq!(scene.next().await, ["link"]);
    replace(&scene.at("v2/file"), "after");
    assert_eq!(scene.next().await, ["link"]);
    fs::write(scene.at("v1/file"), "what was left behind").unwrap();
    scene.nothing_else().await;
}

#[tokio::test]
async fn folders_that_come_later_or_are_exchanged_are_followed() {
    let mut scene = Scene::new();
    let file = scene.at("x/y/file");
    scene.watch.set(vec![file.clone(), scene.at("b")]);
    scene.nothing_else().await;
    fs::create_dir_all(scene.at("x/y")).unwrap();
    scene.nothing_else().await;
    fs::write(&file, "first").unwrap();
    assert_eq!(scene.next().await, ["x/y/file"]);
    fs::create_dir(scene.at("other")).unwrap();
    fs::write(scene.at("other/file"), "second").unwrap();
    fs::rename(scene.at("x/y"), scene.at("old")).unwrap();
    fs::rename(scene.at("other"), scene.at("x/y")).unwrap();
    assert_eq!(scene.next().await, ["x/y/file"]);
    fs::write(&file, "third").unwrap();
    assert_eq!(scene.next().await, ["x/y/file"]);
    fs::write(scene.at("old/file"), "of no interest").unwrap();
    scene.nothing_else().await;
}

#[tokio::test]
async fn thousands_of_events_are_told_once() {
    let mut scene = Scene::new();
    for number in 0..3_000 {
        fs::write(scene.at(&format!("noise-{}", number % 50)), "x").unwrap();
        fs::write(scene.at("a"), format!("{number}")).unwrap();
    }
    // A machine on which this takes longer than 5 s may be told in between.
    assert_eq!(scene.next().await, ["a"]);
    fs::write(scene.at("b"), "after").unwrap();
    // There, what comes last may be told with what came before.
    let mut told = scene.next().await;
    while told == ["a"] {
        told = scene.next().await;
    }
    assert!(told == ["b"] || told == ["a", "b"], "{told:?}");
}

#[tokio::test]
async fn without_watches_of_the_system_changes_are_found_by_looking() {
    let limit = || notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    let mut scene = Scene::with(|_| Err(limit()));
    replace(&scene.at("a"), "after");
    scene.only_a().await;
}

#[tokio::test]
async fn a_watch_that_is_dropped_ends_what_it_tells() {
    let Scene { folder, watch, mut told } = Scene::new();
    drop(watch);
    let end = timeout(PATIENCE, told.recv()).await.expect("it ends");
    assert_eq!(end, None);
    drop(folder);
}

#[test]
fn a_limit_of_the_system_is_told_from_other_errors() {
    let io = |code| notify::Error::io(io::Error::from_raw_os_error(code));
    for (error, wanted) in [
        (notify::Error::new(notify::ErrorKind::MaxFilesWatch), true),
        (io(libc::EMFILE), true),
        (io(libc::EACCES), false),
        (notify::Error::path_not_found(), false),
    ] {
        assert_eq!(folders::is_limit(&error), wanted, "{error}");
    }
}
