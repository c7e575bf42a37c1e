//! What is on the air: stations, the connections between them, and their conditions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Channels, unusable, usable};
use crate::{Carrier, ConnectionId, Fact, Order, Scanning};

/// An MTU as phones agree on.
const MTU: u16 = 247;
/// An MTU of channels.
const CHANNEL_MTU: u16 = 1024;
/// The port that channels are taken on.
const PSM: u16 = 0x80;
/// How strongly adverts are heard, unless the script says otherwise.
const RSSI_DBM: i16 = -60;

type Loss = Box<dyn FnMut(u64) -> bool + Send>;

/// Everything.
pub(super) struct Air {
    pub(super) delay: Duration,
    pub(super) values: u64,
    mtu: u16,
    loss: Option<Loss>,
    cut_at: Option<u64>,
    numbers: u64,
    stations: BTreeMap<RadioAddress, Station>,
    wires: Vec<Wire>,
    apart: BTreeSet<(RadioAddress, RadioAddress)>,
    rssi: BTreeMap<(RadioAddress, RadioAddress), VecDeque<i16>>,
}

/// A radio.
pub(super) struct Station {
    outbox: mpsc::Sender<(Instant, Fact)>,
    channels: Channels,
    scanning: bool,
    advert: Option<[u8; 6]>,
    on: bool,
}

/// A connection.
#[derive(Clone, Copy)]
struct Wire {
    central: End,
    peripheral: End,
    arrived: bool,
    channel: bool,
    /// What it was connected by.
    carrier: Carrier,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    address: RadioAddress,
    connection: ConnectionId,
}

impl Station {
    pub(super) fn new(outbox: mpsc::Sender<(Instant, Fact)>, channels: Channels) -> Self {
        Self { outbox, channels, scanning: false, advert: None, on: true }
    }
}

impl Default for Air {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            values: 0,
            mtu: MTU,
            loss: None,
            cut_at: None,
            numbers: 0,
            stations: BTreeMap::new(),
            wires: Vec::new(),
            apart: BTreeSet::new(),
            rssi: BTreeMap::new(),
        }
    }
}

/// The script.
impl Air {
    pub(super) fn is_new(&self) -> bool {
        self.stations.is_empty() && self.numbers == 0
    }

    pub(super) fn enter(&mut self, address: RadioAddress, station: Station) {
        self.numbers += 1;
        self.stations.insert(address, station);
        self.announce(address);
    }

    pub(super) fn leave(&mut self, address: RadioAddress) {
        self.stations.remove(&address);
        self.cut(|wire| wire.central.address == address || wire.peripheral.address == address);
    }

    pub(super) fn set_loss(&mut self, loss: Loss) {
        self.loss = Some(loss);
    }

