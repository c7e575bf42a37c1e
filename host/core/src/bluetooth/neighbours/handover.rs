//! Which links are given up, and what stands in for them first.
//!
//! **Fading.** A link fades when the line through its last seconds leaves the range soon, or
//! when its estimate is below what receivers hear. Then the best neighbour that is stronger by
//! a margin is dialled beside it: another place of the same peer, or, where all links that are
//! wanted exist, any other. Only when the new link is *settled* (the Node has proven it) is the
//! fading one closed.
//!
//! **Spare.** A peer with two radios, or one whose address rotated, ends up with two links over
//! one radio of ours. Both ends see two links, and they must not close one each. So:
//!
//! - only the side that dialled a link closes it as spare;
//! - of two links that one side dialled, that side keeps the older;
//! - of two links that each side dialled one of, the one of the smaller peer identity stays;
//! - what stays must be settled, and must not fade while the other does not.
//!
//! The second rule is one side's own business. The third needs no agreement on which link is
//! newer, and that is what two sides can't agree on when they dial at the same moment. The two
//! ends may judge differently whether links share a radio (each has its own); then both links
//! stay, and never none.
//!
//! **Faded** links are closed by whoever notices it, but only for a newer link that the same
//! side dialled: such a link the other side never closes as spare, and as faded only for a still
//! newer one of its own.

use core::cmp::Reverse;

use super::row::Row;
use super::table::Key;
use super::wish::{Event, Why, Wish};
use super::{Link, Neighbourhood};
use crate::id::{LinkId, Time};

/// A slope that is steeper than what noise alone makes of a neighbour that stands still, in dB a
/// second.
const FALL_DB_PER_S: f64 = -0.5;
/// How far above the edge a prediction must be for a link to be steady again, in dB.
const STEADY_DB: f64 = 3.0;

