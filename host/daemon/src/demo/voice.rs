//! Telling the demonstration: a line for each thing as it happens, or nothing but the result.

use std::io::{self, Write as _};
use std::time::Instant;

use super::result::DemoResult;

/// Speaks on standard output; plain text, so that a pipe gets the same as a terminal.
#[derive(Debug)]
pub(super) struct Voice {
    json: bool,
    start: Instant,
}

impl Voice {
    pub(super) fn new(json: bool) -> Self {
        Self { json, start: Instant::now() }
    }

    /// A line with the time since the start. A reader that is gone is no error: the result
    /// still decides the exit code.
    pub(super) fn say(&self, text: &str) {
        if !self.json {
            let seconds = self.start.elapsed().as_secs_f64();
            let mut out = io::stdout().lock();
            let _ = writeln!(out, "{seconds:7.3} s  {text}").and_then(|()| out.flush());
        }
    }

    /// The result.
    pub(super) fn conclude(&self, result: &DemoResult) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            let text = serde_json::to_string_pretty(result).map_err(io::Error::other)?;
            return writeln!(out, "{text}");
        }
        writeln!(out)?;
        for (what, value) in summary(result) {
            writeln!(out, "{what:<34} {value}")?;
        }
        out.flush()
    }
}

fn summary(result: &DemoResult) -> Vec<(&'static str, String)> {
    let ms = |value: f64| format!("{value:.1} ms");
    let maybe = |value: Option<f64>| value.map_or_else(|| "did not happen".to_owned(), ms);
    vec![
        ("messages sent", result.sent.to_string()),
        ("arrived", result.arrived.to_string()),
        ("lost", result.lost.to_string()),
        ("arrived twice", result.duplicates.to_string()),
        ("expired, refused", format!("{}, {}", result.expired, result.refused)),
        ("bytes sent twice, of all bytes", format!("{:.1} ‰", result.copied_permille)),
        ("slowest exchange of a selector", ms(result.slowest_swap_ms)),
        ("longest gap at a receiver", ms(result.longest_gap_ms)),
        ("the same where nothing failed", ms(result.longest_gap_elsewhere_ms)),
        ("suspect after the cut", maybe(result.suspect_after_ms)),
        ("copies over the other uplink", maybe(result.hedged_after_ms)),
        ("traffic moved", maybe(result.moved_after_ms)),
        ("in use again after the healing", maybe(result.returned_after_ms)),
    ]
}
