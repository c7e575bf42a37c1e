//! Finds measures that are beyond a bound for several steps in a row.
//!
//! Each metric has a bound in the settings, where 0 is none; `messages_delivered` is the only one
//! that must not fall below it. A finding begins when `steps` samples in a row are beyond the
//! bound, and ends when as many in a row are not: both are read off the window, so a measure
//! that wobbles around its bound is one finding, not many. Steps without a measure count for
//! neither. It is critical while the newest sample is beyond the bound `critical_times` over.
//!
//! What is found, worst first, is at most as much as one answer may hold.

use pointsman_sdk::anomaly::{Anomaly, Finding, Metric, Series, Severity};
use pointsman_sdk::{Fault, Manifest, Settings};

/// Above its bound.
pub const ABOVE: u32 = 1;
/// Below its bound.
pub const BELOW: u32 = 2;

/// Most findings in an answer: what a host takes.
const FINDINGS_MAX: usize = 64;

/// Bounds where the settings are silent, in the order of the metrics: each far from what a node
/// sees in good order, and where people begin to notice.
const BOUNDS: [i64; 11] = [50_000, 10, 10, 5, 3, 1 << 20, 1_000_000, 200_000, 8 << 20, 0, 3];

/// Keys of the bounds, in the order of the metrics.
const KEYS: [&str; 11] = [
    "loop_lag_us",
    "messages_expired",
    "messages_refused",
    "frames_malformed",
    "strikes",
    "duplicate_bytes",
    "srtt_us",
    "late_ppm",
    "queue_bytes",
    "messages_delivered",
    "moves",
];

/// Largest bound.
const BOUND_MAX: i64 = 1 << 40;

/// The policy.
#[derive(Clone, Debug)]
pub struct Thresholds {
    bounds: [i64; 11],
    steps: u32,
    critical_times: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { bounds: BOUNDS, steps: 3, critical_times: 4 }
    }
}

impl Anomaly for Thresholds {
    fn manifest() -> Manifest {
        let bounds = KEYS.iter().zip(BOUNDS).zip(Metric::ALL).map(|((key, bound), metric)| {
            format!(
                "{key}: integer 0..={BOUND_MAX} = {bound}  bound of {}; 0 is none\n",
                metric.name()
            )
        });
        let rest = "steps: integer 1..=30 = 3  samples in a row that begin a finding, and end it\n\
             critical_times: integer 2..=1000 = 4  times the bound that are critical\n";
        let schema = bounds.chain([rest.to_owned()]).collect::<String>();
        Manifest::new("thresholds", env!("CARGO_PKG_VERSION")).with_settings(&schema)
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        let mut known = KEYS.to_vec();
        known.extend(["steps", "critical_times"]);
        settings.only(&known)?;
        let mut bounds = BOUNDS;
        for (bound, key) in bounds.iter_mut().zip(KEYS) {
            *bound = settings.integer(key, 0..=BOUND_MAX, *bound)?;
        }
        *self = Self {
            bounds,
            steps: settings.integer("steps", 1..=30, 3)? as u32,
            critical_times: settings.integer("critical_times", 2..=1_000, 4)?,
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

impl Thresholds {
    fn look(&self, series: &Series) -> Option<Finding> {
        let metric = Metric::from_number(series.metric)?;
        let bound = self.bounds[metric as usize];
        let is_floor = metric == Metric::MessagesDelivered;
        let beyond = |sample: i64| if is_floor { sample < bound } else { sample > bound };
        let samples = || series.samples.iter().copied().filter(|&sample| sample >= 0);
        let newest = samples().next_back().filter(|_| bound > 0)?;
        let (mut is_on, mut row) = (false, 0);
        for sample in samples() {
            row = if beyond(sample) == is_on { 0 } else { row + 1 };
            if row == self.steps {
                (is_on, row) = (!is_on, 0);
            }
        }
        let is_far = match is_floor {
            true => newest.saturating_mul(self.critical_times) < bound,
            false => newest / self.critical_times > bound,
        };
        is_on.then_some(Finding {
            rule: if is_floor { BELOW } else { ABOVE },
            severity: if is_far { Severity::Critical } else { Severity::Warn },
            metric: series.metric,
            subject: series.subject,
            evidence: newest,
            remedy: metric.remedy(),
        })
    }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_anomaly!(Thresholds);

#[cfg(test)]
mod tests {
    use pointsman_sdk::Value::Integer;
    use pointsman_sdk::harness;

    use super::*;

    #[test]
    fn whatever_is_asked_it_finds_what_was_shown() {
        harness::prove_anomaly(&Thresholds::default());
        let refused = [("srtt_us", Integer(-1)), ("steps", Integer(0)), ("colour", Integer(1))];
        harness::prove_refused(|settings| Thresholds::default().configure(settings), &refused);
    }

    #[test]
    fn the_keys_are_the_names_of_the_metrics() {
        assert_eq!(KEYS.map(|key| key.replace('_', "-")), Metric::ALL.map(Metric::name));
    }
}
