//! One neighbour: what was heard of it, and what came of dialling it.

use super::config::BluetoothConfig;
use crate::bluetooth::advert::{Advert, Capabilities};
use crate::bluetooth::range::{PathLoss, Range, RangeFilter};
use crate::id::{LinkId, PeerId, Time};

/// A neighbour that was heard for so long is no passing forgery, in microseconds.
const STEADY_US: u64 = 1_000_000;
/// So many failures in a row, and whoever was there is taken to be there no longer.
const FAILURES_FORGET_PEER: u32 = 3;
/// Doublings of the wait between dials: 2^20 times any wait is beyond any maximum.
const DOUBLINGS_MAX: u32 = 20;

/// A dial under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialling {
    pub(super) since: Time,
    /// The fading link that it should replace.
    pub(super) replaces: Option<LinkId>,
}

/// What people were told about where a neighbour is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) metres: Option<f64>,
    pub(super) within: bool,
}

/// One neighbour.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What it advertises; `None` where only a link is known of it.
    pub(super) advert: Option<Advert>,
    pub(super) filter: RangeFilter,
    pub(super) first_heard: Time,
    pub(super) heard_at: Time,
    pub(super) within: bool,
    pub(super) told: Option<Told>,
    /// Who answered here in the last handshake: a hint, until the next one.
    pub(super) peer: Option<PeerId>,
    /// Whether its token was another address's first.
    pub(super) is_token_elsewhere: bool,
    pub(super) links: u32,
    pub(super) dialling: Option<Dialling>,
    pub(super) failures: u32,
    pub(super) next_try: Time,
    /// Since when the one with the larger token waits to be dialled.
    pub(super) waits_since: Time,
}

impl Row {
    pub(super) fn new(now: Time) -> Self {
        Self {
            advert: None,
            filter: RangeFilter::default(),
            first_heard: now,
            heard_at: now,
            within: false,
            told: None,
            peer: None,
            is_token_elsewhere: false,
            links: 0,
            dialling: None,
            failures: 0,
            next_try: Time(0),
            waits_since: now,
        }
    }

    /// Takes an advertisement. Whether its strength was plausible.
    pub(super) fn hear(
        &mut self,
        now: Time,
        advert: Advert,
        rssi: Option<i16>,
        config: &BluetoothConfig,
    ) -> bool {
        self.advert = Some(advert);
        self.heard_at = now;
        let is_measured = self.filter.sample(now, rssi);
        self.place(now, config);
        is_measured
    }

    /// Decides anew whether it is in range. One whose strength no radio told is: it was heard.
    pub(super) fn place(&mut self, now: Time, config: &BluetoothConfig) {
        let bound_m = if self.within { config.leave_m() } else { config.range_m };
        let within = self.range(&config.model()).is_none_or(|range| range.metres <= bound_m);
        if within && !self.within {
            self.waits_since = now;
        }
        self.within = within;
    }

    pub(super) fn range(&self, model: &PathLoss) -> Option<Range> {
        self.filter.range(model)
    }

    pub(super) fn token(&self) -> Option<u32> {
        self.advert.map(|advert| advert.token)
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.advert.map_or(Capabilities::NONE, |advert| advert.capabilities)
    }

    /// Whether it has a link or a dial, and so can't make room.
    pub(super) fn is_pinned(&self) -> bool {
        self.links > 0 || self.dialling.is_some()
    }

    /// Whether it was heard for a while.
    pub(super) fn is_steady(&self) -> bool {
        self.heard_at.since(self.first_heard) >= STEADY_US
    }

    /// Its strength in whole dBm, below any where it is not known.
    pub(super) fn strength(&self) -> i32 {
        self.filter.dbm().map_or(i32::MIN / 2, |dbm| dbm as i32)
    }

    /// A dial came to nothing, or to a link that proved nothing: the next one is twice as far
    /// off as the last, give or take a quarter.
    pub(super) fn fail(&mut self, now: Time, chance: u64, config: &BluetoothConfig) {
        let doubled = config.retry_min_us.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        let wait_us = doubled.min(config.retry_max_us);
        self.next_try = now.after(wait_us / 4 * 3 + chance % (wait_us / 2 + 1));
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_FORGET_PEER && self.links == 0 {
            self.peer = None;
        }
    }

    /// A link that had proven itself ended.
    pub(super) fn rest(&mut self, now: Time, config: &BluetoothConfig) {
        self.failures = 0;
        self.next_try = now.after(config.retry_min_us);
        self.waits_since = self.next_try;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(failures: usize) -> Vec<u64> {
        let (config, mut row) = (BluetoothConfig::default(), Row::new(Time(0)));
        let wait = |n: usize, row: &mut Row| {
            row.fail(Time(0), (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15), &config);
            row.next_try.0
        };
        (0..failures).map(|n| wait(n, &mut row)).collect()
    }

    #[test]
    fn the_wait_after_failures_doubles_give_or_take_a_quarter_up_to_a_maximum() {
        for (n, wait_us) in waits(10_000).into_iter().enumerate() {
            let mean = (2_000_000_u64 << n.min(20)).min(300_000_000);
            assert!((mean / 4 * 3..=mean / 4 * 5).contains(&wait_us), "{n}: {wait_us}");
        }
    }

    #[test]
    fn after_three_failures_nobody_is_known_to_be_there() {
        let (config, mut row) = (BluetoothConfig::default(), Row::new(Time(0)));
        row.peer = Some(PeerId([1; 32]));
        row.fail(Time(0), 0, &config);
        row.fail(Time(0), 0, &config);
        assert!(row.peer.is_some());
        row.fail(Time(0), 0, &config);
        assert!(row.peer.is_none());
    }

    #[test]
    fn at_the_edge_of_the_range_noise_changes_nothing() {
        let config = BluetoothConfig::default();
        let advert = Advert::new(Capabilities::NONE, 1);
        let mut row = Row::new(Time(0));
        row.hear(Time(0), advert, Some(-79), &config);
        assert!(row.within, "10 m are in range");
        row.filter = RangeFilter::default();
        row.hear(Time(1), advert, Some(-80), &config);
        assert!(row.within, "11.2 m are not left");
        row.filter = RangeFilter::default();
        row.hear(Time(2), advert, Some(-81), &config);
        assert!(!row.within, "12.6 m are");
        row.filter = RangeFilter::default();
        row.hear(Time(3), advert, Some(-80), &config);
        assert!(!row.within, "11.2 m are not entered");
    }
}
