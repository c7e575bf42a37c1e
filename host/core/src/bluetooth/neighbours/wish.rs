//! What the neighbourhood says: facts that it is told besides, wishes, and events for people.

use super::config::Scanning;
use crate::bluetooth::RadioAddress;
use crate::bluetooth::advert::{Capabilities, PAYLOAD_BYTES};
use crate::bluetooth::range::Range;
use crate::id::{LinkId, UplinkId};

/// What a local radio can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RadioTraits {
    /// It scans and dials.
    pub central: bool,
    /// It advertises and is dialled.
    pub peripheral: bool,
    /// It takes L2CAP channels.
    pub l2cap: bool,
}

/// One advertisement, as a radio received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard<'a> {
    /// From where.
    pub address: RadioAddress,
    /// Manufacturer data after the company.
    pub payload: &'a [u8],
    /// How strong in dBm; `None` or 127 where the radio does not tell.
    pub rssi: Option<i16>,
}

/// Why a link should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nothing was heard of it for [`super::BluetoothConfig::out_of_sight_us`].
    OutOfSight,
    /// It fades, and another has taken its place.
    Faded,
    /// There is another link to its peer, or there are enough links.
    Spare,
    /// A peer dialled us, and there are as many links as are wanted.
    Full,
}

/// What the neighbourhood wants, or wants told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wish {
    /// Connect. Answered by `linked` or `dial_failed`.
    Dial {
        /// With this radio.
        uplink: UplinkId,
        /// To this address.
        address: RadioAddress,
    },
    /// End a link. Answered by `unlinked`.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        why: Why,
    },
    /// Listen this much from now on.
    Scan {
        /// With this radio.
        uplink: UplinkId,
        /// How much.
        scanning: Scanning,
    },
    /// Advertise this from now on, with a fresh address where the radio can choose one.
    Advertise {
        /// With this radio.
        uplink: UplinkId,
        /// Manufacturer data after the company.
        payload: [u8; PAYLOAD_BYTES],
    },
    /// Something to tell.
    Tell(Event),
}

/// Something that happened in the neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A neighbour is new.
    Discovered {
        /// Heard with this radio.
        uplink: UplinkId,
        /// On the air as this.
        address: RadioAddress,
        /// What it says it can do.
        capabilities: Capabilities,
        /// How far it is; `None` where the radio tells no strength.
        range: Option<Range>,
    },
    /// A neighbour came into range or left it, or is somewhere else than was told last: farther
    /// or nearer than the band allows.
    RangeChanged {
        /// Heard with this radio.
        uplink: UplinkId,
        /// On the air as this.
        address: RadioAddress,
        /// How far it is.
        range: Range,
        /// Whether it is in range.
        within: bool,
    },
    /// A neighbour that was told of is gone.
    Lost {
        /// Heard with this radio.
        uplink: UplinkId,
        /// Was on the air as this.
        address: RadioAddress,
    },
    /// A link will be out of range soon, by its trend, or hardly carries anything now.
    Fading {
        /// Which.
        link: LinkId,
    },
    /// A link that faded does no longer.
    Steady {
        /// Which.
        link: LinkId,
    },
}

/// What was counted since the start. None of it is an error of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BluetoothCounters {
    /// Advertisements that could be read.
    pub adverts: u64,
    /// Payloads that could not: of wrong length, or with a token of 0.
    pub malformed: u64,
    /// Payloads of another version.
    pub incompatible: u64,
    /// Advertisements with a token of ours: an echo, or a replay.
    pub echoes: u64,
    /// New addresses with a token that another address has: a replay, or a rotation.
    pub tokens_elsewhere: u64,
    /// Advertisements or links without a plausible strength.
    pub unmeasured: u64,
    /// Neighbours that made room for others.
    pub evicted: u64,
    /// Neighbours and radios for which there was no room.
    pub refused: u64,
    /// Dials that were wished.
    pub dials: u64,
    /// Those that came to nothing.
    pub dials_failed: u64,
    /// Facts about links, dials and radios that are not known here.
    pub strays: u64,
    /// Events that were not told, because nobody took those before.
    pub untold: u64,
}
