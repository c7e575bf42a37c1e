//! A link's first steps and its last: hello, duplicates, going.

use super::Node;
use super::timers::Timer;
use crate::config::Allow;
use crate::frame::{ByeCode, Channel, Frame, Hello, VERSION, VERSION_MIN};
use crate::id::{LinkId, PeerId, PeerNumber, Time};
use crate::input::{DownReason, NewLink};
use crate::limits::{LINKS_MAX, LINKS_PER_PEER_MAX, PEERS_MAX};
use crate::links::{Carried, Link, PieceId};
use crate::output::{CloseReason, Event, Output, Violation};
use crate::snapshot::LinkState;
use pointsman_sdk::failover;
use pointsman_sdk::selector::Class;

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
        let max = LINKS_PER_PEER_MAX;
        let peer = self.peers.meet(self.now, new.peer, PEERS_MAX);
        let Some(peer) = peer else { return self.refuse(new, CloseReason::Limited) };
        let (number, crowded) = (peer.number, peer.links.len() >= max);
        if !self.is_allowed(&new.peer) {
            return self.refuse(new, CloseReason::NotAllowed);
        }
        if crowded || self.links.len() >= LINKS_MAX {
            return self.refuse(new, CloseReason::Limited);
        }
        debug_assert!(dialled.is_none_or(|peer| peer == number), "the shell checks who answers");
        let hello = self.hello(&new);
        self.links.insert(id, Link::new(new, number, self.now));
        if let Some(peer) = self.peers.get_mut(number) {
            peer.links.push(id);
            peer.useful_at = self.now;
        }
        self.transmit(id, Channel::Control, Frame::Hello(hello));
        self.timers.by(Timer::Link(id), self.now.after(GREETING_US));
    }

    fn hello(&self, new: &NewLink) -> Hello {
        let uplink = self.uplinks.get(&new.uplink);
        Hello {
            version_min: VERSION_MIN,
            version_max: VERSION,
            features: 0,
            network: self.config.network.clone(),
            session: self.session,
            link: new.link.0,
            dial: new.dial.map_or(0, |dial| dial.0),
            uplink: uplink.map(|uplink| uplink.name.clone()).unwrap_or_default(),
            uplink_flags: u64::from(uplink.is_some_and(|uplink| uplink.metered)),
        }
    }

    fn refuse(&mut self, new: NewLink, reason: CloseReason) {
        self.counters.links_refused += 1;
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
        if !speaks || hello.network != self.config.network {
            return self.close(id, CloseReason::Incompatible);
        }
        if link.new.dial.is_none() {
            link.dial_number = hello.dial;
        }
        let (number, session) = (link.peer, hello.session);
        link.hello = Some(hello);
        link.judge(self.now);
        link.state = LinkState::Up;
        self.enter_session(number, session, id);
        if self.settle_duplicate(id) {
            self.welcome(id, number);
        }
    }

    /// A new session means that the peer began anew: its old links are dead, and what it had
    /// received but not acknowledged is lost.
    fn enter_session(&mut self, number: PeerNumber, session: u64, by: LinkId) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        if peer.session == Some(session) {
            return;
        }
        let is_first = peer.session.replace(session).is_none();
        let old: Vec<LinkId> = peer.links.iter().copied().filter(|&link| link != by).collect();
        if !is_first {
            for lane in &mut peer.lanes {
                lane.inbox = Default::default();
                lane.outbox.receiver_began_anew();
            }
        }
        for link in old {
            let greeted = self.links.get(&link).is_some_and(|link| {
                link.hello.as_ref().is_some_and(|hello| hello.session != session)
            });
            if greeted {
                self.close(link, CloseReason::Dead);
            }
        }
    }

    /// Of two links with the same transport, protocol and interfaces both sides close the
    /// same one: the dial of the smaller identity stays, and of one side's dials the first.
    /// Tells whether this link stays.
    fn settle_duplicate(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let twin = self.links.values().find(|other| {
            other.id() != id
                && other.peer == link.peer
                && other.is_live()
                && key(other) == key(link)
        });
        let Some(twin) = twin else { return true };
        let loser = if self.rank(twin) <= self.rank(link) { id } else { twin.id() };
        self.close(loser, CloseReason::Duplicate);
        loser != id
    }

    fn rank(&self, link: &Link) -> (PeerId, u64) {
        let theirs = self.peers.get(link.peer).map_or(self.me, |peer| peer.id);
        let dialler = if link.new.dial.is_some() { self.me } else { theirs };
        (dialler, link.dial_number)
    }

    fn welcome(&mut self, id: LinkId, number: PeerNumber) {
        self.tell(Event::LinkUp(id));
        let mut grants = Vec::new();
        if let Some(peer) = self.peers.get_mut(number) {
            peer.paths_changed();
            for class in Class::ALL {
                let lane = &mut peer.lanes[class as usize];
                let bytes = lane.inbox.grant_due().unwrap_or_else(|| lane.inbox.granted());
                grants.push(Frame::Credit { class, bytes });
                lane.floor_due = true;
            }
        }
        for grant in grants {
            self.transmit(id, Channel::Control, grant);
        }
        self.probe(id);
        self.ask_failover(number, failover::Event::Appeared, Some(id));
        self.unsettled.insert(number);
    }

    pub(super) fn bye_received(&mut self, id: LinkId, code: ByeCode) {
        self.counters.byes_received += 1;
        let Some(link) = self.links.get_mut(&id) else { return };
        let number = link.peer;
        link.judge(self.now);
        link.state = LinkState::Closing;
        let lost = take_flight(link);
        self.send_again(number, id, lost);
        let refused = matches!(code, ByeCode::NotAllowed | ByeCode::Limited | ByeCode::Network);
        if refused {
            self.postpone_dials(id);
        }
        self.paths_changed(number);
    }

    pub(super) fn violated(&mut self, id: LinkId, violation: Violation) {
        self.counters.violations += 1;
        self.close(id, CloseReason::Violation(violation));
    }

    /// Says bye, and orders the link closed. What was in flight goes elsewhere.
    pub(super) fn close(&mut self, id: LinkId, reason: CloseReason) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.state == LinkState::Closing {
            return;
        }
        let number = link.peer;
        link.judge(self.now);
        link.state = LinkState::Closing;
        let lost = take_flight(link);
        self.transmit(id, Channel::Control, Frame::Bye(bye_code(reason)));
        self.orders.push_back(Output::Close { link: id, reason });
        self.tell(Event::Closed(id, reason));
        self.send_again(number, id, lost);
        self.paths_changed(number);
    }

    pub(super) fn link_down(&mut self, id: LinkId, reason: DownReason) {
        let Some(mut link) = self.links.remove(&id) else { return };
        self.timers.forget(Timer::Link(id));
        let was_live = link.is_live();
        let number = link.peer;
        if let Some(peer) = self.peers.get_mut(number) {
            peer.links.retain(|&other| other != id);
            peer.useful_at = self.now;
        }
        let lost = take_flight(&mut link);
        self.send_again(number, id, lost);
        self.tell(Event::LinkDown(id, reason));
        if was_live {
            self.ask_failover(number, failover::Event::Lost, None);
        }
        self.paths_changed(number);
        self.redial(number, &link);
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
        CloseReason::NotAllowed => ByeCode::NotAllowed,
        CloseReason::Limited => ByeCode::Limited,
        CloseReason::Violation(_) => ByeCode::Violation,
        CloseReason::Incompatible => ByeCode::Version,
        CloseReason::Policy | CloseReason::UplinkGone | CloseReason::Dead => ByeCode::Done,
    }
}
