//! {{name}}: finds a measure that is far above what it was over the window.
//!
//! The newest sample is compared with the median of those before it. Change `inspect`, then
//! run `cargo test` and `./build.sh`.

use pointsman_sdk::anomaly::{Anomaly, Finding, Metric, Remedy, Series, Severity};
use pointsman_sdk::{Fault, Manifest, Settings};

/// The only rule.
const FAR_ABOVE: u32 = 1;
/// Samples before the newest that it takes to know what is usual.
const USUAL_MIN: usize = 5;

/// The policy: its settings, and nothing that changes between questions.
#[derive(Clone, Debug)]
pub struct Policy {
    times: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { times: 3 }
    }
}

impl Anomaly for Policy {
    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .with_settings("times: integer 2..=100 = 3  how many times the usual is too much\n")
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["times"])?;
        self.times = settings.integer("times", 2..=100, 3)?;
        Ok(())
    }

    fn inspect(&self, _now_ms: u64, window: &[Series]) -> Vec<Finding> {
        window.iter().filter_map(|series| self.far_above(series)).collect()
    }
}

impl Policy {
    fn far_above(&self, series: &Series) -> Option<Finding> {
        let remedy = match Metric::from_number(series.metric)? {
            Metric::SrttUs | Metric::LatePpm => Remedy::Probe,
            Metric::QueueBytes => Remedy::Shed,
            Metric::LoopLagUs
            | Metric::MessagesExpired
            | Metric::MessagesRefused
            | Metric::FramesMalformed
            | Metric::Strikes
            | Metric::DuplicateBytes
            | Metric::Moves => Remedy::Inspect,
            // More of these is no trouble.
            Metric::MessagesDelivered => return None,
        };
        let (&newest, before) = series.samples.split_last()?;
        let mut usual: Vec<i64> = before.iter().copied().filter(|&sample| sample >= 0).collect();
        if newest < 0 || usual.len() < USUAL_MIN {
            return None;
        }
        usual.sort_unstable();
        let median = usual[usual.len() / 2].max(1);
        (newest / self.times >= median).then_some(Finding {
            rule: FAR_ABOVE,
            severity: Severity::Warn,
            metric: series.metric,
            subject: series.subject,
            evidence: newest,
            remedy,
        })
    }
}

pointsman_sdk::export_anomaly!(Policy);

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(samples: &[i64]) -> Vec<Finding> {
        let metric = Metric::SrttUs as u32;
        let series = Series { metric, subject: 1, step_ms: 1_000, samples: samples.to_vec() };
        Policy::default().inspect(0, &[series])
    }

    #[test]
    fn what_is_three_times_the_usual_is_found() {
        let found = seen(&[20, 21, 19, -1, 20, 22, 66]);
        assert_eq!(found.first().map(|finding| finding.evidence), Some(66));
    }

    #[test]
    fn what_is_usual_or_too_little_to_judge_is_not() {
        assert_eq!(seen(&[20, 21, 19, 20, 22, 40]), []);
        assert_eq!(seen(&[20, 900]), []);
        assert_eq!(seen(&[20, 21, 19, 20, 22, -1]), []);
    }
}
