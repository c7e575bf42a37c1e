//! Facts by chance, from a seed: whatever is told, the bounds hold.

use std::collections::BTreeSet;

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::neighbours::{
    BluetoothConfig, Heard, Neighbourhood, RadioTraits, Wish,
};
use pointsman_core::id::{LinkId, Time, UplinkId};
use pointsman_core::limits::{BLUETOOTH_RADIOS_MAX, NEIGHBOURS_PER_RADIO_MAX};

use crate::scene::{MS, address, peer};

struct Chaos {
    chance: u64,
    now: Time,
    node: Neighbourhood,
    radios: BTreeSet<UplinkId>,
    links: Vec<LinkId>,
    next_link: u32,
    dials: Vec<(UplinkId, RadioAddress)>,
    told: String,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let config = BluetoothConfig { links_max: 3, ..BluetoothConfig::default() };
        Self {
            chance: seed,
            now: Time(0),
            node: Neighbourhood::new(peer(5), config, seed),
            radios: BTreeSet::new(),
            links: Vec::new(),
            next_link: 0,
            dials: Vec::new(),
            told: String::new(),
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) % below
    }

    fn uplink(&mut self) -> UplinkId {
        UplinkId(self.draw(3) as u32)
    }

    /// One fact, plausible or not.
    fn fact(&mut self) {
        let (now, uplink) = (self.now, self.uplink());
        let to = address(self.draw(40) as u32);
        let link = LinkId(self.draw(u64::from(self.next_link) + 2) as u32);
        match self.draw(100) {
            0..60 => self.hear(uplink, to),
            60..68 => self.end_a_dial(),
            68..70 => self.node.dial_failed(now, uplink, to),
            70..74 => self.link(uplink, to, false),
            74..80 => self.node.settled(now, link),
            80..84 => self.node.unlinked(now, link),
            84..90 => self.node.link_heard(now, link, Some(-(link.0 as i16) % 120)),
            90..92 => {
                let traits = RadioTraits { central: true, peripheral: to.0[5] > 9, l2cap: false };
                self.node.radio_up(now, uplink, traits);
                self.radios.insert(uplink);
            }
            92 => {
                self.node.radio_down(now, uplink);
                self.radios.remove(&uplink);
                self.dials.retain(|(over, _)| *over != uplink);
            }
            93 => self.node.power(now, to.0[5] > 20),
            94 => self.node.standing(now, peer(to.0[5] % 8), to.0[5] > 20),
            95 => {
                self.node.dialling(now, uplink, to);
            }
            _ => self.now = self.now.after(self.chance % (20_000 * MS)),
        }
    }

    fn hear(&mut self, uplink: UplinkId, address: RadioAddress) {
        let rssi = match self.draw(20) {
            0 => None,
            1 => Some(127),
            2 => Some(20),
            _ => Some(-(self.draw(100) as i16) - 20),
        };
        let payload = [1, self.draw(32) as u8, 0, 0, 1, address.0[5]];
        let length = if self.draw(30) == 0 { self.draw(6) as usize } else { 6 };
        self.node.heard(self.now, uplink, Heard { address, payload: &payload[..length], rssi });
    }

    fn end_a_dial(&mut self) {
        if self.dials.is_empty() {
            return;
        }
        let (uplink, address) = self.dials.remove(0);
        if self.draw(2) == 0 {
            self.node.dial_failed(self.now, uplink, address);
        } else {
            self.link(uplink, address, true);
        }
    }

    fn link(&mut self, uplink: UplinkId, address: RadioAddress, dialled: bool) {
        self.next_link += 1;
        let (link, who) = (LinkId(self.next_link), peer(address.0[5] % 8));
        self.links.push(link);
        self.node.linked(self.now, uplink, address, link, who, dialled);
    }

    fn turn(&mut self) {
        self.fact();
        let is_due = self.node.deadline().is_some_and(|due| due <= self.now);
        self.node.tick(self.now);
        if is_due {
            assert!(self.node.deadline().is_none_or(|due| due > self.now));
        }
        while let Some(wish) = self.node.poll() {
            self.check(wish);
            self.told += &format!("{:?} {wish:?}\n", self.now);
        }
        assert!(self.node.occupancy() <= 3 + 1, "{}", self.node.occupancy());
        assert!(self.node.remembered() <= BLUETOOTH_RADIOS_MAX * NEIGHBOURS_PER_RADIO_MAX);
        for view in self.node.snapshot(self.now) {
            let range = view.range.into_iter();
            for range in range {
                assert!(0.1 <= range.low_m && range.low_m <= range.metres);
                assert!(range.metres <= range.high_m && range.high_m <= 100.0);
            }
        }
    }

    fn check(&mut self, wish: Wish) {
        match wish {
            Wish::Dial { uplink, address } => {
                assert!(self.radios.contains(&uplink), "a dial with a radio that is down");
                self.dials.push((uplink, address));
            }
            Wish::Scan { uplink, .. } | Wish::Advertise { uplink, .. } => {
                assert!(self.radios.contains(&uplink), "a wish for a radio that is down");
            }
            Wish::Close { link, .. } => {
                assert!(self.links.contains(&link), "an unknown link is closed");
            }
            Wish::Tell(_) => {}
        }
    }
}

#[test]
fn whatever_happens_the_bounds_hold_and_no_radio_that_is_down_is_asked() {
    let mut wishes = 0;
    for seed in 0..40 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..3_000 {
            chaos.turn();
        }
        wishes += chaos.told.matches("Dial").count() + chaos.told.matches("Close").count();
    }
    assert!(wishes > 1_000, "chance told nothing: {wishes}");
}

#[test]
fn equal_seeds_and_facts_give_equal_wishes() {
    let told = |seed| {
        let mut chaos = Chaos::new(seed);
        for _ in 0..5_000 {
            chaos.turn();
        }
        chaos.told
    };
    assert_eq!(told(3), told(3));
    assert_ne!(told(3), told(4));
}
