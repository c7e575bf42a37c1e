//! The medium: who hears whom, how well, and what happens to frames on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use super::World;
use crate::fault::Frames;
use crate::stranger::Stranger;

/// How strongly adapters hear each other where nothing else was said, in dBm: a few metres.
const RSSI_DBM: i16 = -50;
/// What two current controllers agree on.
const MTU: u16 = 517;
/// The least that the standard permits.
const MTU_MIN: u16 = 23;

/// A pair of adapters, the lower number first.
type Pair = (usize, usize);

/// The medium between all adapters.
#[derive(Debug)]
pub(crate) struct Air {
    /// How often each advertisement is repeated.
    pub(crate) advert_interval: Duration,
    /// How long a connect waits for its peer.
    pub(crate) connect_timeout: Duration,
    /// How long a device is known that is not heard.
    pub(crate) device_age_max: Duration,
    pub(crate) strangers: Vec<Stranger>,
    rssi: BTreeMap<Pair, Option<i16>>,
    mtu: BTreeMap<Pair, u16>,
    frames: BTreeMap<Pair, (Frames, u64)>,
}

impl Default for Air {
    fn default() -> Self {
        Self {
            advert_interval: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
            device_age_max: Duration::from_secs(30),
            strangers: Vec::new(),
            rssi: BTreeMap::new(),
            mtu: BTreeMap::new(),
            frames: BTreeMap::new(),
        }
    }
}

fn pair(one: usize, other: usize) -> Pair {
    (one.min(other), one.max(other))
}

impl Air {
    /// How strongly they hear each other, if at all.
    pub(super) fn rssi(&self, one: usize, other: usize) -> Option<i16> {
        self.rssi.get(&pair(one, other)).copied().unwrap_or(Some(RSSI_DBM))
    }

    /// The MTU of a link between them.
    pub(super) fn mtu(&self, one: usize, other: usize) -> u16 {
        self.mtu.get(&pair(one, other)).copied().unwrap_or(MTU)
    }

    /// How long a frame between them takes.
    pub(super) fn delay(&self, one: usize, other: usize) -> Duration {
        self.frames.get(&pair(one, other)).map_or(Duration::ZERO, |(frames, _)| frames.delay)
    }

    /// Whether the next frame between them is lost.
    pub(super) fn loses(&mut self, one: usize, other: usize) -> bool {
        let Some((frames, number)) = self.frames.get_mut(&pair(one, other)) else { return false };
        let this = *number;
        *number += 1;
        frames.lose.as_mut().is_some_and(|lose| lose(this))
    }
}

impl World {
    pub(crate) fn set_rssi(&mut self, one: usize, other: usize, rssi_dbm: Option<i16>) {
        self.air.rssi.insert(pair(one, other), rssi_dbm);
        if rssi_dbm.is_none() {
            self.drop_links(|link| link.joins(one, other));
        }
    }

    pub(crate) fn set_mtu(&mut self, one: usize, other: usize, mtu: u16) {
        let mtu = mtu.max(MTU_MIN);
        self.air.mtu.insert(pair(one, other), mtu);
        self.change_mtu(one, other, mtu);
    }

    pub(crate) fn set_frames(&mut self, one: usize, other: usize, frames: Frames) {
        self.air.frames.insert(pair(one, other), (frames, 0));
    }

    pub(crate) fn set_advert_interval(&mut self, interval: Duration) {
        self.air.advert_interval = interval;
        self.adverts_again();
    }

    pub(crate) fn add_stranger(&mut self, stranger: Stranger) {
        self.air.strangers.retain(|other| other.address != stranger.address);
        self.air.strangers.push(stranger);
        self.advertise();
    }
}