impl Neighbourhood {
    /// Judges every link anew: out of sight, fading, steady.
    pub(super) fn watch_links(&mut self, now: Time) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get(&id).filter(|link| !link.is_closing) else { continue };
            let Some(row) = self.table.get(&link.key) else { continue };
            let heard_at = link.heard_at.max(row.heard_at);
            if now.since(heard_at) >= self.config.out_of_sight_us {
                self.close(id, Why::OutOfSight);
                continue;
            }
            let fades = self.fades(now, row, link.fades);
            if fades != link.fades {
                let event =
                    if fades { Event::Fading { link: id } } else { Event::Steady { link: id } };
                if let Some(link) = self.links.get_mut(&id) {
                    link.fades = fades;
                }
                self.tell(event);
            }
        }
    }

    /// Whether a neighbour fades; `before`: whether it did.
    fn fades(&self, now: Time, row: &Row, before: bool) -> bool {
        let Some(dbm) = row.filter.dbm() else { return false };
        let floor = f64::from(self.config.sensitivity_dbm);
        let edge = self.config.model().dbm(self.config.leave_m()).max(floor);
        let Some(slope) = row.filter.trend_db_per_s(now) else {
            return dbm < floor || (before && dbm < edge + STEADY_DB);
        };
        let predicted = dbm + slope * (self.config.fade_ahead_us as f64 / 1e6);
        let falls = slope <= FALL_DB_PER_S && predicted < edge;
        let stays_low = before && predicted.min(dbm) < edge + STEADY_DB && slope < -FALL_DB_PER_S;
        dbm < floor || falls || stays_low
    }

    /// Dials a stand-in for each link that fades and has none.
    pub(super) fn dial_stand_ins(&mut self, now: Time) {
        let fading: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| link.fades && !link.is_closing)
            .map(|(id, _)| *id)
            .collect();
        for id in fading {
            if self.busy() > self.links_wanted() || self.has_stand_in(id) {
                continue;
            }
            if let Some(key) = self.stand_in(now, id) {
                self.dial(now, &key, Some(id));
            }
        }
    }

    /// Whether something takes a link's place already, or is about to.
    fn has_stand_in(&self, id: LinkId) -> bool {
        self.links.values().any(|link| link.replaces == Some(id))
            || self
                .table
                .rows()
                .any(|(_, row)| row.dialling.is_some_and(|dialling| dialling.replaces == Some(id)))
    }

    /// The neighbour that could take a link's place.
    fn stand_in(&self, now: Time, id: LinkId) -> Option<Key> {
        let link = self.links.get(&id)?;
        let needed = self.table.get(&link.key)?.filter.dbm()? + self.config.handover_gain_db;
        let is_full = self.busy() >= self.links_wanted();
        let suits = |key: &Key, row: &Row| {
            let is_theirs = row.peer == Some(link.peer);
            let is_stronger = row.filter.dbm().is_some_and(|dbm| dbm >= needed);
            let is_due =
                row.next_try <= now && (row.peer.is_some() || self.strangers.ready_at() <= now);
            let may_serve = is_theirs || (is_full && !self.is_spare(key, row));
            self.is_dialable(key, row)
                && is_stronger
                && is_due
                && may_serve
                && !self.fades(now, row, false)
        };
        let suited = self.table.rows().filter(|(key, row)| suits(key, row));
        let best = suited.min_by_key(|(key, row)| {
            (row.peer != Some(link.peer), row.peer.is_none(), Reverse(row.strength()), **key)
        });
        best.map(|(key, _)| *key)
    }

    /// Closes what another settled link makes superfluous.
    pub(super) fn retire_links(&mut self) {
        let settled: Vec<LinkId> =
            self.live().filter(|(_, link)| link.is_settled).map(|(id, _)| id).collect();
        for keeper in settled {
            let others: Vec<LinkId> =
                self.live().map(|(id, _)| id).filter(|id| *id != keeper).collect();
            for other in others {
                if let Some(why) = self.superfluous(other, keeper) {
                    self.close(other, why);
                }
            }
        }
        self.retire_needless_stand_ins();
    }

    fn live(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().filter(|(_, link)| !link.is_closing).map(|(id, link)| (*id, link))
    }

    /// Whether one link makes another superfluous, and why.
    fn superfluous(&self, other: LinkId, keeper: LinkId) -> Option<Why> {
        let (doomed, kept) = (self.links.get(&other)?, self.links.get(&keeper)?);
        if doomed.is_closing || kept.is_closing {
            return None;
        }
        let is_same_peer = doomed.peer == kept.peer;
        let takes_place = kept.replaces == Some(other) && self.links.len() > self.links_wanted();
        let is_newer = kept.order > doomed.order;
        let stands_in = kept.dialled && is_newer && (is_same_peer || takes_place);
        // Of links that were there before, the side that dialled the one that fades drops it: with
        // so much between the two, the other side hears no different.
        let outdoes = is_same_peer && doomed.dialled && self.is_much_stronger(kept, doomed);
        if doomed.fades && !kept.fades && (stands_in || outdoes) {
            return Some(Why::Faded);
        }
        let is_twin = is_same_peer && doomed.key.0 == kept.key.0;
        let stays = if kept.dialled { doomed.order > kept.order } else { doomed.peer < self.me };
        let is_worse = doomed.fades || !kept.fades;
        (is_twin && doomed.dialled && stays && is_worse).then_some(Why::Spare)
    }

    fn is_much_stronger(&self, one: &Link, other: &Link) -> bool {
        let dbm = |link: &Link| self.table.get(&link.key)?.filter.dbm();
        let gain_db = self.config.handover_gain_db;
        dbm(one).zip(dbm(other)).is_some_and(|(one, other)| one >= other + gain_db)
    }

    /// A stand-in for a link to another peer that is steady again is one too many.
    fn retire_needless_stand_ins(&mut self) {
        if self.links.len() <= self.links_wanted() {
            return;
        }
        let needless: Vec<LinkId> = self
            .live()
            .filter(|(_, link)| {
                let replaced = link.replaces.and_then(|id| self.links.get(&id));
                link.is_settled
                    && link.dialled
                    && replaced.is_some_and(|old| !old.fades && !old.is_closing)
            })
            .map(|(id, _)| id)
            .collect();
        for id in needless {
            self.close(id, Why::Spare);
        }
    }

    fn close(&mut self, id: LinkId, why: Why) {
        if let Some(link) = self.links.get_mut(&id) {
            link.is_closing = true;
            self.wishes.push_back(Wish::Close { link: id, why });
        }
    }
}
