//! Why a peer is treated as it is, for people.

use super::Node;
use crate::id::{PeerId, Time};
use crate::peers::Peer;
use crate::reputation::{Level, Record, Score};
use crate::snapshot::{CauseSnapshot, Explanation};

impl Node {
    /// Why a peer is treated as it is; `None` for one of whom nothing is known.
    pub fn why(&self, id: &PeerId) -> Option<Explanation> {
        let peer = self.peers.number(id).and_then(|number| self.peers.get(number));
        let Some(peer) = peer else {
            let record = self.peers.memory.get(id)?;
            return Some(self.explanation(*id, record));
        };
        Some(Explanation {
            level: peer.trust.level,
            since: Some(peer.trust.since),
            score: peer.trust.score,
            subnets: peer.subnets.iter().map(|&one| (one, self.subnets.score(one))).collect(),
            hearsay: self.said(peer),
            bridge_to: self.bridge_to(peer.number),
            is_excused: self.is_excused(peer),
            is_spared: peer.trust.is_spared,
            links: peer.links.len(),
            next_dial: self.next_dial_of(peer),
            ..self.explanation(*id, &peer.record)
        })
    }

    /// As much as a record tells.
    fn explanation(&self, peer: PeerId, record: &Record) -> Explanation {
        Explanation {
            peer,
            at: self.now,
            level: record.level(),
            since: None,
            score: Score { first_hand: record.standing().score, ..Score::default() },
            seen: record.seen(),
            causes: self.causes(record),
            subnets: Vec::new(),
            hearsay: None,
            bridge_to: Vec::new(),
            is_excused: false,
            is_spared: false,
            links: 0,
            next_dial: None,
        }
    }

    fn causes(&self, record: &Record) -> Vec<CauseSnapshot> {
        let now_us = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        let ages = record.causes().into_iter().map(|noted| CauseSnapshot {
            cause: noted.cause,
            count: noted.count,
            age_ms: now_us.saturating_sub(noted.newest_us).max(0).cast_unsigned() / 1000,
        });
        ages.collect()
    }

    fn next_dial_of(&self, peer: &Peer) -> Option<Time> {
        let attempts = peer.places.values().flat_map(|place| place.attempts.values());
        let idle = attempts.filter(|attempt| attempt.dialling.is_none());
        let next = idle.map(|attempt| attempt.next_try).filter(|&at| at > self.now).min();
        next.filter(|_| peer.trust.level != Level::Shunned)
    }
}
