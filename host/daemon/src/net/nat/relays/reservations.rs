//! Where this node has reservations, or asks for them.

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::ListenOpts;
use libp2p::{Multiaddr, PeerId};
use pointsman_core::limits::RESERVATIONS_MAX;

use crate::net::address::with_uplink;
use crate::net::ways::Way;

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// At whose.
    pub relay: PeerId,
    /// Over which uplink.
    pub uplink: String,
    /// Where this node is reached by it, without its own identity.
    pub address: Multiaddr,
    /// Whether the relay has said yes.
    pub confirmed: bool,
    listener: ListenerId,
}

/// The reservations.
#[derive(Debug, Default)]
pub(super) struct Reservations(Vec<Reservation>);

impl Reservations {
    pub(super) fn all(&self) -> &[Reservation] {
        &self.0
    }

    pub(super) fn has(&self, relay: &PeerId) -> bool {
        self.0.iter().any(|one| one.relay == *relay)
    }

    /// The listeners of those at a relay.
    pub(super) fn listeners(&self, relay: PeerId) -> impl Iterator<Item = ListenerId> {
        self.0.iter().filter(move |one| one.relay == relay).map(|one| one.listener)
    }

    /// The uplink for the next one, if there should be one more: the first that has the
    /// fewest.
    pub(super) fn next_uplink(&self, ways: &[Way]) -> Option<String> {
        if self.0.len() >= RESERVATIONS_MAX {
            return None;
        }
        let count = |way: &&Way| self.0.iter().filter(|one| one.uplink == way.name).count();
        ways.iter().min_by_key(count).map(|way| way.name.clone())
    }

    /// Asks a relay at this address for one: what is to be listened on for it.
    pub(super) fn begin(&mut self, relay: PeerId, uplink: &str, at: &Multiaddr) -> ListenOpts {
        let address = at.clone().with(Part::P2p(relay)).with(Part::P2pCircuit);
        let options = ListenOpts::new(with_uplink(&address, uplink));
        let (uplink, listener) = (uplink.to_owned(), options.listener_id());
        self.0.push(Reservation { relay, uplink, address, confirmed: false, listener });
        options
    }

    /// A relay said yes; whether that is news.
    pub(super) fn confirmed(&mut self, relay: &PeerId) -> bool {
        let mut waiting = self.0.iter_mut().filter(|one| !one.confirmed);
        let found = waiting.find(|one| one.relay == *relay);
        found.map(|one| one.confirmed = true).is_some()
    }

    /// One is gone, or was not granted; gives its relay.
    pub(super) fn closed(&mut self, listener: ListenerId) -> Option<PeerId> {
        let at = self.0.iter().position(|one| one.listener == listener)?;
        Some(self.0.remove(at).relay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::ways::{Ways, uplink};

    fn ways() -> Vec<Way> {
        let ways = Ways::default();
        for (id, name) in [(1, "eth0"), (2, "wlan0")] {
            ways.set(&uplink(id, name, &[]));
        }
        ways.out()
    }

    #[test]
    fn the_second_goes_over_another_uplink_and_there_is_no_third() {
        let (mut reservations, ways) = (Reservations::default(), ways());
        let at = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        let mut uplinks = Vec::new();
        while let Some(uplink) = reservations.next_uplink(&ways) {
            reservations.begin(PeerId::random(), &uplink, &at);
            uplinks.push(uplink);
        }
        assert_eq!(uplinks, ["eth0", "wlan0"]);
        assert_eq!(Reservations::default().next_uplink(&[]), None);
    }

    #[test]
    fn one_that_is_lost_makes_room_for_another() {
        let (mut reservations, relay) = (Reservations::default(), PeerId::random());
        let options = reservations.begin(relay, "eth0", &"/ip4/192.0.2.1/tcp/1".parse().unwrap());
        let zoned = options.address().to_string();
        assert!(zoned.starts_with("/ip6zone/eth0/ip4/192.0.2.1/tcp/1/p2p/"), "{zoned}");
        assert!(reservations.confirmed(&relay) && !reservations.confirmed(&relay));
        assert!(reservations.has(&relay));
        assert_eq!(reservations.listeners(relay).collect::<Vec<_>>(), [options.listener_id()]);
        assert_eq!(reservations.closed(options.listener_id()), Some(relay));
        assert_eq!(reservations.closed(options.listener_id()), None);
        assert!(!reservations.has(&relay));
    }
}
