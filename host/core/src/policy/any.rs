//! A policy of any role, asked any question: for all that is not in line, such as cases,
//! trials, replays and shadows.

use pointsman_sdk::anomaly::{Finding, Metric};
use pointsman_sdk::reputation::Standing;

use super::slot::vetting::{vet, vet_failover};
use super::{
    Anomaly, AnomalyQuestion, Failover, Question, Reputation, Role, Selector, Strike, Verdict,
};
use crate::limits::FINDINGS_MAX;

/// A policy of any role.
#[derive(Debug)]
pub enum Policy {
    /// A selector.
    Selector(Box<dyn Selector>),
    /// A failover policy.
    Failover(Box<dyn Failover>),
    /// A reputation policy.
    Reputation(Box<dyn Reputation>),
    /// An anomaly policy.
    Anomaly(Box<dyn Anomaly>),
}

impl Policy {
    /// What it decides.
    pub fn role(&self) -> Role {
        match self {
            Self::Selector(_) => Role::Selector,
            Self::Failover(_) => Role::Failover,
            Self::Reputation(_) => Role::Reputation,
            Self::Anomaly(_) => Role::Anomaly,
        }
    }

    /// Its vetted verdict; `None` where it abstains. A question of another role is
    /// [`Strike::Invalid`].
    pub fn answer(&mut self, question: &Question) -> Result<Option<Verdict>, Strike> {
        match (self, question) {
            (Self::Selector(policy), Question::Selector(question)) => {
                let bits = policy.choose(question)?;
                Ok(vet(question, bits)?.map(Verdict::Selector))
            }
            (Self::Failover(policy), Question::Failover(question)) => {
                let verdict = policy.decide(question)?;
                Ok(vet_failover(question, verdict)?.map(Verdict::Failover))
            }
            (Self::Reputation(policy), Question::Reputation(question)) => {
                let standing = policy.fold(question)?;
                Ok(Some(Verdict::Reputation(vet_standing(standing)?)))
            }
            (Self::Anomaly(policy), Question::Anomaly(question)) => {
                let findings = policy.inspect(question)?;
                Ok(Some(Verdict::Anomaly(vet_findings(question, findings)?)))
            }
            (Self::Selector(_) | Self::Failover(_) | Self::Reputation(_) | Self::Anomaly(_), _) => {
                Err(Strike::Invalid)
            }
        }
    }
}

/// The standing if its score is one.
pub fn vet_standing(standing: Standing) -> Result<Standing, Strike> {
    let range = Standing::SCORE_MIN..=Standing::SCORE_MAX;
    range.contains(&standing.score).then_some(standing).ok_or(Strike::Invalid)
}

/// The findings if they are about what was shown, and not too many.
pub fn vet_findings(
    question: &AnomalyQuestion,
    findings: Vec<Finding>,
) -> Result<Vec<Finding>, Strike> {
    let shown = |finding: &Finding| {
        let of = |series: &pointsman_sdk::anomaly::Series| {
            (series.metric, series.subject) == (finding.metric, finding.subject)
        };
        Metric::from_number(finding.metric).is_some() && question.window.iter().any(of)
    };
    let is_fine = findings.len() <= FINDINGS_MAX && findings.iter().all(shown);
    is_fine.then_some(findings).ok_or(Strike::Invalid)
}
