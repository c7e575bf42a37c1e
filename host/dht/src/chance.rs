//! Random numbers for jitter and targets: SplitMix64, seeded by the system. Nothing secret.

/// A source of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Default for Chance {
    fn default() -> Self {
        let mut seed = [0; 8];
        // Without entropy the jitter would repeat from start to start, which harms nobody.
        let _ = getrandom::fill(&mut seed);
        Self(u64::from_le_bytes(seed))
    }
}

impl Chance {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between half of it and one and a half times it.
    pub(crate) fn about(&mut self, us: u64) -> u64 {
        us / 2 + self.next() % us.max(1)
    }

    /// A name that nobody chose.
    pub(crate) fn name(&mut self) -> Vec<u8> {
        (0..4).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}
