//! Verdicts of all roles: written, read, and compared with what was expected or recorded.

use pointsman_core::policy::{Role, Strike, Verdict};
use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::{failover as sdk, reputation::Standing, selector as sdk_selector};

use super::anomaly::{self, FINDING};
use super::failover::{self, Flat};
use super::field::{Field, Test, write_fields};
use super::reading::{Reading, Wanted, joined};
use super::reputation::STANDING;
use super::selector;
use super::tree::{Entry, Spot};
use super::write::{Style, Writer};

/// A policy's answer, as [`pointsman_core::policy::Policy::answer`] gives it.
pub(crate) type Answered = Result<Option<Verdict>, Strike>;

/// What a case says of the verdict: only the keys that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Selector(Vec<Wanted>),
    Failover(Vec<Wanted>),
    Reputation(Vec<Wanted>),
    Anomaly(Vec<Vec<Wanted>>),
}

impl Expected {
    /// Reads what a case expects of a policy of this role.
    pub(crate) fn read(reading: &mut Reading, role: Role, entries: &[Entry], shown: &str) -> Self {
        match role {
            Role::Selector => Self::Selector(reading.wanted(entries, shown, &selector::VERDICT)),
            Role::Failover => {
                failover::check_keys(reading, entries, shown);
                Self::Failover(reading.wanted(entries, shown, &failover::VERDICT))
            }
            Role::Reputation => Self::Reputation(reading.wanted(entries, shown, &STANDING)),
            Role::Anomaly => {
                let list = anomaly::finding_list(reading, entries, shown);
                let mut wanted = Vec::with_capacity(list.len());
                for (index, item) in list.iter().enumerate() {
                    let shown = format!("{}[{index}]", joined(shown, "findings"));
                    let Some(table) = reading.table(item, &shown) else { continue };
                    wanted.push(reading.wanted(table, &shown, &FINDING));
                }
                Self::Anomaly(wanted)
            }
        }
    }

    /// The keys in which an answer is not what is expected; `None` where it is no verdict at
    /// all.
    pub(crate) fn misses(&self, answer: &Answered) -> Option<Vec<String>> {
        let answer = answer.as_ref().ok()?.as_ref();
        Some(match (self, answer) {
            (Self::Selector(wanted), None) => {
                missed(&selector::VERDICT, wanted, &sdk_selector::Verdict::abstain(), "")
            }
            (Self::Selector(wanted), Some(Verdict::Selector(verdict))) => {
                missed(&selector::VERDICT, wanted, verdict, "")
            }
            (Self::Failover(wanted), None) => {
                missed(&failover::VERDICT, wanted, &sdk::Verdict::Abstain.into(), "")
            }
            (Self::Failover(wanted), Some(Verdict::Failover(verdict))) => {
                missed(&failover::VERDICT, wanted, &Flat::from(*verdict), "")
            }
            (Self::Reputation(wanted), Some(Verdict::Reputation(standing))) => {
                missed(&STANDING, wanted, standing, "")
            }
            (Self::Anomaly(wanted), Some(Verdict::Anomaly(findings))) => {
                missed_findings(wanted, findings)
            }
            (
                Self::Selector(_) | Self::Failover(_) | Self::Reputation(_) | Self::Anomaly(_),
                Some(_) | None,
            ) => return None,
        })
    }

    /// As the case file has it.
    pub(crate) fn text(&self) -> String {
        let mut writer = Writer::new(Style::Toml);
        match self {
            Self::Selector(wanted) => write_wanted(&mut writer, &selector::VERDICT, wanted),
            Self::Failover(wanted) => write_wanted(&mut writer, &failover::VERDICT, wanted),
            Self::Reputation(wanted) => write_wanted(&mut writer, &STANDING, wanted),
            Self::Anomaly(findings) => writer.table(|w| {
                w.key("findings");
                w.list(|w| {
                    for wanted in findings {
                        w.item();
                        write_wanted(w, &FINDING, wanted);
                    }
                });
            }),
        }
        writer.end()
    }
}

fn missed<T>(fields: &[Field<T>], wanted: &[Wanted], verdict: &T, inside: &str) -> Vec<String> {
    let is_met = |field: &Field<T>, value: i128| {
        (field.get)(verdict).is_some_and(|given| match field.test {
            Test::Equal => given == value,
            Test::Least => given >= value,
            Test::Most => given <= value,
        })
    };
    let named = wanted.iter().filter_map(|wanted| Some((fields.get(wanted.field)?, wanted.value)));
    let missed = named.filter(|(field, value)| !is_met(field, *value));
    missed.map(|(field, _)| joined(inside, field.name)).collect()
}

