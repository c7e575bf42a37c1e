//! What goes out: messages handed over, the selector asked, packets put on links.

use super::Node;
use super::timers::Timer;
use crate::delivery::Head;
use crate::frame::{Channel, Data, Frame};
use crate::id::{LinkId, PeerNumber, Time};
use crate::input::Send;
use crate::limits::{
    INBOXES_BYTES_MAX, MESSAGE_BYTES_MAX, PEERS_MAX, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX,
    QUEUES_BYTES_MAX, URGENT_BYTES,
};
use crate::links::{Carried, Link, PieceId, saturate};
use crate::output::{Fate, Output, Refusal};
use crate::peers::Lease;
use crate::policy::SelectorQuestion;
use crate::policy::question::empty_paths;
use pointsman_sdk::selector::{Class, Mode, Verdict, flags};
use pointsman_sdk::{PathRow, UNKNOWN};

/// One peer and class is granted at most this part of what all inboxes together have left.
const GRANT_SHARE: u64 = 8;

impl Node {
    pub(super) fn send(&mut self, send: Send) {
        let token = send.token;
        let fate = match self.enqueue(send) {
            Ok(()) => {
                self.counters.messages_queued += 1;
                Fate::Queued
            }
            Err(refusal) => {
                self.counters.messages_refused += 1;
                Fate::Refused(refusal)
            }
        };
        self.orders.push_back(Output::Fate { token, fate });
    }

    fn enqueue(&mut self, mut send: Send) -> Result<(), Refusal> {
        let bytes = send.payload.len() as u64;
        if send.payload.is_empty() {
            return Err(Refusal::Empty);
        }
        if send.payload.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        if self.queued_bytes + bytes > QUEUES_BYTES_MAX {
            return Err(Refusal::NodeFull);
        }
        if !self.is_allowed(&send.peer) || send.peer == self.me {
            return Err(Refusal::NotAllowed);
        }
        let ttl_us = self.config.ttl_us(send.class);
        send.deadline = send.deadline.or_else(|| ttl_us.map(|ttl_us| self.now.after(ttl_us)));
        let peer = self.peers.meet(self.now, send.peer, PEERS_MAX).ok_or(Refusal::TooManyPeers)?;
        let number = peer.number;
        let outbox = &mut peer.lanes[send.class as usize].outbox;
        if outbox.len() >= QUEUE_MESSAGES_MAX || outbox.bytes() + bytes > QUEUE_BYTES_MAX {
            return Err(Refusal::QueueFull);
        }
        if let Some(deadline) = send.deadline {
            self.timers.by(Timer::Peer(number), deadline);
        }
        outbox.push(self.now, send);
        if peer.links.is_empty() && peer.seek_at <= self.now {
            self.timers.by(Timer::Peer(number), self.now);
        }
        self.queued_bytes += bytes;
        self.unsettled.insert(number);
        Ok(())
    }

    /// Puts on a peer's links what is due: acknowledgements, grants, then packets of each
    /// class, the most urgent first.
    pub(super) fn settle(&mut self, number: PeerNumber) {
        self.settle_control(number);
        for class in Class::ALL {
            self.settle_class(number, class);
        }
        self.note_idle_room(number);
    }

    /// Links that have room although nothing waits measure the application, not the path.
    fn note_idle_room(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get(number) else { return };
        if peer.lanes.iter().any(|lane| lane.outbox.unsent_bytes() > 0) {
            return;
        }
        for link in &peer.links {
            if let Some(link) = self.links.get_mut(link)
                && link.room_bytes() > 0
            {
                link.app_limited();
            }
        }
    }

