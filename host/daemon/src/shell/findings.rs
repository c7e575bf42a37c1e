//! What is out of the ordinary now, as the anomaly policy last told it.
//!
//! A finding that is given again is still there; one that is not is over. Both its beginning
//! and its end are told once.

use std::collections::BTreeMap;

use pointsman_core::id::PeerId;
use pointsman_sdk::anomaly::{Finding, Metric, Remedy, Severity};

/// Something out of the ordinary, since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFinding {
    /// The policy's own number of the rule.
    pub rule: u32,
    /// How bad it is now.
    pub severity: Severity,
    /// What was measured.
    pub metric: Metric,
    /// Of which peer; `None`: of this node itself.
    pub peer: Option<PeerId>,
    /// What the rule last compared with its bound, in the unit of the metric.
    pub evidence: i64,
    /// What might help.
    pub remedy: Remedy,
    /// When it was told first, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
}

impl OpenFinding {
    /// As a sentence without its end: what is measured, of whom.
    pub fn about(&self) -> String {
        match self.peer {
            None => format!("{} of this node", self.metric.name()),
            Some(peer) => format!("{} of {peer}", self.metric.name()),
        }
    }

    /// What might help, as a sentence; `None` where nothing is suggested.
    pub fn advice(&self) -> Option<&'static str> {
        match self.remedy {
            Remedy::None => None,
            Remedy::Probe => Some("ask the paths whether they are alive"),
            Remedy::Dial => Some("find another path"),
            Remedy::Shed => Some("send less"),
            Remedy::Inspect => Some("a person should look"),
        }
    }
}

/// What changed with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is new, or worse than it was.
    Raised(OpenFinding),
    /// It is no more.
    Over(OpenFinding),
}

/// Which rule found what of whom.
type Key = (u32, u32, u32);

/// Those that are there now: as many as an answer may have.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Key, OpenFinding>);

impl Findings {
    /// Takes a vetted answer. `who` names a subject that is a peer; one about a peer that is
    /// gone by now is dropped.
    pub(super) fn take(
        &mut self,
        unix_ms: u64,
        found: &[Finding],
        who: impl Fn(u32) -> Option<PeerId>,
    ) -> Vec<Change> {
        let mut now = BTreeMap::new();
        let mut changes = Vec::new();
        for finding in found {
            let key = (finding.rule, finding.metric, finding.subject);
            let Some(metric) = Metric::from_number(finding.metric) else { continue };
            let peer = who(finding.subject);
            if peer.is_none() && finding.subject != pointsman_sdk::UNKNOWN {
                continue;
            }
            let before = self.0.get(&key);
            let open = OpenFinding {
                rule: finding.rule,
                severity: finding.severity,
                metric,
                peer,
                evidence: finding.evidence,
                remedy: finding.remedy,
                since_unix_ms: before.map_or(unix_ms, |before| before.since_unix_ms),
            };
            if before.is_none_or(|before| before.severity < open.severity) {
                changes.push(Change::Raised(open.clone()));
            }
            now.insert(key, open);
        }
        let before = std::mem::replace(&mut self.0, now);
        let over = before.into_iter().filter(|(key, _)| !self.0.contains_key(key));
        changes.extend(over.map(|(_, finding)| Change::Over(finding)));
        changes
    }

    /// Those that are there now, the worst first.
    pub(super) fn list(&self) -> Vec<OpenFinding> {
        let mut list: Vec<_> = self.0.values().cloned().collect();
        list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId([7; 32]);

    fn finding(rule: u32, severity: Severity, subject: u32) -> Finding {
        let metric = Metric::SrttUs as u32;
        Finding { rule, severity, metric, subject, evidence: 9, remedy: Remedy::Probe }
    }

    fn who(subject: u32) -> Option<PeerId> {
        (subject == 1).then_some(PEER)
    }

    fn kinds(changes: &[Change]) -> Vec<(&'static str, u32)> {
        let kind = |change: &Change| match change {
            Change::Raised(finding) => ("raised", finding.rule),
            Change::Over(finding) => ("over", finding.rule),
        };
        changes.iter().map(kind).collect()
    }

    #[test]
    fn a_finding_is_told_when_it_comes_and_when_it_is_over_and_not_between() {
        let mut findings = Findings::default();
        let warn = [finding(1, Severity::Warn, 1)];
        assert_eq!(kinds(&findings.take(10, &warn, who)), [("raised", 1)]);
        assert_eq!(findings.take(20, &warn, who), []);
        assert_eq!(findings.list()[0].since_unix_ms, 10);
        assert_eq!(findings.list()[0].peer, Some(PEER));
        assert_eq!(kinds(&findings.take(30, &[], who)), [("over", 1)]);
        assert!(findings.list().is_empty());
    }

    #[test]
    fn one_that_becomes_worse_is_told_again_and_the_worst_stands_first() {
        let mut findings = Findings::default();
        let both = [finding(1, Severity::Note, 1), finding(2, Severity::Warn, u32::MAX)];
        findings.take(10, &both, who);
        let worse = [finding(1, Severity::Critical, 1), finding(2, Severity::Note, u32::MAX)];
        assert_eq!(kinds(&findings.take(20, &worse, who)), [("raised", 1)]);
        let list: Vec<_> = findings.list().iter().map(|finding| finding.rule).collect();
        assert_eq!(list, [1, 2]);
    }

    #[test]
    fn one_about_a_peer_that_is_gone_is_dropped() {
        let mut findings = Findings::default();
        assert_eq!(findings.take(10, &[finding(1, Severity::Warn, 2)], who), []);
        assert!(findings.list().is_empty());
    }
}
