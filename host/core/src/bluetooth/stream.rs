//! A reliable, ordered stream of bytes over one Bluetooth LE connection.
//!
//! A connection has up to two *carriers*. Over GATT the central writes values to a characteristic
//! and the peripheral notifies on it; over an L2CAP channel, which is faster and which
//! not every system has, both send packets. Either may drop, repeat or cut off what it carries,
//! and BlueZ shows a peripheral's notifications to every central that subscribed. So a frame
//! carries the tag of its connection and the offset of its bytes: over which carrier it came,
//! and how large it is, makes no difference, and both may change in the middle of a message.
//!
//! The central opens over the carrier that is there first, and is accepted or refused. Then bytes
//! flow. Where that was GATT, the central may be told to open a channel ([`Stream::wants_l2cap`]);
//! once both sides were heard on it, it carries the rest, and when it is gone, GATT goes on. Each
//! side closes its direction ([`Stream::finish`]); when both did, or when no carrier is left, the
//! stream is over.
//!
//! Nothing is sent to a central that has not opened, but for a refusal. Nothing here encrypts or
//! knows who the other side is: that is for the handshake that travels in the stream.
//!
//! A driver tells what happens ([`Stream::carrier_up`], [`Stream::mtu`], [`Stream::received`],
//! [`Stream::carrier_down`], [`Stream::tick`] at [`Stream::deadline`]), moves bytes
//! ([`Stream::write`], [`Stream::read`]), and after each of these carries out
//! [`Stream::transmit`] until there is nothing.

mod carriers;
mod greeting;
mod incoming;
mod offset;
mod pace;
mod receiver;
mod sender;
mod state;
mod wire;

use bytes::Bytes;

pub use self::greeting::{Connection, Hail, hail, refusal};
pub use self::state::{Carrier, Reason, ResetCode, State, Stats};

use self::carriers::Carriers;
use self::greeting::Greeting;
use self::pace::Pace;
use self::receiver::Receiver;
use self::sender::{Piece, Sender, Timeout};
use self::wire::{DATA_ACK_HEADER_BYTES, DATA_HEADER_BYTES, Frame};
use crate::id::Time;
use crate::limits::{GATT_WINDOW_BYTES_MAX, L2CAP_WINDOW_BYTES_MAX};

/// Values from this size on have acknowledgements travel with data.
const SHARED_VALUE_BYTES_MIN: usize = 100;

/// One side of a stream. See the module.
#[derive(Debug)]
pub struct Stream {
    state: State,
    greeting: Greeting,
    carriers: Carriers,
    carrier: Option<Carrier>,
    sender: Sender,
    receiver: Option<Receiver>,
    reset: Option<ResetCode>,
    ticked: Time,
    counts: Stats,
}

impl Stream {
    /// The side that opens. `chance` is drawn at random, anew for each connection: tag, nonce and
    /// first offset come from it. `can_l2cap` says whether it could open a channel.
    pub fn central(now: Time, chance: u64, can_l2cap: bool) -> Self {
        Self::new(Greeting::central(now, chance, can_l2cap), chance as u32)
    }

    /// The side that is opened: made when a first [`Hail::Open`] comes, and told it by
    /// [`Stream::received`]. `chance` is drawn at random, anew for each connection. `psm` is what
    /// it listens on for channels.
    pub fn peripheral(now: Time, chance: u32, psm: Option<u16>) -> Self {
        Self::new(Greeting::peripheral(now, chance, psm), chance)
    }

