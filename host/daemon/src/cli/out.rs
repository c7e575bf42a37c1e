//! Standard output: the one way to it.
//!
//! Colours only on a terminal that wants them (`NO_COLOR`, <https://no-color.org>). A closed
//! pipe is no failure: it becomes [`super::Failure::PipeClosed`], which exits with 0.

use std::env;
use std::io::{self, IsTerminal as _, Stdout, Write as _};

use serde::Serialize;

use super::Failure;

/// What a word says of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Wary,
    Bad,
    Dim,
    Strong,
}

/// Standard output.
pub(super) struct Out {
    stdout: Stdout,
    terminal: bool,
    colours: bool,
}

impl Out {
    pub(super) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { stdout, terminal, colours: terminal && !plain }
    }

    /// As in a pipe.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { stdout: io::stdout(), terminal: false, colours: false }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Writes a value as one line of JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(Failure::failed)?;
        self.line(&text)
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout.write_all(bytes)?;
        Ok(self.stdout.flush()?)
    }

    /// Replaces the line that the terminal shows last; without a terminal nothing.
    pub(super) fn progress(&mut self, line: &str) -> Result<(), Failure> {
        if !self.terminal {
            return Ok(());
        }
        self.bytes(format!("\r\x1b[2K{line}").as_bytes())
    }

    /// A text in the colour of its tone.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Wary => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
