//! The neighbourhood as `status` and `peers` show it.

use super::Neighbourhood;
use super::row::Row;
use super::table::Key;
use crate::bluetooth::RadioAddress;
use crate::bluetooth::advert::Capabilities;
use crate::bluetooth::range::Range;
use crate::id::{LinkId, PeerId, Time, UplinkId};

/// How we stand with a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeighbourState {
    /// It is out of range.
    Far,
    /// It is in range, and may be dialled at this time if there is need of it.
    Near {
        /// Not before.
        dial_at: Time,
    },
    /// It is in range and is not dialled: its peer has a link, it is not welcome, or the radio
    /// can't dial.
    Idle,
    /// A dial is under way.
    Dialling,
    /// There is a link.
    Linked(LinkId),
    /// There is a link, and it fades.
    Fading(LinkId),
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighbourView {
    /// Heard with this radio.
    pub uplink: UplinkId,
    /// On the air as this.
    pub address: RadioAddress,
    /// What it says it can do.
    pub capabilities: Capabilities,
    /// Filtered strength in dBm.
    pub rssi_dbm: Option<f64>,
    /// How far it is, with the band.
    pub range: Option<Range>,
    /// Slope of the strength in dB a second; below 0 it goes away.
    pub trend_db_per_s: Option<f64>,
    /// When an advertisement or its link was heard last.
    pub heard_at: Time,
    /// How we stand.
    pub state: NeighbourState,
    /// Who answered there last, if anyone did.
    pub peer: Option<PeerId>,
    /// Dials that failed there in a row.
    pub failures: u32,
}

/// How the other end of a link is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// Filtered strength in dBm.
    pub dbm: Option<f64>,
    /// Slope of the strength in dB a second; below 0 it goes away.
    pub trend_db_per_s: Option<f64>,
    /// When it will be too weak, by that, in microseconds from now; `None` where it will not.
    pub gone_in_us: Option<u64>,
}

impl Neighbourhood {
    /// How the other end of a link is heard; `None` of a link that is not known here.
    pub fn signal(&self, now: Time, id: LinkId) -> Option<Signal> {
        let filter = &self.table.get(&self.links.get(&id)?.key)?.filter;
        let (dbm, trend_db_per_s) = (filter.dbm(), filter.trend_db_per_s(now));
        let sensitivity = f64::from(self.config.sensitivity_dbm);
        let left = dbm.zip(trend_db_per_s).filter(|(_, trend)| *trend < 0.0);
        let gone_in_us = left.map(|(dbm, trend)| {
            let seconds = ((dbm - sensitivity) / -trend).clamp(0.0, 86_400.0);
            (seconds * 1e6) as u64
        });
        Some(Signal { dbm, trend_db_per_s, gone_in_us })
    }

    /// All neighbours, in the order of radios and addresses.
    pub fn snapshot(&self, now: Time) -> Vec<NeighbourView> {
        self.table.rows().map(|(key, row)| self.view(now, key, row)).collect()
    }

    fn view(&self, now: Time, key: &Key, row: &Row) -> NeighbourView {
        let link = self.links.values().filter(|link| link.key == *key);
        NeighbourView {
            uplink: key.0,
            address: key.1,
            capabilities: row.capabilities(),
            rssi_dbm: row.filter.dbm(),
            range: row.range(&self.config.model()),
            trend_db_per_s: row.filter.trend_db_per_s(now),
            heard_at: link.map(|link| link.heard_at).fold(row.heard_at, Time::max),
            state: self.state(key, row),
            peer: row.peer,
            failures: row.failures,
        }
    }

    fn state(&self, key: &Key, row: &Row) -> NeighbourState {
        let link = self.links.iter().find(|(_, link)| link.key == *key);
        match (link, row.dialling) {
            (Some((id, link)), _) if link.fades => NeighbourState::Fading(*id),
            (Some((id, _)), _) => NeighbourState::Linked(*id),
            (None, Some(_)) => NeighbourState::Dialling,
            (None, None) if !row.within => NeighbourState::Far,
            (None, None) if self.is_spare(key, row) => NeighbourState::Idle,
            (None, None) => self
                .due_at(key, row)
                .map_or(NeighbourState::Idle, |dial_at| NeighbourState::Near { dial_at }),
        }
    }
}