    pub(super) fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
        for wire in self.wires.clone() {
            self.tell(wire.central, |connection| Fact::MtuChanged { connection, mtu });
            if wire.arrived {
                self.tell(wire.peripheral, |connection| Fact::MtuChanged { connection, mtu });
            }
        }
    }

    pub(super) fn cut_after(&mut self, values: u64) {
        self.cut_at = Some(self.values + values);
    }

    pub(super) fn cut_all(&mut self) {
        self.cut(|_| true);
    }

    pub(super) fn part(&mut self, a: RadioAddress, b: RadioAddress) {
        self.apart.insert((a.min(b), a.max(b)));
        let pair = [a, b];
        self.cut(|wire| {
            pair.contains(&wire.central.address) && pair.contains(&wire.peripheral.address)
        });
    }

    pub(super) fn meet(&mut self, a: RadioAddress, b: RadioAddress) {
        self.apart.remove(&(a.min(b), a.max(b)));
    }

    pub(super) fn set_rssi(&mut self, from: RadioAddress, to: RadioAddress, script: Vec<i16>) {
        self.rssi.insert((from, to), script.into());
    }

    pub(super) fn switch(&mut self, address: RadioAddress, on: bool) {
        if let Some(station) = self.stations.get_mut(&address) {
            station.on = on;
        }
        self.cut(|wire| wire.central.address == address || wire.peripheral.address == address);
        self.announce(address);
    }

    pub(super) fn cut_channels(&mut self) {
        self.cut(|wire| wire.carrier == Carrier::L2cap);
        for index in 0..self.wires.len() {
            self.close_channel(index);
        }
    }

    /// One round of adverts.
    pub(super) fn advertise(&mut self) {
        let adverts: Vec<_> = self
            .stations
            .iter()
            .filter(|(_, station)| station.on)
            .filter_map(|(address, station)| Some((*address, station.advert?)))
            .collect();
        let ears: Vec<_> = self
            .stations
            .iter()
            .filter(|(_, station)| station.on && station.scanning)
            .map(|(address, _)| *address)
            .collect();
        for (from, payload) in adverts {
            for to in ears.iter().filter(|to| **to != from) {
                self.hear(from, *to, payload);
            }
        }
    }

    fn hear(&mut self, address: RadioAddress, to: RadioAddress, payload: [u8; 6]) {
        if !self.in_range(address, to) {
            return;
        }
        let script = self.rssi.get_mut(&(address, to));
        let rssi = script.map_or(Some(RSSI_DBM), |script| {
            if script.len() > 1 { script.pop_front() } else { script.front().copied() }
        });
        self.send(to, Fact::Heard { address, payload: payload.to_vec(), rssi });
    }

    fn in_range(&self, a: RadioAddress, b: RadioAddress) -> bool {
        let is_on = |address| self.stations.get(&address).is_some_and(|station| station.on);
        is_on(a) && is_on(b) && !self.apart.contains(&(a.min(b), a.max(b)))
    }

    fn announce(&self, address: RadioAddress) {
        let Some(station) = self.stations.get(&address) else { return };
        if !station.on {
            self.send(address, Fact::Adapter(unusable()));
            return;
        }
        self.send(address, Fact::Adapter(usable(station.channels, address)));
        let psm = (station.channels != Channels::None).then_some(PSM);
        self.send(address, Fact::Listening { psm });
    }

    fn send(&self, to: RadioAddress, fact: Fact) {
        if let Some(station) = self.stations.get(&to) {
            let _ = station.outbox.try_send((Instant::now() + self.delay, fact));
        }
    }

    fn tell(&self, end: End, fact: impl FnOnce(ConnectionId) -> Fact) {
        self.send(end.address, fact(end.connection));
    }

    fn cut(&mut self, which: impl Fn(&Wire) -> bool) {
        let (gone, kept) = self.wires.iter().partition(|wire| which(wire));
        self.wires = kept;
        let gone: Vec<Wire> = gone;
        for wire in gone {
            let lost = |connection| Fact::Lost { connection, why: "out of range".to_owned() };
            self.tell(wire.central, lost);
            if wire.arrived {
                self.tell(wire.peripheral, lost);
            }
        }
    }
}

/// The orders.
impl Air {
    pub(super) fn order(&mut self, from: RadioAddress, order: Order) {
        match order {
            Order::Scan(scanning) => {
                if let Some(station) = self.stations.get_mut(&from) {
                    station.scanning = scanning != Scanning::Off;
                }
            }
            Order::Advertise(advert) => {
                if let Some(station) = self.stations.get_mut(&from) {
                    station.advert = advert;
                }
            }
            Order::Connect { connection, address, carrier } => {
                self.connect(End { address: from, connection }, address, carrier);
            }
            Order::OpenChannel { connection, psm } => {
                self.open_channel(End { address: from, connection }, psm);
            }
            Order::CloseChannel { connection } => {
                if let Some(index) = self.find(End { address: from, connection }) {
                    self.close_channel(index);
                }
            }
            Order::Write { connection, carrier, bytes } => {
                self.write(End { address: from, connection }, carrier, &bytes);
            }
            Order::Disconnect { connection } => {
                let end = End { address: from, connection };
                self.cut(|wire| wire.central == end || wire.peripheral == end);
            }
        }
    }

    fn find(&self, end: End) -> Option<usize> {
        self.wires.iter().position(|wire| wire.central == end || wire.peripheral == end)
    }

