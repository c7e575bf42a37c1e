//! What is out of the ordinary.

use serde::{Deserialize, Serialize};

use crate::shell::OpenFinding;

/// Something out of the ordinary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// The policy's own number of the rule.
    pub rule: u32,
    /// `note`, `warn` or `critical`.
    pub severity: String,
    /// What was measured, with its unit, such as `srtt-us`.
    pub metric: String,
    /// Of which peer; `null`: of this node itself.
    pub peer: Option<String>,
    /// What the rule compared with its bound, in the unit of the metric.
    pub evidence: i64,
    /// `none`, `probe`, `dial`, `shed` or `inspect`.
    pub remedy: String,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
    /// The same as a sentence.
    pub text: String,
}

/// For JSON.
pub fn finding(open: &OpenFinding) -> FindingView {
    FindingView {
        rule: open.rule,
        severity: open.severity.name().to_owned(),
        metric: open.metric.name().to_owned(),
        peer: open.peer.map(|peer| peer.to_string()),
        evidence: open.evidence,
        remedy: open.remedy.name().to_owned(),
        since_unix_ms: open.since_unix_ms,
        text: sentence(open),
    }
}

/// What is wrong, how badly, and what may help.
pub(super) fn sentence(open: &OpenFinding) -> String {
    let (about, severity) = (open.about(), open.severity.name());
    let advice = open.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{severity}: {about} is out of the ordinary, at {}{advice}", open.evidence)
}

#[cfg(test)]
mod tests {
    use pointsman_core::id::PeerId;
    use pointsman_sdk::anomaly::{Metric, Remedy, Severity};

    use super::*;

    #[test]
    fn a_finding_says_what_is_wrong_with_whom_and_what_may_help() {
        let open = OpenFinding {
            rule: 3,
            severity: Severity::Warn,
            metric: Metric::LoopLagUs,
            peer: None,
            evidence: 70_000,
            remedy: Remedy::Shed,
            since_unix_ms: 1,
        };
        let text = "warn: loop-lag-us of this node is out of the ordinary, at 70000; send less";
        assert_eq!(finding(&open).text, text);
        let peer = PeerId([7; 32]);
        let view = finding(&OpenFinding { peer: Some(peer), remedy: Remedy::None, ..open });
        assert_eq!(view.peer, Some(peer.to_string()));
        assert!(view.text.ends_with("at 70000"), "{}", view.text);
    }
}
