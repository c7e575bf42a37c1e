//! A link as policies see it.

use pointsman_sdk::path::flags;
use pointsman_sdk::{PathRow, UNKNOWN};

use super::{Link, saturate};
use crate::id::Time;
use crate::input::Uplink;
use crate::limits::PIECE_BYTES_MAX;
use crate::snapshot::LinkState;

impl Link {
    /// The link as a policy sees it.
    pub(crate) fn row(&self, now: Time, uplink: Option<&Uplink>) -> PathRow {
        let age = |at: Time| saturate(now.since(at));
        PathRow {
            id: self.path,
            transport: self.new.transport as u32,
            flags: self.flags(uplink),
            uplink: self.new.uplink.0,
            risk_group: uplink.map_or(UNKNOWN, |uplink| uplink.risk_group),
            srtt_us: self.rtt.srtt_us().map_or(UNKNOWN, saturate),
            rttvar_us: saturate(self.rtt.rttvar_us()),
            min_rtt_us: self.rtt.min_us().map_or(UNKNOWN, saturate),
            silent_us: age(self.heard_at),
            sample_age_ms: saturate(now.since(self.rtt.sampled_at()) / 1000),
            rate_kbps: self.rate_kbps().unwrap_or(UNKNOWN),
            room_bytes: saturate(self.room_bytes()),
            cwnd_bytes: self.sample.cwnd_bytes.unwrap_or(UNKNOWN),
            inflight_bytes: saturate(self.inflight_bytes),
            queued_bytes: self.sample.queued_bytes.unwrap_or(0),
            late_ppm: self.late_ppm,
            loss_ppm: self.sample.loss_ppm.unwrap_or(UNKNOWN),
            reliability_ppm: self.reliability_ppm(),
            mtu: PIECE_BYTES_MAX as u32,
            hops: 1,
            wake_uj: uplink.map_or(UNKNOWN, |uplink| uplink.wake_uj),
            nj_per_byte: uplink.map_or(UNKNOWN, |uplink| uplink.nj_per_byte),
            price_per_mib: uplink.map_or(UNKNOWN, |uplink| uplink.price_per_mib),
            ..PathRow::default()
        }
    }

    /// Whether traffic on it costs money or quota, on either side.
    pub(crate) fn is_metered(&self, uplink: Option<&Uplink>) -> bool {
        uplink.is_some_and(|uplink| uplink.metered)
            || self.hello.as_ref().is_some_and(|hello| hello.uplink_flags & 1 != 0)
    }

    fn flags(&self, uplink: Option<&Uplink>) -> u32 {
        [
            (self.is_live(), flags::UP),
            (self.state == LinkState::Suspect, flags::SUSPECT),
            (self.state == LinkState::Closing, flags::DRAINING),
            (self.is_metered(uplink), flags::METERED),
            (self.is_relayed(), flags::RELAYED),
            (!self.proven, flags::PROBATION),
            (self.rate.is_app_limited(), flags::APP_LIMITED),
            (self.masked, flags::MASKED),
        ]
        .iter()
        .filter(|(on, _)| *on)
        .fold(0, |bits, (_, flag)| bits | flag)
    }
}
