//! A link's first steps and its last: hello, duplicates, going.

use core::cmp::Reverse;

use super::Node;
use super::timers::Timer;
use crate::config::Allow;
use crate::frame::{ByeCode, Channel, Frame, Hello, VERSION, VERSION_MIN};
use crate::id::{LinkId, PeerId, PeerNumber, Time};
use crate::input::{DownReason, NewLink};
use crate::limits::{LINKS_PER_PEER_MAX, PEERS_MAX};
use crate::links::{Carried, Link, PieceId};
use crate::output::{CloseReason, Event, Output, Violation};
use crate::reputation::{Cause, Level};
use crate::snapshot::LinkState;
use pointsman_sdk::failover;

/// How long the other side may take to say hello, in microseconds.
const GREETING_US: u64 = 5_000_000;

impl Node {
    pub(super) fn allows(&self, link: &Link) -> bool {
        self.peers.get(link.peer).is_some_and(|peer| self.is_allowed(&peer.id))
    }

    /// Whether the config lets this peer in.
    pub(super) fn is_allowed(&self, id: &PeerId) -> bool {
        match &self.config.allow {
            Allow::All => true,
            Allow::Listed(peers) => peers.contains(id),
        }
    }

    pub(super) fn link_up(&mut self, new: NewLink) {
        let id = new.link;
        let dialled = new.dial.and_then(|dial| self.dial_succeeded(dial));
        if !self.uplinks.contains_key(&new.uplink) {
            return self.refuse(&new, CloseReason::UplinkGone);
        }
        if !self.is_allowed(&new.peer) {
            return self.refuse(&new, CloseReason::NotAllowed);
        }
        let Some(peer) = self.peers.meet(self.now, new.peer, PEERS_MAX) else {
            return self.refuse(&new, CloseReason::Limited);
        };
        let number = peer.number;
        peer.came_from(&new.remote);
        if peer.trust.level == Level::Shunned {
            return self.refuse(&new, CloseReason::Shunned);
        }
        let has_enough = peer.links.len() >= LINKS_PER_PEER_MAX;
        if has_enough && new.dial.is_none() {
            peer.record.note(self.now, Cause::TooManyLinks, 1);
        }
        self.weigh(number);
        if has_enough || !self.has_room_for(number) {
            return self.refuse(&new, CloseReason::Limited);
        }
        let Some(peer) = self.peers.get_mut(number) else { return };
        peer.links.push(id);
        peer.useful_at = self.now;
        self.neighbour_linked(&new, true);
        let hello = self.hello(&new, number);
        self.links.insert(id, Link::new(new, number, dialled, self.now));
        self.transmit(id, Channel::Control, Frame::Hello(hello));
        self.timers.by(Timer::Link(id), self.now.after(GREETING_US));
    }

    fn hello(&self, new: &NewLink, peer: PeerNumber) -> Hello {
        let uplink = self.uplinks.get(&new.uplink);
        Hello {
            version_min: VERSION_MIN,
            version_max: VERSION,
            features: 0,
            network: self.config.network.clone(),
            session: self.session.wrapping_add(u64::from(peer.0)),
            link: new.link.0,
            dial: new.dial.map_or(0, |dial| dial.0),
            uplink: uplink.map(|uplink| uplink.name.clone()).unwrap_or_default(),
            uplink_flags: u64::from(uplink.is_some_and(|uplink| uplink.metered)),
        }
    }

    fn refuse(&mut self, new: &NewLink, reason: CloseReason) {
        self.counters.links_refused += 1;
        self.neighbour_linked(new, false);
        let code = bye_code(reason);
        self.transmit(new.link, Channel::Control, Frame::Bye(code));
        self.orders.push_back(Output::Close { link: new.link, reason });
        self.tell(Event::Closed(new.link, reason));
    }

