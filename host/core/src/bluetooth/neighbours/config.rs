//! What an operator sets of Bluetooth, in the units that the Node uses.

use crate::bluetooth::range::PathLoss;

/// How a radio listens: for a while out of every so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanning {
    /// For how long it listens, in microseconds; 0: not at all.
    pub window_us: u64,
    /// Out of how long, in microseconds. Equal to the window: without a pause.
    pub interval_us: u64,
}

/// Settings of the neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BluetoothConfig {
    /// A neighbour at most so many metres away is dialled. Default 10. Too much, and links are
    /// made that hardly carry anything; too little, and nobody is met.
    pub range_m: f64,
    /// A neighbour in range leaves it when it is farther by this part. Default 0.25: at the
    /// edge, 2 dB of noise decide nothing.
    pub range_hysteresis: f64,
    /// A neighbour that was not heard for so long is gone, in microseconds. Default 30 s; not
    /// less than a few intervals of [`Self::scan_thrifty`].
    pub out_of_sight_us: u64,
    /// Links that are dialled or accepted, over all radios. Default 4: cheap controllers hold
    /// seven. One more exists while a link is handed over.
    pub links_max: usize,
    /// Strength at one metre, in dBm. Default −59, a common calibration of beacons.
    pub power_at_1m_dbm: i16,
    /// Exponent of the path loss. Default 2, free space; 2.5 to 4 among walls.
    pub exponent: f64,
    /// A link whose estimate is below this, in dBm, fades. Default −92: a few dB above where
    /// usual receivers lose packets.
    pub sensitivity_dbm: i16,
    /// How far ahead a link's trend is believed, in microseconds. Default 5 s: what it takes
    /// to dial, greet and prove another.
    pub fade_ahead_us: u64,
    /// How much stronger a neighbour must be than the fading link that it replaces, in dB.
    /// Default 6. With less, two equal neighbours take turns.
    pub handover_gain_db: f64,
    /// How often the token changes, in microseconds. Default 15 min, as private addresses do
    /// (Bluetooth Core 5.4, vol. 3, part C, appendix A, `TGAP(private_addr_int)`).
    pub token_rotation_us: u64,
    /// The first wait after a dial that failed, in microseconds; it doubles each time.
    /// Default 2 s.
    pub retry_min_us: u64,
    /// The longest such wait, in microseconds. Default 5 min.
    pub retry_max_us: u64,
    /// Dials to strangers in a minute, over all addresses. Default 12. Known neighbours don't
    /// count. It is all that forged advertisements can make this node dial.
    pub stranger_dials_per_min: u32,
    /// How long the node with the larger token waits to be dialled, in microseconds, before it
    /// dials by itself: the other may not hear it. Default 6 s: to connect and find the services
    /// takes 1.5 to 4 s at common intervals.
    pub grace_us: u64,
    /// Listening while alone, or while a link fades. Default: always.
    pub scan_dense: Scanning,
    /// Listening with links, or alone while power is saved. Default: 1 s of 4 s.
    pub scan_sparse: Scanning,
    /// Listening with links while power is saved, or with all the links that are wanted.
    /// Default: 1 s of 10 s.
    pub scan_thrifty: Scanning,
}

/// A second in microseconds.
const S: u64 = 1_000_000;

impl Default for BluetoothConfig {
    fn default() -> Self {
        Self {
            range_m: 10.0,
            range_hysteresis: 0.25,
            out_of_sight_us: 30 * S,
            links_max: 4,
            power_at_1m_dbm: -59,
            exponent: 2.0,
            sensitivity_dbm: -92,
            fade_ahead_us: 5 * S,
            handover_gain_db: 6.0,
            token_rotation_us: 15 * 60 * S,
            retry_min_us: 2 * S,
            retry_max_us: 5 * 60 * S,
            stranger_dials_per_min: 12,
            grace_us: 6 * S,
            scan_dense: Scanning { window_us: 10 * S, interval_us: 10 * S },
            scan_sparse: Scanning { window_us: S, interval_us: 4 * S },
            scan_thrifty: Scanning { window_us: S, interval_us: 10 * S },
        }
    }
}

impl BluetoothConfig {
    /// The model that distances are told by.
    pub(super) fn model(&self) -> PathLoss {
        PathLoss::new(self.power_at_1m_dbm, self.exponent)
    }

    /// Where a neighbour in range leaves it, in metres.
    pub(super) fn leave_m(&self) -> f64 {
        self.range_m * (1.0 + self.range_hysteresis.max(0.0))
    }
}
