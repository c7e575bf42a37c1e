//! Whom to dial, and when.
//!
//! Anyone in earshot can advertise anything, so what an advertisement may cost is bounded three
//! times: by a back-off for each address, by the number of links and dials at once, and by a
//! rate of dials to strangers over all addresses. Among those that are due, a neighbour that
//! was met before comes first, then one that was heard for a while, then the strongest.
//!
//! Two nodes that find each other at the same moment must not both dial. The one with the smaller
//! token dials at once; the other waits for a grace, and then dials all the same, because the
//! first may not hear it. A node that only advertises or only scans leaves no choice, and its
//! neighbour knows that from the capabilities. If both dial nevertheless, there are two links,
//! and [`super::handover`] decides which of them is spare.

use core::cmp::Reverse;

use super::Neighbourhood;
use super::row::{Dialling, Row};
use super::table::Key;
use super::wish::Wish;
use crate::bluetooth::advert::Capabilities;
use crate::id::{LinkId, PeerId, Time};

/// A dial that nobody told the end of, is over after so long, in microseconds: twice what
/// BlueZ waits for a connection and ten seconds for the handshake.
pub(super) const DIAL_US_MAX: u64 = 60_000_000;

impl Neighbourhood {
    /// Links and dials at once, without the one that hands over.
    pub(super) fn links_wanted(&self) -> usize {
        self.config.links_max.min(crate::limits::BLUETOOTH_LINKS_MAX - 1)
    }

    /// Dials under way.
    pub(super) fn dials(&self) -> usize {
        self.table.rows().filter(|(_, row)| row.dialling.is_some()).count()
    }

    /// Links and dials.
    pub(super) fn busy(&self) -> usize {
        self.links.len() + self.dials()
    }

    /// Dials neighbours that are due, the best first, as long as links are missing.
    pub(super) fn dial_who_is_due(&mut self, now: Time) {
        while self.busy() < self.links_wanted() {
            let due = self.table.rows().filter(|(key, row)| {
                self.due_at(key, row).is_some_and(|due| due <= now) && !self.is_spare(key, row)
            });
            let best = due.min_by_key(|(key, row)| {
                let is_doubtful = (row.peer.is_none(), row.is_token_elsewhere, !row.is_steady());
                (is_doubtful, Reverse(row.strength()), **key)
            });
            let Some(key) = best.map(|(key, _)| *key) else { return };
            if !self.dial(now, &key, None) {
                return;
            }
        }
    }

    /// When a neighbour may be dialled; `None` where that takes another fact first.
    pub(super) fn due_at(&self, key: &Key, row: &Row) -> Option<Time> {
        let advert = row.advert.filter(|_| self.is_dialable(key, row))?;
        let ours = self.radios.get(&key.0)?.token_on_air();
        let may_be_dialled_by = advert.capabilities.contains(Capabilities::CENTRAL);
        let waits = may_be_dialled_by && ours.is_some_and(|ours| ours > advert.token);
        let grace_us = if waits { self.config.grace_us } else { 0 };
        let due = row.next_try.max(if waits { row.waits_since.after(grace_us) } else { Time(0) });
        Some(if row.peer.is_none() { due.max(self.strangers.ready_at()) } else { due })
    }

    /// Whether a neighbour could be dialled but for the time: in range, free, and not of a
    /// peer that is not welcome.
    pub(super) fn is_dialable(&self, key: &Key, row: &Row) -> bool {
        let is_central = self.radios.get(&key.0).is_some_and(|radio| radio.traits.central);
        let is_welcome = row.peer.is_none_or(|peer| !self.unwelcome.contains(&peer));
        is_central && is_welcome && row.advert.is_some() && row.within && !row.is_pinned()
    }

    /// Whether a neighbour's peer has a link or a dial over the same radio.
    pub(super) fn is_spare(&self, key: &Key, row: &Row) -> bool {
        row.peer.is_some_and(|peer| self.has_link_or_dial(peer, key))
    }

    fn has_link_or_dial(&self, peer: PeerId, key: &Key) -> bool {
        let has_link = self.links.values().any(|link| link.peer == peer && link.key.0 == key.0);
        has_link
            || self.table.rows().any(|(other, row)| {
                other.0 == key.0 && row.peer == Some(peer) && row.dialling.is_some()
            })
    }

    /// Wishes a dial. False where there are too many to strangers.
    pub(super) fn dial(&mut self, now: Time, key: &Key, replaces: Option<LinkId>) -> bool {
        let Some(row) = self.table.get(key) else { return false };
        if row.peer.is_none() && !self.strangers.take(now) {
            return false;
        }
        self.tell_discovered(key);
        self.table.change(key, |row| row.dialling = Some(Dialling { since: now, replaces }));
        self.counters.dials += 1;
        self.wishes.push_back(Wish::Dial { uplink: key.0, address: key.1 });
        true
    }

    /// Gives up dials of which nobody told the end.
    pub(super) fn give_up_dials(&mut self, now: Time) {
        let is_over = |row: &Row| row.dialling.is_some_and(|d| now.since(d.since) >= DIAL_US_MAX);
        let over: Vec<Key> =
            self.table.rows().filter(|(_, row)| is_over(row)).map(|(key, _)| *key).collect();
        for key in over {
            self.fail_dial(now, &key);
        }
    }

    /// A dial came to nothing. Whether there was one.
    pub(super) fn fail_dial(&mut self, now: Time, key: &Key) -> bool {
        if self.table.get(key).is_none_or(|row| row.dialling.is_none()) {
            return false;
        }
        let chance = self.draw();
        let config = self.config;
        self.table.change(key, |row| {
            row.dialling = None;
            row.fail(now, chance, &config);
        });
        self.counters.dials_failed += 1;
        true
    }
}
