//! Finding and reading the config file, and telling people what is wrong with it.
//!
//! All errors of a file are told at once, each with its place. What the file means is the
//! core's business; see [`pointsman_core::config`].

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use pointsman_core::config::{Config, ConfigError, parse};
use pointsman_core::limits::CONFIG_BYTES_MAX;
use toml::de::DeTable;

use crate::places;

/// A config and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it says, defaults filled in.
    pub config: Config,
    /// The file; `None` where there is none and the defaults hold.
    pub file: Option<PathBuf>,
    /// Its text, for excerpts.
    pub text: String,
}

impl Loaded {
    /// The folder that relative paths in the config start from.
    pub fn folder(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("."))
    }
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than a config may be.
    #[error("{}: larger than {CONFIG_BYTES_MAX} bytes", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// The file says what a config can't say.
    #[error("{}", report(file.as_deref(), text, errors, false))]
    Invalid {
        /// Which; `None` for the defaults in this binary.
        file: Option<PathBuf>,
        /// Its text.
        text: String,
        /// All that is wrong, in the order of the text.
        errors: Vec<ConfigError>,
    },
}

/// Reads a config: this file, or else the first that exists of
/// [`places::config_candidates`], or else the defaults.
pub fn load(file: Option<&Path>) -> Result<Loaded, LoadError> {
    let found = match file {
        Some(file) => Some(file.to_owned()),
        None => places::config_candidates().into_iter().find(|candidate| candidate.exists()),
    };
    let text = found.as_deref().map(read).transpose()?.unwrap_or_default();
    match parse(&text) {
        Ok(config) => {
            // The node may be asked for it from anywhere.
            let file = found.map(|file| std::path::absolute(&file).unwrap_or(file));
            Ok(Loaded { config, file, text })
        }
        Err(errors) => Err(LoadError::Invalid { file: found, text, errors }),
    }
}

fn read(file: &Path) -> Result<String, LoadError> {
    let unreadable = |source| LoadError::Unreadable { file: file.to_owned(), source };
    let mut text = String::new();
    let open = std::fs::File::open(file).map_err(unreadable)?;
    open.take(CONFIG_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > CONFIG_BYTES_MAX {
        return Err(LoadError::TooLarge { file: file.to_owned() });
    }
    Ok(text)
}

/// All errors for people: a line `file:line:column: key: message` each, and below it, where
/// asked for, the line of the file with a mark below the place.
pub fn report(file: Option<&Path>, text: &str, errors: &[ConfigError], excerpts: bool) -> String {
    let name = file.map_or_else(|| "config".to_owned(), |file| file.display().to_string());
    let mut out = String::new();
    for error in errors {
        if !out.is_empty() {
            out.push('\n');
        }
        let ConfigError { line, column, key, message } = error;
        let colon = if key.is_empty() { "" } else { ": " };
        // Writing to a string can't fail.
        let _ = write!(out, "{name}:{line}:{column}: {key}{colon}{message}");
        if excerpts {
            excerpt(&mut out, text, *line, *column);
        }
    }
    out
}

fn excerpt(out: &mut String, text: &str, line: usize, column: usize) {
    let Some(source) = text.lines().nth(line.saturating_sub(1)) else { return };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let before: String = source
        .chars()
        .take(column.saturating_sub(1))
        .map(|letter| if letter == '\t' { '\t' } else { ' ' })
        .collect();
    let _ = write!(out, "\n {margin} |\n {number} | {source}\n {margin} | {before}^");
}

/// Where the value of a key such as `policy.selector.module` begins, as line and column from
/// 1, for errors that show only when the value is put to use. Where the key is not there: its
/// innermost table that is, or the beginning of the text.
pub fn place_of(text: &str, key: &str) -> (usize, usize) {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut table = Some(document.get_ref());
    let mut at = 0;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some((name, value)) = table.and_then(|table| table.get_key_value(part)) else { break };
        at = if parts.peek().is_some() { name.span().start } else { value.span().start };
        table = value.get_ref().as_table();
    }
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&letter| letter != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_marks_the_place() {
        let error = ConfigError {
            line: 2,
            column: 3,
            key: "mdns.enabled".into(),
            message: "takes true or false".into(),
        };
        let text = report(Some(Path::new("c.toml")), "[mdns]\n  enabled = 1\n", &[error], true);
        assert_eq!(
            text,
            "c.toml:2:3: mdns.enabled: takes true or false\n   |\n 2 |   enabled = 1\n   |   ^"
        );
    }

    #[test]
    fn a_key_is_found_in_its_own_table_however_it_is_written() {
        let text = "[a]\nmodule = 1\n[policy.selector]\n# module\n  module = 2\n";
        assert_eq!(place_of(text, "policy.selector.module"), (5, 12));
        assert_eq!(place_of(text, "policy.selector.budget_us"), (3, 9));
        assert_eq!(place_of(text, "log.level"), (1, 1));
        assert_eq!(
            place_of("x = 1\n[policy]\nselector.module = 3", "policy.selector.module"),
            (3, 19)
        );
    }
}