    fn new(greeting: Greeting, start: u32) -> Self {
        let carriers = Carriers::default();
        let pace = pace_of(&carriers, Carrier::Gatt);
        Self {
            state: State::Opening,
            greeting,
            carriers,
            carrier: None,
            sender: Sender::new(start, Carrier::Gatt, pace),
            receiver: None,
            reset: None,
            ticked: Time(0),
            counts: Stats::default(),
        }
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Which connection this is; a peripheral knows once it was opened.
    pub fn connection(&self) -> Option<Connection> {
        self.greeting.connection()
    }

    /// Bytes that [`Stream::read`] gives now.
    pub fn readable(&self) -> usize {
        self.receiver.as_ref().map_or(0, Receiver::readable)
    }

    /// Whether everything was read that the other side will ever send: it closed its direction.
    pub fn is_ended(&self) -> bool {
        self.readable() == 0 && self.receiver.as_ref().is_some_and(Receiver::ended)
    }

    /// Whether [`Stream::write`] takes anything.
    pub fn is_writable(&self) -> bool {
        self.is_alive() && self.sender.room() > 0
    }

    /// The PSM of the channel that the driver of a central is to open now. It answers with
    /// [`Stream::carrier_up`] or [`Stream::carrier_down`].
    pub fn wants_l2cap(&self) -> Option<u16> {
        (self.state == State::Open).then(|| self.carriers.wanted()).flatten()
    }

    /// Whether the channel is of no use and is to be closed: nobody answers on it.
    pub fn is_l2cap_given_up(&self) -> bool {
        self.carriers.is_channel_given_up()
    }

    /// The numbers.
    pub fn stats(&self) -> Stats {
        let pace = self.sender.pace();
        Stats {
            carrier: self.carrier,
            value_bytes: self.carrier.map_or(0, |carrier| self.carriers.value_bytes(carrier)),
            srtt_us: pace.srtt_us(),
            window_bytes: pace.window(),
            in_flight_bytes: self.sender.in_flight(),
            queued_bytes: self.sender.queued(),
            readable_bytes: self.readable(),
            retransmissions: self.sender.sent_again(),
            ..self.counts
        }
    }

    /// A carrier is there. `mtu` is the ATT MTU, or that of packets to the other side. A channel
    /// beside GATT is told to a peripheral when its first packet is a [`Hail::Join`] of this
    /// connection.
    pub fn carrier_up(&mut self, now: Time, carrier: Carrier, mtu: usize) {
        self.greeting.begin(now);
        self.carriers.up(now, carrier, mtu, self.greeting.is_central());
        self.settle(now);
    }

    /// A carrier is gone, or the channel could not be opened.
    pub fn carrier_down(&mut self, now: Time, carrier: Carrier) {
        let had_any = self.carriers.any();
        self.carriers.down(now, carrier);
        self.settle(now);
        if had_any && !self.carriers.any() && self.is_alive() {
            let ended = self.receiver.as_ref().is_some_and(Receiver::ended);
            if ended && self.sender.delivered() {
                self.end(State::Closed);
            } else {
                self.end(State::Broken(Reason::Lost));
            }
        }
    }

    /// The MTU of a carrier is another one.
    pub fn mtu(&mut self, now: Time, carrier: Carrier, mtu: usize) {
        self.carriers.mtu(carrier, mtu);
        self.settle(now);
    }

    /// A value or packet came. Whatever it is, this is no error.
    pub fn received(&mut self, now: Time, carrier: Carrier, value: &[u8]) {
        let Some((tag, frame)) = wire::decode(value) else {
            self.counts.malformed += 1;
            return;
        };
        let ours = match self.greeting.connection() {
            Some(connection) => connection.tag == tag,
            None => matches!(frame, Frame::Open { .. }),
        };
        let over = matches!(self.state, State::Broken(_));
        if over || !ours || !self.carriers.hears(carrier) || !self.take(now, carrier, tag, frame) {
            self.counts.strays += 1;
        }
        self.settle(now);
    }

    /// Takes as many bytes as there is room for, and tells how many these were.
    pub fn write(&mut self, _now: Time, bytes: &[u8]) -> usize {
        if self.is_alive() { self.sender.write(bytes) } else { 0 }
    }

    /// Gives bytes in order, and tells how many these were. 0 when there are none now: see
    /// [`Stream::is_ended`].
    pub fn read(&mut self, now: Time, out: &mut [u8]) -> usize {
        self.receiver.as_mut().map_or(0, |receiver| receiver.read(now, out))
    }

    /// Nothing more will be written. What was, arrives still.
    pub fn finish(&mut self, _now: Time) {
        if self.is_alive() {
            self.sender.finish();
        }
    }

    /// Ends it at once, and tells the other side, if the next [`Stream::transmit`] can.
    pub fn abort(&mut self, _now: Time) {
        if self.is_alive() {
            self.reset(ResetCode::Aborted, Reason::Aborted);
        }
    }

    /// When [`Stream::tick`] has something to do, if nothing else happens. It is later than the
    /// last one: what was due by then waits for [`Stream::transmit`], not for time.
    pub fn deadline(&self) -> Option<Time> {
        self.deadlines().into_iter().flatten().filter(|at| *at > self.ticked).min()
    }

    fn deadlines(&self) -> [Option<Time>; 3] {
        let owed = || self.receiver.as_ref().and_then(Receiver::owed_at);
        match self.state {
            State::Broken(_) => [None; 3],
            State::Closed => [owed(), None, None],
            State::Opening => self.greeting.deadlines(),
            State::Open => [self.sender.deadline(), self.carriers.deadline(), owed()],
        }
    }

    /// The time is `now`. What is due may be sent by the next [`Stream::transmit`].
    pub fn tick(&mut self, now: Time) {
        self.ticked = now;
        match self.state {
            State::Closed | State::Broken(_) => return,
            State::Opening if self.greeting.is_overdue(now) => {
                self.reset(ResetCode::Aborted, Reason::TimedOut);
                return;
            }
            State::Opening | State::Open => {}
        }
        self.carriers.tick(now);
        match self.sender.tick(now) {
            Timeout::None | Timeout::Probe => {}
            Timeout::Again { in_a_row, value_bytes } => {
                self.carriers.suspected(now, in_a_row, value_bytes);
            }
            Timeout::GivenUp => self.reset(ResetCode::Aborted, Reason::Stalled),
        }
        self.settle(now);
    }

    /// What goes out next, and over which carrier; `None` when nothing does, or when
    /// `can_take` says of its carrier that it takes nothing now.
    pub fn transmit(
        &mut self,
        now: Time,
        mut can_take: impl FnMut(Carrier) -> bool,
    ) -> Option<(Carrier, Bytes)> {
        let tag = self.greeting.connection()?.tag;
        if self.carriers.hears(Carrier::L2cap)
            && can_take(Carrier::L2cap)
            && let Some(frame) = self.join(now)
        {
            return Some((Carrier::L2cap, wire::encode(tag, &frame)));
        }
        let carrier = self.carrier?;
        if !can_take(carrier) {
            return None;
        }
        if let Some(frame) = self.greet(now) {
            return Some((carrier, wire::encode(tag, &frame)));
        }
        let flows = matches!(self.state, State::Open | State::Closed);
        let value = if flows { self.flow(now, tag, carrier) } else { None };
        value.map(|value| (carrier, value))
    }
}

/// What goes out.
impl Stream {
    fn join(&mut self, now: Time) -> Option<Frame<'static>> {
        let nonce = self.connection()?.nonce;
        (self.state == State::Open && self.carriers.joins(now)).then_some(Frame::Join { nonce })
    }

