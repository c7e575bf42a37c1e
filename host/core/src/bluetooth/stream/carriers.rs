//! The ways that a connection has, and the attempts to get the better one.

use super::Carrier;
use crate::id::Time;
use crate::limits::{GATT_VALUE_BYTES_MAX, L2CAP_PACKET_BYTES_MAX, RADIO_VALUE_BYTES_MIN};

/// Bytes of an ATT header, which a value shares its MTU with.
const ATT_HEADER_BYTES: usize = 3;
/// Longest time that opening a channel may take.
const CHANNEL_US_MAX: u64 = 10_000_000;
/// Longest time until the first answer over a channel.
const JOIN_US_MAX: u64 = 3_000_000;
/// Time until a join is said again.
const JOIN_AGAIN_US: u64 = 500_000;
/// Time until a channel is tried again, doubled each time.
const REST_US: u64 = 30_000_000;
/// Values that arrive until larger ones are tried again, at first: where they are dropped, each
/// trial costs two timeouts.
const PATIENCE_VALUES: u32 = 64;
/// Attempts to get a channel: where it never works, it never will.
const ATTEMPTS_MAX: u32 = 3;

/// GATT and perhaps a channel.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    gatt: Option<Way>,
    channel: Option<Channel>,
    upgrade: Upgrade,
    attempts: u32,
    psm: u16,
}

#[derive(Debug)]
struct Channel {
    way: Way,
    /// The other side has said something over it that belongs to the connection.
    entered: bool,
    /// Nothing is sent over it any more.
    given_up: bool,
}

/// What a carrier takes.
#[derive(Clone, Copy, Debug)]
struct Way {
    value_bytes: usize,
    /// The largest value that the MTU allows.
    most_bytes: usize,
    /// The largest value that certainly arrived.
    proven_bytes: usize,
    /// Values that arrive until larger ones are tried again, and how many that were last time.
    trial_in: u32,
    patience: u32,
}

/// A central's attempt to get a channel.
#[derive(Clone, Copy, Debug, Default)]
enum Upgrade {
    /// Nobody offers one, or there is one, or there never will be.
    #[default]
    None,
    /// Not before then.
    Rests { until: Time },
    /// The driver is to open it.
    Wanted { until: Time },
    /// It is open, and must be answered.
    Joins { until: Time, again: Time },
}

impl Carriers {
    /// A carrier can be used, or could.
    pub(super) fn up(&mut self, now: Time, carrier: Carrier, mtu: usize, central: bool) {
        let way = Way::new(carrier, mtu);
        match carrier {
            Carrier::Gatt => self.gatt = Some(way),
            Carrier::L2cap => {
                let wanted = matches!(self.upgrade, Upgrade::Wanted { .. });
                // Without GATT beside it, nothing has to be compared: it is what there is.
                let alone = self.gatt.is_none();
                let given_up = central && !wanted && !alone;
                self.channel = Some(Channel { way, entered: alone, given_up });
                if wanted {
                    self.upgrade = Upgrade::Joins { until: now.after(JOIN_US_MAX), again: now };
                }
            }
        }
    }

    /// A carrier is gone, or an attempt to get it failed.
    pub(super) fn down(&mut self, now: Time, carrier: Carrier) {
        match carrier {
            Carrier::Gatt => self.gatt = None,
            Carrier::L2cap => {
                let used = self.channel.take().is_some_and(|channel| !channel.given_up);
                if used || self.wanted().is_some() {
                    self.rest(now);
                }
            }
        }
    }

    /// The MTU of a carrier changed.
    pub(super) fn mtu(&mut self, carrier: Carrier, mtu: usize) {
        if let Some(way) = self.way(carrier) {
            *way = Way::new(carrier, mtu);
        }
    }

