//! A path as a policy sees it: one row of the list that every question carries.
//!
//! The list is flat `u32`s: the stride first, then the rows. Fields are only ever appended,
//! so a policy built against an older row reads the newer one, and one built against a newer
//! row reads [`UNKNOWN`] where an older host has no field yet.

/// What a field says when the host does not know it.
pub const UNKNOWN: u32 = u32::MAX;

/// The kind of network that a path uses, as the row's `transport` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Transport {
    /// Bluetooth LE.
    Bluetooth = 0,
    /// WiFi Direct.
    WifiDirect = 1,
    /// The local network: same subnet.
    Lan = 2,
    /// The Internet.
    Internet = 3,
    /// Through a relay server.
    Relay = 4,
    /// Through other peers, several hops.
    Mesh = 5,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Bluetooth, Self::WifiDirect, Self::Lan, Self::Internet, Self::Relay, Self::Mesh];

    /// The transport with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Its name in config files, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bluetooth => "bluetooth",
            Self::WifiDirect => "wifi-direct",
            Self::Lan => "lan",
            Self::Internet => "internet",
            Self::Relay => "relay",
            Self::Mesh => "mesh",
        }
    }
}

/// Bits of the row's `flags` field.
pub mod flags {
    /// The handshake is done and nothing says that the path is gone.
    pub const UP: u32 = 1;
    /// An acknowledgement is overdue.
    pub const SUSPECT: u32 = 2;
    /// Being closed in good order: finish, start nothing.
    pub const DRAINING: u32 = 4;
    /// Traffic costs money or quota.
    pub const METERED: u32 = 8;
    /// Goes through a relay.
    pub const RELAYED: u32 = 16;
    /// New: has not carried an acknowledged packet yet.
    pub const PROBATION: u32 = 32;
    /// The measured rate is what was offered, not what it can do.
    pub const APP_LIMITED: u32 = 64;
    /// Taken out of use by the failover policy.
    pub const MASKED: u32 = 128;
}

macro_rules! row {
    ($($(#[$doc:meta])* $index:literal $field:ident,)*) => {
        /// One row as the host fills it in. Units are in the field names; a field that is
        /// not known is [`UNKNOWN`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct PathRow { $($(#[$doc])* pub $field: u32,)* }

        impl PathRow {
            /// How many fields a row has in this version.
            pub const STRIDE: usize = [$($index),*].len();

            /// Appends the row to a list that begins with the stride.
            pub fn write(&self, list: &mut Vec<u32>) {
                list.extend_from_slice(&[$(self.$field),*]);
            }
        }

        impl Default for PathRow {
            fn default() -> Self { Self { $($field: UNKNOWN,)* } }
        }

        impl<'a> Path<'a> {
            $($(#[$doc])* #[inline] pub fn $field(&self) -> u32 { self.field($index) })*
        }
    };
}

/// One path of a question: a view of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    row: &'a [u32],
}

row! {
    /// The host's number for the path, stable while it lives.
    0 id,
    /// The kind of network; see [`Transport`].
    1 transport,
    /// See [`flags`].
    2 flags,
    /// The local interface that it uses, as a number.
    3 uplink,
    /// Paths with the same number fail together and are no spare for each other.
    4 risk_group,
    /// Smoothed round-trip time in microseconds.
    5 srtt_us,
    /// Mean deviation of the round-trip time in microseconds.
    6 rttvar_us,
    /// Least round-trip time of the last 10 s in microseconds.
    7 min_rtt_us,
    /// Time since the path was last heard, in microseconds.
    8 silent_us,
    /// Age of the newest round-trip sample in milliseconds.
    9 sample_age_ms,
    /// Measured delivery rate in kilobits per second.
    10 rate_kbps,
    /// What it can take now without queueing, in bytes.
    11 room_bytes,
    /// The protocol's congestion window in bytes, where it shows one.
    12 cwnd_bytes,
    /// Sent and not acknowledged, in bytes.
    13 inflight_bytes,
    /// Waiting on this host for the path, in bytes.
    14 queued_bytes,
    /// Packets acknowledged later than their timeout, per million.
    15 late_ppm,
    /// Packets lost, per million, where the protocol shows it.
    16 loss_ppm,
    /// Share of the time that the path was usable, per million, decaying over hours.
    17 reliability_ppm,
    /// Largest packet in bytes.
    18 mtu,
    /// Hops to the peer: 1 for a link.
    19 hops,
    /// Energy to wake the radio, in microjoules.
    20 wake_uj,
    /// Energy per byte, in nanojoules.
    21 nj_per_byte,
    /// Price per MiB, in millionths of the currency unit of the config.
    22 price_per_mib,
    /// What is left of the quota, in KiB.
    23 quota_left_kib,
    /// Received signal strength in dBm, as `i32`.
    24 rssi,
    /// Trend of the signal strength in hundredths of a dB per second, as `i32`.
    25 trend,
    /// When the path is expected to fail, in milliseconds.
    26 down_forecast_ms,
    /// How far to trust the measures, per million.
    27 confidence,
}

impl<'a> Path<'a> {
    #[inline]
    fn field(&self, index: usize) -> u32 {
        self.row.get(index).copied().unwrap_or(UNKNOWN)
    }

    /// Whether it is up: connected and not known to be gone.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.flags() & flags::UP != 0
    }

    /// Whether it is up, and neither suspect, draining nor masked.
    #[inline]
    pub fn is_sound(&self) -> bool {
        let ill = flags::SUSPECT | flags::DRAINING | flags::MASKED;
        self.flags() & (flags::UP | ill) == flags::UP
    }
}

/// The paths of a question, in the order in which a verdict's set counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths<'a> {
    stride: usize,
    rows: &'a [u32],
}

impl<'a> Paths<'a> {
    /// Reads a list: the stride, then rows. A list that is empty or has stride 0 has no
    /// paths; an incomplete last row is ignored.
    pub fn new(list: &'a [u32]) -> Self {
        match list.split_first() {
            Some((&stride, rows)) if stride > 0 => Self { stride: stride as usize, rows },
            Some(_) | None => Self { stride: 1, rows: &[] },
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len() / self.stride
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The path at this position.
    pub fn at(&self, position: usize) -> Option<Path<'a>> {
        let start = position.checked_mul(self.stride)?;
        let row = self.rows.get(start..start.checked_add(self.stride)?)?;
        Some(Path { row })
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Path<'a>> + Clone + use<'a> {
        self.rows.chunks_exact(self.stride).map(|row| Path { row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let mut list = vec![PathRow::STRIDE as u32];
        PathRow { id: 7, srtt_us: 1500, ..PathRow::default() }.write(&mut list);
        let paths = Paths::new(&list);
        assert_eq!(paths.len(), 1);
        let path = paths.at(0).expect("one row");
        assert_eq!((path.id(), path.srtt_us(), path.rssi()), (7, 1500, UNKNOWN));
    }

    #[test]
    fn a_shorter_row_of_an_older_host_reads_as_unknown() {
        let paths = Paths::new(&[2, 9, 1, 8, 2]);
        let last = paths.at(1).expect("two rows");
        assert_eq!((last.id(), last.transport(), last.flags()), (8, 2, UNKNOWN));
    }

    #[test]
    fn an_empty_list_and_a_stride_of_zero_have_no_paths() {
        for list in [&[][..], &[0][..], &[0, 1, 2][..]] {
            assert!(Paths::new(list).is_empty());
        }
    }
}
