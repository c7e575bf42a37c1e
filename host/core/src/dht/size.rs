//! How many nodes the network has, estimated from lookups that are done anyway.
//!
//! Keys are spread evenly, so the k-th closest of n nodes lies, on average, at the share k/(n+1)
//! of all distances. The share of the k-th is all that the distances say of n, and (k-1)/share is
//! an estimate without bias (the k-th of n uniform numbers is Beta distributed, of mean k/(n+1)
//! and of mean inverse n/(k-1)). Of m lookups the shares are added, and mk-1 over their sum is the
//! estimate: but for the one that takes out its bias, that of maximum likelihood. The interval is that of the Gamma distribution, by Wilson and
//! Hilferty's approximation (1931). go-libp2p's `netsize` does the same by least squares over all
//! k distances; its bounds are kept: five samples at least, 150 at most, of two hours.
//!
//! A lookup whose target lies next to a crowd of made keys would be off by orders of magnitude.
//! So samples far from the median are left out: an attacker has to crowd half of all targets.

use std::collections::VecDeque;

use super::key::{Distance, Key};
use crate::id::{PeerId, Time};
use crate::limits::{DHT_BUCKET_MAX, DHT_SIZE_SAMPLES_MAX};

/// Fewer samples than these say nothing.
const SAMPLES_MIN: usize = 5;

/// Older samples are of another network, in microseconds.
const AGE_US_MAX: u64 = 2 * 3_600 * 1_000_000;

/// Samples that are so many times above or below the median are left out. Of honest ones, at
/// k = 20 a share is within a factor of 2.5 of its mean but for one in 10,000.
const OUTLIER: f64 = 2.5;

/// Of the standard normal distribution, beyond which 2.5 % lie on each side.
const Z_95: f64 = 1.96;

/// The closest nodes to one target.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: Time,
    /// How many were found, without this node.
    count: usize,
    /// How far the last of them is.
    share: f64,
}

impl Sample {
    /// Whether the lookup found all that there are.
    fn is_whole(&self) -> bool {
        self.count < DHT_BUCKET_MAX
    }

    fn others(&self) -> f64 {
        if self.is_whole() {
            self.count as f64
        } else {
            (self.count - 1) as f64 / self.share.max(f64::MIN_POSITIVE)
        }
    }
}

/// How many nodes there are, with this one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// The estimate.
    pub nodes: f64,
    /// In 95 of 100 cases there are no fewer,
    pub low: f64,
    /// and no more.
    pub high: f64,
    /// Lookups that it rests on.
    pub samples: usize,
    /// Lookups that were left out because they don't fit the others.
    pub outliers: usize,
}

/// What lookups told of the size of the network.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    samples: VecDeque<Sample>,
}

impl Sizes {
    /// A lookup of the closest nodes to a target that was drawn at random ended. `closest` are
    /// those that answered; of more than k the closest k are used.
    pub fn note<'a>(
        &mut self,
        now: Time,
        target: &Key,
        closest: impl IntoIterator<Item = &'a PeerId>,
    ) {
        let distances = closest.into_iter().map(|peer| target.distance(&Key::of_peer(peer)));
        let mut distances: Vec<Distance> = distances.collect();
        distances.sort_unstable();
        distances.truncate(DHT_BUCKET_MAX);
        let Some(last) = distances.last() else { return };
        if self.samples.len() == DHT_SIZE_SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, count: distances.len(), share: last.share() });
    }

    /// The estimate, where there are samples enough.
    pub fn estimate(&mut self, now: Time) -> Option<Size> {
        self.samples.retain(|sample| now.since(sample.at) <= AGE_US_MAX);
        if self.samples.len() < SAMPLES_MIN {
            return None;
        }
        let mut others: Vec<f64> = self.samples.iter().map(Sample::others).collect();
        others.sort_by(f64::total_cmp);
        let median = others[others.len() / 2];
        let fits = |sample: &&Sample| {
            let ratio = sample.others() / median;
            (1.0 / OUTLIER..=OUTLIER).contains(&ratio)
        };
        let fitting: Vec<&Sample> = self.samples.iter().filter(fits).collect();
        let outliers = self.samples.len() - fitting.len();
        Some(Size { outliers, ..pooled(&fitting)? })
    }
}

