//! Which packets of a link arrived: a bounded set of ranges, newest first.

use crate::limits::{ACK_RANGES_MAX, RECEIVED_RANGES_MAX};

/// Packet numbers that were received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Both ends included, newest first, with gaps between them.
    ranges: Vec<(u64, u64)>,
}

impl Received {
    /// Adds a number; tells whether it is new. Numbers below the oldest range that is kept
    /// count as new only while there is room to keep them.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if let Some(newest) = self.ranges.first_mut()
            && number == newest.1 + 1
        {
            newest.1 = number;
            return true;
        }
        let at = self.ranges.partition_point(|&(first, _)| first > number);
        if self.ranges.get(at).is_some_and(|&(_, last)| number <= last) {
            return false;
        }
        let joins_newer = at > 0 && self.ranges[at - 1].0 == number + 1;
        let joins_older = self.ranges.get(at).is_some_and(|&(_, last)| last + 1 == number);
        match (joins_newer, joins_older) {
            (true, true) => {
                self.ranges[at - 1].0 = self.ranges[at].0;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].0 = number,
            (false, true) => self.ranges[at].1 = number,
            (false, false) => {
                self.ranges.insert(at, (number, number));
                self.ranges.truncate(RECEIVED_RANGES_MAX);
            }
        }
        true
    }

    /// The newest ranges, as an acknowledgement tells them.
    pub(crate) fn newest(&self) -> Vec<(u64, u64)> {
        self.ranges.iter().take(ACK_RANGES_MAX).copied().collect()
    }

    /// Whether nothing arrived yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order_make_one_range() {
        let mut received = Received::default();
        for number in [5, 1, 3, 2, 4, 6] {
            assert!(received.insert(number));
        }
        assert_eq!(received.newest(), [(1, 6)]);
        assert!(!received.insert(3));
    }

    #[test]
    fn holes_are_kept_newest_first_and_bounded() {
        let mut received = Received::default();
        for number in 1..=1000 {
            received.insert(number * 2);
        }
        let newest = received.newest();
        assert_eq!(newest.len(), ACK_RANGES_MAX);
        assert_eq!(newest[0], (2000, 2000));
        assert_eq!(received.ranges.len(), RECEIVED_RANGES_MAX);
    }
}
