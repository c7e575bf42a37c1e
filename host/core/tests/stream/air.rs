//! Two streams, and between them air that loses, repeats, delays and cuts off what they send.

use bytes::Bytes;
use pointsman_core::bluetooth::stream::{Carrier, Hail, State, Stream, hail};
use pointsman_core::id::Time;

pub(crate) const CENTRAL: usize = 0;
pub(crate) const PERIPHERAL: usize = 1;

/// Longest that anything here may take.
const END_US: u64 = 3_600_000_000;
/// Time until values find no room in a driver.
const DRIVER_QUEUE_US: u64 = 20_000;

/// Numbers from a seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// What a carrier does to values, both ways.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) mtu: usize,
    /// Longer values vanish.
    pub(crate) value_bytes_max: usize,
    pub(crate) delay_us: u64,
    pub(crate) jitter_us: u64,
    pub(crate) bytes_per_ms: u64,
    pub(crate) lost_percent: u64,
    pub(crate) repeated_percent: u64,
}

impl Weather {
    pub(crate) const fn fine(mtu: usize) -> Self {
        Self {
            mtu,
            value_bytes_max: usize::MAX,
            delay_us: 15_000,
            jitter_us: 0,
            bytes_per_ms: 100,
            lost_percent: 0,
            repeated_percent: 0,
        }
    }
}

/// What becomes of the attempt to open a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    Never,
    Works,
    Fails,
    /// It opens, and nothing comes through.
    Deaf,
}

pub(crate) struct Side {
    pub(crate) stream: Stream,
    /// What is still to be written, and what was read.
    pub(crate) to_write: Vec<u8>,
    pub(crate) written: usize,
    pub(crate) read: Vec<u8>,
    pub(crate) reads: bool,
    pub(crate) sent_bytes: u64,
    pub(crate) sent_values: usize,
    has_channel: bool,
    free_at: [u64; 2],
}

struct Flying {
    at: u64,
    to: usize,
    carrier: Carrier,
    value: Bytes,
}

pub(crate) struct Air {
    pub(crate) now: Time,
    pub(crate) sides: [Side; 2],
    pub(crate) gatt: Weather,
    pub(crate) l2cap: Weather,
    pub(crate) upgrade: Upgrade,
    /// Values until the connection breaks.
    pub(crate) values_left: usize,
    channel_at: Option<u64>,
    chance: Chance,
    flying: Vec<Flying>,
}

impl Air {
    pub(crate) fn new(seed: u64, gatt: Weather, upgrade: Upgrade) -> Self {
        let mut chance = Chance(seed);
        let (central, peripheral) = (chance.next(), chance.next() as u32);
        Self::with_chances(seed, gatt, upgrade, central, peripheral)
    }

    pub(crate) fn with_chances(
        seed: u64,
        gatt: Weather,
        upgrade: Upgrade,
        central: u64,
        peripheral: u32,
    ) -> Self {
        let now = Time(1_000_000);
        let psm = (upgrade != Upgrade::Never).then_some(0x80);
        let mut sides = [
            Side::new(Stream::central(now, central, upgrade != Upgrade::Never)),
            Side::new(Stream::peripheral(now, peripheral, psm)),
        ];
        for side in &mut sides {
            side.stream.carrier_up(now, Carrier::Gatt, gatt.mtu);
        }
        let l2cap = Weather { delay_us: 8_000, bytes_per_ms: 200, ..Weather::fine(1024) };
        let chance = Chance(seed ^ 0x5555);
        let (channel_at, flying, values_left) = (None, Vec::new(), usize::MAX);
        Self { now, sides, gatt, l2cap, upgrade, values_left, channel_at, chance, flying }
    }

    pub(crate) fn central(&mut self) -> &mut Stream {
        &mut self.sides[CENTRAL].stream
    }

    pub(crate) fn peripheral(&mut self) -> &mut Stream {
        &mut self.sides[PERIPHERAL].stream
    }

    pub(crate) fn states(&self) -> [State; 2] {
        [self.sides[CENTRAL].stream.state(), self.sides[PERIPHERAL].stream.state()]
    }

    /// Goes on until this is so.
    pub(crate) fn until(&mut self, mut so: impl FnMut(&Self) -> bool) {
        loop {
            self.drive();
            if so(self) {
                return;
            }
            assert!(self.now.0 < END_US, "{:?} {:?}", self.states(), self.stats());
            let Some(at) = self.next_event() else {
                panic!("nothing will happen: {:?} {:?}", self.states(), self.stats());
            };
            self.now = self.now.max(Time(at));
            self.deliver();
        }
    }

    /// Goes on for this long, or until nothing more happens.
    pub(crate) fn pass(&mut self, us: u64) {
        let end = self.now.after(us);
        loop {
            self.drive();
            match self.next_event() {
                Some(at) if at <= end.0 => self.now = self.now.max(Time(at)),
                Some(_) | None => break,
            }
            self.deliver();
        }
        self.now = end;
        self.drive();
    }

