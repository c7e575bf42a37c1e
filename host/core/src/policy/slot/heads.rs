//! The packets at the heads of the lanes while a selector must prove itself: each is judged once,
//! however often a policy is asked about it, and for all of the time that it was kept back.
//!
//! A lane's entry lives until its next packet is compared. Nothing here decides; it only
//! remembers what the warm policy would have done when.

use std::collections::BTreeMap;

use super::shadow::{Outlook, clearly_later};
use crate::id::{PeerNumber, Time};
use crate::limits::STALLS_MAX;
use crate::links::PieceId;

/// What comparing two answers adds to what is known of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The packet was compared before.
    pub(crate) again: bool,
    /// The live one keeps back what the warm one would send now.
    pub(crate) keeps: bool,
    /// That is so for the first time.
    pub(crate) kept: bool,
    /// It turns out to be clearly later than with the warm one.
    pub(crate) worse: bool,
}

/// The heads that were compared last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(BTreeMap<(PeerNumber, u8), Head>);

#[derive(Clone, Copy, Debug)]
struct Head {
    piece: PieceId,
    /// When the warm one would have sent it, and how long after that it would have been
    /// acknowledged, in microseconds.
    due: Option<(Time, u64)>,
    worse: bool,
}

impl Heads {
    /// Both were asked about the head of a peer's lane.
    pub(crate) fn compare(
        &mut self,
        now: Time,
        (number, piece, queued_at): (PeerNumber, PieceId, Time),
        live: &Outlook,
        warm: &Outlook,
    ) -> Known {
        let at = (number, piece.class);
        let last = self.0.get(&at).copied();
        let before = last.filter(|head| head.piece == piece);
        let mut head = before.unwrap_or(Head { piece, due: None, worse: false });
        let keeps = live.keeps_from(warm);
        let kept = keeps && head.due.is_none();
        if kept {
            // Behind one that was kept back it would have gone as soon as that one.
            let ahead = last.and_then(|head| head.due).map_or(now, |(since, _)| since);
            head.due = Some((ahead.max(queued_at), warm.us));
        }
        let is_late = |(since, us)| clearly_later(now.since(since) + live.us, us);
        let worse = live.is_worse_than(warm) || head.due.is_some_and(is_late);
        let known = Known { again: before.is_some(), keeps, kept, worse: worse && !head.worse };
        head.worse |= worse;
        if self.0.len() < STALLS_MAX || self.0.contains_key(&at) {
            self.0.insert(at, head);
        }
        known
    }

    /// Another policy is in the slot.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(us: u64, leaves: bool) -> Outlook {
        Outlook { us, leaves, holds: !leaves, gives_up: false, copies: u32::from(leaves) }
    }

    #[test]
    fn what_waits_behind_packets_that_were_kept_back_waits_as_long() {
        let mut heads = Heads::default();
        let (live, warm) = (outlook(5_000, false), outlook(5_000, true));
        let known = [0, 1, 2, 30].map(|ms| {
            let piece = PieceId { class: 1, message: ms, index: 0 };
            heads.compare(Time(ms * 1_000), (PeerNumber(1), piece, Time(0)), &live, &warm).worse
        });
        assert_eq!(known, [false, false, false, true]);
    }

    #[test]
    fn many_short_waits_of_one_packet_are_one_long_wait() {
        let mut heads = Heads::default();
        let at = (PeerNumber(1), PieceId { class: 1, message: 7, index: 0 }, Time(0));
        let (live, warm) = (outlook(6_000, false), outlook(5_000, true));
        let known = [0, 1, 2, 30, 31].map(|ms| heads.compare(Time(ms * 1_000), at, &live, &warm));
        let flags = known.map(|known| (known.again, known.kept, known.worse));
        let first = (false, true, false);
        let (trifle, long) = ((true, false, false), (true, false, true));
        assert_eq!(flags, [first, trifle, trifle, long, trifle]);
        let next = (at.0, PieceId { message: 8, ..at.1 }, Time(32_000));
        assert!(!heads.compare(Time(32_000), next, &live, &warm).again);
    }
}
