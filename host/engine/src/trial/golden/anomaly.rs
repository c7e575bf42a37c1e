//! Questions to an anomaly policy.

use pointsman_core::policy::{AnomalyQuestion, Question};
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::anomaly::{Metric, Series};

use super::Asked;

/// An hour after the start, in milliseconds.
const NOW_MS: u64 = 3_600_000;
/// Most samples of a series.
const SAMPLES_MAX: i64 = 60;
/// A step without a measure.
const GAP: i64 = -1;

pub(super) fn questions() -> Vec<Asked> {
    let mut asked = vec![of("nothing at all".to_owned(), Vec::new())];
    for metric in Metric::ALL {
        for (name, samples) in courses() {
            let name = format!("{} that {name}", metric.name());
            asked.push(of(name, vec![series(metric as u32, samples)]));
        }
    }
    for (name, step_ms) in [("1", 1), ("2147483648", 1 << 31), ("4294967295", u32::MAX)] {
        let rising = series(Metric::SrttUs as u32, (0..SAMPLES_MAX).collect());
        asked.push(of(format!("steps of {name} ms"), vec![Series { step_ms, ..rising }]));
    }
    let newer = series(99, vec![1, 2, 3]);
    asked.push(of("a metric of a newer host".to_owned(), vec![newer]));
    let own = Series { subject: UNKNOWN, ..series(Metric::LoopLagUs as u32, vec![900_000; 60]) };
    asked.push(of("this node itself".to_owned(), vec![own]));
    asked.push(of("16 peers with all their metrics".to_owned(), crowd()));
    for (name, now_ms) in [("0", 0), ("2^64 - 1", u64::MAX)] {
        let window = vec![series(Metric::LatePpm as u32, vec![500_000; 60])];
        let question = Question::Anomaly(AnomalyQuestion { now_ms, window });
        asked.push(Asked { name: format!("a time of {name}"), question });
    }
    asked
}

/// How a measure may go over time.
fn courses() -> [(&'static str, Vec<i64>); 11] {
    let run = |of: fn(i64) -> i64| (0..SAMPLES_MAX).map(of).collect::<Vec<_>>();
    [
        ("has no samples", Vec::new()),
        ("has one sample", vec![20_000]),
        ("has nothing but gaps", vec![GAP; 60]),
        ("is 0", vec![0; 60]),
        ("is steady", run(|n| 20_000 + n % 3)),
        ("has gaps", run(|n| if n % 4 == 0 { GAP } else { 20_000 + n * 10 })),
        ("jumps", run(|n| if n < 50 { 20_000 } else { 2_000_000 })),
        ("creeps up", run(|n| 20_000 + n * 700)),
        ("is the largest number", vec![i64::MAX; 60]),
        ("is the least number", vec![i64::MIN; 60]),
        ("goes between the extremes", run(|n| if n % 2 == 0 { i64::MAX } else { i64::MIN })),
    ]
}

/// Everything of many peers.
fn crowd() -> Vec<Series> {
    let of_peer = |subject: u32| {
        Metric::ALL.map(|metric| Series {
            subject,
            ..series(metric as u32, (0..SAMPLES_MAX).map(|n| n * i64::from(subject)).collect())
        })
    };
    (0..16).flat_map(of_peer).collect()
}

fn series(metric: u32, samples: Vec<i64>) -> Series {
    Series { metric, subject: 4, step_ms: 1_000, samples }
}

fn of(name: String, window: Vec<Series>) -> Asked {
    Asked { name, question: Question::Anomaly(AnomalyQuestion { now_ms: NOW_MS, window }) }
}
