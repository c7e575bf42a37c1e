//! Questions and verdicts as text: what case files, decision logs and the API show of them.
//!
//! Each field stands in one table with its name, which is that of the SDK, and what it takes.
//! The tables read both TOML and JSON, write both, and compare; so a case file, a recorded
//! decision and a message about either use the same words. The core's own types know nothing
//! of any text.
//!
//! Reading never trusts: what is not in a table is an error that names the key and what it
//! takes, and every list has its bound. Writing leaves out what the host did not know.

/// A field of the same name in the SDK: `field!(name, takes, type)`, `field!(unknown name)`
/// for a `u32` that the host may not know, `field!(optional name, takes, type)`,
/// `field!(flag name)`.
macro_rules! field {
    (unknown $name:ident) => {
        $crate::forms::field::Field {
            name: stringify!($name),
            takes: $crate::forms::field::U32,
            get: |of| $crate::forms::known(of.$name),
            set: |of, value| of.$name = value as u32,
            test: $crate::forms::field::Test::Equal,
        }
    };
    (optional $name:ident, $takes:expr, $kind:ty) => {
        $crate::forms::field::Field {
            name: stringify!($name),
            takes: $takes,
            get: |of| of.$name.map(i128::from),
            set: |of, value| of.$name = Some(value as $kind),
            test: $crate::forms::field::Test::Equal,
        }
    };
    (flag $name:ident) => {
        $crate::forms::field::Field {
            name: stringify!($name),
            takes: $crate::forms::field::Takes::Flag,
            get: |of| Some(i128::from(of.$name)),
            set: |of, value| of.$name = value != 0,
            test: $crate::forms::field::Test::Equal,
        }
    };
    ($name:ident, $takes:expr, $kind:ty) => {
        $crate::forms::field::Field {
            name: stringify!($name),
            takes: $takes,
            get: |of| Some(i128::from(of.$name)),
            set: |of, value| of.$name = value as $kind,
            test: $crate::forms::field::Test::Equal,
        }
    };
}

mod anomaly;
mod failover;
pub(crate) mod field;
mod reading;
mod reputation;
mod rows;
mod selector;
mod tree;
mod verdict;
mod write;

use pointsman_core::policy::{AnomalyQuestion, Question, ReputationQuestion, Role, Verdict};
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::selector::Class;

pub(crate) use field::{Field, I64, Takes, U32, U64, write_fields};
pub(crate) use reading::{Fault, Reading, joined};
pub(crate) use tree::{Entry, Node, Spot, brief, of_json, of_toml, value};
pub(crate) use verdict::{Expected, answer_text, differences, read_verdict, write_verdict};
pub use write::Style;
pub(crate) use write::Writer;

/// The names of the classes, by their numbers.
const CLASSES: [&str; 3] = [Class::ALL[0].name(), Class::ALL[1].name(), Class::ALL[2].name()];

/// A question as one line of text.
pub fn question(question: &Question, style: Style) -> String {
    let mut writer = Writer::new(style);
    write_question(&mut writer, question);
    writer.end()
}

/// A verdict as one line of text.
pub fn verdict(verdict: &Verdict, style: Style) -> String {
    let mut writer = Writer::new(style);
    write_verdict(&mut writer, verdict);
    writer.end()
}

/// A number that the host may not know.
pub(crate) fn known(number: u32) -> Option<i128> {
    (number != UNKNOWN).then_some(i128::from(number))
}

/// A question of which nothing is said.
pub(crate) fn blank(role: Role) -> Question {
    match role {
        Role::Selector => Question::Selector(selector::blank()),
        Role::Failover => Question::Failover(failover::blank()),
        Role::Reputation => Question::Reputation(ReputationQuestion::default()),
        Role::Anomaly => Question::Anomaly(AnomalyQuestion::default()),
    }
}

/// The keys of a question that a case has beside it, not in it.
pub(crate) fn parts(role: Role) -> &'static [&'static str] {
    match role {
        Role::Selector => &["paths"],
        Role::Failover => &["paths", "dialables"],
        Role::Reputation => &["was", "seen"],
        Role::Anomaly => &["window"],
    }
}

/// The key that a question can't be without, and what it takes.
pub(crate) fn required(role: Role) -> Option<(&'static str, String)> {
    match role {
        Role::Failover => Some(("event", failover::EVENT.told())),
        Role::Selector | Role::Reputation | Role::Anomaly => None,
    }
}

/// Reads all but the parts. Keys in `others` belong to somebody else.
pub(crate) fn read_scalars(
    reading: &mut Reading,
    entries: &[Entry],
    shown: &str,
    others: &[&str],
    into: &mut Question,
) {
    match into {
        Question::Selector(into) => {
            reading.fields(entries, shown, &selector::QUESTION, others, into);
        }
        Question::Failover(into) => {
            let others = [others, &[failover::UNACKED]].concat();
            reading.fields(entries, shown, &failover::QUESTION, &others, into);
            failover::read_unacked(reading, entries, shown, &mut into.unacked_bytes);
        }
        Question::Reputation(into) => {
            reading.fields(entries, shown, &reputation::QUESTION, others, into);
        }
        Question::Anomaly(into) => {
            reading.fields(entries, shown, &anomaly::QUESTION, others, into);
        }
    }
}

/// Reads the parts that a table has.
pub(crate) fn read_parts(
    reading: &mut Reading,
    entries: &[Entry],
    shown: &str,
    into: &mut Question,
) {
    match into {
        Question::Selector(into) => reading.paths(entries, shown, &mut into.paths),
        Question::Failover(into) => {
            reading.paths(entries, shown, &mut into.paths);
            reading.dialables(entries, shown, &mut into.dialables);
        }
        Question::Reputation(into) => reputation::read_parts(reading, entries, shown, into),
        Question::Anomaly(into) => anomaly::read_window(reading, entries, shown, into),
    }
}

/// Reads a question whose parts are in it, as records have it.
pub(crate) fn read_question(
    reading: &mut Reading,
    role: Role,
    spot: &Spot,
    shown: &str,
) -> Option<Question> {
    let entries = reading.table(spot, shown)?;
    let mut question = blank(role);
    read_scalars(reading, entries, shown, parts(role), &mut question);
    read_parts(reading, entries, shown, &mut question);
    if let Some((key, takes)) = required(role).filter(|(key, _)| value(entries, key).is_none()) {
        reading.missing(spot.at, &joined(shown, key), &takes);
    }
    Some(question)
}

/// Writes a question, its parts in it.
pub(crate) fn write_question(writer: &mut Writer, question: &Question) {
    writer.table(|w| match question {
        Question::Selector(question) => {
            write_fields(w, &selector::QUESTION, question);
            rows::write_paths(w, &question.paths);
        }
        Question::Failover(question) => {
            write_fields(w, &failover::QUESTION, question);
            failover::write_unacked(w, question.unacked_bytes);
            rows::write_paths(w, &question.paths);
            rows::write_dialables(w, &question.dialables);
        }
        Question::Reputation(question) => {
            write_fields(w, &reputation::QUESTION, question);
            reputation::write_parts(w, question);
        }
        Question::Anomaly(question) => {
            write_fields(w, &anomaly::QUESTION, question);
            anomaly::write_window(w, question);
        }
    });
}