fn pooled(samples: &[&Sample]) -> Option<Size> {
    let most = samples.iter().filter(|sample| sample.is_whole()).map(|sample| sample.count).max();
    let partial = || samples.iter().filter(|sample| !sample.is_whole());
    let samples = samples.len();
    if let Some(most) = most
        && partial().count() * 2 <= samples
    {
        let nodes = (most + 1) as f64;
        return Some(Size { nodes, low: nodes, high: nodes, samples, outliers: 0 });
    }
    let freedom = partial().map(|sample| sample.count as f64).sum::<f64>() - 1.0;
    let share: f64 = partial().map(|sample| sample.share).sum();
    if share <= 0.0 {
        return None;
    }
    let others = freedom / share;
    // Lookups in a small network see the same nodes again: no more than all of them can count.
    let (below, above) = gamma_interval(1.0 / (1.0 / freedom + 1.0 / others));
    let nodes = others + 1.0;
    Some(Size {
        nodes,
        low: 1.0 + others * below,
        high: 1.0 + others * above,
        samples,
        outliers: 0,
    })
}

/// Within which share of its mean a Gamma variable of that shape lies, in 95 of 100 cases.
fn gamma_interval(shape: f64) -> (f64, f64) {
    let variance = 1.0 / (9.0 * shape.max(1.0));
    let at = |z: f64| {
        let root = 1.0 - variance + z * variance.sqrt();
        root * root * root
    };
    (at(-Z_95), at(Z_95))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(network: u32, number: u32) -> PeerId {
        let (a, b) = (network.to_be_bytes(), number.to_be_bytes());
        PeerId(core::array::from_fn(|at| if at < 4 { a[at] } else { b[at % 4] }))
    }

    /// The nodes of a network but for us, and what so many lookups in it find.
    fn sizes(network: u32, nodes: u32, lookups: u32) -> Sizes {
        let peers: Vec<PeerId> = (1..nodes).map(|number| peer(network, number)).collect();
        let mut sizes = Sizes::default();
        for lookup in 0..lookups {
            let target = Key::of_peer(&peer(network ^ 0xffff, lookup));
            let mut peers: Vec<_> = peers.iter().collect();
            peers.sort_by_key(|peer| target.distance(&Key::of_peer(peer)));
            sizes.note(Time(0), &target, peers.into_iter().take(DHT_BUCKET_MAX));
        }
        sizes
    }

    #[test]
    fn the_interval_holds_the_size_in_nineteen_of_twenty_networks() {
        for nodes in [60, 300, 1_500] {
            let mut held = 0;
            for network in 0..40 {
                let size = sizes(nodes + network, nodes, 10).estimate(Time(0)).unwrap();
                held += u32::from((size.low..=size.high).contains(&f64::from(nodes)));
                assert!((size.nodes / f64::from(nodes)).max(f64::from(nodes) / size.nodes) < 1.6);
            }
            assert!(held >= 36, "{nodes} nodes: {held} of 40");
        }
    }

    #[test]
    fn more_lookups_tell_more_exactly() {
        let width = |lookups| {
            let size = sizes(7, 1_500, lookups).estimate(Time(0)).unwrap();
            (size.high - size.low) / size.nodes
        };
        assert!(width(50) < 0.2 && width(5) > 0.3, "{} {}", width(50), width(5));
    }

    #[test]
    fn a_network_of_fewer_than_k_is_counted() {
        let size = sizes(9, 8, 5).estimate(Time(0)).unwrap();
        assert_eq!((size.nodes, size.low, size.high), (8.0, 8.0, 8.0));
    }

    #[test]
    fn crowded_targets_are_left_out() {
        let mut sizes = sizes(3, 500, 10);
        let honest = sizes.estimate(Time(0)).unwrap();
        for number in 0..4 {
            let target = Key::of_peer(&peer(3, number));
            sizes.note(Time(0), &target, [&peer(3, number); DHT_BUCKET_MAX]);
        }
        let size = sizes.estimate(Time(0)).unwrap();
        assert_eq!((size.nodes, size.outliers), (honest.nodes, 4));
    }

    #[test]
    fn little_or_old_evidence_is_none() {
        assert_eq!(sizes(1, 100, 4).estimate(Time(0)), None);
        let mut old = sizes(1, 100, 5);
        assert!(old.estimate(Time(AGE_US_MAX)).is_some());
        assert_eq!(old.estimate(Time(AGE_US_MAX + 1)), None);
    }

    #[test]
    fn samples_are_bounded() {
        let mut sizes = Sizes::default();
        for _ in 0..2 * DHT_SIZE_SAMPLES_MAX {
            sizes.note(Time(0), &Key([0; 32]), [&peer(1, 1)]);
        }
        assert_eq!(sizes.samples.len(), DHT_SIZE_SAMPLES_MAX);
    }
}