fn missed_findings(wanted: &[Vec<Wanted>], findings: &[Finding]) -> Vec<String> {
    if wanted.len() != findings.len() {
        return vec!["findings".to_owned()];
    }
    let pairs = wanted.iter().zip(findings).enumerate();
    pairs
        .flat_map(|(at, (wanted, finding))| {
            missed(&FINDING, wanted, finding, &format!("findings[{at}]"))
        })
        .collect()
}

fn write_wanted<T>(writer: &mut Writer, fields: &[Field<T>], wanted: &[Wanted]) {
    writer.table(|w| {
        for wanted in wanted {
            let Some(field) = fields.get(wanted.field) else { continue };
            w.key(field.name);
            field.takes.write(w, wanted.value);
        }
    });
}

/// The keys in which two verdicts differ. Verdicts of different roles differ in their role.
pub(crate) fn differences(a: &Verdict, b: &Verdict) -> Vec<&'static str> {
    match (a, b) {
        (Verdict::Selector(a), Verdict::Selector(b)) => differing(&selector::VERDICT, a, b),
        (Verdict::Failover(a), Verdict::Failover(b)) => {
            differing(&failover::VERDICT, &Flat::from(*a), &Flat::from(*b))
        }
        (Verdict::Reputation(a), Verdict::Reputation(b)) => differing(&STANDING, a, b),
        (Verdict::Anomaly(a), Verdict::Anomaly(b)) => {
            if a == b {
                Vec::new()
            } else {
                vec!["findings"]
            }
        }
        (
            Verdict::Selector(_)
            | Verdict::Failover(_)
            | Verdict::Reputation(_)
            | Verdict::Anomaly(_),
            _,
        ) => vec!["role"],
    }
}

fn differing<T>(fields: &[Field<T>], a: &T, b: &T) -> Vec<&'static str> {
    let differ = |field: &&Field<T>| field.test == Test::Equal && (field.get)(a) != (field.get)(b);
    fields.iter().filter(differ).map(|field| field.name).collect()
}

/// An answer in the words of a case file.
pub(crate) fn answer_text(role: Role, answer: &Answered) -> String {
    match answer {
        Ok(Some(verdict)) => super::verdict(verdict, Style::Toml),
        Ok(None) if role == Role::Failover => r#"{ does = "abstain" }"#.to_owned(),
        Ok(None) => r#"{ mode = "abstain" }"#.to_owned(),
        Err(strike) => format!("no verdict: {strike}"),
    }
}

/// Writes a verdict.
pub(crate) fn write_verdict(writer: &mut Writer, verdict: &Verdict) {
    writer.table(|w| match verdict {
        Verdict::Selector(verdict) => write_fields(w, &selector::VERDICT, verdict),
        Verdict::Failover(verdict) => write_fields(w, &failover::VERDICT, &Flat::from(*verdict)),
        Verdict::Reputation(standing) => write_fields(w, &STANDING, standing),
        Verdict::Anomaly(findings) => anomaly::write_findings(w, findings),
    });
}

/// Reads a whole verdict, as records have it.
pub(crate) fn read_verdict(
    reading: &mut Reading,
    role: Role,
    spot: &Spot,
    shown: &str,
) -> Option<Verdict> {
    let entries = reading.table(spot, shown)?;
    Some(match role {
        Role::Selector => {
            let mut verdict = sdk_selector::Verdict::abstain();
            reading.fields(entries, shown, &selector::VERDICT, &[], &mut verdict);
            Verdict::Selector(verdict)
        }
        Role::Failover => {
            let mut flat = Flat::from(sdk::Verdict::Abstain);
            reading.fields(entries, shown, &failover::VERDICT, &[], &mut flat);
            let Some(verdict) = flat.verdict() else {
                reading.fault(spot.at, shown, flat.needs());
                return None;
            };
            Verdict::Failover(verdict)
        }
        Role::Reputation => {
            let mut standing = Standing::default();
            reading.fields(entries, shown, &STANDING, &[], &mut standing);
            Verdict::Reputation(standing)
        }
        Role::Anomaly => {
            let mut findings = Vec::new();
            let list = anomaly::finding_list(reading, entries, shown);
            for (index, item) in list.iter().enumerate() {
                let shown = format!("{}[{index}]", joined(shown, "findings"));
                let Some(table) = reading.table(item, &shown) else { continue };
                let mut finding = anomaly::BLANK;
                reading.fields(table, &shown, &FINDING, &[], &mut finding);
                findings.push(finding);
            }
            Verdict::Anomaly(findings)
        }
    })
}