    fn connect(&mut self, central: End, to: RadioAddress, carrier: Carrier) {
        if !self.in_range(central.address, to) {
            let why = "nobody answers".to_owned();
            self.tell(central, |connection| Fact::ConnectFailed { connection, why });
            return;
        }
        let channel = carrier == Carrier::L2cap;
        let taker = self.stations.get(&to).map(|station| station.channels);
        if channel && !matches!(taker, Some(Channels::Alone | Channels::Occupied)) {
            let why = "nobody has that port".to_owned();
            self.tell(central, |connection| Fact::Refused { connection, why });
            return;
        }
        self.numbers += 1;
        let connection = ConnectionId(self.numbers * 2 + 1);
        let peripheral = End { address: to, connection };
        self.wires.push(Wire { central, peripheral, arrived: false, channel, carrier });
        let mtu = if channel { CHANNEL_MTU } else { self.mtu };
        self.tell(central, |connection| Fact::Connected { connection, carrier, mtu });
    }

    fn open_channel(&mut self, central: End, psm: u16) {
        let Some(index) = self.find(central) else { return };
        let wire = self.wires[index];
        let other = self.stations.get(&wire.peripheral.address);
        let takes = |other: &Station| !matches!(other.channels, Channels::None | Channels::Refused);
        if psm != PSM || !other.is_some_and(takes) {
            self.tell(central, |connection| Fact::ChannelDown { connection });
            return;
        }
        self.wires[index].channel = true;
        for end in [wire.central, wire.peripheral] {
            self.tell(end, |connection| Fact::ChannelUp { connection, mtu: CHANNEL_MTU });
        }
    }

    fn close_channel(&mut self, index: usize) {
        if std::mem::take(&mut self.wires[index].channel) {
            let wire = self.wires[index];
            for end in [wire.central, wire.peripheral] {
                self.tell(end, |connection| Fact::ChannelDown { connection });
            }
        }
    }

    fn write(&mut self, from: End, carrier: Carrier, bytes: &[u8]) {
        let Some(index) = self.find(from) else { return };
        let number = self.values;
        self.values += 1;
        if self.cut_at.is_some_and(|at| number >= at) {
            self.cut_at = None;
            self.cut_all();
            return;
        }
        let lost = self.loss.as_mut().is_some_and(|loss| loss(number));
        let room = match carrier {
            Carrier::Gatt => usize::from(self.mtu) - 3,
            Carrier::L2cap => usize::from(CHANNEL_MTU),
        };
        let wire = self.wires[index];
        if !lost && bytes.len() <= room {
            match carrier {
                Carrier::L2cap if !wire.channel => return,
                Carrier::L2cap if wire.central == from => self.write_up(index, carrier, bytes),
                Carrier::L2cap => {
                    self.hand_over(wire.central, carrier, bytes);
                }
                Carrier::Gatt if wire.central == from => self.write_up(index, carrier, bytes),
                Carrier::Gatt => self.notify(from.address, bytes),
            }
        }
        self.tell(from, |connection| Fact::Written { connection, carrier, n: 1 });
    }

    fn write_up(&mut self, index: usize, carrier: Carrier, bytes: &[u8]) {
        let wire = self.wires[index];
        let other = self.stations.get(&wire.peripheral.address);
        let is_occupied = other.is_some_and(|other| other.channels == Channels::Occupied);
        if is_occupied && wire.carrier == Carrier::L2cap {
            self.wires.remove(index);
            let why = "it was closed at once".to_owned();
            self.tell(wire.central, |connection| Fact::Refused { connection, why });
            return;
        }
        if !std::mem::replace(&mut self.wires[index].arrived, true) {
            let address = wire.central.address;
            let mtu = if carrier == Carrier::Gatt { self.mtu } else { CHANNEL_MTU };
            let arrived = |connection| Fact::Arrived { connection, address, carrier, mtu };
            self.tell(wire.peripheral, arrived);
        }
        self.hand_over(wire.peripheral, carrier, bytes);
    }

    /// A notification reaches all of a peripheral's centrals.
    fn notify(&self, peripheral: RadioAddress, bytes: &[u8]) {
        for wire in self.wires.iter().filter(|wire| wire.peripheral.address == peripheral) {
            self.hand_over(wire.central, Carrier::Gatt, bytes);
        }
    }

    fn hand_over(&self, to: End, carrier: Carrier, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.tell(to, |connection| Fact::Notified { connection, carrier, bytes });
    }
}

impl fmt::Debug for Air {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Air").field("values", &self.values).finish_non_exhaustive()
    }
}
