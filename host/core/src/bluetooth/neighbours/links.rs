//! What is told about dials and links.

use super::row::Row;
use super::table::Key;
use super::wish::{Why, Wish};
use super::{Link, Neighbourhood};
use crate::bluetooth::RadioAddress;
use crate::id::{LinkId, PeerId, Time, UplinkId};

impl Neighbourhood {
    /// The Node dials a neighbour on its own account. Whether there is a place for it; if not,
    /// it had better not. Not needed for what [`Wish::Dial`] wished.
    pub fn dialling(&mut self, now: Time, uplink: UplinkId, address: RadioAddress) -> bool {
        self.fact(now);
        let (key, now) = ((uplink, address), self.now);
        let is_idle = self.table.get(&key).is_none_or(|row| !row.is_pinned());
        if !self.radios.contains_key(&uplink) || !is_idle || self.busy() >= self.links_wanted() {
            return false;
        }
        let dialling = Some(super::row::Dialling { since: now, replaces: None });
        if self.table.change(&key, |row| row.dialling = dialling).is_none() {
            let mut row = Row::new(now);
            row.dialling = dialling;
            self.enter(key, row);
        }
        true
    }

    /// A dial came to nothing, or the Node did not make it.
    pub fn dial_failed(&mut self, now: Time, uplink: UplinkId, address: RadioAddress) {
        self.fact(now);
        if !self.fail_dial(self.now, &(uplink, address)) {
            self.counters.strays += 1;
        }
    }

    /// A handshake is done. `dialled`: by us. Where there are enough links already, the wish to
    /// close it comes at once, and it is not remembered.
    pub fn linked(
        &mut self,
        now: Time,
        uplink: UplinkId,
        address: RadioAddress,
        id: LinkId,
        peer: PeerId,
        dialled: bool,
    ) {
        self.fact(now);
        let key = (uplink, address);
        if !self.radios.contains_key(&uplink) || self.links.contains_key(&id) {
            self.counters.strays += 1;
            return;
        }
        let dialling = self.table.get(&key).and_then(|row| row.dialling).filter(|_| dialled);
        if dialling.is_some() {
            self.table.change(&key, |row| row.dialling = None);
        }
        if self.busy() >= self.places_for(peer, dialling.is_some()) {
            self.wishes.push_back(Wish::Close { link: id, why: Why::Full });
            return;
        }
        self.pin(&key, peer);
        self.links_seen += 1;
        let link = Link {
            key,
            peer,
            dialled,
            order: self.links_seen,
            is_settled: false,
            heard_at: self.now,
            fades: false,
            is_closing: false,
            replaces: dialling.and_then(|dialling| dialling.replaces),
        };
        self.links.insert(id, link);
    }

    /// How many links and dials there may be for one more link. The place beyond those that are
    /// wanted is for what we dialled, and for a peer that may be handing over its link to us.
    fn places_for(&self, peer: PeerId, dialled: bool) -> usize {
        let hands_over = dialled || self.links.values().any(|link| link.peer == peer);
        self.links_wanted() + usize::from(hands_over)
    }

    /// Remembers a neighbour as one with a link.
    fn pin(&mut self, key: &Key, peer: PeerId) {
        let pinned = self.table.change(key, |row| {
            row.links += 1;
            row.peer = Some(peer);
        });
        if pinned.is_none() {
            let mut row = Row::new(self.now);
            row.links = 1;
            row.peer = Some(peer);
            self.enter(*key, row);
        }
    }

    /// A link has proven itself: both sides greeted, and the first probe came back.
    pub fn settled(&mut self, now: Time, id: LinkId) {
        self.fact(now);
        let Some(link) = self.links.get_mut(&id) else {
            self.counters.strays += 1;
            return;
        };
        link.is_settled = true;
        let key = link.key;
        self.table.change(&key, |row| row.failures = 0);
    }

    /// Something arrived on a link, and how strong, if the radio tells.
    pub fn link_heard(&mut self, now: Time, id: LinkId, rssi: Option<i16>) {
        self.now = self.now.max(now);
        let (now, config) = (self.now, self.config);
        let Some(link) = self.links.get_mut(&id) else {
            self.counters.strays += 1;
            return;
        };
        link.heard_at = now;
        let key = link.key;
        let measured = self.table.change(&key, |row| {
            let is_measured = row.filter.sample(now, rssi);
            row.place(now, &config);
            is_measured
        });
        self.is_stale |= measured == Some(true);
    }

    /// A link ended, whoever ended it.
    pub fn unlinked(&mut self, now: Time, id: LinkId) {
        self.fact(now);
        let Some(link) = self.links.remove(&id) else {
            self.counters.strays += 1;
            return;
        };
        for other in self.links.values_mut().filter(|other| other.replaces == Some(id)) {
            other.replaces = None;
        }
        let (now, config, chance) = (self.now, self.config, self.draw());
        self.table.change(&link.key, |row| {
            row.links = row.links.saturating_sub(1);
            if link.is_settled || link.is_closing {
                row.rest(now, &config);
            } else {
                row.fail(now, chance, &config);
            }
        });
    }

    pub(super) fn links_over(&self, uplink: UplinkId) -> impl Iterator<Item = LinkId> {
        self.links.iter().filter(move |(_, link)| link.key.0 == uplink).map(|(id, _)| *id)
    }
}
