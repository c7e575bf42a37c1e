//! The files of the repository as the checks read them.

use std::fs;
use std::path::Path;

use xtask::place;

/// What was built or fetched, or is git's own; never what was written.
const NOT_OURS: [&str; 6] = ["target", ".git", "node_modules", "corpus", "artifacts", ".venv"];

/// A text file: its path from the root with `/` between, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether its name ends like this.
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    /// The folder it lies in, without a `/` at the end; empty for the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Its lines that are no comments, with their numbers from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// All text files, in the order of their paths.
pub(crate) fn files() -> Vec<File> {
    let mut found = Vec::new();
    walk(&place::root(), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the repository is not where it is looked for");
    found
}

/// The files whose names end like this.
pub(crate) fn files_ending(ending: &str) -> Vec<File> {
    files().into_iter().filter(|file| file.is(ending)).collect()
}

/// The file at that path from the root.
pub(crate) fn file(path: &str) -> File {
    let text = fs::read_to_string(place::root().join(path));
    File { path: path.to_owned(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
}

/// Fails with a line for each finding, if there are any.
pub(crate) fn none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in folder.read_dir().expect("a folder of ours can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &format!("{path}/"), found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File { path, text });
        }
    }
}