    /// Whether frames that come over it are heard.
    pub(super) fn hears(&self, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Gatt => self.gatt.is_some(),
            Carrier::L2cap => self.channel.is_some(),
        }
    }

    /// Whether the other side was heard on the channel.
    pub(super) fn is_entered(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.entered)
    }

    /// Whether what went out over it may still arrive.
    pub(super) fn carries(&self, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Gatt => self.gatt.is_some(),
            Carrier::L2cap => self.channel.as_ref().is_some_and(|channel| !channel.given_up),
        }
    }

    /// Whether there is any left.
    pub(super) fn any(&self) -> bool {
        self.gatt.is_some() || self.channel.is_some()
    }

    /// What frames go out over.
    pub(super) fn best(&self) -> Option<Carrier> {
        let usable = |channel: &Channel| channel.entered && !channel.given_up;
        if self.channel.as_ref().is_some_and(usable) {
            Some(Carrier::L2cap)
        } else {
            self.gatt.map(|_| Carrier::Gatt)
        }
    }

    /// Bytes that fit into one value of a carrier.
    pub(super) fn value_bytes(&self, carrier: Carrier) -> usize {
        let way = match carrier {
            Carrier::Gatt => self.gatt,
            Carrier::L2cap => self.channel.as_ref().map(|channel| channel.way),
        };
        way.map_or(RADIO_VALUE_BYTES_MIN, |way| way.value_bytes)
    }

    /// The other side offers a channel on this PSM.
    pub(super) fn offered(&mut self, now: Time, psm: u16) {
        self.psm = psm;
        self.upgrade = Upgrade::Wanted { until: now.after(CHANNEL_US_MAX) };
    }

    /// The PSM that is to be connected to.
    pub(super) fn wanted(&self) -> Option<u16> {
        matches!(self.upgrade, Upgrade::Wanted { .. }).then_some(self.psm)
    }

    /// Whether a channel is open that nothing will be sent over.
    pub(super) fn is_channel_given_up(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.given_up)
    }

    /// The other side is on the channel.
    pub(super) fn entered(&mut self) {
        if let Some(channel) = &mut self.channel {
            channel.entered = true;
        }
        if matches!(self.upgrade, Upgrade::Joins { .. }) {
            self.upgrade = Upgrade::None;
        }
    }

    /// Whether a join is to be said now. Asking says it.
    pub(super) fn joins(&mut self, now: Time) -> bool {
        match &mut self.upgrade {
            Upgrade::Joins { again, .. } if *again <= now => {
                *again = now.after(JOIN_AGAIN_US);
                true
            }
            Upgrade::Joins { .. }
            | Upgrade::None
            | Upgrade::Rests { .. }
            | Upgrade::Wanted { .. } => false,
        }
    }

    /// A value of this size arrived.
    pub(super) fn proven(&mut self, carrier: Carrier, value_bytes: usize) {
        if let Some(way) = self.way(carrier) {
            way.proven(value_bytes);
        }
    }

    /// Values up to this size were not acknowledged, this often in a row. A channel that has an
    /// alternative is given up; a size that never arrived is perhaps one that is dropped.
    pub(super) fn suspected(&mut self, now: Time, in_a_row: u32, value_bytes: usize) {
        if in_a_row < 2 {
            return;
        }
        if self.best() == Some(Carrier::L2cap) && self.gatt.is_some() {
            self.give_up_channel(now);
        } else if let Some(way) = self.best().and_then(|carrier| self.way(carrier)) {
            way.shrink(value_bytes);
        }
    }

    /// When [`Carriers::tick`] or [`Carriers::joins`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self.upgrade {
            Upgrade::None => None,
            Upgrade::Rests { until } | Upgrade::Wanted { until } => Some(until),
            Upgrade::Joins { until, again } => Some(until.min(again)),
        }
    }

    /// Ends attempts that take too long, and begins those that have rested.
    pub(super) fn tick(&mut self, now: Time) {
        match self.upgrade {
            Upgrade::Rests { until } if until <= now => self.offered(now, self.psm),
            Upgrade::Wanted { until } if until <= now => self.rest(now),
            Upgrade::Joins { until, .. } if until <= now => self.give_up_channel(now),
            Upgrade::None
            | Upgrade::Rests { .. }
            | Upgrade::Wanted { .. }
            | Upgrade::Joins { .. } => {}
        }
    }

    fn give_up_channel(&mut self, now: Time) {
        if let Some(channel) = &mut self.channel {
            channel.given_up = true;
        }
        self.rest(now);
    }

    fn rest(&mut self, now: Time) {
        if self.psm == 0 {
            return;
        }
        self.attempts += 1;
        let rests = self.attempts < ATTEMPTS_MAX;
        let until = now.after(REST_US << self.attempts.min(ATTEMPTS_MAX));
        self.upgrade = if rests { Upgrade::Rests { until } } else { Upgrade::None };
    }

    fn way(&mut self, carrier: Carrier) -> Option<&mut Way> {
        match carrier {
            Carrier::Gatt => self.gatt.as_mut(),
            Carrier::L2cap => self.channel.as_mut().map(|channel| &mut channel.way),
        }
    }
}

impl Way {
    fn new(carrier: Carrier, mtu: usize) -> Self {
        let bytes = match carrier {
            Carrier::Gatt => mtu.saturating_sub(ATT_HEADER_BYTES).min(GATT_VALUE_BYTES_MAX),
            Carrier::L2cap => mtu.min(L2CAP_PACKET_BYTES_MAX),
        };
        Self {
            value_bytes: bytes.max(RADIO_VALUE_BYTES_MIN),
            most_bytes: bytes.max(RADIO_VALUE_BYTES_MIN),
            proven_bytes: RADIO_VALUE_BYTES_MIN,
            trial_in: 0,
            patience: PATIENCE_VALUES,
        }
    }

    fn shrink(&mut self, value_bytes: usize) {
        if value_bytes > self.proven_bytes {
            self.value_bytes = self.value_bytes.min(value_bytes / 2).max(self.proven_bytes);
            self.trial_in = self.patience;
            self.patience = self.patience.saturating_mul(2);
        }
    }

    fn proven(&mut self, value_bytes: usize) {
        self.proven_bytes = self.proven_bytes.max(value_bytes);
        if self.value_bytes >= self.most_bytes || value_bytes < self.value_bytes {
            return;
        }
        self.trial_in = self.trial_in.saturating_sub(1);
        if self.trial_in == 0 {
            self.value_bytes = (2 * self.value_bytes).min(self.most_bytes);
            self.trial_in = self.patience;
        }
    }
}
