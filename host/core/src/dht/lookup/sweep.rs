//! The sweep: asking for what lies beside the target, where nodes next to it hide the rest.
//!
//! The region is the subtree of keys around the target that holds between k and 2k nodes of the
//! network. What shares exactly its bits with the target is half of it, what shares one more is a
//! quarter, and so on. For each of these parts the peers that know it best are asked: those in
//! it, then those beside it. Nodes made to lie next to the target are in none of them.

use super::people::{Known, State};
use super::{Goal, Lookup};
use crate::dht::key::PREIMAGE_BITS;
use crate::id::PeerId;
use crate::limits::DHT_BUCKET_MAX;

/// Parts of the region that are asked for. The next would hold a third of a node.
const LEVELS: u32 = 6;

/// Peers that are asked about a part: that all four lie is one in 625 where a fifth do.
const ASKS_PER_LEVEL: u32 = 4;

/// The first bits that the region shares with the target, in a network of so many nodes.
pub(super) fn region_bits(network_size: f64) -> u32 {
    let mut share = network_size / (2 * DHT_BUCKET_MAX) as f64;
    let mut bits = 0;
    while share >= 1.0 && bits < 64 {
        share /= 2.0;
        bits += 1;
    }
    bits
}

impl Lookup {
    /// Whom to ask on which path about which part.
    pub(super) fn sweep(&self) -> Option<(usize, PeerId, u32)> {
        let first = self.region_bits.filter(|_| self.is_sweep_due())?;
        let levels = first..(first + LEVELS).min(PREIMAGE_BITS);
        levels.into_iter().find_map(|bits| {
            let asked = self.swept.get(&bits).copied().unwrap_or_default();
            let (path, peer) = (asked < ASKS_PER_LEVEL).then(|| self.knows_best(bits))??;
            Some((path, peer, bits))
        })
    }

    /// Who stores wants everyone in the region; who looks for something, only if it is hidden.
    fn is_sweep_due(&self) -> bool {
        match self.goal {
            Goal::Closest(_) => true,
            Goal::Peer(_) | Goal::Record(_) => self.records.is_empty(),
        }
    }

    fn knows_best(&self, bits: u32) -> Option<(usize, PeerId)> {
        let can = |known: &Known| known.state == State::Answered && known.swept & (1 << bits) == 0;
        let able = self.people.iter().filter(|(_, known)| can(known));
        let best = able.min_by_key(|(peer, known)| (known.common_bits.abs_diff(bits), **peer));
        best.map(|(peer, known)| (usize::from(known.path), *peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_holds_between_k_and_twice_k_nodes() {
        let cases = [(0.0, 0), (39.0, 0), (40.0, 1), (79.0, 1), (80.0, 2), (10_000.0, 8)];
        for (size, bits) in cases {
            assert_eq!(region_bits(size), bits, "{size}");
        }
        assert_eq!(region_bits(f64::MAX), 64, "there is an end");
    }
}
