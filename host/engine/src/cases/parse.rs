//! Reading a case file.

use pointsman_core::policy::{Question, Role};
use pointsman_sdk::Settings;
use toml::de::DeTable;

use super::settings::{learned, settings};
use super::{CASE_ERRORS_MAX, CASES_BYTES_MAX, CASES_MAX, Case, CaseError, Cases};
use crate::forms::{
    Entry, Expected, Fault, Reading, Spot, blank, brief, joined, of_toml, parts, read_parts,
    read_scalars, required, value,
};

/// The names of the roles, in the order of [`Role::ALL`].
const ROLES: &str = r#""selector", "failover", "reputation" or "anomaly""#;

/// What holds for every case that does not say otherwise.
struct Default {
    question: Question,
    settings: Settings,
    /// Whether the question's required key was given.
    is_complete: bool,
}

pub(super) fn parse(text: &str) -> Result<Cases, Vec<CaseError>> {
    if text.len() > CASES_BYTES_MAX {
        let message = format!("a case file of more than {CASES_BYTES_MAX} bytes is not read");
        return Err(vec![CaseError { line: 1, column: 1, key: String::new(), message }]);
    }
    let (document, broken) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    if !broken.is_empty() {
        // What is missing may only be lost, and what is there may be something else.
        return Err(errors(broken.iter().map(syntax_fault).collect(), &lines));
    }
    let mut reading = Reading::default();
    let cases = file(&mut reading, &of_toml(document.get_ref()), &lines);
    match cases {
        Some(cases) if reading.faults.is_empty() => Ok(cases),
        Some(_) | None => Err(errors(reading.faults, &lines)),
    }
}

fn syntax_fault(error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    Fault { at, key: String::new(), message: error.message().to_owned() }
}

fn file(reading: &mut Reading, entries: &[Entry], lines: &Lines<'_>) -> Option<Cases> {
    reading.only(entries, "", &["role", "default", "case"]);
    let Some(given) = value(entries, "role") else {
        reading.missing(0, "role", ROLES);
        return None;
    };
    let named = |role: &Role| given.text() == Some(role.name());
    let Some(role) = Role::ALL.into_iter().find(named) else {
        reading.wrong(given, "role", ROLES);
        return None;
    };
    let default = default(reading, role, value(entries, "default"));
    let Some(given) = value(entries, "case") else {
        reading.missing(0, "case", "a table [[case]] for each question");
        return None;
    };
    let takes = "tables [[case]]";
    let list = reading.list(given, "case", CASES_MAX, takes);
    if given.list().is_some_and(<[Spot]>::is_empty) {
        reading.wrong(given, "case", takes);
    }
    let mut cases: Vec<Case> = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let shown = format!("case[{index}]");
        let Some(case) = case(reading, &default, item, &shown, lines) else { continue };
        if let Some(first) = cases.iter().find(|known| known.name == case.name) {
            let (name, line) = (brief(&case.name), first.line);
            let at = item.table().and_then(|table| value(table, "name")).map_or(0, |name| name.at);
            let message = format!("{name} is the name of the case in line {line}, too");
            reading.fault(at, &joined(&shown, "name"), message);
        }
        cases.push(case);
    }
    Some(Cases { role, cases })
}

fn default(reading: &mut Reading, role: Role, given: Option<&Spot>) -> Default {
    let (question, settings_) = (blank(role), Settings::default());
    let mut default = Default { question, settings: settings_, is_complete: false };
    let Some(given) = given else { return default };
    let Some(entries) = reading.table(given, "default") else { return default };
    let rows: &[&str] = match role {
        Role::Selector => &["path"],
        Role::Failover => &["path", "dialable"],
        Role::Reputation | Role::Anomaly => &[],
    };
    let known = [&["question", "settings"][..], rows, parts(role)].concat();
    reading.only(entries, "default", &known);
    if let Some(row) = value(entries, "path").filter(|_| rows.contains(&"path")) {
        reading.default_path(row, "default.path");
    }
    if let Some(row) = value(entries, "dialable").filter(|_| rows.contains(&"dialable")) {
        reading.default_dialable(row, "default.dialable");
    }
    let question = &mut default.question;
    default.is_complete = read_question(reading, role, entries, "default", question);
    if let Some(given) = value(entries, "settings")
        && let Some(entries) = reading.table(given, "default.settings")
    {
        default.settings = settings(reading, &default.settings, entries, "default.settings");
    }
    default
}

