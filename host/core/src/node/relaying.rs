//! Relays: for as long as there is no other way.
//!
//! A relay is somebody else's, and every packet takes the way through it twice. So an address
//! that leads through one is dialled after the others, and not at all while a direct link is
//! sound. A link through a relay stays as a spare until a direct one has been good for a
//! while; should that one fail later, the relay is dialled again, at once where the failover
//! policy finds nothing else that is well.
//!
//! Of several relays those that stand better are dialled first, and one that is shunned never.
//! A link that leads through such a one does not keep another relay from being dialled, whose
//! link replaces it. What a relay did for a link that we dialled
//! counts for it or against it; what came in through it does not, because anybody can make that
//! come.

use super::Node;
use super::greeting::Ending;
use crate::id::{LinkId, PeerId, PeerNumber, Time, UplinkId};
use crate::input::{Address, Protocol};
use crate::links::Link;
use crate::reputation::{Cause, Level};
use crate::snapshot::LinkState;
use pointsman_sdk::Transport;

/// So much later than the last direct dial a relay is dialled, in microseconds: a handshake
/// over a long way takes less.
const HEAD_START_US: u64 = 500_000;

impl Node {
    /// When an address through a relay may be dialled, as far as other ways are concerned;
    /// `None` where one of them is sound.
    pub(super) fn relay_due(&self, number: PeerNumber) -> Option<Time> {
        if self.links_of(number).any(|link| is_direct(link) && link.is_sound()) {
            return None;
        }
        let dials = self.dials.iter();
        let direct = dials
            .filter(|(_, (to, address, _))| *to == number && address.protocol != Protocol::Circuit);
        let dialled_at = direct.filter_map(|(dial, (_, address, uplink))| {
            let place = self.peers.get(number)?.places.get(address)?;
            let attempt = place.attempts.get(uplink)?;
            (attempt.dialling == Some(*dial)).then_some(attempt.dialled_at)
        });
        Some(dialled_at.max().map_or(self.now, |at| at.after(HEAD_START_US)))
    }

    /// Whether a link through any relay over this interface is sound, or being made. One that
    /// is suspect is not: its relay may be gone, and another one there. Nor is one through a
    /// relay that is shunned.
    pub(super) fn is_relayed(&self, number: PeerNumber, over: UplinkId) -> bool {
        let is_there = |link: &Link| {
            link.is_relayed()
                && link.new.uplink == over
                && link.state != LinkState::Suspect
                && relay_of(link).is_none_or(|relay| self.level(&relay) != Level::Shunned)
        };
        let is_dial = |(to, address, uplink): &(PeerNumber, Address, UplinkId)| {
            *to == number && *uplink == over && address.protocol == Protocol::Circuit
        };
        self.links_of(number).any(is_there) || self.dials.values().any(is_dial)
    }

    /// Whether a link through a relay is needed no more: a direct one to the same peer has
    /// been good for as long as the config says.
    pub(super) fn is_relay_spare(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id).filter(|link| link.is_relayed()) else { return false };
        let Some(standby_us) = self.config.relay_standby_us else { return false };
        self.links_of(link.peer).any(|other| {
            let well_since = other.since.max(other.suspect_since);
            let is_good = is_direct(other) && other.is_sound() && other.is_proven();
            is_good && self.now.since(well_since) >= standby_us
        })
    }

    /// How the relay of an address is treated; a direct address is better than the best.
    pub(super) fn relayed_by(&self, address: &Address) -> Level {
        address.relay().map_or(Level::Trusted, |relay| self.level(&relay))
    }

    /// A relay is shunned, or no more: whom it leads to is dialled through another, or through it.
    pub(super) fn relay_judged(&mut self, relay: PeerId) {
        for number in self.peers.numbers() {
            let Some(peer) = self.peers.get(number) else { continue };
            if peer.places.keys().any(|address| address.relay() == Some(relay)) {
                self.consider_dials(number);
            }
        }
    }

    /// A link that we dialled through a relay greeted.
    pub(super) fn observe_relayed(&mut self, id: LinkId) {
        if let Some(relay) = self.links.get(&id).and_then(relay_of) {
            self.observed(relay, Cause::Relayed, 1);
        }
    }

    /// A link ends. Where nothing spoke against one through a relay, and nobody said goodbye, the
    /// relay cut it.
    pub(super) fn observe_cut(&mut self, id: LinkId, ending: Ending) {
        let cut = self.links.get(&id).filter(|link| ending == Ending::Down && link.is_sound());
        if let Some(relay) = cut.and_then(relay_of) {
            self.observed(relay, Cause::RelayBroken, 1);
        }
    }
}

/// Whom a link that we dialled leads through.
fn relay_of(link: &Link) -> Option<PeerId> {
    link.dialled.as_ref()?.relay()
}

/// Bluetooth is direct too, and yet no replacement: it is slower than any relay.
fn is_direct(link: &Link) -> bool {
    !link.is_relayed() && link.new.transport != Transport::Bluetooth
}
