//! What came of the scenarios, for people and for programs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::guest;

/// How many lines of each log a failure shows.
const TAIL: usize = 25;

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It showed what it should.
    Passed,
    /// It did not; its exit status.
    Failed(String),
    /// It can't be judged with this program; why.
    Skipped(String),
    /// It had to be ended.
    TimedOut,
    /// The guest's kernel fell; its last words.
    Panicked(String),
    /// The guest left nothing at all.
    NotBooted,
}

impl Outcome {
    /// Whether something must be done about it.
    pub fn is_bad(&self) -> bool {
        !matches!(self, Self::Passed | Self::Skipped(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::TimedOut => "timed out",
            Self::Panicked(_) => "panicked",
            Self::NotBooted => "not booted",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Passed => String::new(),
            Self::Failed(status) => format!("exit status {status}"),
            Self::Skipped(why) => why.clone(),
            Self::Panicked(words) => words.clone(),
            Self::TimedOut => "ended by its limit".to_owned(),
            Self::NotBooted => {
                "the guest needs ptrace and /dev/shm: are they forbidden here?".into()
            }
        }
    }
}

/// Something that a scenario measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What.
    pub name: String,
    /// How much; a number, where it is one.
    pub value: String,
    /// Of what; empty where it counts.
    pub unit: String,
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub scenario: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From the start of the kernel to its end.
    pub took: Duration,
    /// What was measured.
    pub values: Vec<Value>,
    /// The folder that the guest wrote to.
    pub share: PathBuf,
}

impl Report {
    /// The ends of all its logs.
    pub fn tails(&self) -> String {
        let tail = |path: &PathBuf| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(TAIL)..].join("\n   ");
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("   --- {name}\n   {end}")
        };
        guest::logs(&self.share).iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// A JSON object in a line.
    fn json(&self) -> String {
        let values = self.values.iter().map(|Value { name, value, unit }| {
            let value = if is_number(value) { value.clone() } else { quoted(value) };
            format!("{}:{{\"value\":{value},\"unit\":{}}}", quoted(name), quoted(unit))
        });
        format!(
            "{{\"scenario\":{},\"outcome\":{},\"detail\":{},\"seconds\":{:.1},\"values\":{{{}}}}}",
            quoted(&self.scenario),
            quoted(self.outcome.name()),
            quoted(&self.outcome.detail()),
            self.took.as_secs_f64(),
            values.collect::<Vec<_>>().join(",")
        )
    }
}

/// All of them as a JSON array.
pub fn json(reports: &[Report]) -> String {
    format!("[{}]", reports.iter().map(Report::json).collect::<Vec<_>>().join(",\n "))
}

/// All of them as a table.
pub fn table(reports: &[Report]) -> String {
    let row = |report: &Report| {
        let Report { scenario, outcome, took, .. } = report;
        let values = report.values.iter().map(|Value { name, value, unit }| {
            let text = format!("{name} {value} {unit}");
            text.trim_end().to_owned()
        });
        let words: Vec<_> = [outcome.detail()].into_iter().chain(values).collect();
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let (name, seconds) = (outcome.name(), took.as_secs_f64());
        format!("{scenario:<12} {name:<10} {seconds:>6.1} s  {}", words.join(", "))
    };
    reports.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Whether JSON takes it as a number: digits, with a sign before and a fraction after.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && (whole.len() == 1 || !whole.starts_with('0'))
}

/// The text as JSON.
fn quoted(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| match c {
        '"' | '\\' => vec!['\\', c],
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)).chars().collect(),
        c => vec![c],
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome, value: &str) -> Report {
        Report {
            scenario: "failover".to_owned(),
            outcome,
            took: Duration::from_millis(12_340),
            values: vec![Value { name: "gap".into(), value: value.into(), unit: "ms".into() }],
            share: PathBuf::new(),
        }
    }

    #[test]
    fn a_row_tells_the_outcome_the_time_and_what_was_measured() {
        let table = table(&[report(Outcome::Passed, "41")]);
        assert_eq!(table, "failover     passed       12.3 s  gap 41 ms");
        assert!(Outcome::TimedOut.is_bad() && !Outcome::Skipped(String::new()).is_bad());
    }

    #[test]
    fn json_has_numbers_as_numbers_and_any_other_text_in_quotes() {
        let text = json(&[report(Outcome::Failed("1".to_owned()), "41.5")]);
        assert!(text.contains(r#""gap":{"value":41.5,"unit":"ms"}"#), "{text}");
        assert!(text.contains(r#""outcome":"failed","detail":"exit status 1""#), "{text}");
        for (word, expected) in [("-3", true), ("04", false), ("1.", false), ("l2cap", false)] {
            assert_eq!(is_number(word), expected, "{word}");
        }
        assert_eq!(quoted("a\"\n"), r#""a\"\u000a""#);
    }
}