    pub(super) fn hello_received(&mut self, id: LinkId, hello: Hello) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.state != LinkState::Greeting {
            return self.violated(id, Violation::HelloOrder);
        }
        let speaks = hello.version_min <= VERSION && hello.version_max >= VERSION_MIN;
        if !speaks {
            return self.close(id, CloseReason::Incompatible);
        }
        if hello.network != self.config.network {
            return self.close(id, CloseReason::OtherNetwork);
        }
        if link.new.dial.is_none() {
            link.dial_number = hello.dial;
        }
        let (number, session) = (link.peer, hello.session);
        link.hello = Some(hello);
        let uplink = self.uplinks.get(&link.new.uplink).map_or("", |uplink| uplink.name.as_str());
        if let Some(peer) = self.peers.get(number) {
            link.number_path(self.salt, &peer.id, uplink);
        }
        link.judge(self.now);
        link.state = LinkState::Up;
        if self.enter_session(number, session, id) && self.settle_duplicate(id) {
            self.welcome(id, number);
        }
    }

    /// A later session means that the peer began anew: its old links are dead, and what it had
    /// received but not acknowledged is lost. A link that speaks of an earlier one was late.
    fn enter_session(&mut self, number: PeerNumber, session: u64, by: LinkId) -> bool {
        let Some(peer) = self.peers.get_mut(number) else { return false };
        let Some(known) = peer.session else {
            peer.session = Some(session);
            return true;
        };
        if known == session {
            return true;
        }
        let others: Vec<LinkId> = peer.links.iter().copied().filter(|&link| link != by).collect();
        let greeted: Vec<LinkId> =
            others.into_iter().filter(|link| self.is_greeted(*link)).collect();
        if session < known && !greeted.is_empty() {
            self.close(by, CloseReason::Dead);
            return false;
        }
        if let Some(peer) = self.peers.get_mut(number) {
            peer.session = Some(session);
            for lane in &mut peer.lanes {
                let held = lane.inbox.held();
                lane.inbox.begin_anew();
                self.held_bytes -= held - lane.inbox.held();
                lane.outbox.receiver_began_anew();
            }
        }
        for link in greeted {
            self.close(link, CloseReason::Dead);
        }
        true
    }

    fn is_greeted(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.is_live() && link.hello.is_some())
    }

    /// Of two links with the same transport, protocol and interfaces both sides close the
    /// same one: the dial of the smaller identity stays, and of one side's dials the last,
    /// because who dials again has lost the first. Tells whether this link stays.
    fn settle_duplicate(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let Some(peer) = self.peers.get(link.peer) else { return false };
        let others = peer.links.iter().filter(|&&other| other != id);
        let mut others = others.filter_map(|other| self.links.get(other));
        let Some(twin) = others.find(|other| other.is_live() && key(other) == key(link)) else {
            return true;
        };
        let loser = if self.rank(twin) < self.rank(link) { id } else { twin.id() };
        self.close(loser, CloseReason::Duplicate);
        loser != id
    }

    fn rank(&self, link: &Link) -> (PeerId, Reverse<u64>) {
        let theirs = self.peers.get(link.peer).map_or(self.me, |peer| peer.id);
        let dialler = if link.new.dial.is_some() { self.me } else { theirs };
        (dialler, Reverse(link.dial_number))
    }

    fn welcome(&mut self, id: LinkId, number: PeerNumber) {
        self.tell(Event::LinkUp(id));
        self.note_reached(id);
        self.observe_greeting(id);
        self.observe_relayed(id);
        if let Some(peer) = self.peers.get_mut(number) {
            peer.paths_changed();
            peer.tell_again();
        }
        self.probe(id);
        self.ask_failover(number, failover::Event::Appeared, Some(id));
        self.unsettled.insert(number);
    }

    pub(super) fn bye_received(&mut self, id: LinkId, code: ByeCode) {
        self.counters.byes_received += 1;
        self.observe_bye(id, code);
        self.end_link(id, Ending::Bye(code));
        self.orders.push_back(Output::Close { link: id, reason: CloseReason::ByPeer });
    }

    pub(super) fn violated(&mut self, id: LinkId, violation: Violation) {
        self.counters.violations += 1;
        self.observe_violation(id, violation);
        self.close(id, CloseReason::Violation(violation));
    }

    /// Says bye, and orders the link closed.
    pub(super) fn close(&mut self, id: LinkId, reason: CloseReason) {
        let is_open = |link: &Link| link.state != LinkState::Closing;
        if !self.links.get(&id).is_some_and(is_open) {
            return;
        }
        self.transmit(id, Channel::Control, Frame::Bye(bye_code(reason)));
        self.orders.push_back(Output::Close { link: id, reason });
        self.tell(Event::Closed(id, reason));
        self.end_link(id, Ending::Ours(reason));
    }

    pub(super) fn link_down(&mut self, id: LinkId, reason: DownReason) {
        self.end_link(id, Ending::Down);
        self.timers.forget(Timer::Link(id));
        let Some(link) = self.links.remove(&id) else { return };
        if let Some(peer) = self.peers.get_mut(link.peer) {
            peer.links.retain(|&other| other != id);
            peer.useful_at = self.now;
        }
        self.neighbours.unlinked(self.now, id);
        self.tell(Event::LinkDown(id, reason));
        self.paths_changed(link.peer);
        self.consider_dials(link.peer);
    }

    /// A link stops being one, whoever ends it: what was in flight goes elsewhere, what it
    /// may have failed to tell is told again, and the failover policy is asked while the path
    /// can still be shown to it. Happens once to each link.
    fn end_link(&mut self, id: LinkId, ending: Ending) {
        let Some(link) = self.links.get(&id) else { return };
        let (number, state) = (link.peer, link.state);
        if state == LinkState::Closing {
            return;
        }
        let offered = self.offered(number);
        self.observe_cut(id, ending);
        self.back_off(id, ending);
        let Some(link) = self.links.get_mut(&id) else { return };
        let was_live = link.is_live();
        link.judge(self.now);
        link.state = LinkState::Closing;
        let lost = take_flight(link);
        let resent = self.send_again(number, id, lost);
        if let Some(peer) = self.peers.get_mut(number) {
            peer.tell_again();
            peer.told.lost(id);
        }
        if was_live {
            self.ask_about(number, failover::Event::Lost, Some(id), &offered, resent);
        }
        self.unmask_if_alone(number);
        self.paths_changed(number);
    }

    /// Verdicts about a peer's paths end, and its queues are looked at again.
    pub(super) fn paths_changed(&mut self, number: PeerNumber) {
        if let Some(peer) = self.peers.get_mut(number) {
            peer.paths_changed();
        }
        self.unsettled.insert(number);
    }

    /// Pieces that a link takes along are put first in their queues, unless a copy is under
    /// way on another link that is alive.
    pub(super) fn send_again(
        &mut self,
        number: PeerNumber,
        from: LinkId,
        lost: Vec<(PieceId, Option<LinkId>)>,
    ) -> u32 {
        let mut count = 0;
        for (piece, copy) in lost {
            let safe = copy.and_then(|link| self.links.get(&link)).is_some_and(Link::is_sound);
            if safe {
                continue;
            }
            if let Some(peer) = self.peers.get_mut(number) {
                peer.lanes[usize::from(piece.class)].outbox.again(piece, from);
                count += 1;
            }
        }
        self.unsettled.insert(number);
        count
    }

    /// The time at which a greeting that did not come ends the link.
    pub(super) fn greeting_ends(link: &Link) -> Time {
        link.since.after(GREETING_US)
    }
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// This side closes it.
    Ours(CloseReason),
    /// The other side says bye.
    Bye(ByeCode),
    /// It is gone.
    Down,
}

