//! What a radio is told once, at its start.

use std::time::Duration;

/// What to look for and what to be on the air, and with which adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The UUID of our network's GATT service, which advertisements carry.
    pub service: [u8; 16],
    /// The one characteristic of that service: a central writes to it, and is notified by it.
    pub characteristic: [u8; 16],
    /// The adapter to use, such as `hci0`; without it, the first that is there.
    pub adapter: Option<String>,
    /// The company whose manufacturer data our advertisements are; `0xFFFF` is nobody's.
    pub company: u16,
    /// When a scan has heard nothing at all for so long, it is begun anew, and when that does not
    /// help, so is the whole session. Too short restarts scans in quiet places for nothing.
    pub watchdog: Duration,
    /// Whether connections may use an L2CAP channel, which is faster.
    pub l2cap: bool,
    /// The port on which all nodes of our network take such channels, so that they need no GATT to
    /// find each other's. Without it a connection begins by GATT.
    pub psm: Option<u16>,
    /// How many connections there may be at once, both ways together. Controllers often carry
    /// no more than eight.
    pub connections_max: usize,
    /// How many adverts may wait to be taken before they are dropped.
    pub facts_max: usize,
}

impl Options {
    /// Options for a service with its characteristic, and defaults for the rest.
    pub fn new(service: [u8; 16], characteristic: [u8; 16]) -> Self {
        Self {
            service,
            characteristic,
            adapter: None,
            company: 0xFFFF,
            watchdog: Duration::from_secs(60),
            l2cap: true,
            psm: None,
            connections_max: 8,
            facts_max: 256,
        }
    }
}

/// Whether and how much the radio listens for adverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanning {
    /// It does not.
    Off,
    /// It listens for `window_ms` out of every `interval_ms`; all the time if they are equal.
    On {
        /// How long it listens, in milliseconds.
        window_ms: u32,
        /// From one beginning to the next, in milliseconds.
        interval_ms: u32,
    },
}
