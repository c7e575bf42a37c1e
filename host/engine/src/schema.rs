//! The settings that a policy takes, as its manifest describes them, a line each:
//!
//! ```text
//! key: boolean = true  what it means
//! key: integer 0..=100 = 10  what it means
//! key: text one|two = one  what it means
//! key: text = "any"  what it means
//! key: integers 0..=9 = [1, 2]  what it means
//! key: texts = []  what it means
//! ```
//!
//! Settings are held against it before the policy sees them, so that an author writes no checks
//! and an operator gets every mistake at once. A description that can't be read is a mistake of
//! the author, told with the line and what was expected there.

mod check;
mod line;

use core::fmt;
use core::ops::RangeInclusive;

use pointsman_sdk::{Settings, Value};

use crate::limits::SETTINGS_MAX;

/// What is known of a policy's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    keys: Vec<Key>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it stands in `config.toml`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// What it is where nothing is said.
    pub default: Value,
    /// In a few words.
    pub meaning: String,
}

/// What a setting takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer(RangeInclusive<i64>),
    /// One of these texts; any, where there are none.
    Text(Vec<String>),
    /// Whole numbers in a range.
    Integers(RangeInclusive<i64>),
    /// Some of these texts; any, where there are none.
    Texts(Vec<String>),
}

/// A description that can't be read: every line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Line, counted from 1, and what is wrong there.
    pub wrong: Vec<(usize, String)>,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (line, why)) in self.wrong.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}line {line}: {why}")?;
        }
        Ok(())
    }
}

impl core::error::Error for SchemaError {}

/// Reads a description; empty lines are skipped.
pub fn parse(text: &str) -> Result<Schema, SchemaError> {
    let (mut keys, mut wrong) = (Vec::<Key>::new(), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line::parse(line) {
            Ok(key) if keys.iter().any(|known| known.name == key.name) => {
                wrong.push((index + 1, format!("`{}` is described twice", key.name)));
            }
            Ok(key) if keys.len() < SETTINGS_MAX => keys.push(key),
            Ok(_) => wrong.push((index + 1, format!("more than {SETTINGS_MAX} settings"))),
            Err(why) => wrong.push((index + 1, why)),
        }
        if wrong.len() >= SETTINGS_MAX {
            break;
        }
    }
    if wrong.is_empty() { Ok(Schema { keys }) } else { Err(SchemaError { wrong }) }
}

impl Schema {
    /// All settings, in the order of the description.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Every setting that is wrong, by its key, with what is wrong and what it takes instead.
    /// Empty where the policy can be handed these settings.
    pub fn check(&self, settings: &Settings) -> Vec<(String, String)> {
        let wrong = settings.iter().filter_map(|(name, value)| {
            let why = match self.keys.iter().find(|key| key.name == name) {
                Some(key) => check::value(&key.kind, value).err()?,
                None => check::unknown(name, &self.keys),
            };
            Some((name.to_owned(), why))
        });
        wrong.collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer(range) => {
                write!(f, "a whole number from {} to {}", range.start(), range.end())
            }
            Self::Text(choices) if choices.is_empty() => f.write_str("a text"),
            Self::Text(choices) => write!(f, "one of {}", quoted(choices)),
            Self::Integers(range) => {
                write!(f, "a list of whole numbers from {} to {}", range.start(), range.end())
            }
            Self::Texts(choices) if choices.is_empty() => f.write_str("a list of texts"),
            Self::Texts(choices) => write!(f, "a list of {}", quoted(choices)),
        }
    }
}

fn quoted(choices: &[String]) -> String {
    choices.iter().map(|choice| format!("{choice:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
