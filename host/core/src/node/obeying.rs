//! What a failover policy's verdict does: copies of what is in flight, and the mask of links
//! that may be used.

use super::Node;
use super::timers::Timer;
use crate::id::{LinkId, PeerNumber};
use crate::links::{Carried, Link, PieceId};
use crate::output::{CloseReason, Event};
use pointsman_sdk::failover::{self, Resend, Verdict};

/// What a hedge may put on a link without room, in bytes: one piece of the largest size.
const HEDGE_BYTES_MIN: u64 = 16 << 10;

impl Node {
    /// Does what the policy says; positions are those of `offered`.
    pub(super) fn obey(&mut self, occasion: Occasion, offered: &[LinkId], verdict: Verdict) {
        let set = |bits: u16| {
            let named = move |&(position, _): &(usize, &LinkId)| bits >> position & 1 == 1;
            offered.iter().enumerate().filter(named).map(|(_, &link)| link).collect::<Vec<_>>()
        };
        match verdict {
            Verdict::Stay { .. } | Verdict::Store | Verdict::Abstain => {}
            Verdict::Hedge { onto, budget_bytes, reason } => {
                if let Some(from) = occasion.at {
                    self.hedge(occasion.number, from, &set(onto), budget_bytes, reason);
                }
            }
            Verdict::Move { onto, resend, reason } => {
                self.relocate(occasion, offered, &set(onto), resend, reason);
            }
            Verdict::Probe { paths, .. } => {
                for link in set(paths) {
                    self.probe_for_policy(&occasion, link);
                }
            }
            Verdict::Dial(id) => self.dial_dialable(occasion.number, id),
            Verdict::Close(position) => {
                if let Some(&link) = offered.get(position as usize) {
                    self.close(link, CloseReason::Policy);
                }
            }
        }
    }

    /// Asks a link whether it is alive, and will tell the policy what came of it. A link that was
    /// asked within its timeout is not asked again; nor is one in answer to its own result, so
    /// that no policy probes as fast as answers come.
    fn probe_for_policy(&mut self, occasion: &Occasion, id: LinkId) {
        let floor_us = self.config.suspect_min_us;
        let is_result = occasion.event == failover::Event::ProbeResult;
        if is_result && occasion.at == Some(id) {
            return;
        }
        let Some(link) = self.links.get(&id) else { return };
        let is_asked = link.oldest_unacked_at().is_some()
            && self.now.since(link.sent_at) < link.timeout_us(floor_us);
        if !is_asked {
            self.probe(id);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.probed_at = Some(link.sent_at);
        }
        self.timers.by(Timer::Link(id), self.next_check(id));
    }

    /// Copies what is in flight on a link to others, each piece once.
    fn hedge(
        &mut self,
        number: PeerNumber,
        from: LinkId,
        onto: &[LinkId],
        budget_bytes: u32,
        reason: u32,
    ) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let pieces: Vec<PieceId> = link
            .unacked()
            .filter(|sent| sent.copied_to.is_none())
            .filter_map(|sent| match sent.carried {
                Carried::Piece(piece) => Some(piece),
                Carried::Probe => None,
            })
            .collect();
        let targets: Vec<LinkId> = onto.iter().copied().filter(|&link| link != from).collect();
        let (mut packets, mut bytes) = (0u32, 0u64);
        for &target in &targets {
            let room = self.links.get(&target).map_or(0, Link::room_bytes);
            let most = u64::from(budget_bytes).min(bytes + room.max(HEDGE_BYTES_MIN));
            let mut copied = Vec::new();
            for &piece in &pieces {
                if bytes >= most {
                    break;
                }
                let Some(size) = self.copy(number, piece, target) else { continue };
                packets += 1;
                bytes += u64::from(size);
                copied.push(piece);
            }
            self.mark_copied(from, &copied, target);
        }
        if packets > 0 {
            self.counters.hedges += 1;
            self.tell(Event::Hedged { from, packets, bytes, reason });
        }
    }

    fn mark_copied(&mut self, from: LinkId, copied: &[PieceId], onto: LinkId) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let mut copied = copied.iter().copied().peekable();
        for sent in link.unacked() {
            let Carried::Piece(piece) = sent.carried else { continue };
            if copied.next_if_eq(&piece).is_some() {
                sent.copied_to = Some(onto);
            }
        }
    }

    /// From now on only these links are used.
    fn relocate(
        &mut self,
        occasion: Occasion,
        offered: &[LinkId],
        onto: &[LinkId],
        resend: Resend,
        reason: u32,
    ) {
        let Occasion { number, event, mut resent, .. } = occasion;
        if let Some(peer) = self.peers.get_mut(number) {
            peer.inherited_until = None;
        }
        let mut changed = resent > 0;
        for &id in offered {
            let Some(link) = self.links.get_mut(&id).filter(|link| link.is_live()) else {
                continue;
            };
            let masked = !onto.contains(&id);
            changed |= link.masked != masked;
            let newly = masked && !link.masked;
            link.masked = masked;
            if newly && resend != Resend::None {
                let lost = flight_to_resend(link, resend);
                resent += self.send_again(number, id, lost);
            }
        }
        if !changed {
            return;
        }
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(number) {
            peer.moves.push(now);
            peer.moves_last_60s(now);
            peer.moves_total += 1;
            let peer = peer.id;
            self.counters.moves += 1;
            self.tell(Event::Moved { peer, onto: onto.to_vec(), resent, event, reason });
        }
        self.paths_changed(number);
    }

    /// A peer all of whose living links are masked has none masked: a policy may prefer links,
    /// not cut a peer off.
    pub(super) fn unmask_if_alone(&mut self, number: PeerNumber) {
        let live = self.offered(number);
        let all_masked = live.iter().filter_map(|id| self.links.get(id)).all(|link| link.masked);
        if !all_masked {
            return;
        }
        for id in live {
            if let Some(link) = self.links.get_mut(&id) {
                link.masked = false;
            }
        }
    }
}

/// What the failover policy was asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion {
    pub(super) number: PeerNumber,
    pub(super) event: failover::Event,
    pub(super) at: Option<LinkId>,
    /// Packets that were sent again because of it already.
    pub(super) resent: u32,
}

/// The pieces of a newly masked link that the verdict wants sent again. The link keeps its
/// numbers in flight: they still may be acknowledged.
fn flight_to_resend(link: &mut Link, resend: Resend) -> Vec<(PieceId, Option<LinkId>)> {
    let urgent = |piece: PieceId| resend == Resend::Unacked || piece.class < 2;
    let flight = link.unacked().filter_map(|sent| match sent.carried {
        Carried::Piece(piece) if urgent(piece) => Some((piece, sent.copied_to)),
        Carried::Piece(_) | Carried::Probe => None,
    });
    flight.collect()
}
