//! Orders out: how the Node's outputs are carried out.

use pointsman_core::bluetooth::{RadioAddress, neighbours};
use pointsman_core::frame::{ByeCode, Channel, Frame};
use pointsman_core::id::{DialId, LinkId, PeerId, UplinkId};
use pointsman_core::input::{Address, DialFailure, Input};
use pointsman_core::limits::STANDINGS_UNTOLD_MAX;
use pointsman_core::output::{Event, Output};
use pointsman_radio::Bluetooth;

use super::Shell;
use super::journal::Happening;
use crate::net::{Busy, LinkSender, Net, SendError};

/// How often in one turn orders may be answered on the spot. What is left waits for the next
/// turn, so that no answer that begets an order keeps the loop from everybody else.
const ECHO_ROUNDS: usize = 4;

/// Tells the other side that the link ends in good order, and closes it.
pub(super) fn say_goodbye(sender: LinkSender) {
    // A link that is gone or has no room for one more frame ends without the word.
    let _ = sender.try_send((Channel::Control, Frame::Bye(ByeCode::Done)));
    sender.close();
}

impl Shell {
    /// Carries out all of the Node's orders, then wakes those who wait, once for all of them.
    pub(super) fn carry_out(&mut self) {
        self.tally.turns += 1;
        for _ in 0..ECHO_ROUNDS {
            for echo in std::mem::take(&mut self.echoes) {
                self.node.handle(self.now, echo);
            }
            while let Some(output) = self.node.poll() {
                self.carry(output);
            }
            if self.echoes.is_empty() {
                break;
            }
        }
        self.mail.deliver(&mut self.deliveries);
        self.waiters.wake();
        for link in self.gone.drain(..) {
            self.links.remove(&link);
        }
    }

    fn carry(&mut self, output: Output) {
        match output {
            Output::Transmit { link, channel, frame } => self.transmit(link, channel, frame),
            Output::Dial { dial, peer, address, uplink } => self.dial(dial, peer, address, uplink),
            Output::Approach { dial, address, uplink } => self.approach(dial, address, uplink),
            Output::Seek { peer } => self.told_phone(self.net.seek(peer)),
            Output::Scan { uplink, scanning } => {
                if let Some(bluetooth) = self.radio(uplink) {
                    bluetooth.scan(for_radio(scanning));
                }
            }
            Output::Advertise { uplink, payload } => {
                if let Some(bluetooth) = self.radio(uplink) {
                    bluetooth.advertise(Some(payload));
                }
            }
            Output::Close { link, reason } => {
                tracing::debug!(link = link.0, ?reason, "closing a link");
                if let Some(live) = self.links.get_mut(&link) {
                    live.sender = None;
                }
            }
            Output::Deliver(delivery) => self.deliveries.push(delivery),
            Output::Fate { token, fate } => {
                if !self.waiters.tell(token, fate) {
                    tracing::error!(?token, ?fate, "a fate for a message that nobody sent");
                }
            }
            Output::Event(event) => self.happened(event),
            Output::Decided(decision) => {
                self.aside.decided(&decision);
                self.taps.decided(*decision);
            }
            Output::Outcome(outcome) => {
                self.taps.outcome(outcome);
                self.aside.outcome(outcome);
            }
            Output::Fold { about, question } => self.aside.fold(about, question),
            Output::Inspect(question) => self.aside.inspect(question),
            Output::StandingChanged { peer, score, level, was } => {
                if level != was {
                    self.journal.write(Happening::Standing { peer, score, level, was });
                }
                self.untold.insert(peer, (score, level));
                if self.untold.len() > STANDINGS_UNTOLD_MAX {
                    self.untold.pop_first();
                }
                self.tell_standings();
            }
        }
    }

    /// Tells the network task where peers stand, as far as it takes more orders now.
    pub(super) fn tell_standings(&mut self) {
        while let Some(entry) = self.untold.first_entry() {
            let (score, level) = *entry.get();
            if self.net.stand(*entry.key(), score, level).is_err() {
                return;
            }
            entry.remove();
        }
    }

    /// What the phone book is told is only a hint: where it is not taken, the next one will be.
    fn told_phone(&self, told: Result<(), Busy>) {
        if told.is_err() {
            tracing::debug!("the network task is busy: the phone book was not told");
        }
    }

