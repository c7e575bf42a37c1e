//! What people are told: who is new, who moved, who is gone. Bounded in rate, because anyone in
//! earshot can make up neighbours.

use super::row::{Row, Told};
use super::table::Key;
use super::wish::{Event, Wish};
use super::{BLUETOOTH_EVENTS_MAX, Neighbourhood};
use crate::bluetooth::range::Range;
use crate::id::Time;

impl Neighbourhood {
    /// Tells of new neighbours and of moved ones, as many as the rate allows.
    pub(super) fn tell_news(&mut self, now: Time) {
        if self.tellings.ready_at() > now {
            return;
        }
        let news: Vec<Key> =
            self.table.rows().filter(|(_, row)| self.is_news(row)).map(|(key, _)| *key).collect();
        for key in news {
            if !self.tellings.take(now) {
                return;
            }
            self.tell_range(&key);
            self.tell_discovered(&key);
        }
    }

    fn is_news(&self, row: &Row) -> bool {
        if row.advert.is_none() {
            return false;
        }
        let range = row.range(&self.config.model());
        row.told.is_none_or(|told| range.is_some_and(|range| is_elsewhere(told, range, row.within)))
    }

    /// Tells of a neighbour unless it was told of.
    pub(super) fn tell_discovered(&mut self, key: &Key) {
        let Some(row) = self.table.get(key).filter(|row| row.told.is_none()) else { return };
        let (range, capabilities) = (row.range(&self.config.model()), row.capabilities());
        let told = Told { metres: range.map(|range| range.metres), within: row.within };
        self.table.change(key, |row| row.told = Some(told));
        self.tell(Event::Discovered { uplink: key.0, address: key.1, capabilities, range });
    }

    /// Tells where a neighbour is that was told of before.
    fn tell_range(&mut self, key: &Key) {
        let Some(row) = self.table.get(key).filter(|row| row.told.is_some()) else { return };
        let Some(range) = row.range(&self.config.model()) else { return };
        let within = row.within;
        let told = Told { metres: Some(range.metres), within };
        self.table.change(key, |row| row.told = Some(told));
        self.tell(Event::RangeChanged { uplink: key.0, address: key.1, range, within });
    }

    /// Tells that a neighbour is gone, if people know that it was there.
    pub(super) fn tell_lost(&mut self, key: &Key, row: &Row) {
        if row.told.is_some() {
            self.tell(Event::Lost { uplink: key.0, address: key.1 });
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.wishes.len() < BLUETOOTH_EVENTS_MAX {
            self.wishes.push_back(Wish::Tell(event));
        } else {
            self.counters.untold += 1;
        }
    }
}

/// Whether what was told is no longer within the band, or on the other side of the range.
fn is_elsewhere(told: Told, range: Range, within: bool) -> bool {
    let is_off = |metres: f64| !(range.low_m..=range.high_m).contains(&metres);
    told.within != within || told.metres.is_none_or(is_off)
}
