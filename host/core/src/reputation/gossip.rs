//! What this node says of a peer to others, how far others were told, and how much of it a peer
//! may send here.
//!
//! Each change of what is said has a number, larger than all before it. Whoever was told up to a
//! number lacks what has a larger one, so nothing is kept for each pair of peers.

use crate::id::{LinkId, Time};
use crate::limits::HEARSAY_FRAMES_MAX;

/// What is said is said again after so long, in microseconds: half of the time for which a word
/// is good, so that who did not know the peer, or lost a word, hears it too.
const RENEW_US: u64 = super::hearsay::WORD_US / 2;

/// A score is news when it is so far from what was said.
const NEWS_APART: u32 = 50;

/// A peer is granted another frame of hearsay after so many microseconds.
const GRANT_US: u64 = 20_000_000;

/// What this node says of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saying {
    pub(crate) linked: bool,
    pub(crate) score: Option<i32>,
    /// The number of its last change; 0 where nothing is said.
    pub(crate) change: u64,
    at: Time,
}

impl Saying {
    pub(crate) fn new(linked: bool, score: Option<i32>, change: u64, at: Time) -> Self {
        Self { linked, score, change, at }
    }

    /// Whether this would be news.
    pub(crate) fn differs(&self, linked: bool, score: Option<i32>) -> bool {
        let is_far = match self.score.zip(score) {
            Some((said, score)) => said.abs_diff(score) >= NEWS_APART,
            None => self.score != score,
        };
        self.linked != linked || is_far
    }

    /// Whether it says nothing but that what was said before is not so any more.
    pub(crate) fn is_silent(&self) -> bool {
        !self.linked && self.score.is_none()
    }

    /// Whether it was said so long ago that it is due again, or, if it is silent, that nobody
    /// needs it any more.
    pub(crate) fn is_old(&self, now: Time) -> bool {
        self.change > 0 && now.since(self.at) >= RENEW_US
    }
}

/// How far a peer was told of others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// It knows of all changes up to this number.
    pub(crate) upto: u64,
    /// When it was last told something, and on which link.
    pub(crate) last: Option<(Time, LinkId)>,
}

impl Told {
    /// The link is gone: what was told on it may not have arrived.
    pub(crate) fn lost(&mut self, link: LinkId) {
        if self.last.is_some_and(|(_, on)| on == link) {
            self.upto = 0;
        }
    }
}

/// How many frames of hearsay a peer may still send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant {
    frames: u32,
    at: Time,
}

impl Grant {
    pub(crate) fn new(now: Time) -> Self {
        Self { frames: HEARSAY_FRAMES_MAX, at: now }
    }

    /// Uses up one, if there is one.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let earned = now.since(self.at) / GRANT_US;
        self.at = self.at.after(earned * GRANT_US);
        let earned = u32::try_from(earned).unwrap_or(HEARSAY_FRAMES_MAX);
        self.frames = self.frames.saturating_add(earned).min(HEARSAY_FRAMES_MAX);
        let is_granted = self.frames > 0;
        self.frames -= u32::from(is_granted);
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_comes_or_goes_is_news_and_a_score_that_moved_a_good_deal() {
        let said = Saying::new(true, Some(100), 1, Time(0));
        assert!(!said.differs(true, Some(149)) && !said.differs(true, Some(51)));
        assert!(said.differs(true, Some(150)) && said.differs(true, Some(50)));
        assert!(said.differs(false, Some(100)) && said.differs(true, None));
        assert!(!Saying::default().differs(false, None));
        assert!(Saying::default().differs(false, Some(0)), "judged, and not better than nobody");
    }

    #[test]
    fn what_was_told_on_a_link_that_is_gone_was_not_told() {
        let last = Some((Time(0), LinkId(1)));
        for (link, upto) in [(1, 0), (2, 7)] {
            let mut told = Told { upto: 7, last };
            told.lost(LinkId(link));
            assert_eq!(told.upto, upto);
        }
    }

    #[test]
    fn a_peer_may_send_some_frames_at_once_and_then_as_many_as_time_grants() {
        let mut grant = Grant::new(Time(5));
        let taken = |grant: &mut Grant, at, tries| (0..tries).filter(|_| grant.take(at)).count();
        assert_eq!(taken(&mut grant, Time(5), 100), HEARSAY_FRAMES_MAX as usize);
        assert_eq!(taken(&mut grant, Time(4 + GRANT_US), 100), 0);
        assert_eq!(taken(&mut grant, Time(5 + GRANT_US), 100), 1);
        assert_eq!(taken(&mut grant, Time(u64::MAX), 100), HEARSAY_FRAMES_MAX as usize);
    }
}