    fn greet(&mut self, now: Time) -> Option<Frame<'static>> {
        let key = self.connection()?.key();
        if let Some(code) = self.reset.take() {
            return Some(Frame::Reset { key, code });
        }
        self.greeting.transmit(now, self.state)
    }

    fn flow(&mut self, now: Time, tag: u16, carrier: Carrier) -> Option<Bytes> {
        let value_bytes = self.carriers.value_bytes(carrier);
        let receiver = self.receiver.as_mut()?;
        let owed = receiver.owed_at();
        let shares = value_bytes >= SHARED_VALUE_BYTES_MIN && owed.is_some();
        if !shares && owed.is_some_and(|at| at <= now) {
            return Some(wire::encode(tag, &Frame::Ack(receiver.acknowledge())));
        }
        let header_bytes = if shares { DATA_ACK_HEADER_BYTES } else { DATA_HEADER_BYTES };
        match self.sender.piece(now, value_bytes - header_bytes, header_bytes) {
            Some(Piece::Data(offset, bytes)) => {
                let ack = shares.then(|| receiver.acknowledge());
                Some(wire::encode(tag, &Frame::Data { offset, ack, bytes: &bytes }))
            }
            Some(Piece::Close(offset)) => Some(wire::encode(tag, &Frame::Close { offset })),
            None if owed.is_some_and(|at| at <= now) => {
                Some(wire::encode(tag, &Frame::Ack(receiver.acknowledge())))
            }
            None => None,
        }
    }

    /// After anything that may have changed the carrier or ended the stream.
    fn settle(&mut self, now: Time) {
        let best = self.carriers.best();
        if best != self.carrier {
            let gone = self.carrier.is_none_or(|last| !self.carriers.carries(last));
            self.carrier = best;
            if let Some(carrier) = best {
                let pace = pace_of(&self.carriers, carrier);
                self.sender.change_carrier(now, carrier, pace, gone);
            }
        } else if let Some(carrier) = best {
            self.sender.resize(self.carriers.value_bytes(carrier) - DATA_HEADER_BYTES);
        }
        let ended = self.receiver.as_ref().is_some_and(Receiver::ended);
        if self.state == State::Open && ended && self.sender.finished() {
            self.state = State::Closed;
        }
    }

    fn is_alive(&self) -> bool {
        matches!(self.state, State::Opening | State::Open)
    }

    fn reset(&mut self, code: ResetCode, reason: Reason) {
        self.reset = Some(code);
        self.end(State::Broken(reason));
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.sender.clear();
    }
}

fn pace_of(carriers: &Carriers, carrier: Carrier) -> Pace {
    let window_bytes_max = match carrier {
        Carrier::Gatt => GATT_WINDOW_BYTES_MAX,
        Carrier::L2cap => L2CAP_WINDOW_BYTES_MAX,
    };
    Pace::new(carriers.value_bytes(carrier) - DATA_HEADER_BYTES, window_bytes_max)
}
