//! Decisions told to the shell, one in so many, and what became of their packets.
//!
//! A decision is told when it is made; its outcome when the packet that it was about is
//! acknowledged or given up. A decision to wait is about no packet and has no outcome. What a
//! failover policy decides is about the oldest packet in flight on the path in question.

use std::collections::BTreeMap;

use super::Node;
use crate::id::{LinkId, PeerNumber, Time};
use crate::limits::OPEN_DECISIONS_MAX;
use crate::links::{Carried, PieceId, saturate};
use crate::output::Output;
use crate::policy::slot::Answer;
use crate::policy::{Decision, FailoverQuestion, Question, Role, SelectorQuestion, Verdict};
use pointsman_sdk::{Outcome, UNKNOWN, failover, selector};

/// A sampled decision whose packet is under way.
#[derive(Debug)]
struct Open {
    decision: u64,
    link: LinkId,
    path: u32,
    bytes: u32,
    queue_us: u64,
    since: Time,
    timeout_us: u64,
}

/// Which decisions are told, and which of them are open.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    /// One in so many; 0: none.
    every: u32,
    made: u64,
    /// The decision that is being carried out.
    current: Option<u64>,
    /// By the role that decided, too: both may have decided about the same packet.
    open: BTreeMap<(PeerNumber, PieceId, Role), Open>,
}

impl Sampler {
    pub(super) fn sample(&mut self, every: u32) {
        self.every = every;
        if every == 0 {
            self.open.clear();
        }
    }

    /// Numbers a decision; tells whether it is one of those to tell.
    fn number(&mut self) -> Option<u64> {
        self.made += 1;
        let is_due = self.every > 0 && self.made.is_multiple_of(u64::from(self.every));
        (is_due && self.open.len() < OPEN_DECISIONS_MAX).then_some(self.made)
    }

    /// The verdict was carried out, or could not be.
    pub(super) fn carried_out(&mut self) {
        self.current = None;
    }
}

impl Node {
    pub(super) fn decided_selector(
        &mut self,
        question: &SelectorQuestion,
        answer: Answer<selector::Verdict>,
        generation: u64,
    ) {
        let Some(number) = self.sampler.number() else { return };
        self.sampler.current = Some(number);
        let decision = Decision {
            number,
            generation,
            question: Question::Selector(question.clone()),
            verdict: Verdict::Selector(answer.verdict),
            by: answer.by,
        };
        self.orders.push_back(Output::Decided(Box::new(decision)));
    }

    /// The packet that was decided upon goes on this link.
    pub(super) fn decided_packet(
        &mut self,
        number: PeerNumber,
        piece: PieceId,
        (link, bytes, queued_at): (LinkId, u32, Time),
    ) {
        let Some(decision) = self.sampler.current.take() else { return };
        let floor_us = self.config.suspect_min_us;
        let Some(of) = self.links.get(&link) else { return };
        let (path, timeout_us) = (of.path, of.timeout_us(floor_us));
        let queue_us = self.now.since(queued_at);
        let open = Open { decision, link, path, bytes, queue_us, since: self.now, timeout_us };
        self.sampler.open.entry((number, piece, Role::Selector)).or_insert(open);
    }

    pub(super) fn decided_failover(
        &mut self,
        (number, at): (PeerNumber, Option<LinkId>),
        question: &FailoverQuestion,
        answer: Answer<failover::Verdict>,
        generation: u64,
    ) {
        let Some(decision) = self.sampler.number() else { return };
        let told = Decision {
            number: decision,
            generation,
            question: Question::Failover(question.clone()),
            verdict: Verdict::Failover(answer.verdict),
            by: answer.by,
        };
        self.orders.push_back(Output::Decided(Box::new(told)));
        let floor_us = self.config.suspect_min_us;
        let Some(link) = at.and_then(|at| self.links.get_mut(&at)) else { return };
        let (id, path, timeout_us) = (link.id(), link.path, link.timeout_us(floor_us));
        let oldest = link.unacked().find_map(|sent| match sent.carried {
            Carried::Piece(piece) => Some((piece, sent.bytes, sent.at)),
            Carried::Probe => None,
        });
        let Some((piece, bytes, sent_at)) = oldest else { return };
        let queue_us = self.now.since(sent_at);
        let open = Open { decision, link: id, path, bytes, queue_us, since: self.now, timeout_us };
        self.sampler.open.entry((number, piece, Role::Failover)).or_insert(open);
    }

    /// A piece was acknowledged on a link: the outcome of the decision about it, if it is open.
    pub(super) fn outcome_of(&mut self, number: PeerNumber, piece: PieceId, by: LinkId) {
        if self.sampler.open.is_empty() {
            return;
        }
        for role in [Role::Selector, Role::Failover] {
            let Some(open) = self.sampler.open.remove(&(number, piece, role)) else { continue };
            let ack_us = self.now.since(open.since);
            let outcome = Outcome {
                ack_us: saturate(ack_us),
                late: ack_us > open.timeout_us,
                duplicate_won: by != open.link,
                ..open.outcome()
            };
            self.orders.push_back(Output::Outcome(outcome));
        }
    }

    /// Messages to a peer were given up: so are the decisions about them.
    pub(super) fn outcomes_given_up(&mut self, number: PeerNumber) {
        if self.sampler.open.is_empty() {
            return;
        }
        let Some(peer) = self.peers.get(number) else { return };
        let gone = |piece: &PieceId| !peer.lanes[usize::from(piece.class)].outbox.waits_for(*piece);
        let first = PieceId { class: 0, message: 0, index: 0 };
        let last = PieceId { class: u8::MAX, message: u64::MAX, index: u32::MAX };
        let range = (number, first, Role::Selector)..=(number, last, Role::Anomaly);
        let open = self.sampler.open.range(range).map(|(&key, _)| key);
        let keys: Vec<_> = open.filter(|(_, piece, _)| gone(piece)).collect();
        for open in keys.iter().filter_map(|key| self.sampler.open.remove(key)) {
            self.orders.push_back(Output::Outcome(Outcome { late: true, ..open.outcome() }));
        }
    }
}

impl Open {
    /// As if it were given up.
    fn outcome(&self) -> Outcome {
        Outcome {
            decision: self.decision,
            path: self.path,
            bytes: self.bytes,
            queue_us: saturate(self.queue_us),
            ack_us: UNKNOWN,
            late: false,
            duplicate_won: false,
        }
    }
}
