//! Where things lie in a Kademlia network: keys, the distance between them, and byte strings
//! whose key lies in a wanted bucket.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::id::PeerId;

/// Bits of a key.
pub const KEY_BITS: u32 = 256;

/// Buckets that [`Preimages`] reaches: a byte string can be found for those that share fewer
/// bits than this with a key.
pub const PREIMAGE_BITS: u32 = 16;

/// Where a peer or a record lies: SHA-256 of its name, as libp2p has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// Of a record, by the bytes of its name.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of a peer, by the multihash of its key.
    pub fn of_peer(peer: &PeerId) -> Self {
        Self::of_bytes(&peer.to_multihash())
    }

    /// How far `other` is from this.
    pub fn distance(&self, other: &Self) -> Distance {
        Distance(core::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }

    /// How many of the first bits are the same: the number of the bucket in which a node at
    /// this key keeps one at the other.
    pub fn common_bits(&self, other: &Self) -> u32 {
        KEY_BITS - self.distance(other).bits()
    }

    fn prefix(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "key:{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// The XOR of two keys, as a number: the smaller, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 32]);

impl Distance {
    /// From a key to itself.
    pub const ZERO: Self = Self([0; 32]);

    /// Bits of the number: 0 for the same key, 256 for keys that differ in the first bit.
    pub fn bits(&self) -> u32 {
        let zeros = self.0.iter().take_while(|&&byte| byte == 0).count();
        let within = self.0.get(zeros).map_or(0, |byte| 8 - byte.leading_zeros());
        KEY_BITS - 8 * (zeros as u32 + 1).min(32) + within
    }

    /// As a share of the largest distance: from 0 to 1, exact to 53 bits.
    pub fn share(&self) -> f64 {
        self.0.iter().rev().fold(0.0, |share, &byte| (share + f64::from(byte)) / 256.0)
    }
}

/// Byte strings by the first [`PREIMAGE_BITS`] bits of their key.
///
/// A peer tells the closest nodes to a key, and of a name it hashes the key itself. To learn
/// what is in one of its buckets, it is asked for a name whose key lies there. Names are tried
/// one after the other until one fits, and each is kept for later: a table of 256 kB, which
/// costs some 800,000 hashes in all, and most buckets a handful.
#[derive(Clone, Debug)]
pub struct Preimages {
    /// The number that lies at a prefix; 0 where none was found yet.
    numbers: Vec<u32>,
    tried: u32,
}

impl Default for Preimages {
    fn default() -> Self {
        Self { numbers: vec![0; 1 << PREIMAGE_BITS], tried: 0 }
    }
}

impl Preimages {
    /// A name whose key shares exactly `bits` first bits with `key`; `None` from
    /// [`PREIMAGE_BITS`] on.
    pub fn find(&mut self, key: &Key, bits: u32) -> Option<[u8; 8]> {
        if bits >= PREIMAGE_BITS {
            return None;
        }
        let free = PREIMAGE_BITS - 1 - bits;
        let first = ((key.prefix() ^ (1 << free)) >> free) << free;
        let fits = |prefix: u16| prefix >> free == first >> free;
        let last = first | ((1_u32 << free) - 1) as u16;
        let known = (first..=last).map(|prefix| self.numbers[usize::from(prefix)]);
        if let Some(number) = known.into_iter().find(|&number| number != 0) {
            return Some(name(number));
        }
        loop {
            // Numbers would end after far more than a full table takes.
            self.tried = self.tried.checked_add(1)?;
            let prefix = Key::of_bytes(&name(self.tried)).prefix();
            let kept = &mut self.numbers[usize::from(prefix)];
            if *kept == 0 {
                *kept = self.tried;
                if fits(prefix) {
                    return Some(name(self.tried));
                }
            }
        }
    }
}

fn name(number: u32) -> [u8; 8] {
    u64::from(number).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: &[u8]) -> Key {
        Key(core::array::from_fn(|at| first.get(at).copied().unwrap_or(0)))
    }

    #[test]
    fn the_key_of_a_peer_is_the_hash_of_its_multihash() {
        let text = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
        let peer: PeerId = text.parse().unwrap();
        let multihash = bs58::decode(text).into_vec().unwrap();
        assert_eq!(multihash.len(), 38);
        assert_eq!(Key::of_peer(&peer), Key(Sha256::digest(multihash).into()));
    }

    #[test]
    fn distances_are_ordered_and_counted_in_bits() {
        let origin = key(&[]);
        let bits = |first: &[u8]| origin.distance(&key(first)).bits();
        assert_eq!(origin.distance(&origin), Distance::ZERO);
        assert_eq!((bits(&[]), bits(&[0x80]), bits(&[0x01]), bits(&[0, 0x40])), (0, 256, 249, 247));
        assert_eq!(Distance(core::array::from_fn(|at| u8::from(at == 31))).bits(), 1);
        assert!(origin.distance(&key(&[1])) < origin.distance(&key(&[2])));
        assert_eq!(origin.common_bits(&key(&[0, 0x40])), 9);
        assert_eq!(origin.common_bits(&origin), 256);
    }

    #[test]
    fn a_distance_is_a_share_of_the_largest() {
        let share = |first: &[u8]| key(&[]).distance(&key(first)).share();
        assert_eq!((share(&[]), share(&[0x80]), share(&[0x40])), (0.0, 0.5, 0.25));
        assert!(share(&[0xff; 32]) > 0.999_999);
        assert!(share(&[0, 0, 0, 0, 0, 0, 0, 0, 1]) > 0.0);
    }

    #[test]
    fn a_name_is_found_for_every_bucket_within_reach() {
        let mut names = Preimages::default();
        for seed in 0..20_u8 {
            let target = Key::of_bytes(&[seed]);
            for bits in 0..PREIMAGE_BITS {
                let name = names.find(&target, bits).expect("within reach");
                assert_eq!(Key::of_bytes(&name).common_bits(&target), bits, "seed {seed}");
            }
            assert_eq!(names.find(&target, PREIMAGE_BITS), None);
        }
    }

    #[test]
    fn a_name_that_was_found_is_found_again_without_a_hash() {
        let mut names = Preimages::default();
        let target = Key::of_bytes(b"again");
        let first = names.find(&target, 12);
        let tried = names.tried;
        assert_eq!(names.find(&target, 12), first);
        assert_eq!(names.tried, tried);
    }
}
