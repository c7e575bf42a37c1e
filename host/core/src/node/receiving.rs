//! What links bring: packets, acknowledgements, grants.

use super::Node;
use super::timers::Timer;
use crate::delivery::Taken;
use crate::frame::{Ack, Channel, Data, Frame, FrameError};
use crate::id::{LinkId, PeerId, PeerNumber};
use crate::input::LinkSample;
use crate::limits::INBOXES_BYTES_MAX;
use crate::links::{Acked, PieceId};
use crate::output::{CloseReason, Delivery, Fate, Output, Violation};
use crate::snapshot::LinkState;
use pointsman_sdk::selector::Class;

impl Node {
    pub(super) fn received(&mut self, id: LinkId, channel: Channel, frame: Frame) {
        let Some(link) = self.links.get_mut(&id) else {
            self.counters.frames_without_link += 1;
            return;
        };
        if link.state == LinkState::Closing {
            return;
        }
        link.heard_at = self.now;
        let greeted = link.hello.is_some();
        self.neighbour_heard(id);
        match frame {
            Frame::Unknown(_) => self.counters.frames_unknown += 1,
            frame if !belongs(&frame, channel) => self.violated(id, Violation::WrongChannel),
            Frame::Hello(hello) => self.hello_received(id, hello),
            Frame::Bye(code) => self.bye_received(id, code),
            _ if !greeted => self.violated(id, Violation::HelloOrder),
            Frame::Data(data) => self.data_received(id, data),
            Frame::Ack(ack) => self.ack_received(id, &ack),
            Frame::Probe { sequence } => self.probe_received(id, sequence),
            Frame::Credit { class, bytes } => self.credit_received(id, class, bytes),
            Frame::Floor { class, message } => self.floor_received(id, class, message),
            Frame::Hearsay(words) => self.hearsay_received(id, words),
        }
    }

    pub(super) fn malformed(&mut self, id: LinkId, _error: FrameError) {
        self.counters.frames_malformed += 1;
        self.violated(id, Violation::Malformed);
    }

    pub(super) fn measured(&mut self, id: LinkId, sample: LinkSample) {
        if let Some(link) = self.links.get_mut(&id) {
            link.sample = sample;
        }
    }

    fn data_received(&mut self, id: LinkId, data: Data) {
        let (class, sequence, length) = (data.class, data.sequence, data.piece.len());
        let Some(link) = self.links.get_mut(&id) else { return };
        let number = link.peer;
        let Some(peer) = self.peers.get_mut(number) else { return };
        if self.held_bytes + u64::from(data.length) > INBOXES_BYTES_MAX {
            self.counters.packets_unheld += 1;
            return self.close(id, CloseReason::Limited);
        }
        *self.used_bytes.entry(link.new.uplink).or_default() += length as u64;
        let inbox = &mut peer.lanes[class as usize].inbox;
        let held = inbox.held();
        let taken = inbox.take(data);
        self.held_bytes = self.held_bytes + inbox.held() - held;
        if taken.is_ok() {
            // Only what was taken is acknowledged.
            link.arrive(self.now, sequence, length);
        }
        match taken {
            Err(violation) => return self.violated(id, violation),
            Ok(Taken::Duplicate) => {
                self.counters.duplicates_received += 1;
                peer.tell_acks_on = Some(id);
            }
            Ok(Taken::New) => self.deliver(number, class),
        }
        self.unsettled.insert(number);
    }

