//! What others did at our server.

use libp2p::PeerId as Libp2p;
use pointsman_sdk::reputation::Kind;

use super::{Dht, rules};
use crate::identity;
use crate::intake::{Declined, Put};
use crate::record::Refusal;
use crate::server::Served;

/// A flood weighs as much as so many single faults.
const FLOOD_WEIGHT: u32 = 10;

impl Dht {
    pub(super) fn served(&mut self, served: Served) {
        match served {
            Served::Put { from, key, value } => self.brought(from, &key, &value),
            Served::Flood(peer) => {
                if let Some(peer) = identity::from_libp2p(&peer) {
                    self.observe(peer, None, Kind::Spam, FLOOD_WEIGHT, "flood-of-questions");
                }
            }
        }
    }

    fn brought(&mut self, from: Libp2p, key: &[u8], value: &[u8]) {
        let subnet = self.remotes.get(&from).and_then(|(subnet, _)| *subnet);
        let Some(from) = identity::from_libp2p(&from) else { return };
        let rules = rules(&self.network, self.scope, &self.clock);
        let put = Put { from, subnet, key, value };
        let shelf = self.parts.server.shelf();
        match self.intake.put(self.clock.now(), &rules, shelf, &put) {
            Ok(_) => {}
            Err(Declined::TooMany) => {
                self.observe(from, subnet, Kind::Spam, 1, "too-many-records");
            }
            Err(Declined::Refused(refusal)) => {
                self.observe(from, subnet, Kind::Invalid, weight(refusal), refusal.name());
            }
        }
    }
}

/// What merely grew old weighs less than what nobody makes by accident.
fn weight(refusal: Refusal) -> u32 {
    if refusal.is_offence() { 3 } else { 1 }
}
