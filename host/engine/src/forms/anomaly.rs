//! The anomaly policy's question and verdict.

use pointsman_core::limits::FINDINGS_MAX;
use pointsman_core::policy::AnomalyQuestion;
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::anomaly::{Finding, Metric, Remedy, Series, Severity};

use super::field::{Field, I64, Takes, Test, U32, U64, write_fields};
use super::reading::{Reading, joined};
use super::tree::{Entry, Spot, value};
use super::write::Writer;

/// Series in one question that are read.
const SERIES_MAX: usize = 4096;
/// Samples in one series: the contract's bound.
const SAMPLES_MAX: usize = 60;

/// The names of metrics, by their numbers.
const METRICS: [&str; Metric::ALL.len()] = {
    let mut names = [""; Metric::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Metric::ALL[at].name();
        at += 1;
    }
    names
};

const SEVERITIES: [Severity; 3] = [Severity::Note, Severity::Warn, Severity::Critical];
const SEVERITY_NAMES: [&str; 3] = ["note", "warn", "critical"];

const REMEDIES: [Remedy; 5] =
    [Remedy::None, Remedy::Probe, Remedy::Dial, Remedy::Shed, Remedy::Inspect];
const REMEDY_NAMES: [&str; 5] = ["none", "probe", "dial", "shed", "inspect"];

/// All but the window.
pub(crate) const QUESTION: [Field<AnomalyQuestion>; 1] = [field!(now_ms, U64, u64)];

/// All but the samples.
const SERIES: [Field<Series>; 3] = [
    field!(metric, Takes::OpenName(&METRICS), u32),
    field!(subject, Takes::Subject, u32),
    field!(step_ms, U32, u32),
];

/// A finding.
pub(crate) const FINDING: [Field<Finding>; 6] = [
    field!(rule, U32, u32),
    Field {
        name: "severity",
        takes: Takes::Name(&SEVERITY_NAMES),
        get: |finding| Some(finding.severity as i128),
        set: |finding, value| {
            finding.severity = SEVERITIES.get(value as usize).copied().unwrap_or(finding.severity);
        },
        test: Test::Equal,
    },
    field!(metric, Takes::OpenName(&METRICS), u32),
    field!(subject, Takes::Subject, u32),
    field!(evidence, I64, i64),
    Field {
        name: "remedy",
        takes: Takes::Name(&REMEDY_NAMES),
        get: |finding| Some(finding.remedy as i128),
        set: |finding, value| {
            finding.remedy = REMEDIES.get(value as usize).copied().unwrap_or(finding.remedy);
        },
        test: Test::Equal,
    },
];

/// A finding of which nothing is said.
pub(crate) const BLANK: Finding = Finding {
    rule: 0,
    severity: Severity::Note,
    metric: 0,
    subject: UNKNOWN,
    evidence: 0,
    remedy: Remedy::None,
};

/// Reads `window`, where a table has it.
pub(crate) fn read_window(
    reading: &mut Reading,
    entries: &[Entry],
    shown: &str,
    question: &mut AnomalyQuestion,
) {
    let Some(given) = value(entries, "window") else { return };
    let shown = joined(shown, "window");
    question.window.clear();
    for (index, item) in
        reading.list(given, &shown, SERIES_MAX, "a list of series").iter().enumerate()
    {
        let shown = format!("{shown}[{index}]");
        let Some(table) = reading.table(item, &shown) else { continue };
        let mut series = Series { subject: UNKNOWN, step_ms: 1_000, ..Series::default() };
        if value(table, "metric").is_none() {
            let takes = Takes::OpenName(&METRICS).told();
            reading.missing(item.at, &joined(&shown, "metric"), &takes);
        }
        reading.fields(table, &shown, &SERIES, &["samples"], &mut series);
        if let Some(given) = value(table, "samples") {
            series.samples = samples(reading, given, &joined(&shown, "samples"));
        }
        question.window.push(series);
    }
}

fn samples(reading: &mut Reading, given: &Spot, shown: &str) -> Vec<i64> {
    let takes = "a list of whole numbers, oldest first, -1 for a step without a measure";
    let list = reading.list(given, shown, SAMPLES_MAX, takes);
    let numbers: Option<Vec<_>> = list.iter().map(|item| I64.read(item)).collect();
    let Some(numbers) = numbers else {
        reading.wrong(given, shown, takes);
        return Vec::new();
    };
    numbers.into_iter().map(|number| number as i64).collect()
}

/// Writes `window`.
pub(crate) fn write_window(writer: &mut Writer, question: &AnomalyQuestion) {
    writer.key("window");
    writer.list(|w| {
        for series in &question.window {
            w.item();
            w.table(|w| {
                write_fields(w, &SERIES, series);
                w.key("samples");
                w.list(|w| {
                    for &sample in &series.samples {
                        w.item();
                        w.number(sample.into());
                    }
                });
            });
        }
    });
}

/// The items of a list of findings.
pub(crate) fn finding_list<'a>(
    reading: &mut Reading,
    entries: &'a [Entry],
    shown: &str,
) -> &'a [Spot] {
    reading.only(entries, shown, &["findings"]);
    let Some(given) = value(entries, "findings") else { return &[] };
    reading.list(given, &joined(shown, "findings"), FINDINGS_MAX, "a list of findings")
}

/// Writes `findings`.
pub(crate) fn write_findings(writer: &mut Writer, findings: &[Finding]) {
    writer.key("findings");
    writer.list(|w| {
        for finding in findings {
            w.item();
            w.table(|w| write_fields(w, &FINDING, finding));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_severities_and_remedies_are_in_the_order_of_their_numbers() {
        for (number, severity) in SEVERITIES.into_iter().enumerate() {
            assert_eq!((severity as usize, severity.name()), (number, SEVERITY_NAMES[number]));
        }
        for (number, remedy) in REMEDIES.into_iter().enumerate() {
            assert_eq!((remedy as usize, remedy.name()), (number, REMEDY_NAMES[number]));
        }
    }
}
