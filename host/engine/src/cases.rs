//! Case files: questions with the verdicts that a policy must give, in TOML.
//!
//! ```toml
//! role = "selector"
//!
//! [default]                     # holds for every case that does not say otherwise
//! path = { flags = ["up"], srtt_us = 20000, room_bytes = 50000 }
//!
//! [[case]]
//! name = "a free path goes before a faster metered one"
//! question = { class = "bulk", head_bytes = 1200 }
//! paths = [{ flags = ["up", "metered"], srtt_us = 5000 }, {}]
//! verdict = { mode = "send", paths = [1] }
//! ```
//!
//! Only the keys that a case's `verdict` names are compared, so a case says what it is about
//! and nothing else. A file is read as a whole: all that is wrong with it is told at once, each
//! with its line, its key and what that takes.

mod parse;
mod settings;

use core::fmt;

use pointsman_core::policy::{Question, Role, Strike, Verdict};
use pointsman_sdk::{Settings, State};

use crate::forms::{Expected, answer_text};

/// Bytes of a case file.
pub const CASES_BYTES_MAX: usize = 4 << 20;
/// Cases in a file.
pub const CASES_MAX: usize = 4096;
/// Errors of a file that are told one by one.
pub const CASE_ERRORS_MAX: usize = 100;

/// A case file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cases {
    /// Whom the questions are for.
    pub role: Role,
    /// At least one, in the order of the file.
    pub cases: Vec<Case>,
}

/// A question with what its verdict must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The behaviour that it shows, as a sentence; no two of a file have the same.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// The settings that the policy is configured with, in the order of the file.
    pub settings: Settings,
    /// What the policy learned before.
    pub learned: Option<State>,
    /// The question.
    pub question: Question,
    expected: Expected,
}

/// Something that is wrong with a case file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {key}{}{message}", if key.is_empty() { "" } else { " " })]
pub struct CaseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with its tables, such as `case[2].paths[0].flags`; cases count from 0.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A policy did not answer as a case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the case says, in the words of its file.
    pub expected: String,
    /// The whole answer in the same words, or why there is none.
    pub got: String,
    /// The keys that differ; none where there is no verdict.
    pub keys: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, got, keys } = self;
        write!(f, "expected {expected}, got {got}")?;
        if keys.is_empty() { Ok(()) } else { write!(f, " (differs in {})", keys.join(", ")) }
    }
}

impl Cases {
    /// Reads a case file: all of its errors at once, in the order of the text. Beyond
    /// [`CASE_ERRORS_MAX`] errors the last one tells how many more there are.
    pub fn parse(text: &str) -> Result<Self, Vec<CaseError>> {
        parse::parse(text)
    }
}

impl Case {
    /// Compares what [`pointsman_core::policy::Policy::answer`] gave with what the case
    /// expects. An abstention is the verdict that abstains; a strike is never right.
    pub fn judge(&self, answer: &Result<Option<Verdict>, Strike>) -> Result<(), Mismatch> {
        let keys = match self.expected.misses(answer) {
            Some(keys) if keys.is_empty() => return Ok(()),
            Some(keys) => keys,
            None => Vec::new(),
        };
        let got = answer_text(self.question.role(), answer);
        Err(Mismatch { expected: self.expected.text(), got, keys })
    }

    /// What the case expects, in the words of its file.
    pub fn expected(&self) -> String {
        self.expected.text()
    }
}
