//! Loss from counters that only grow.

/// Fewer packets than this say nothing about loss: one lost among them would read as 3 %.
const PACKETS_MIN: u64 = 32;

/// The counters at the last sample.
#[derive(Debug, Default)]
pub(super) struct Loss {
    sent: u64,
    lost: u64,
    ppm: Option<u32>,
}

impl Loss {
    /// Packets lost per million, over the packets since the sample before. While too few were
    /// sent since then, the last figure stands, and they count for the next.
    pub(super) fn observe(&mut self, sent: u64, lost: u64) -> Option<u32> {
        let (new_sent, new_lost) = (sent.saturating_sub(self.sent), lost.saturating_sub(self.lost));
        if new_sent >= PACKETS_MIN {
            (self.sent, self.lost) = (sent, lost);
            let ppm = new_lost.min(new_sent).saturating_mul(1_000_000) / new_sent;
            self.ppm = u32::try_from(ppm).ok();
        }
        self.ppm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_that_of_the_packets_since_the_last_sample() {
        let mut loss = Loss::default();
        assert_eq!(loss.observe(10, 1), None);
        assert_eq!(loss.observe(100, 10), Some(100_000));
        assert_eq!(loss.observe(110, 20), Some(100_000));
        assert_eq!(loss.observe(200, 10), Some(0));
        assert_eq!(loss.observe(300, 500), Some(1_000_000));
    }
}
