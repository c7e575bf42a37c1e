//! The shipped policies: short enough to be read as examples, each with its table of cases.

use crate::tree::{files, none};

/// A shipped policy is read whole: docs, code and tests have fewer lines than this.
const LINES_END: usize = 200;

/// Fewer cases than this show no behaviour.
const CASES_MIN: usize = 12;

#[test]
fn every_shipped_policy_is_short_and_has_its_cases() {
    let mut findings = Vec::new();
    let mut policies = 0;
    let files = files();
    for file in files.iter().filter(|file| file.path.starts_with("policies/")) {
        let lines = file.text.lines().count();
        let Some(folder) = file.path.strip_suffix("/src/lib.rs") else {
            if file.is(".rs") {
                findings.push(format!("{}: a policy is one file, src/lib.rs", file.path));
            }
            continue;
        };
        policies += 1;
        if lines >= LINES_END {
            findings.push(format!("{}: {lines} lines", file.path));
        }
        let table = format!("{folder}/cases.toml");
        let cases = files.iter().find(|file| file.path == table);
        let count = cases.map_or(0, |file| file.text.matches("[[case]]").count());
        if count < CASES_MIN {
            findings.push(format!("{table}: {count} cases, and {CASES_MIN} are the least"));
        }
    }
    none(&findings, "shipped policies are examples");
    assert!(policies >= 12, "only {policies} policies were found");
}