    /// Hands the application what is complete and in turn.
    fn deliver(&mut self, number: PeerNumber, class: Class) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let session = peer.session.unwrap_or_default();
        for (message, payload) in peer.lanes[class as usize].inbox.ready() {
            self.counters.messages_received += 1;
            let delivery = Delivery { peer: peer.id, class, number: message, session, payload };
            self.orders.push_back(Output::Deliver(delivery));
        }
    }

    pub(super) fn consumed(&mut self, peer: &PeerId, class: Class, messages: u32, bytes: u64) {
        let Some(number) = self.peers.number(peer) else { return };
        let Some(peer) = self.peers.get_mut(number) else { return };
        let inbox = &mut peer.lanes[class as usize].inbox;
        let held = inbox.held();
        inbox.consumed(messages, bytes);
        self.held_bytes -= held - inbox.held();
        self.unsettled.insert(number);
    }

    fn floor_received(&mut self, id: LinkId, class: Class, message: u64) {
        let Some(number) = self.links.get(&id).map(|link| link.peer) else { return };
        let Some(peer) = self.peers.get_mut(number) else { return };
        let inbox = &mut peer.lanes[class as usize].inbox;
        let held = inbox.held();
        inbox.skip_to(message);
        self.held_bytes -= held - inbox.held();
        self.deliver(number, class);
    }

    fn probe_received(&mut self, id: LinkId, sequence: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.arrive(self.now, sequence, 0);
        self.unsettled.insert(link.peer);
    }

    fn credit_received(&mut self, id: LinkId, class: Class, bytes: u64) {
        let Some(number) = self.links.get(&id).map(|link| link.peer) else { return };
        if let Some(peer) = self.peers.get_mut(number) {
            peer.lanes[class as usize].outbox.grant(bytes);
            self.unsettled.insert(number);
        }
    }

    /// An acknowledgement for a link, come in on any link of the same peer.
    fn ack_received(&mut self, by: LinkId, ack: &Ack) {
        let floor_us = self.config.suspect_min_us;
        let Some(peer) = self.links.get(&by).map(|link| link.peer) else { return };
        let id = LinkId(ack.link);
        let Some(link) = self.links.get_mut(&id).filter(|link| link.peer == peer) else {
            self.counters.acks_late += 1;
            return;
        };
        if !link.is_live() {
            return;
        }
        let Some(acked) = link.acknowledge(self.now, ack, floor_us) else {
            return self.violated(by, Violation::FalseAck);
        };
        if acked.packets > 0 {
            link.heard_at = self.now;
            self.observe_acks(peer, &acked);
            self.progressed(id, by, peer, &acked);
        }
        self.unsettled.insert(peer);
    }

    fn progressed(&mut self, id: LinkId, by: LinkId, number: PeerNumber, acked: &Acked) {
        for &piece in &acked.pieces {
            self.piece_arrived(number, piece);
            self.outcome_of(number, piece, id);
        }
        self.note_acknowledged(acked);
        if let Some(peer) = self.peers.get_mut(number) {
            for &piece in &acked.lost {
                self.counters.datagrams_lost += 1;
                peer.lanes[usize::from(piece.class)].outbox.again(piece, id);
            }
        }
        self.others_progress(id, number, acked);
        self.heard_again(id, by, acked);
        self.timers.by(Timer::Link(id), self.next_check(id));
    }

    fn piece_arrived(&mut self, number: PeerNumber, piece: PieceId) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let outbox = &mut peer.lanes[usize::from(piece.class)].outbox;
        let before = outbox.bytes();
        if let Some((token, took_us)) = outbox.acknowledge(self.now, piece) {
            self.queued_bytes -= before - outbox.bytes();
            self.counters.messages_delivered += 1;
            self.orders.push_back(Output::Fate { token, fate: Fate::Delivered { took_us } });
            self.note_delivered(number, took_us);
        }
    }
}

/// Whether a frame may come on a channel.
fn belongs(frame: &Frame, channel: Channel) -> bool {
    match frame {
        Frame::Data(data) => channel == Channel::Data(data.class),
        Frame::Hello(_)
        | Frame::Ack(_)
        | Frame::Probe { .. }
        | Frame::Credit { .. }
        | Frame::Floor { .. }
        | Frame::Hearsay(_)
        | Frame::Bye(_) => channel == Channel::Control,
        Frame::Unknown(_) => true,
    }
}
