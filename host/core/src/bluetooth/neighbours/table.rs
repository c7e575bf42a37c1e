//! Which neighbours are remembered: bounded per radio, and so in total.
//!
//! A neighbour with a link or a dial is pinned. The others are in an order of worth: those heard
//! once or for a moment (*fresh*), and those heard for a while (*steady*), each the weakest and
//! then the longest unheard first. When a radio's share is full, a newcomer takes the place of
//! the least worthy fresh one; only while there are few of these, of the least worthy steady one.
//! So a flood of addresses that are each heard once fights over a quarter of the table, and
//! leaves alone whoever was there before. Every step costs the logarithm of what is remembered.

use std::collections::{BTreeMap, BTreeSet};

use super::row::Row;
use crate::bluetooth::RadioAddress;
use crate::id::{Time, UplinkId};
use crate::limits::{NEIGHBOURS_FRESH_MIN, NEIGHBOURS_PER_RADIO_MAX};

/// A neighbour: a radio of ours, and the address of one of theirs.
pub(super) type Key = (UplinkId, RadioAddress);

/// Strength in steps of 8 dB, so that noise does not shuffle the order, then when it was heard.
/// A neighbour whose peer is known stands above all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    is_known: bool,
    strength: i16,
    heard_at: Time,
}

/// In which order a row stands, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Pinned,
    Fresh(Worth),
    Steady(Worth),
}

#[derive(Debug, Default)]
struct Share {
    count: usize,
    fresh: BTreeSet<(Worth, Key)>,
    steady: BTreeSet<(Worth, Key)>,
}

/// What came of asking for a place.
#[derive(Debug)]
pub(super) enum Entered {
    /// There was room.
    Free,
    /// Another made room: who, and what was known of it.
    Evicted(Key, Box<Row>),
    /// Nobody could make room.
    Refused,
}

/// All that are remembered.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<Key, Row>,
    shares: BTreeMap<UplinkId, Share>,
    /// Who had a token first.
    tokens: BTreeMap<u32, RadioAddress>,
}

impl Table {
    pub(super) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Changes a row; everything that changes one goes through here, so that the order is right.
    pub(super) fn change<T>(&mut self, key: &Key, how: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let row = self.rows.get_mut(key)?;
        let (token, before) = (row.token(), place(row));
        let given = how(row);
        let (now_token, after) = (row.token(), place(row));
        if before != after {
            self.take_out(key, before);
            self.put_in(key, after);
        }
        if token != now_token {
            self.forget_token(token, key.1);
            self.note_token(now_token, key.1);
        }
        Some(given)
    }