/// What two links of a peer must not have in common.
fn key(link: &Link) -> impl PartialEq + '_ {
    let theirs = link.hello.as_ref().map_or("", |hello| hello.uplink.as_str());
    (link.new.transport, link.new.protocol, link.new.uplink, theirs)
}

/// The pieces that a link takes along when it goes, oldest first.
pub(super) fn take_flight(link: &mut Link) -> Vec<(PieceId, Option<LinkId>)> {
    let flight = link.unacked().filter_map(|sent| match sent.carried {
        Carried::Piece(piece) => Some((piece, sent.copied_to)),
        Carried::Probe => None,
    });
    let pieces = flight.collect();
    link.forget_flight();
    pieces
}

fn bye_code(reason: CloseReason) -> ByeCode {
    match reason {
        CloseReason::Duplicate => ByeCode::Duplicate,
        CloseReason::NotAllowed | CloseReason::Shunned => ByeCode::NotAllowed,
        CloseReason::Limited | CloseReason::Evicted => ByeCode::Limited,
        CloseReason::Violation(_) => ByeCode::Violation,
        CloseReason::Incompatible => ByeCode::Version,
        CloseReason::OtherNetwork => ByeCode::Network,
        CloseReason::Policy
        | CloseReason::UplinkGone
        | CloseReason::OutOfSight
        | CloseReason::Faded
        | CloseReason::Spare
        | CloseReason::Dead
        | CloseReason::ByPeer => ByeCode::Done,
    }
}
