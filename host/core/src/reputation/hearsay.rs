//! Hearsay: what others say of a peer.
//!
//! Only a peer that did well by us first hand has a word, discounted by how well; of several the
//! median counts, so that no one of them moves it far. A word is good for an hour.

use pointsman_sdk::reputation::Standing;

use crate::id::{PeerNumber, Time};
use crate::limits::HEARSAY_PER_PEER_MAX;

/// A word is forgotten after so long, in microseconds.
const WORD_US: u64 = 3_600_000_000;

#[derive(Clone, Copy, Debug)]
struct Word {
    from: PeerNumber,
    score: i32,
    at: Time,
}

/// What others say of one peer: a word each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearsay {
    words: Vec<Word>,
}

impl Hearsay {
    /// Takes a word. Where there are too many the oldest makes room.
    pub(crate) fn hear(&mut self, now: Time, from: PeerNumber, score: i32) {
        self.words.retain(|word| word.from != from && now.since(word.at) < WORD_US);
        if self.words.len() >= HEARSAY_PER_PEER_MAX {
            let oldest = (0..self.words.len()).min_by_key(|&at| self.words[at].at);
            oldest.map(|at| self.words.swap_remove(at));
        }
        let score = score.clamp(Standing::SCORE_MIN, Standing::SCORE_MAX);
        self.words.push(Word { from, score, at: now });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The median of the discounted words and how many there are; `None` without any.
    /// `trust` tells how a recommender stands first hand.
    pub(crate) fn median(
        &self,
        now: Time,
        trust: impl Fn(PeerNumber) -> i32,
    ) -> Option<(i32, usize)> {
        let heard = self.words.iter().filter(|word| now.since(word.at) < WORD_US);
        let mut scores: Vec<i32> = heard
            .filter_map(|word| {
                let weight = Some(trust(word.from)).filter(|&trust| trust > 0)?;
                Some(word.score * weight / Standing::SCORE_MAX)
            })
            .collect();
        scores.sort_unstable();
        let last = scores.len().checked_sub(1)?;
        let (low, high) = (scores[last / 2], scores[last.div_ceil(2)]);
        // Of two in the middle the milder one.
        let median = if low.abs() <= high.abs() { low } else { high };
        Some((median, scores.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(words: &[(u32, i32)]) -> Hearsay {
        let mut hearsay = Hearsay::default();
        for (n, &(from, score)) in words.iter().enumerate() {
            hearsay.hear(Time(n as u64), PeerNumber(from), score);
        }
        hearsay
    }

    /// Of those who stand at 1000.
    fn median(words: &[(u32, i32)]) -> Option<(i32, usize)> {
        heard(words).median(Time(0), |_| 1000)
    }

    #[test]
    fn the_median_counts_and_of_two_the_milder() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[(1, -1000)]), Some((-1000, 1)));
        assert_eq!(median(&[(1, -1000), (2, 100), (3, 200)]), Some((100, 3)));
        assert_eq!(median(&[(1, -1000), (2, -100)]), Some((-100, 2)));
        assert_eq!(median(&[(1, 900), (2, -100)]), Some((-100, 2)));
    }

    #[test]
    fn a_word_weighs_as_much_as_who_says_it_and_a_strangers_nothing() {
        let trust = |from: PeerNumber| [0, 500, -300][from.0 as usize];
        let words = heard(&[(0, -1000), (1, -1000), (2, 1000)]);
        assert_eq!(words.median(Time(0), trust), Some((-500, 1)));
    }

    #[test]
    fn one_word_of_each_and_only_for_an_hour() {
        assert_eq!(median(&[(1, -1000), (1, 10)]), Some((10, 1)));
        assert_eq!(heard(&[(1, 10)]).median(Time(WORD_US), |_| 1000), None);
    }

    #[test]
    fn so_many_words_are_kept_the_newest_ones() {
        let words: Vec<(u32, i32)> = (0..2 * HEARSAY_PER_PEER_MAX as u32).map(|n| (n, 1)).collect();
        let kept = heard(&words);
        assert_eq!(kept.words.len(), HEARSAY_PER_PEER_MAX);
        assert!(kept.words.iter().all(|word| word.at >= Time(HEARSAY_PER_PEER_MAX as u64)));
    }
}
