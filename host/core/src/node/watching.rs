//! What happens to packets and messages, noted for the slots' watches.

use super::Node;
use crate::id::{LinkId, PeerNumber};
use crate::links::Acked;
use crate::snapshot::LinkState;

/// A path that has this share of its packets late, or loses so many, per million, is one that
/// copies are made for.
const SHAKY_PPM: u32 = 20_000;

impl Node {
    /// A message arrived, so long after it was handed over.
    pub(super) fn note_delivered(&mut self, number: PeerNumber, took_us: u64) {
        self.proving.selector.completed(self.now, took_us);
        self.proving.failover.completed(self.now, took_us);
        self.proving.failover.placed(self.now, number, took_us);
    }

    /// Messages to a peer expired, or a policy gave them up.
    pub(super) fn note_given_up(&mut self, number: PeerNumber, messages: u64) {
        self.proving.selector.expired(self.now, messages);
        self.proving.failover.expired(self.now, messages);
        self.outcomes_given_up(number);
    }

    pub(super) fn note_acknowledged(&mut self, acked: &Acked) {
        let (packets, late) = (acked.pieces.len() as u64, u64::from(acked.late_pieces));
        self.proving.selector.acknowledged(self.now, packets, late);
        self.proving.failover.acknowledged(self.now, packets, late);
    }

    pub(super) fn note_sent(&mut self, bytes: u32) {
        self.proving.selector.sent(self.now, u64::from(bytes));
        self.proving.failover.sent(self.now, u64::from(bytes));
    }

    /// A selector asked for so many copies of a packet beside the one on this link. On a path
    /// that is late or loses they are no waste.
    pub(super) fn note_copies(&mut self, link: LinkId, bytes: u32, copies: usize) {
        let Some(link) = self.links.get(&link) else { return };
        let losses = link.sample.loss_ppm.unwrap_or_default().max(link.late_ppm());
        if copies > 0 && link.state == LinkState::Up && losses < SHAKY_PPM {
            self.proving.selector.copied(self.now, u64::from(bytes) * copies as u64);
        }
    }
}
