//! A neighbourhood with a scripted radio, on a clock of its own.

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::advert::{Advert, Capabilities};
use pointsman_core::bluetooth::neighbours::{
    BluetoothConfig, Event, Heard, Neighbourhood, RadioTraits, Why, Wish,
};
use pointsman_core::id::{LinkId, PeerId, Time, UplinkId};

pub(crate) const S: u64 = 1_000_000;
pub(crate) const MS: u64 = 1_000;
pub(crate) const RADIO: UplinkId = UplinkId(1);
pub(crate) const BOTH: RadioTraits = RadioTraits { central: true, peripheral: true, l2cap: false };

pub(crate) struct Scene {
    pub(crate) node: Neighbourhood,
    pub(crate) now: Time,
    pub(crate) wishes: Vec<(Time, Wish)>,
}

pub(crate) fn address(number: u32) -> RadioAddress {
    let [a, b, c, d] = number.to_be_bytes();
    RadioAddress([0xC0, 0, a, b, c, d])
}

pub(crate) fn peer(number: u8) -> PeerId {
    PeerId([number; 32])
}

/// The strength at a distance by the default model, in dBm.
pub(crate) fn at_metres(metres: f64) -> i16 {
    (-59.0 - 20.0 * metres.log10()).round() as i16
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(BluetoothConfig::default(), BOTH)
    }

    pub(crate) fn with(config: BluetoothConfig, traits: RadioTraits) -> Self {
        let node = Neighbourhood::new(peer(100), config, 7);
        let mut scene = Self { node, now: Time(S), wishes: Vec::new() };
        scene.node.radio_up(scene.now, RADIO, traits);
        scene.advance(0);
        scene
    }

    /// Lets time pass; every tick comes when it is due, and moves the deadline ahead.
    pub(crate) fn advance(&mut self, us: u64) {
        let end = self.now.after(us);
        while let Some(due) = self.node.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.node.tick(self.now);
            let next = self.node.deadline();
            assert!(next.is_none_or(|next| next > self.now), "{next:?} after {:?}", self.now);
            self.drain();
        }
        self.now = end;
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(wish) = self.node.poll() {
            self.wishes.push((self.now, wish));
        }
    }

    /// One advertisement of a node that dials as well, with a token made of its number.
    pub(crate) fn hear(&mut self, number: u32, rssi: i16) {
        self.hear_token(number, token(number), Some(rssi));
    }

    pub(crate) fn hear_token(&mut self, number: u32, token: u32, rssi: Option<i16>) {
        let payload = Advert::new(Capabilities::CENTRAL, token).to_bytes();
        self.hear_bytes(number, &payload, rssi);
    }

    pub(crate) fn hear_bytes(&mut self, number: u32, payload: &[u8], rssi: Option<i16>) {
        let heard = Heard { address: address(number), payload, rssi };
        self.node.heard(self.now, RADIO, heard);
    }

    /// These stand there for so long, and advertise ten times a second.
    pub(crate) fn stand(&mut self, whom: &[(u32, i16)], us: u64) {
        for _ in 0..us / (100 * MS) {
            for (number, rssi) in whom {
                self.hear(*number, *rssi);
            }
            self.advance(100 * MS);
        }
    }

    /// A handshake that we dialled.
    pub(crate) fn link(&mut self, number: u32, link: u32, who: u8) {
        self.node.linked(self.now, RADIO, address(number), LinkId(link), peer(who), true);
        self.advance(0);
    }

    /// A handshake that they dialled.
    pub(crate) fn accept(&mut self, number: u32, link: u32, who: u8) {
        self.node.linked(self.now, RADIO, address(number), LinkId(link), peer(who), false);
        self.advance(0);
    }

    pub(crate) fn settle(&mut self, link: u32) {
        self.node.settled(self.now, LinkId(link));
        self.advance(100 * MS);
    }

    pub(crate) fn unlink(&mut self, link: u32) {
        self.node.unlinked(self.now, LinkId(link));
        self.advance(100 * MS);
    }

    pub(crate) fn fail(&mut self, number: u32) {
        self.node.dial_failed(self.now, RADIO, address(number));
    }

    /// Whom we dialled so far, and when.
    pub(crate) fn dials(&self) -> Vec<(u64, RadioAddress)> {
        let dial = |(at, wish): &(Time, Wish)| match wish {
            Wish::Dial { address, .. } => Some((at.0, *address)),
            Wish::Close { .. } | Wish::Scan { .. } | Wish::Advertise { .. } | Wish::Tell(_) => None,
        };
        self.wishes.iter().filter_map(dial).collect()
    }

    pub(crate) fn dialled(&self, number: u32) -> usize {
        self.dials().iter().filter(|(_, to)| *to == address(number)).count()
    }

    pub(crate) fn closes(&self) -> Vec<(u32, Why)> {
        let close = |(_, wish): &(Time, Wish)| match wish {
            Wish::Close { link, why } => Some((link.0, *why)),
            Wish::Dial { .. } | Wish::Scan { .. } | Wish::Advertise { .. } | Wish::Tell(_) => None,
        };
        self.wishes.iter().filter_map(close).collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let event = |(_, wish): &(Time, Wish)| match wish {
            Wish::Tell(event) => Some(*event),
            Wish::Dial { .. } | Wish::Scan { .. } | Wish::Advertise { .. } | Wish::Close { .. } => {
                None
            }
        };
        self.wishes.iter().filter_map(event).collect()
    }

    /// What we advertised so far.
    pub(crate) fn payloads(&self) -> Vec<[u8; 6]> {
        let payload = |(_, wish): &(Time, Wish)| match wish {
            Wish::Advertise { payload, .. } => Some(*payload),
            Wish::Dial { .. } | Wish::Scan { .. } | Wish::Close { .. } | Wish::Tell(_) => None,
        };
        self.wishes.iter().filter_map(payload).collect()
    }

    /// Our token on the air.
    pub(crate) fn own_token(&self) -> u32 {
        let payload = *self.payloads().last().expect("it advertises");
        Advert::from_bytes(&payload).expect("we write what we read").token
    }
}

/// Larger than ours, so that we dial without a grace.
pub(crate) fn token(number: u32) -> u32 {
    u32::MAX - number
}