    fn settle_class(&mut self, number: PeerNumber, class: Class) {
        let mut paths: Option<Vec<LinkId>> = None;
        loop {
            let Some(peer) = self.peers.get_mut(number) else { return };
            let lane = &mut peer.lanes[class as usize];
            if lane.held_until > self.now || peer.links.is_empty() {
                return;
            }
            let Some(head) = lane.outbox.head() else { return };
            let leased = lane.take_lease(self.now);
            let is_leased = leased.is_some();
            let asked = leased.or_else(|| self.ask_selector(number, class, &head, &mut paths));
            let Some(verdict) = asked else { return };
            let offered = paths.take().unwrap_or_else(|| self.offered(number));
            let went = self.carry_out(number, class, &head, verdict, &offered);
            self.sampler.carried_out();
            paths = Some(offered);
            if went {
                continue;
            }
            // A lease that can't be carried out ends: the policy may know another way.
            if let Some(peer) = self.peers.get_mut(number) {
                peer.lanes[class as usize].lease = None;
            }
            if !is_leased {
                return;
            }
        }
    }

    /// The links of a peer in the order in which questions offer them. The order changes only
    /// when a path does, and then leases end.
    pub(super) fn offered(&self, number: PeerNumber) -> Vec<LinkId> {
        let Some(peer) = self.peers.get(number) else { return Vec::new() };
        let live = |link: &LinkId| self.links.get(link).is_some_and(|link| link.is_live());
        peer.links.iter().copied().filter(live).take(u16::BITS as usize).collect()
    }

    /// The rows of the paths offered.
    pub(super) fn rows(&self, offered: &[LinkId]) -> Vec<u32> {
        let mut rows = empty_paths();
        rows.reserve(offered.len() * PathRow::STRIDE);
        for link in offered.iter().filter_map(|link| self.links.get(link)) {
            let uplink = self.uplinks.get(&link.new.uplink);
            let quota_left_kib = uplink.map_or(UNKNOWN, |uplink| self.quota_left_kib(uplink));
            let row = PathRow { quota_left_kib, ..link.row(self.now, uplink) };
            self.radio_row(link, row).write(&mut rows);
        }
        rows
    }

    fn ask_selector(
        &mut self,
        number: PeerNumber,
        class: Class,
        head: &Head,
        paths: &mut Option<Vec<LinkId>>,
    ) -> Option<Verdict> {
        let offered = self.offered(number);
        if offered.is_empty() {
            return None;
        }
        let seed = self.draw();
        let peer = self.peers.get(number)?;
        let tried = offered.iter().position(|&link| Some(link) == head.tried);
        let mut bits = 0;
        for (on, bit) in [
            (head.ordered, flags::ORDERED),
            (self.power.saver, flags::SAVER),
            (self.power.charging, flags::CHARGING),
        ] {
            bits |= if on { bit } else { 0 };
        }
        let question = SelectorQuestion {
            now_us: self.now.0,
            seed,
            peer: number.0,
            class: class as u32,
            flags: bits,
            head_bytes: head.bytes,
            head_age_us: saturate(self.now.since(head.queued_at)),
            deadline_left_us: head.deadline.map_or(UNKNOWN, |at| saturate(at.since(self.now))),
            backlog_bytes: saturate(peer.lanes[class as usize].outbox.unsent_bytes()),
            backlog_above_bytes: saturate(peer.backlog_above(class)),
            duplicate_budget_bytes: saturate(peer.duplicate_bytes),
            tried_paths: tried.map_or(0, |position| 1 << position),
            standing: peer.trust.score.effective(),
            battery_permille: self.power.battery_permille.map_or(UNKNOWN, u32::from),
            paths: self.rows(&offered),
        };
        *paths = Some(offered);
        let generation = self.selector.generation();
        let answer = self.selector.ask(&question);
        self.decided_selector(&question, answer, generation);
        self.report_strike(crate::policy::Role::Selector, answer.strike);
        let verdict = self.unless_wasted(&question, answer.verdict);
        self.lease(number, class, verdict);
        self.shadow_selector(number, head.piece, question, verdict);
        Some(verdict)
    }

