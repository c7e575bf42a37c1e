//! The roles that are asked off the path of packets: reputation and anomaly.

use super::anomaly_role::exports::pointsman::policy::anomaly as wit_anomaly;
use super::reputation_role::exports::pointsman::policy::reputation as wit_reputation;
use super::{Export, Held};
use crate::anomaly::{Anomaly, Finding, Remedy, Series, Severity};
use crate::reputation::{Kind, Observation, Reputation, Standing};

impl<H: Held> wit_reputation::Guest for Export<H>
where
    H::Policy: Reputation,
{
    fn fold(
        now_ms: u64,
        was: wit_reputation::Standing,
        seen: Vec<wit_reputation::Observation>,
    ) -> wit_reputation::Standing {
        let wit_reputation::Standing { score, a, b, c, updated_ms } = was;
        let was = Standing { score, a, b, c, updated_ms };
        let observation = |seen: wit_reputation::Observation| Observation {
            kind: Kind::ALL[seen.kind as usize],
            weight: seen.weight,
            at_ms: seen.at_ms,
        };
        let seen: Vec<_> = seen.into_iter().map(observation).collect();
        let folded = H::slot().ask(|policy| policy.fold(now_ms, &was, &seen));
        let Standing { score, a, b, c, updated_ms } = folded;
        wit_reputation::Standing { score, a, b, c, updated_ms }
    }
}

impl<H: Held> wit_anomaly::Guest for Export<H>
where
    H::Policy: Anomaly,
{
    fn inspect(now_ms: u64, window: Vec<wit_anomaly::Series>) -> Vec<wit_anomaly::Finding> {
        let series = |series: wit_anomaly::Series| {
            let wit_anomaly::Series { metric, subject, step_ms, samples } = series;
            Series { metric, subject, step_ms, samples }
        };
        let window: Vec<_> = window.into_iter().map(series).collect();
        let findings = H::slot().ask(|policy| policy.inspect(now_ms, &window));
        findings.into_iter().map(finding_into).collect()
    }
}

fn finding_into(found: Finding) -> wit_anomaly::Finding {
    wit_anomaly::Finding {
        rule: found.rule,
        severity: match found.severity {
            Severity::Note => wit_anomaly::Severity::Note,
            Severity::Warn => wit_anomaly::Severity::Warn,
            Severity::Critical => wit_anomaly::Severity::Critical,
        },
        metric: found.metric,
        subject: found.subject,
        evidence: found.evidence,
        remedy: match found.remedy {
            Remedy::None => wit_anomaly::Remedy::None,
            Remedy::Probe => wit_anomaly::Remedy::Probe,
            Remedy::Dial => wit_anomaly::Remedy::Dial,
            Remedy::Shed => wit_anomaly::Remedy::Shed,
            Remedy::Inspect => wit_anomaly::Remedy::Inspect,
        },
    }
}
