//! What came of the messages: pure counting of arrivals.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// One direction of the traffic.
#[derive(Debug)]
pub(super) struct Pair {
    /// The sending node.
    pub(super) from: usize,
    /// The receiving node.
    pub(super) to: usize,
    /// Handed over.
    pub(super) sent: u64,
    /// The sender was told so.
    pub(super) delivered: u64,
    /// The sender was told so.
    pub(super) expired: u64,
    /// The sender was told so.
    pub(super) refused: u64,
    /// The sender heard the fate of all.
    pub(super) is_done: bool,
    seen: HashSet<(String, u64)>,
    arrivals: Vec<Instant>,
    duplicates: u64,
}

impl Pair {
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self {
            from,
            to,
            sent: 0,
            delivered: 0,
            expired: 0,
            refused: 0,
            is_done: false,
            seen: HashSet::new(),
            arrivals: Vec::new(),
            duplicates: 0,
        }
    }

    /// Whether a node is at either end.
    pub(super) fn touches(&self, node: usize) -> bool {
        self.from == node || self.to == node
    }

    /// A message reached the receiving application.
    pub(super) fn arrived(&mut self, session: &str, number: u64, at: Instant) {
        if self.seen.insert((session.to_owned(), number)) {
            self.arrivals.push(at);
        } else {
            self.duplicates += 1;
        }
    }

    /// Messages that reached the receiving application, each counted once.
    pub(super) fn arrived_once(&self) -> u64 {
        self.arrivals.len() as u64
    }

    /// Messages that reached it once more.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Messages that were handed over and never reached it.
    pub(super) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrived_once())
    }

    /// The longest time without a new message that ended after `since`.
    pub(super) fn longest_gap(&self, since: Instant) -> Duration {
        let gaps = self.arrivals.windows(2).filter(|pair| pair[1] >= since);
        gaps.map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_arrives_twice_is_a_duplicate_and_not_a_second_one() {
        let mut pair = Pair::new(0, 1);
        pair.sent = 3;
        let now = Instant::now();
        for number in [1, 2, 1] {
            pair.arrived("s", number, now);
        }
        assert_eq!((pair.arrived_once(), pair.duplicates(), pair.lost()), (2, 1, 1));
    }

    #[test]
    fn the_same_number_of_another_session_is_another_message() {
        let mut pair = Pair::new(0, 1);
        pair.arrived("s", 1, Instant::now());
        pair.arrived("t", 1, Instant::now());
        assert_eq!(pair.arrived_once(), 2);
    }

    #[test]
    fn the_longest_gap_counts_from_the_last_arrival_before() {
        let mut pair = Pair::new(0, 1);
        let start = Instant::now();
        for (number, ms) in [(1, 0), (2, 500), (3, 510), (4, 590)] {
            pair.arrived("s", number, start + Duration::from_millis(ms));
        }
        let gap = |ms| pair.longest_gap(start + Duration::from_millis(ms));
        assert_eq!(gap(100), Duration::from_millis(500));
        assert_eq!(gap(505), Duration::from_millis(80));
    }
}
