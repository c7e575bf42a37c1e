//! Finds measures that left their own usual level, whatever that level is.
//!
//! The older half of a window tells what is usual: its mean, and its mean deviation. The newer
//! half is held against it in two ways, both known from the control of processes:
//!
//! - **EWMA** (Roberts, "Control Chart Tests Based on Geometric Moving Averages", 1959): the
//!   moving average of the newer samples, a quarter of its weight on the newest, is further
//!   from the mean than `ewma_sigma` of its own deviations. It sees a jump within a few steps.
//! - **CUSUM** (Page, "Continuous Inspection Schemes", 1954): the sum of what each sample is
//!   above the mean by more than half a deviation exceeds `cusum_sigma` deviations. It sees a
//!   drift that no single sample shows.
//!
//! Only the direction that is worse counts: fewer messages delivered, more of anything else. A
//! sample counts for four deviations at most, so that one outlier alone finds nothing, and a
//! deviation is at least a twentieth of the mean and a unit of the metric. Both kept nowhere: they
//! are worked out of the window each time, and steps without a measure are skipped. A level that
//! has lasted for half a window is the usual one; bounds that hold for ever are `thresholds`'.

use pointsman_sdk::anomaly::{Anomaly, Finding, Metric, Series, Severity};
use pointsman_sdk::{Fault, Manifest, Settings};

/// The average left its limits.
pub const JUMP: u32 = 1;
/// The sum left its limit, and the average has not.
pub const DRIFT: u32 = 2;

/// Most findings in an answer: what a host takes.
const FINDINGS_MAX: usize = 64;
/// Deviations are in fractions of this.
const ONE: i64 = 256;
/// Most deviations that a sample counts for.
const CLIP: i64 = 4 * ONE;
/// Largest sample: sums of a window fit.
const SAMPLE_MAX: i64 = 1 << 48;
/// An average with a weight of a quarter deviates √(λ / (2 - λ)) = 0.378 times as much as its
/// samples, in 256ths.
const EWMA_DEVIATION: i64 = 97;

/// The policy.
#[derive(Clone, Debug)]
pub struct Drift {
    ewma_sigma: i64,
    cusum_sigma: i64,
    learn_steps: usize,
}

impl Default for Drift {
    fn default() -> Self {
        Self { ewma_sigma: 5, cusum_sigma: 10, learn_steps: 12 }
    }
}

impl Anomaly for Drift {
    fn manifest() -> Manifest {
        Manifest::new("drift", env!("CARGO_PKG_VERSION")).with_settings(
            "ewma_sigma: integer 2..=10 = 5  deviations of the average that are a jump\n\
             cusum_sigma: integer 3..=100 = 10  deviations in sum that are a drift\n\
             learn_steps: integer 4..=30 = 12  samples that tell what is usual, at least\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["ewma_sigma", "cusum_sigma", "learn_steps"])?;
        *self = Self {
            ewma_sigma: settings.integer("ewma_sigma", 2..=10, 5)?,
            cusum_sigma: settings.integer("cusum_sigma", 3..=100, 10)?,
            learn_steps: settings.integer("learn_steps", 4..=30, 12)? as usize,
        };
        Ok(())
    }

    fn inspect(&self, _: u64, window: &[Series]) -> Vec<Finding> {
        let mut found: Vec<Finding> =
            window.iter().filter_map(|series| self.look(series)).collect();
        found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
        found.truncate(FINDINGS_MAX);
        found
    }
}

impl Drift {
    fn look(&self, series: &Series) -> Option<Finding> {
        let metric = Metric::from_number(series.metric)?;
        let measured = series.samples.iter().filter(|&&sample| sample >= 0);
        let samples: Vec<i64> = measured.map(|&sample| sample.min(SAMPLE_MAX)).collect();
        let (older, newer) = samples.split_at(samples.len() / 2);
        let usual = Usual::of(metric, older).filter(|_| older.len() >= self.learn_steps)?;
        let (mut average, mut sum) = (0, 0);
        for &sample in newer {
            let away = usual.away(sample);
            average += (away - average) / 4;
            sum = (sum + away - ONE / 2).max(0);
        }
        let jump = self.ewma_sigma * EWMA_DEVIATION;
        let rule = match (average > jump, sum > self.cusum_sigma * ONE) {
            (true, _) => JUMP,
            (false, true) => DRIFT,
            (false, false) => return None,
        };
        let is_far = average > CLIP * 7 / 8;
        Some(Finding {
            rule,
            severity: if is_far { Severity::Critical } else { Severity::Warn },
            metric: series.metric,
            subject: series.subject,
            evidence: usual.sample(average),
            remedy: metric.remedy(),
        })
    }
}

/// What is usual of a series.
struct Usual {
    mean: i64,
    deviation: i64,
    /// 1, or -1 where less is worse.
    worse: i64,
}

impl Usual {
    fn of(metric: Metric, samples: &[i64]) -> Option<Self> {
        let count = i64::try_from(samples.len()).ok().filter(|&count| count > 0)?;
        let mean = samples.iter().sum::<i64>() / count;
        let deviations = samples.iter().map(|sample| (sample - mean).abs()).sum::<i64>();
        // Of a normal distribution the standard deviation is 1.2533 times the mean one.
        let deviation = (deviations / count * 5 / 4).max(mean / 20).max(unit(metric));
        Some(Self {
            mean,
            deviation,
            worse: if metric == Metric::MessagesDelivered { -1 } else { 1 },
        })
    }

    /// How many deviations a sample is to the worse, clipped.
    fn away(&self, sample: i64) -> i64 {
        let away = (sample - self.mean).saturating_mul(ONE) / self.deviation * self.worse;
        away.clamp(-CLIP, CLIP)
    }

    /// The level that is so many deviations away, in the unit of the metric.
    fn sample(&self, away: i64) -> i64 {
        self.mean.saturating_add(self.deviation.saturating_mul(away * self.worse) / ONE)
    }
}

/// What makes a difference at all, in the unit of the metric.
fn unit(metric: Metric) -> i64 {
    match metric {
        Metric::LoopLagUs | Metric::SrttUs | Metric::LatePpm => 1_000,
        Metric::DuplicateBytes | Metric::QueueBytes => 4 << 10,
        Metric::MessagesExpired
        | Metric::MessagesRefused
        | Metric::FramesMalformed
        | Metric::Strikes
        | Metric::MessagesDelivered
        | Metric::Moves => 1,
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_anomaly!(Drift);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_finds_what_was_shown() {
        harness::prove_anomaly(&Drift::default());
        let refused = [("ewma_sigma", Integer(1)), ("learn_steps", Integer(31))];
        harness::prove_refused(|settings| Drift::default().configure(settings), &refused);
    }
}
