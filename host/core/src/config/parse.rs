//! Reading `config.toml`.

use core::fmt;

use toml::de::DeTable;

use super::Config;
use super::keys::{KEYS, RELATIONS};
use super::read::{Fault, Reading};
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_ERRORS_MAX};

/// One thing that is wrong with a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with its tables, such as `uplink[1].metered` for that of the second uplink;
    /// empty where the text is no TOML.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, message } = self;
        let gap = if key.is_empty() { "" } else { " " };
        write!(f, "{line}:{column}: {key}{gap}{message}")
    }
}

impl core::error::Error for ConfigError {}

/// Reads a config: all of its errors at once, in the order of the text. Beyond
/// [`CONFIG_ERRORS_MAX`] errors the last one tells how many more there are.
///
/// Where the text is no TOML, what can be made of the rest is checked too, except for lines
/// that are themselves broken.
pub fn parse(text: &str) -> Result<Config, Vec<ConfigError>> {
    if text.len() > CONFIG_BYTES_MAX {
        let message = format!("a config of more than {CONFIG_BYTES_MAX} bytes is not read");
        return Err(vec![ConfigError { line: 1, column: 1, key: String::new(), message }]);
    }
    let (document, broken) = DeTable::parse_recoverable(text);
    let mut reading = Reading { is_broken: !broken.is_empty(), ..Reading::default() };
    let mut config = Config::default();
    reading.table(document.get_ref(), &KEYS, ("", ""), &mut config);
    relate(&config, &mut reading);

    let lines = Lines::new(text);
    let mut faults: Vec<Fault> = broken.iter().map(syntax_fault).collect();
    let mut broken_lines: Vec<usize> = faults.iter().map(|fault| lines.line(fault.at)).collect();
    broken_lines.sort_unstable();
    let is_whole = |fault: &Fault| broken_lines.binary_search(&lines.line(fault.at)).is_err();
    faults.extend(reading.faults.into_iter().filter(is_whole));
    if faults.is_empty() { Ok(config) } else { Err(errors(faults, &lines)) }
}

/// Checks what must hold between keys, where both are good and one was given.
fn relate(config: &Config, reading: &mut Reading) {
    for relation in &RELATIONS {
        let seen: Vec<_> =
            relation.keys.iter().filter_map(|&key| Some((reading.seen.get(key)?, key))).collect();
        let is_good = seen.iter().all(|(at, _)| at.is_some());
        let last = seen.iter().filter_map(|&(&at, key)| Some((at?, key))).max();
        if let Some((at, key)) = last.filter(|_| is_good && !(relation.holds)(config)) {
            reading.fault(at, key, relation.says.to_owned());
        }
    }
}

fn syntax_fault(error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    Fault { at, key: String::new(), message: error.message().to_owned() }
}

fn errors(mut faults: Vec<Fault>, lines: &Lines<'_>) -> Vec<ConfigError> {
    faults.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    let more = faults.len().saturating_sub(CONFIG_ERRORS_MAX);
    faults.truncate(CONFIG_ERRORS_MAX);
    let mut errors: Vec<_> = faults
        .into_iter()
        .map(|Fault { at, key, message }| {
            let (line, column) = lines.place(at);
            ConfigError { line, column, key, message }
        })
        .collect();
    if let Some(last) = errors.last().filter(|_| more > 0) {
        let (line, column) = (last.line, last.column);
        let message = format!("{more} more errors follow");
        errors.push(ConfigError { line, column, key: String::new(), message });
    }
    errors
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self { text, starts: core::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at)
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let end = self.text.floor_char_boundary(at);
        let before = self.text.get(start..end).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}
