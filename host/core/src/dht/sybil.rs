//! Whether the nodes closest to a key were made to lie there.
//!
//! How many first bits the k closest of n nodes share with a key is known: it follows from n
//! alone. Identities that were made until they fell next to the key share far more. How far what
//! was found is from what is expected is measured by the Kullback-Leibler divergence, as in
//! "Content Censorship in the InterPlanetary File System" (arXiv 2307.12212, section V), with its
//! threshold. Only a crowd raises suspicion, not a void: a lookup may well have missed some, and
//! the size may be estimated too high.

use super::key::{KEY_BITS, Key};
use crate::id::PeerId;
use crate::limits::DHT_BUCKET_MAX;

/// Scores above this are suspicious. In simulation with k = 20 it accuses under 1 % of honest keys,
/// and misses under 1 % of those with 20 made identities, as long as the size is within 30 %.
pub const THRESHOLD: f64 = 0.94;

/// Fewer closest nodes than these say too little.
const CLOSEST_MIN: usize = 10;

/// A share that is expected to be smaller counts as this, so that one odd node is no proof.
const SHARE_MIN: f64 = 1e-12;

/// What the closest nodes to a key look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How far they are from what is expected, in nats; 0 is exactly that.
    pub score: f64,
    /// See [`THRESHOLD`].
    pub threshold: f64,
    /// First bits that they share with the key, on average.
    pub common_bits: f64,
    /// What is expected of that in a network of that size.
    pub common_bits_expected: f64,
}

impl Verdict {
    /// Whether they are a crowd that did not come about by chance.
    pub fn is_suspicious(&self) -> bool {
        self.score > self.threshold && self.common_bits > self.common_bits_expected
    }
}

/// Judges the nodes that were found closest to a key, in a network of so many nodes. `None` where
/// there are too few of either to tell.
pub fn judge<'a>(
    key: &Key,
    closest: impl IntoIterator<Item = &'a PeerId>,
    network_size: f64,
) -> Option<Verdict> {
    let bits = closest.into_iter().map(|peer| key.common_bits(&Key::of_peer(peer)));
    let mut bits: Vec<u32> = bits.filter(|&bits| bits < KEY_BITS).collect();
    bits.sort_unstable_by(|a, b| b.cmp(a));
    bits.truncate(DHT_BUCKET_MAX);
    if bits.len() < CLOSEST_MIN || network_size.is_nan() || network_size < 2.0 * bits.len() as f64 {
        return None;
    }
    let expected = expected(network_size, bits.len());
    let mean = bits.iter().map(|&bits| f64::from(bits)).sum::<f64>() / bits.len() as f64;
    let mean_expected = expected.iter().zip(0_u32..).map(|(share, at)| share * f64::from(at)).sum();
    Some(Verdict {
        score: divergence(&bits, &expected),
        threshold: THRESHOLD,
        common_bits: mean,
        common_bits_expected: mean_expected,
    })
}

fn divergence(bits: &[u32], expected: &[f64]) -> f64 {
    let term = |(&expected, at): (&f64, u32)| {
        let share = bits.iter().filter(|&&bits| bits == at).count() as f64 / bits.len() as f64;
        if share == 0.0 { 0.0 } else { share * (share / expected.max(SHARE_MIN)).ln() }
    };
    expected.iter().zip(0..).map(term).sum()
}

/// The share of the `count` closest of so many nodes that is expected to share each number of
/// first bits with a key.
///
/// Those that share at least b bits are a Poisson number, of mean n/2^b; of these, the closest
/// are at most `count`.
fn expected(network_size: f64, count: usize) -> Vec<f64> {
    let mut mean = network_size;
    // Everyone shares at least no bit.
    let mut within = vec![count as f64];
    for _ in 0..KEY_BITS {
        mean /= 2.0;
        within.push(poisson_up_to(mean, count));
    }
    within.windows(2).map(|pair| (pair[0] - pair[1]) / count as f64).collect()
}

/// The mean of a Poisson number that is cut off at `most`.
fn poisson_up_to(mean: f64, most: usize) -> f64 {
    let mut chance = (-mean).exp();
    let (mut sum, mut below) = (0.0, 0.0);
    for number in 0..most {
        sum += number as f64 * chance;
        below += chance;
        chance *= mean / (number + 1) as f64;
    }
    sum + most as f64 * (1.0 - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(network: u32, number: u32) -> PeerId {
        let (a, b) = (network.to_be_bytes(), number.to_be_bytes());
        PeerId(core::array::from_fn(|at| if at < 4 { a[at] } else { b[at % 4] }))
    }

    /// The verdict on a key in a network with so many identities that were made to lie closer
    /// than all others, by one who knows the size to that factor.
    fn verdict(network: u32, nodes: u32, made: u32, factor: f64) -> Verdict {
        let key = Key::of_peer(&peer(network, u32::MAX));
        let distance = |peer: &PeerId| key.distance(&Key::of_peer(peer));
        let mut peers: Vec<PeerId> = (0..nodes).map(|number| peer(network, number)).collect();
        peers.sort_by_key(distance);
        let nearest = distance(&peers[0]);
        let names = (0..).map(|number| peer(network ^ 0xffff_0000, number));
        peers.extend(names.filter(|peer| distance(peer) < nearest).take(made as usize));
        peers.sort_by_key(distance);
        peers.truncate(DHT_BUCKET_MAX);
        judge(&key, &peers, f64::from(nodes) * factor).expect("there are enough")
    }

    #[test]
    fn what_is_expected_adds_up_to_all_and_lies_where_k_nodes_do() {
        for size in [40.0, 1_000.0, 1e6] {
            let expected = expected(size, 20);
            assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{size}");
        }
        let expected = expected(20.0 * 1024.0, 20);
        let most = (0..expected.len()).max_by(|&a, &b| expected[a].total_cmp(&expected[b]));
        assert_eq!(most, Some(10));
    }

    #[test]
    fn honest_keys_are_not_accused_even_if_the_size_is_off_by_a_quarter() {
        for factor in [0.75, 1.0, 1.33] {
            let accused =
                (0..200).filter(|&at| verdict(at, 200, 0, factor).is_suspicious()).count();
            assert!(accused <= 4, "{accused} of 200 at {factor}");
        }
    }

    #[test]
    fn twenty_or_more_made_identities_are_noticed() {
        for (made, factor) in [(20, 0.75), (20, 1.0), (20, 1.33), (45, 1.0)] {
            let noticed = (0..40).filter(|&at| verdict(at, 100, made, factor).is_suspicious());
            let noticed = noticed.count();
            assert!(noticed >= 39, "{noticed} of 40 for {made} at {factor}");
        }
    }

    #[test]
    fn a_void_is_no_crowd() {
        let verdict = verdict(1, 100, 0, 50.0);
        assert!(verdict.score > THRESHOLD && !verdict.is_suspicious(), "{verdict:?}");
    }

    #[test]
    fn too_little_is_not_judged() {
        let key = Key([0; 32]);
        let peers: Vec<PeerId> = (0..20).map(|number| peer(1, number)).collect();
        assert_eq!(judge(&key, &peers[..CLOSEST_MIN - 1], 1_000.0), None);
        assert_eq!(judge(&key, &peers, 21.0), None);
        assert_eq!(judge(&key, &peers, f64::NAN), None);
        assert!(judge(&key, &peers, 1_000.0).is_some());
    }
}