    /// Finds a place for a row that is not there yet. A pinned one always gets one: there are
    /// only as many of them as there are links and dials.
    pub(super) fn enter(&mut self, key: Key, row: Row) -> Entered {
        let mut entered = Entered::Free;
        if self.shares.entry(key.0).or_default().count >= NEIGHBOURS_PER_RADIO_MAX {
            match self.least_worthy(key.0, &row) {
                Some(victim) => {
                    if let Some(row) = self.remove(&victim) {
                        entered = Entered::Evicted(victim, Box::new(row));
                    }
                }
                None if place(&row) == Place::Pinned => {}
                None => return Entered::Refused,
            }
        }
        self.put_in(&key, place(&row));
        self.note_token(row.token(), key.1);
        self.shares.entry(key.0).or_default().count += 1;
        self.rows.insert(key, row);
        entered
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Row> {
        let row = self.rows.remove(key)?;
        self.take_out(key, place(&row));
        self.forget_token(row.token(), key.1);
        if let Some(share) = self.shares.get_mut(&key.0) {
            share.count -= 1;
            if share.count == 0 {
                self.shares.remove(&key.0);
            }
        }
        Some(row)
    }

    /// Whether another address had this token first.
    pub(super) fn is_elsewhere(&self, token: u32, address: RadioAddress) -> bool {
        self.tokens.get(&token).is_some_and(|first| *first != address)
    }

    /// Who should make room for a newcomer. A fresh one only for what is worth no less.
    fn least_worthy(&self, uplink: UplinkId, newcomer: &Row) -> Option<Key> {
        let share = self.shares.get(&uplink)?;
        let steady = || share.steady.first().map(|(_, key)| *key);
        let Some((worth, fresh)) = share.fresh.first() else { return steady() };
        match place(newcomer) {
            Place::Fresh(_) if share.fresh.len() < NEIGHBOURS_FRESH_MIN => {
                steady().or(Some(*fresh))
            }
            Place::Fresh(new) => (new >= *worth).then_some(*fresh),
            Place::Steady(_) | Place::Pinned => Some(*fresh),
        }
    }

    fn put_in(&mut self, key: &Key, place: Place) {
        let share = self.shares.entry(key.0).or_default();
        match place {
            Place::Pinned => {}
            Place::Fresh(worth) => {
                share.fresh.insert((worth, *key));
            }
            Place::Steady(worth) => {
                share.steady.insert((worth, *key));
            }
        }
    }

    fn take_out(&mut self, key: &Key, place: Place) {
        let Some(share) = self.shares.get_mut(&key.0) else { return };
        match place {
            Place::Pinned => {}
            Place::Fresh(worth) => {
                share.fresh.remove(&(worth, *key));
            }
            Place::Steady(worth) => {
                share.steady.remove(&(worth, *key));
            }
        }
    }

    fn note_token(&mut self, token: Option<u32>, address: RadioAddress) {
        if let Some(token) = token {
            self.tokens.entry(token).or_insert(address);
        }
    }

    fn forget_token(&mut self, token: Option<u32>, address: RadioAddress) {
        if let Some(token) = token
            && self.tokens.get(&token) == Some(&address)
        {
            self.tokens.remove(&token);
        }
    }
}

fn place(row: &Row) -> Place {
    let worth = Worth {
        is_known: row.peer.is_some(),
        strength: row.filter.dbm().map_or(i16::MIN, |dbm| dbm as i16 / 8),
        heard_at: row.heard_at,
    };
    if row.is_pinned() {
        Place::Pinned
    } else if row.is_steady() {
        Place::Steady(worth)
    } else {
        Place::Fresh(worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bluetooth::advert::{Advert, Capabilities};

    fn key(number: u32) -> Key {
        let [a, b, c, d] = number.to_be_bytes();
        (UplinkId(1), RadioAddress([0, 0, a, b, c, d]))
    }

    fn row(at: u64, rssi: i16) -> Row {
        let mut row = Row::new(Time(at));
        row.advert = Some(Advert::new(Capabilities::NONE, 1 + at as u32));
        row.filter.sample(Time(at), Some(rssi));
        row
    }

    /// `None`: refused; `Some(None)`: there was room; else who made room.
    fn entered(table: &mut Table, number: u32, row: Row) -> Option<Option<Key>> {
        match table.enter(key(number), row) {
            Entered::Free => Some(None),
            Entered::Evicted(victim, _) => Some(Some(victim)),
            Entered::Refused => None,
        }
    }

    fn full(rssi: i16) -> Table {
        let mut table = Table::default();
        for n in 0..NEIGHBOURS_PER_RADIO_MAX as u32 {
            assert_eq!(entered(&mut table, n, row(u64::from(n), rssi)), Some(None));
        }
        table
    }

    #[test]
    fn the_longest_unheard_of_the_weakest_makes_room() {
        let mut table = full(-60);
        table.change(&key(7), |row| row.filter = self::row(7, -90).filter);
        assert_eq!(entered(&mut table, 9999, row(9999, -60)), Some(Some(key(7))));
        assert_eq!(entered(&mut table, 9998, row(9998, -60)), Some(Some(key(0))));
        assert_eq!(table.len(), NEIGHBOURS_PER_RADIO_MAX);
    }

    #[test]
    fn a_newcomer_that_is_weaker_than_all_fresh_ones_is_refused() {
        assert_eq!(entered(&mut full(-60), 9999, row(9999, -90)), None);
    }

    #[test]
    fn whoever_was_heard_for_a_while_stays_in_a_flood_of_fresh_ones() {
        let mut table = full(-60);
        table.change(&key(3), |row| {
            row.filter = self::row(3, -95).filter;
            row.heard_at = Time(60_000_000);
        });
        for n in 1000..20_000 {
            table.enter(key(n), row(u64::from(n), -40));
        }
        assert!(table.get(&key(3)).is_some() && table.len() == NEIGHBOURS_PER_RADIO_MAX);
    }

    #[test]
    fn among_steady_ones_a_few_places_are_left_to_newcomers() {
        let mut table = full(-60);
        for n in 0..NEIGHBOURS_PER_RADIO_MAX as u32 {
            table.change(&key(n), |row| row.heard_at = Time(60_000_000));
        }
        for n in 1000..2000 {
            assert!(matches!(entered(&mut table, n, row(u64::from(n), -90)), Some(Some(_))));
        }
        let steady = table.rows().filter(|(_, row)| row.is_steady()).count();
        assert_eq!(steady, NEIGHBOURS_PER_RADIO_MAX - NEIGHBOURS_FRESH_MIN);
    }

    #[test]
    fn pinned_ones_never_make_room_and_always_get_it() {
        let mut table = full(-60);
        for n in 0..NEIGHBOURS_PER_RADIO_MAX as u32 {
            table.change(&key(n), |row| row.links = 1);
        }
        assert_eq!(entered(&mut table, 9999, row(9999, -10)), None);
        let mut pinned = row(9999, -10);
        pinned.links = 1;
        assert_eq!(entered(&mut table, 9999, pinned), Some(None));
    }

    #[test]
    fn a_token_belongs_to_the_address_that_had_it_first_until_it_leaves() {
        let mut table = Table::default();
        table.enter(key(1), row(5, -60));
        table.enter(key(2), row(5, -60));
        assert!(table.is_elsewhere(6, key(2).1) && !table.is_elsewhere(6, key(1).1));
        table.remove(&key(2));
        assert!(table.is_elsewhere(6, key(2).1));
        table.remove(&key(1));
        assert!(!table.is_elsewhere(6, key(2).1));
    }
}
