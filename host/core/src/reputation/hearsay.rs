//! Hearsay: what others say of a peer.
//!
//! Only a peer that did well by us first hand has a word. Where it says how the peer stands with
//! it, that is discounted by how well it did; of several the median counts, so that no one of
//! them moves it far. Where it says that it has a link to the peer, it is a way there. A word is
//! good for an hour, unless who said it says another.

use pointsman_sdk::reputation::Standing;

use crate::id::{PeerNumber, Time};
use crate::limits::HEARSAY_PER_PEER_MAX;

/// A word is forgotten after so long, in microseconds.
pub(super) const WORD_US: u64 = 3_600_000_000;

#[derive(Clone, Copy, Debug)]
struct Word {
    from: PeerNumber,
    linked: bool,
    score: Option<i32>,
    at: Time,
}

/// What others say of one peer: a word each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearsay {
    words: Vec<Word>,
}

impl Hearsay {
    /// Takes a word: whether it has a link to the peer, and where that stands with it. Where
    /// there are too many words the oldest makes room.
    pub(crate) fn hear(&mut self, now: Time, from: PeerNumber, linked: bool, score: Option<i32>) {
        self.words.retain(|word| word.from != from && now.since(word.at) < WORD_US);
        if !linked && score.is_none() {
            return;
        }
        if self.words.len() >= HEARSAY_PER_PEER_MAX {
            let oldest = (0..self.words.len()).min_by_key(|&at| self.words[at].at);
            oldest.map(|at| self.words.swap_remove(at));
        }
        let score = score.map(|score| score.clamp(Standing::SCORE_MIN, Standing::SCORE_MAX));
        self.words.push(Word { from, linked, score, at: now });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn fresh(&self, now: Time) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(move |word| now.since(word.at) < WORD_US)
    }

    /// Who says that it has a link to the peer.
    pub(crate) fn ways(&self, now: Time) -> impl Iterator<Item = PeerNumber> {
        self.fresh(now).filter(|word| word.linked).map(|word| word.from)
    }

    /// The median of the discounted scores and how many there are; `None` without any.
    /// `trust` tells how a recommender stands first hand.
    pub(crate) fn median(
        &self,
        now: Time,
        trust: impl Fn(PeerNumber) -> i32,
    ) -> Option<(i32, usize)> {
        let mut scores: Vec<i32> = self
            .fresh(now)
            .filter_map(|word| {
                let weight = Some(trust(word.from)).filter(|&trust| trust > 0)?;
                Some(word.score? * weight / Standing::SCORE_MAX)
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
            hearsay.hear(Time(n as u64), PeerNumber(from), false, Some(score));
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
    fn a_word_without_a_score_has_no_part_in_the_median() {
        let mut hearsay = heard(&[(1, -1000)]);
        hearsay.hear(Time(2), PeerNumber(2), true, None);
        assert_eq!(hearsay.median(Time(2), |_| 1000), Some((-1000, 1)));
    }

    #[test]
    fn a_way_ends_when_who_was_it_says_so_and_after_an_hour() {
        let mut hearsay = Hearsay::default();
        for from in 1..=3 {
            hearsay.hear(Time(0), PeerNumber(from), true, None);
        }
        hearsay.hear(Time(1), PeerNumber(1), false, Some(5));
        hearsay.hear(Time(1), PeerNumber(2), false, None);
        assert_eq!(hearsay.ways(Time(1)).collect::<Vec<_>>(), [PeerNumber(3)]);
        assert_eq!(hearsay.words.len(), 2, "a word that says nothing is none");
        assert_eq!(hearsay.ways(Time(WORD_US)).count(), 0);
    }

    #[test]
    fn so_many_words_are_kept_the_newest_ones() {
        let words: Vec<(u32, i32)> = (0..2 * HEARSAY_PER_PEER_MAX as u32).map(|n| (n, 1)).collect();
        let kept = heard(&words);
        assert_eq!(kept.words.len(), HEARSAY_PER_PEER_MAX);
        assert!(kept.words.iter().all(|word| word.at >= Time(HEARSAY_PER_PEER_MAX as u64)));
    }
}