/// Reads the question of a table and the parts beside it, and tells whether it has the key
/// that a question can't be without.
fn read_question(
    reading: &mut Reading,
    role: Role,
    entries: &[Entry],
    shown: &str,
    into: &mut Question,
) -> bool {
    let mut is_complete = required(role).is_none();
    if let Some(given) = value(entries, "question") {
        let shown = joined(shown, "question");
        if let Some(entries) = reading.table(given, &shown) {
            read_scalars(reading, entries, &shown, &[], into);
            is_complete |= required(role).is_some_and(|(key, _)| value(entries, key).is_some());
        }
    }
    read_parts(reading, entries, shown, into);
    is_complete
}

fn case(
    reading: &mut Reading,
    default: &Default,
    item: &Spot,
    shown: &str,
    lines: &Lines<'_>,
) -> Option<Case> {
    let entries = reading.table(item, shown)?;
    let role = default.question.role();
    let known = [&["name", "settings", "learned", "question", "verdict"][..], parts(role)].concat();
    reading.only(entries, shown, &known);
    let name = name(reading, entries, item, shown);
    let mut question = default.question.clone();
    let is_complete = read_question(reading, role, entries, shown, &mut question);
    if let Some((key, takes)) = required(role).filter(|_| !is_complete && !default.is_complete) {
        let at = value(entries, "question").map_or(item.at, |question| question.at);
        reading.missing(at, &format!("{shown}.question.{key}"), &takes);
    }
    let settings = match value(entries, "settings") {
        None => default.settings.clone(),
        Some(given) => {
            let shown = joined(shown, "settings");
            let entries = reading.table(given, &shown).unwrap_or_default();
            settings(reading, &default.settings, entries, &shown)
        }
    };
    let learned = value(entries, "learned")
        .and_then(|given| learned(reading, given, &joined(shown, "learned")));
    let expected = expected(reading, role, entries, item, &joined(shown, "verdict"))?;
    let line = lines.place(item.at).0;
    Some(Case { name, line, settings, learned, question, expected })
}

fn name(reading: &mut Reading, entries: &[Entry], item: &Spot, shown: &str) -> String {
    let (shown, takes) = (joined(shown, "name"), "a sentence that says what the case shows");
    let Some(given) = value(entries, "name") else {
        reading.missing(item.at, &shown, takes);
        return String::new();
    };
    let text = given.text().filter(|text| !text.trim().is_empty());
    if text.is_none() {
        reading.wrong(given, &shown, takes);
    }
    text.unwrap_or_default().to_owned()
}

fn expected(
    reading: &mut Reading,
    role: Role,
    entries: &[Entry],
    item: &Spot,
    shown: &str,
) -> Option<Expected> {
    let takes = match role {
        Role::Selector => r#"a table such as { mode = "send", paths = [0] }"#,
        Role::Failover => r#"a table such as { does = "move", onto = [1] }"#,
        Role::Reputation => "a table such as { score_min = 100 }",
        Role::Anomaly => "a table such as { findings = [] }",
    };
    let Some(given) = value(entries, "verdict") else {
        reading.missing(item.at, shown, takes);
        return None;
    };
    let table = reading.table(given, shown)?;
    if table.is_empty() {
        reading.fault(given.at, shown, format!("names nothing to compare; it takes {takes}"));
    }
    Some(Expected::read(reading, role, table, shown))
}

fn errors(mut faults: Vec<Fault>, lines: &Lines<'_>) -> Vec<CaseError> {
    faults.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    let more = faults.len().saturating_sub(CASE_ERRORS_MAX);
    faults.truncate(CASE_ERRORS_MAX);
    let error = |Fault { at, key, message }| {
        let (line, column) = lines.place(at);
        CaseError { line, column, key, message }
    };
    let mut errors: Vec<_> = faults.into_iter().map(error).collect();
    if let Some(last) = errors.last().filter(|_| more > 0) {
        let (line, column) = (last.line, last.column);
        let message = format!("{more} more errors follow");
        errors.push(CaseError { line, column, key: String::new(), message });
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

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let end = self.text.floor_char_boundary(at);
        let before = self.text.get(start..end).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}