    fn lease(&mut self, number: PeerNumber, class: Class, verdict: Verdict) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let until = self.now.after(u64::from(verdict.lease_ms) * 1000);
        peer.lanes[class as usize].lease = (verdict.lease_packets > 0).then_some(Lease {
            verdict,
            packets: verdict.lease_packets,
            until,
        });
    }

    /// Does what the verdict says with the head. Tells whether the next head's turn has come.
    fn carry_out(
        &mut self,
        number: PeerNumber,
        class: Class,
        head: &Head,
        verdict: Verdict,
        offered: &[LinkId],
    ) -> bool {
        let chosen = || {
            let named = |position: &usize| verdict.paths >> position & 1 == 1;
            (0..offered.len()).filter(named).map(|position| offered[position])
        };
        match verdict.mode {
            Mode::Send => {
                let link = chosen().find(|link| self.has_room(*link, class, head));
                link.is_some_and(|link| self.send_head(number, class, head, link))
            }
            Mode::Stripe => {
                let room = |link: &LinkId| self.links.get(link).map_or(0, |link| link.room_bytes());
                let link = chosen().filter(|link| self.has_room(*link, class, head));
                let widest = link.max_by_key(|link| (room(link), std::cmp::Reverse(*link)));
                widest.is_some_and(|link| self.send_head(number, class, head, link))
            }
            Mode::Duplicate => {
                let links: Vec<LinkId> =
                    chosen().filter(|link| self.has_room(*link, class, head)).collect();
                self.send_copies(number, class, head, &links)
            }
            Mode::Hold => {
                let us = u64::from(verdict.hold_100us.max(1)) * 100;
                self.hold(number, class, self.now.after(us));
                false
            }
            Mode::Store | Mode::Abstain => {
                self.hold(number, class, Time(u64::MAX));
                false
            }
            Mode::Expire => {
                self.give_up(number, head.piece);
                true
            }
        }
    }

    pub(super) fn has_room(&self, link: LinkId, class: Class, head: &Head) -> bool {
        let Some(link) = self.links.get(&link) else { return false };
        let room = link.room_bytes();
        let extra = if class == Class::Realtime { URGENT_BYTES } else { 0 };
        let needed = u64::from(head.bytes);
        link.is_sound() && room + extra >= needed && (room > 0 || extra > 0)
    }

    fn hold(&mut self, number: PeerNumber, class: Class, until: Time) {
        if let Some(peer) = self.peers.get_mut(number) {
            peer.lanes[class as usize].held_until = until;
            if until < Time(u64::MAX) {
                self.timers.by(Timer::Peer(number), until);
            }
        }
    }

    fn give_up(&mut self, number: PeerNumber, piece: PieceId) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let lane = &mut peer.lanes[usize::from(piece.class)];
        let before = lane.outbox.bytes();
        if let Some(token) = lane.outbox.give_up(piece.message) {
            self.queued_bytes -= before - lane.outbox.bytes();
            self.counters.messages_expired += 1;
            self.orders.push_back(Output::Fate { token, fate: Fate::Expired });
            self.note_given_up(number, 1);
        }
    }

    fn send_head(&mut self, number: PeerNumber, class: Class, head: &Head, link: LinkId) -> bool {
        let Some(peer) = self.peers.get_mut(number) else { return false };
        let outbox = &mut peer.lanes[class as usize].outbox;
        let packet = outbox.packet(head.piece);
        outbox.advance(head);
        peer.earn_duplicates(head.bytes, self.config.duplicates_permille);
        if let Some(packet) = packet {
            self.note_sent(head.bytes);
            self.decided_packet(number, head.piece, (link, head.bytes, head.queued_at));
            self.put(link, packet, head.piece);
        }
        true
    }

    fn send_copies(
        &mut self,
        number: PeerNumber,
        class: Class,
        head: &Head,
        links: &[LinkId],
    ) -> bool {
        let Some((&first, others)) = links.split_first() else { return false };
        self.note_copies(first, head.bytes, others.len());
        for &other in others {
            self.copy(number, head.piece, other);
        }
        self.send_head(number, class, head, first)
    }

    /// Puts a further copy of a piece on a link, if the budget allows it.
    pub(super) fn copy(&mut self, number: PeerNumber, piece: PieceId, onto: LinkId) -> Option<u32> {
        if !self.links.get(&onto).is_some_and(Link::takes_packets) {
            return None;
        }
        let peer = self.peers.get_mut(number)?;
        let packet = peer.lanes[usize::from(piece.class)].outbox.packet(piece)?;
        let bytes = packet.piece.len() as u32;
        peer.duplicate_bytes = peer.duplicate_bytes.checked_sub(u64::from(bytes))?;
        self.counters.duplicate_bytes_sent += u64::from(bytes);
        if let Some(link) = self.links.get_mut(&onto) {
            link.duplicate_bytes += u64::from(bytes);
        }
        self.put(onto, packet, piece);
        Some(bytes)
    }

    fn put(&mut self, id: LinkId, mut packet: Data, piece: PieceId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        packet.sequence = link.send(self.now, packet.piece.len() as u32, Carried::Piece(piece));
        *self.used_bytes.entry(link.new.uplink).or_default() += packet.piece.len() as u64;
        let channel = Channel::Data(packet.class);
        self.transmit(id, channel, Frame::Data(packet));
        self.timers.by(Timer::Link(id), self.next_check(id));
    }

    /// Asks a link whether it is alive.
    pub(super) fn probe(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let sequence = link.send(self.now, 0, Carried::Probe);
        self.counters.probes_sent += 1;
        self.transmit(id, Channel::Control, Frame::Probe { sequence });
        self.timers.by(Timer::Link(id), self.next_check(id));
    }

    pub(super) fn transmit(&mut self, link: LinkId, channel: Channel, frame: Frame) {
        self.orders.push_back(Output::Transmit { link, channel, frame });
    }

    /// Acknowledgements, grants and floors that are due.
    fn settle_control(&mut self, number: PeerNumber) {
        let room_bytes = INBOXES_BYTES_MAX.saturating_sub(self.held_bytes) / GRANT_SHARE;
        let Some(peer) = self.peers.get_mut(number) else { return };
        let links = peer.links.clone();
        if !links.iter().filter_map(|link| self.links.get(link)).any(Link::is_live) {
            return;
        }
        let heard_twice = peer.tell_acks_on.take();
        let mut frames = Vec::new();
        for class in Class::ALL {
            let lane = &mut peer.lanes[class as usize];
            if let Some(bytes) = lane.inbox.grant_due(room_bytes) {
                frames.push(Frame::Credit { class, bytes });
            }
            if std::mem::take(&mut lane.outbox.floor_due) {
                frames.push(Frame::Floor { class, message: lane.outbox.floor() });
            }
        }
        if !frames.is_empty()
            && let Some(by) = self.soundest(&links)
        {
            frames.into_iter().for_each(|frame| self.transmit(by, Channel::Control, frame));
        }
        self.send_acks(&links, heard_twice);
    }

    /// An acknowledgement goes back on its own link, unless that one is suspect here; and
    /// when a copy came in on another link, on that one too: the sender seems not to hear us.
    fn send_acks(&mut self, links: &[LinkId], heard_twice: Option<LinkId>) {
        for &id in links {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if !link.ack_due && heard_twice.is_none() {
                continue;
            }
            let (due, sound) = (link.ack_due, link.state == crate::snapshot::LinkState::Up);
            let Some(ack) = link.ack(self.now) else { continue };
            let own = if sound { Some(id) } else { self.soundest(links).or(Some(id)) };
            let also = heard_twice.filter(|&other| Some(other) != own || !due);
            for by in own.filter(|_| due).into_iter().chain(also) {
                self.transmit(by, Channel::Control, Frame::Ack(ack.clone()));
            }
        }
    }

    /// The link with the shortest round trip of those that nothing speaks against.
    fn soundest(&self, links: &[LinkId]) -> Option<LinkId> {
        let live = links.iter().filter_map(|link| self.links.get(link)).filter(|l| l.is_live());
        let best = live.min_by_key(|l| (!l.is_sound(), l.srtt_us().unwrap_or(u64::MAX), l.id()));
        best.map(|link| link.id())
    }
}
