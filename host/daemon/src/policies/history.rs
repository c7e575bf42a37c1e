//! What came into the slots, who put it there, and what became of it.
//!
//! One line of JSON for each entry, in a file of the state folder that only the node's user can
//! read. The last [`HISTORY_ENTRIES_MAX`] are kept: now and then the file is written anew
//! without the older ones. A line that was cut off by a power failure is passed over. Where the
//! folder can't be written the history lives as long as the node, and the log says so once.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pointsman_core::limits::{HISTORY_ENTRIES_MAX, HISTORY_TEXT_CHARS_MAX};
use pointsman_core::policy::Role;
use serde::{Deserialize, Serialize};

use super::state;

/// Lines that the file may have beyond those that are kept, so that it is written anew once
/// in so many entries.
const SLACK: usize = 256;

/// Bytes of the file that are read: each entry has a few texts of bounded length.
const FILE_BYTES_MAX: usize = 32 << 20;

/// What brought a policy to its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The node started.
    Start,
    /// `pointsman policy swap`.
    Command,
    /// An edit of the config.
    Config,
    /// A module's file changed.
    File,
    /// `pointsman policy promote`.
    Promote,
    /// It was there before, and what came after it was rolled back.
    Rollback,
}

impl Cause {
    /// Its name in JSON and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Command => "command",
            Self::Config => "config",
            Self::File => "file",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// It is in the slot.
    Live,
    /// It has proven itself.
    Proven,
    /// It did not, and what was there before is back.
    RolledBack,
    /// It never came into the slot.
    Refused,
}

impl Turn {
    /// Its name in JSON and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Proven => "proven",
            Self::RolledBack => "rolled-back",
            Self::Refused => "refused",
        }
    }
}

/// Something that happened to a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_unix_ms: u64,
    /// Which slot.
    pub role: String,
    /// What became of the policy.
    pub outcome: Turn,
    /// Its number in the slot; `null` where it never came into it.
    pub generation: Option<u64>,
    /// Its own name; empty where nobody got so far as to ask.
    pub name: String,
    /// Its version; empty for a builtin.
    pub version: String,
    /// SHA-256 of the module in hexadecimal; `null` for a builtin, or where it was not read.
    pub digest: Option<String>,
    /// As it was named: `builtin:NAME`, `embedded:NAME` or a path.
    pub module: String,
    /// What brought it.
    pub from: Cause,
    /// Who: a user, or `node`.
    pub who: String,
    /// Why, where there is a reason to tell.
    pub why: Option<String>,
}

/// The entries, oldest first.
#[derive(Debug, Default)]
pub struct History {
    /// `None`: not kept on disk, or no longer.
    file: Option<PathBuf>,
    entries: VecDeque<Entry>,
    /// Lines in the file.
    lines: usize,
}

impl History {
    /// What the file holds; a file that can't be read is begun anew with the next entry.
    pub fn open(file: &Path) -> Self {
        let text = match state::read(file, FILE_BYTES_MAX) {
            Ok(bytes) => String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the history of policies is lost");
                String::new()
            }
        };
        let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut history = Self { file: Some(file.to_owned()), entries, lines: usize::MAX };
        history.trim();
        history
    }

    /// Adds an entry, on disk too.
    pub fn add(&mut self, entry: Entry) {
        let why = entry.why.map(|why| shortened(&why));
        self.entries.push_back(Entry { why, ..entry });
        self.trim();
        if let Err(error) = self.store() {
            let file = self.file.take().unwrap_or_default();
            tracing::warn!(
                file = %file.display(), %error,
                "the history of policies can't be kept on disk, and ends with this node"
            );
        }
    }

    /// The entries of a slot, or of all, oldest first.
    pub fn entries(&self, role: Option<Role>) -> Vec<Entry> {
        let wanted = |entry: &&Entry| role.is_none_or(|role| entry.role == role.name());
        self.entries.iter().filter(wanted).cloned().collect()
    }

    /// The highest generation that a slot ever had; 0 without any.
    pub fn generation(&self, role: Role) -> u64 {
        let of = self.entries.iter().filter(|entry| entry.role == role.name());
        of.filter_map(|entry| entry.generation).max().unwrap_or(0)
    }

    fn trim(&mut self) {
        while self.entries.len() > HISTORY_ENTRIES_MAX {
            self.entries.pop_front();
        }
    }

    /// Appends the newest entry, or writes the file anew where it holds too many.
    fn store(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.lines >= HISTORY_ENTRIES_MAX + SLACK {
            let lines: io::Result<String> = self.entries.iter().map(line).collect();
            state::write(file, lines?.as_bytes())?;
            self.lines = self.entries.len();
            return Ok(());
        }
        if let Some(entry) = self.entries.back() {
            append(file)?.write_all(line(entry)?.as_bytes())?;
            self.lines += 1;
        }
        Ok(())
    }
}

fn append(file: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)
}

fn line(entry: &Entry) -> io::Result<String> {
    Ok(serde_json::to_string(entry)? + "\n")
}

/// A text of bounded length.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(HISTORY_TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn entry(generation: u64) -> Entry {
        Entry {
            at_unix_ms: 1,
            role: "selector".to_owned(),
            outcome: Turn::Live,
            generation: Some(generation),
            name: "fastest-first".to_owned(),
            version: "0.1.0".to_owned(),
            digest: None,
            module: "builtin:fastest-first".to_owned(),
            from: Cause::Start,
            who: "node".to_owned(),
            why: None,
        }
    }

    #[test]
    fn entries_outlive_the_node_and_are_its_users_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let mut history = History::open(&file);
        history.add(entry(1));
        history.add(entry(2));
        let again = History::open(&file);
        assert_eq!(again.entries(None), [entry(1), entry(2)]);
        assert_eq!(again.generation(Role::Selector), 2);
        assert_eq!(again.entries(Some(Role::Failover)), []);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_file_and_its_texts_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let mut history = History::open(&file);
        for generation in 0..3_000 {
            let why = Some("é".repeat(HISTORY_TEXT_CHARS_MAX * 2));
            history.add(Entry { why, ..entry(generation) });
        }
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!((HISTORY_ENTRIES_MAX..=HISTORY_ENTRIES_MAX + SLACK).contains(&lines), "{lines}");
        let kept = History::open(&file).entries(None);
        assert_eq!(kept.len(), HISTORY_ENTRIES_MAX);
        assert_eq!(kept[0].generation, Some(3_000 - HISTORY_ENTRIES_MAX as u64));
        let why = kept[0].why.as_ref().unwrap();
        assert_eq!(why.chars().count(), HISTORY_TEXT_CHARS_MAX + 1);
    }

    #[test]
    fn a_line_that_a_power_failure_cut_off_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        History::open(&file).add(entry(1));
        append(&file).unwrap().write_all(b"{\"at_unix_ms\":7,\"ro").unwrap();
        let mut history = History::open(&file);
        assert_eq!(history.entries(None), [entry(1)]);
        history.add(entry(2));
        assert_eq!(History::open(&file).entries(None), [entry(1), entry(2)]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing_but_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken");
        fs::write(&file, "").unwrap();
        let mut history = History::open(&file.join("history.jsonl"));
        history.add(entry(1));
        history.add(entry(2));
        assert_eq!(history.entries(None).len(), 2);
    }
}