    /// A link whose queue is full belongs to a peer that makes us answer and does not read: it
    /// is closed, and what was in flight on it goes elsewhere.
    fn transmit(&mut self, link: LinkId, channel: Channel, frame: Frame) {
        let Some(live) = self.links.get_mut(&link) else {
            self.tally.frames_without_link += 1;
            return;
        };
        match live.sender.as_ref().map(|sender| sender.try_send((channel, frame))) {
            Some(Ok(())) => {}
            Some(Err(SendError::Gone)) | None => self.tally.frames_without_link += 1,
            Some(Err(SendError::Full)) => {
                tracing::warn!(link = link.0, "the peer does not read: its link is closed");
                self.tally.frames_unqueued += 1;
                live.sender = None;
            }
        }
    }

    fn dial(&mut self, dial: DialId, peer: PeerId, address: Address, uplink: UplinkId) {
        self.order_dial(dial, uplink, |net, name| net.dial(dial, peer, address, name));
    }

    fn approach(&mut self, dial: DialId, address: RadioAddress, uplink: UplinkId) {
        self.order_dial(dial, uplink, |net, name| net.approach(dial, address, name));
    }

    fn order_dial(
        &mut self,
        dial: DialId,
        uplink: UplinkId,
        order: impl FnOnce(&Net, String) -> Result<(), Busy>,
    ) {
        let failure = match self.uplink_name(uplink) {
            None => DialFailure::Unreachable,
            Some(_) if self.stopping => DialFailure::Limited,
            Some(name) => match order(&self.net, name) {
                Ok(()) => return,
                Err(Busy) => {
                    self.tally.dials_unheard += 1;
                    DialFailure::Limited
                }
            },
        };
        self.echoes.push(Input::DialFailed { dial, failure });
    }

    fn radio(&self, uplink: UplinkId) -> Option<&Bluetooth> {
        self.radios.iter().find(|(id, _)| *id == uplink).map(|(_, bluetooth)| bluetooth)
    }

    pub(super) fn happened(&mut self, event: Event) {
        self.aside.happened(&event);
        let link = link_of(&event).and_then(|link| self.links.get(&link));
        let link = link.map(|live| live.info.clone());
        let uplink = match event {
            Event::UplinkChanged(id) | Event::UplinkGone(id) => self.uplink_name(id),
            Event::ApproachFailed { uplink, .. }
            | Event::NeighbourFound { uplink, .. }
            | Event::RangeChanged { uplink, .. }
            | Event::NeighbourLost { uplink, .. } => self.uplink_name(uplink),
            Event::LinkUp(_)
            | Event::LinkDown(..)
            | Event::Suspect(..)
            | Event::Recovered(..)
            | Event::Hedged { .. }
            | Event::Moved { .. }
            | Event::DialFailed { .. }
            | Event::Closed(..)
            | Event::Struck { .. }
            | Event::Swapped { .. }
            | Event::Proven { .. }
            | Event::RolledBack { .. }
            | Event::Fading(_)
            | Event::Steady(_)
            | Event::Resumed(_) => None,
        };
        self.journal.write(Happening::Node { event, link, uplink });
    }
}

/// The link that an event is about.
fn link_of(event: &Event) -> Option<LinkId> {
    match *event {
        Event::LinkUp(link)
        | Event::LinkDown(link, _)
        | Event::Suspect(link, _)
        | Event::Recovered(link, _)
        | Event::Hedged { from: link, .. }
        | Event::Fading(link)
        | Event::Steady(link)
        | Event::Closed(link, _) => Some(link),
        Event::Moved { .. }
        | Event::DialFailed { .. }
        | Event::UplinkChanged(_)
        | Event::UplinkGone(_)
        | Event::Struck { .. }
        | Event::Swapped { .. }
        | Event::Proven { .. }
        | Event::RolledBack { .. }
        | Event::ApproachFailed { .. }
        | Event::NeighbourFound { .. }
        | Event::RangeChanged { .. }
        | Event::NeighbourLost { .. }
        | Event::Resumed(_) => None,
    }
}

/// How much to listen, in the radio's words.
fn for_radio(scanning: neighbours::Scanning) -> pointsman_radio::Scanning {
    let ms = |us: u64| u32::try_from(us / 1000).unwrap_or(u32::MAX);
    match (ms(scanning.window_us), ms(scanning.interval_us)) {
        (0, _) => pointsman_radio::Scanning::Off,
        (window_ms, interval_ms) => pointsman_radio::Scanning::On { window_ms, interval_ms },
    }
}