    /// Breaks a carrier on both sides.
    pub(crate) fn cut(&mut self, carrier: Carrier) {
        self.flying.retain(|flying| flying.carrier != carrier);
        for side in &mut self.sides {
            side.has_channel &= carrier != Carrier::L2cap;
            side.stream.carrier_down(self.now, carrier);
        }
    }

    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.gatt.mtu = mtu;
        for side in &mut self.sides {
            side.stream.mtu(self.now, Carrier::Gatt, mtu);
        }
    }

    fn stats(&self) -> [String; 2] {
        [0, 1].map(|side| format!("{:?}", self.sides[side].stream.stats()))
    }

    fn next_event(&self) -> Option<u64> {
        let flying = self.flying.iter().map(|flying| flying.at);
        let deadlines = self.sides.iter().filter_map(|side| side.stream.deadline());
        let free = self.sides.iter().flat_map(|side| side.free_at);
        let free = free.map(|at| at.saturating_sub(DRIVER_QUEUE_US)).filter(|at| *at > self.now.0);
        flying.chain(deadlines.map(|at| at.0)).chain(free).chain(self.channel_at).min()
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, rest) = self.flying.drain(..).partition(|flying| flying.at <= now.0);
        self.flying = rest;
        let mut due: Vec<Flying> = due;
        due.sort_by_key(|flying| flying.at);
        for Flying { to, carrier, value, .. } in due {
            self.arrive(to, carrier, &value);
        }
        for side in &mut self.sides {
            if side.stream.deadline().is_some_and(|at| at <= now) {
                side.stream.tick(now);
            }
        }
        self.channel();
    }

    fn arrive(&mut self, to: usize, carrier: Carrier, value: &[u8]) {
        let (now, l2cap) = (self.now, self.l2cap);
        let side = &mut self.sides[to];
        if carrier == Carrier::L2cap && !side.has_channel {
            let ours = side.stream.connection();
            let Some(Hail::Join(joined)) = hail(value) else { return };
            assert_eq!(Some(joined), ours);
            side.has_channel = true;
            side.stream.carrier_up(now, Carrier::L2cap, l2cap.mtu);
        }
        side.stream.received(now, carrier, value);
    }

    fn channel(&mut self) {
        let (now, mtu, upgrade) = (self.now, self.l2cap.mtu, self.upgrade);
        let side = &mut self.sides[CENTRAL];
        if side.stream.is_l2cap_given_up() {
            self.cut(Carrier::L2cap);
        } else if self.channel_at.is_some_and(|at| at <= now.0) {
            self.channel_at = None;
            if upgrade == Upgrade::Fails {
                side.stream.carrier_down(now, Carrier::L2cap);
            } else {
                side.has_channel = true;
                side.stream.carrier_up(now, Carrier::L2cap, mtu);
            }
        } else if side.stream.wants_l2cap().is_some() && self.channel_at.is_none() {
            self.channel_at = Some(now.0 + 50_000);
        }
    }

    /// Moves bytes between applications, streams and the air until nothing moves.
    fn drive(&mut self) {
        for from in [CENTRAL, PERIPHERAL] {
            loop {
                let moved = self.sides[from].move_bytes(self.now);
                let sent = self.send(from);
                if !moved && !sent {
                    break;
                }
            }
        }
    }

    fn send(&mut self, from: usize) -> bool {
        let now = self.now;
        let free = self.sides[from].free_at.map(|at| at < now.0 + DRIVER_QUEUE_US);
        let take = |carrier| free[carrier as usize];
        let Some((carrier, value)) = self.sides[from].stream.transmit(now, take) else {
            return false;
        };
        if self.values_left == 0 {
            self.cut(Carrier::Gatt);
            self.cut(Carrier::L2cap);
            return true;
        }
        self.values_left -= 1;
        self.sides[from].sent_bytes += value.len() as u64;
        self.sides[from].sent_values += 1;
        self.launch(from, carrier, value);
        true
    }

    fn launch(&mut self, from: usize, carrier: Carrier, value: Bytes) {
        let weather = if carrier == Carrier::Gatt { self.gatt } else { self.l2cap };
        let free_at = &mut self.sides[from].free_at[carrier as usize];
        *free_at = (*free_at).max(self.now.0) + value.len() as u64 * 1000 / weather.bytes_per_ms;
        let left_at = *free_at;
        let deaf = carrier == Carrier::L2cap && self.upgrade == Upgrade::Deaf;
        if deaf || value.len() > weather.value_bytes_max {
            return;
        }
        let repeated = self.chance.below(100) < weather.repeated_percent;
        for _ in 0..=u8::from(repeated) {
            if self.chance.below(100) < weather.lost_percent {
                continue;
            }
            let at = left_at + weather.delay_us + self.chance.below(weather.jitter_us);
            self.flying.push(Flying { at, to: 1 - from, carrier, value: value.clone() });
        }
    }
}

impl Side {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            to_write: Vec::new(),
            written: 0,
            read: Vec::new(),
            reads: true,
            sent_bytes: 0,
            sent_values: 0,
            has_channel: false,
            free_at: [0; 2],
        }
    }

    fn move_bytes(&mut self, now: Time) -> bool {
        let taken = self.stream.write(now, &self.to_write[self.written..]);
        self.written += taken;
        let mut buffer = [0; 4096];
        let read = if self.reads { self.stream.read(now, &mut buffer) } else { 0 };
        self.read.extend_from_slice(&buffer[..read]);
        taken + read > 0
    }
}
