//! ARCHITECTURE.md and the tree name the same rooms.

use std::collections::BTreeSet;

use xtask::place;

use crate::tree::{file, files, none};

/// What stands between backticks in ARCHITECTURE.md and is a path: it has a `/` inside or at
/// its end, and begins in a folder or with a file of the root.
fn named_paths() -> BTreeSet<String> {
    let text = file("ARCHITECTURE.md").text;
    let quoted = text.split('`').skip(1).step_by(2);
    let path = |word: &&str| {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        plain && word.contains('/') && !word.starts_with('/') && *word != "./x"
    };
    quoted.filter(path).map(str::to_owned).collect()
}

/// The crates, the folders of their modules (what lies deeper belongs to its module), and the
/// folders of the root with files in them.
fn rooms() -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for file in files() {
        let folder = file.folder();
        let below_source =
            folder.split_once("/src/").is_some_and(|(_, module)| !module.contains('/'));
        let top = !folder.is_empty() && !folder.contains('/');
        if file.is("/Cargo.toml") || below_source || top {
            rooms.insert(format!("{folder}/"));
        }
    }
    rooms
}

#[test]
fn architecture_names_every_room() {
    let named = named_paths();
    let missing: Vec<String> = rooms().difference(&named).cloned().collect();
    none(&missing, "ARCHITECTURE.md lacks a row for these folders");
}

#[test]
fn every_path_that_architecture_names_exists() {
    let gone: Vec<String> =
        named_paths().into_iter().filter(|path| !place::root().join(path).exists()).collect();
    none(&gone, "ARCHITECTURE.md names what is not there");
}
