//! What others reach this node by, as it is told to the rest of the program.

use libp2p::{Multiaddr, relay};

use super::external::External;
use super::relays::Reservation;

/// All of it, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Addresses at which this node may be reached, with what is known of them.
    pub externals: Vec<External>,
    /// Where it has reservations, or asks for them.
    pub reservations: Vec<Reservation>,
    /// What was counted.
    pub counts: NatCounts,
}

impl Reach {
    /// The addresses that lead here, those through relays among them; without our identity.
    pub fn leading_here(&self) -> impl Iterator<Item = &Multiaddr> {
        let all = self.externals.iter();
        all.filter(|one| one.reachable == Some(true)).map(|one| &one.address)
    }

    /// Whether anybody reaches this node without a relay: yes, no, or nobody knows.
    pub fn is_reachable(&self) -> Option<bool> {
        let known = self.externals.iter().filter_map(|one| one.reachable.map(|yes| (yes, one)));
        let direct = known.filter(|(_, one)| one.evidence != super::Evidence::Relay);
        direct.map(|(yes, _)| yes).reduce(|one, other| one || other)
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatCounts {
    /// Dials to punch a hole.
    pub punches: u64,
    /// Connections that came of them.
    pub punched: u64,
    /// Peers for whom the tries came to nothing, or for whom another way came meanwhile.
    pub punches_given_up: u64,
    /// Questions whether an address leads here.
    pub probes: u64,
    /// What they cost, in bytes sent.
    pub probe_bytes: u64,
    /// Answers to such questions of others.
    pub answers: u64,
    /// Reservations that were granted to others, renewals included.
    pub reservations_granted: u64,
    /// Circuits that were made for others.
    pub circuits_relayed: u64,
    /// Reservations and circuits that were refused to others.
    pub relays_refused: u64,
    /// Circuits of others that are there now.
    pub circuits_now: u64,
}

impl NatCounts {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the variants that are left are deprecated, and may not even be named"
    )]
    pub(super) fn relay(&mut self, event: &relay::Event) {
        match event {
            relay::Event::ReservationReqAccepted { .. } => self.reservations_granted += 1,
            relay::Event::CircuitReqAccepted { .. } => {
                self.circuits_relayed += 1;
                self.circuits_now += 1;
            }
            relay::Event::CircuitClosed { .. } => {
                self.circuits_now = self.circuits_now.saturating_sub(1);
            }
            relay::Event::ReservationReqDenied { .. } | relay::Event::CircuitReqDenied { .. } => {
                self.relays_refused += 1;
            }
            _ => {}
        }
    }
}
