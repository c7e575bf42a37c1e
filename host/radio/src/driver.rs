//! One task for each connection: it carries out what the stream wants and tells it what happened.
//!
//! It lives from the dial or the first value that a central wrote until the connection is gone. A
//! channel is handed out only once both sides agree; until then the other side can cost nothing
//! but this task and its time. A driver never waits for anything but its own events, so whoever
//! hands it some never waits for long.

use std::sync::Arc;
use std::time::Duration;

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::stream::{Carrier, Hail, State, Stream, hail};
use pointsman_core::id::Time;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::channel::{Channel, Left, Shared, describe};
use crate::hub::Tally;
use crate::{ConnectionId, DialError, Fact, Order, Radio};

/// Values that are ordered before the first of them is written.
const WRITES_MAX: usize = 4;
/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a connection that both sides closed is kept, for the last acknowledgement to arrive.
/// The central ends it; the peripheral would only step in if it didn't.
const GRACE_CENTRAL: Duration = Duration::from_millis(300);
/// See [`GRACE_CENTRAL`].
const GRACE_PERIPHERAL: Duration = Duration::from_secs(3);
/// How long the other side may go on after our user has left a channel that was closed.
const LINGER: Duration = Duration::from_secs(10);

/// Until another look at what was due and could not be done, in microseconds.
const STUCK_US: u64 = 20_000;

/// The task of a connection.
pub(crate) struct Driver {
    connection: ConnectionId,
    address: RadioAddress,
    radio: Arc<dyn Radio>,
    events: mpsc::Receiver<Fact>,
    shared: Arc<Shared>,
    opening: Option<Opening>,
    /// Whether this side could open channels.
    has_l2cap: bool,
    room: Room,
    channel: ChannelState,
    /// Until when it lasts at most, now that it is all but over.
    until: Option<Instant>,
    tally: Arc<Tally>,
}

/// Who waits for the channel.
enum Opening {
    /// Someone dialled.
    Dial(oneshot::Sender<Result<Channel, DialError>>),
    /// Someone connected to us.
    Arrival(mpsc::Sender<(RadioAddress, Channel)>),
}

/// Values that may still be ordered.
struct Room {
    gatt: usize,
    l2cap: usize,
}

/// The L2CAP channel beside GATT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChannelState {
    None,
    /// A central's, ordered.
    Ordered,
    /// A peripheral's, which nothing came over yet that says whose it is.
    Unclaimed {
        mtu: u16,
    },
    Up,
}

/// How a connection ended.
enum End {
    /// The radio says so; nothing is left to end.
    Gone(String),
    /// The channel that was dialled was closed, and nothing had come over it.
    Refused(String),
    /// We end it.
    Ours,
}

/// What a driver is made of, whichever side dialled.
pub(crate) struct Parts {
    pub(crate) connection: ConnectionId,
    pub(crate) address: RadioAddress,
    pub(crate) radio: Arc<dyn Radio>,
    pub(crate) events: mpsc::Receiver<Fact>,
    pub(crate) tally: Arc<Tally>,
}

impl Driver {
    /// The side that dials.
    pub(crate) fn central(
        parts: Parts,
        l2cap: bool,
        reply: oneshot::Sender<Result<Channel, DialError>>,
    ) -> Self {
        let chance = chance(parts.connection);
        let shared = Shared::new(|now| Stream::central(now, chance, l2cap));
        Self::new(parts, shared, Opening::Dial(reply), l2cap)
    }

    /// The side that is connected to, by this carrier with this MTU.
    pub(crate) fn peripheral(
        parts: Parts,
        (carrier, mtu): (Carrier, u16),
        psm: Option<u16>,
        arrived: mpsc::Sender<(RadioAddress, Channel)>,
    ) -> Self {
        let chance = chance(parts.connection) as u32;
        let psm = psm.filter(|_| carrier == Carrier::Gatt);
        let shared = Shared::new(|now| Stream::peripheral(now, chance, psm));
        let mut driver = Self::new(parts, shared, Opening::Arrival(arrived), false);
        driver.is_connected(carrier, mtu);
        driver
    }

    fn new(parts: Parts, shared: Arc<Shared>, opening: Opening, has_l2cap: bool) -> Self {
        let Parts { connection, address, radio, events, tally } = parts;
        Self {
            connection,
            address,
            radio,
            events,
            shared,
            opening: Some(opening),
            has_l2cap,
            room: Room { gatt: WRITES_MAX, l2cap: WRITES_MAX },
            channel: ChannelState::None,
            until: None,
            tally,
        }
    }

    /// The whole life of the connection.
    pub(crate) async fn run(mut self) -> ConnectionId {
        let is_dial = matches!(self.opening, Some(Opening::Dial(_)));
        if is_dial {
            let first = if self.has_l2cap { Carrier::L2cap } else { Carrier::Gatt };
            if let Err(end) = self.connect(first).await {
                return self.end(end);
            }
        }
        let mut end = self.carry(is_dial).await;
        if let End::Refused(why) = &end {
            tracing::debug!(address = %self.address, why, "nobody opens that channel: by GATT");
            self.begin_anew();
            end = match self.connect(Carrier::Gatt).await {
                Ok(()) => self.carry(is_dial).await,
                Err(end) => end,
            };
        }
        self.end(end)
    }

    /// Nothing was handed out, so nobody has seen the stream that led nowhere.
    fn begin_anew(&mut self) {
        let (chance, now) = (chance(self.connection), self.shared.now());
        self.shared.lock().stream = Stream::central(now, chance, self.has_l2cap);
        self.room = Room { gatt: WRITES_MAX, l2cap: WRITES_MAX };
        self.channel = ChannelState::None;
    }

    /// The radio has a connection.
    fn is_connected(&mut self, carrier: Carrier, mtu: u16) {
        if carrier == Carrier::L2cap {
            self.channel = ChannelState::Up;
        }
        let (mut inner, now) = (self.shared.lock(), self.shared.now());
        inner.stream.carrier_up(now, carrier, usize::from(mtu));
    }

    /// Orders a connection and waits for the radio's answer, or until nobody wants it any more.
    async fn connect(&mut self, carrier: Carrier) -> Result<(), End> {
        let (connection, address) = (self.connection, self.address);
        self.radio.order(Order::Connect { connection, address, carrier });
        loop {
            let Some(Opening::Dial(reply)) = &mut self.opening else { return Err(End::Ours) };
            let event = tokio::select! {
                () = reply.closed() => return Err(End::Ours),
                event = self.events.recv() => event,
            };
            match event {
                Some(Fact::Connected { carrier, mtu, .. }) => {
                    self.is_connected(carrier, mtu);
                    return Ok(());
                }
                Some(Fact::Refused { why, .. }) => {
                    tracing::debug!(%address, why, "no channel: it connects by GATT");
                    let carrier = Carrier::Gatt;
                    self.radio.order(Order::Connect { connection, address, carrier });
                }
                Some(Fact::ConnectFailed { why, .. } | Fact::Lost { why, .. }) => {
                    self.fail(why.clone(), true);
                    return Err(End::Gone(why));
                }
                Some(_) => {}
                None => {
                    self.refuse(DialError::Unusable);
                    return Err(End::Gone("the adapter is gone".to_owned()));
                }
            }
        }
    }

    /// Drives the stream until its end.
    async fn carry(&mut self, is_central: bool) -> End {
        loop {
            let acted = self.act();
            if let Some(end) = self.outcome(is_central) {
                return end;
            }
            let deadline = self.deadline(acted);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Fact::Lost { why, .. } | Fact::ConnectFailed { why, .. }) => {
                        return End::Gone(why);
                    }
                    Some(Fact::Refused { why, .. }) => return End::Refused(why),
                    Some(fact) => self.tell(fact, is_central),
                    None => return End::Gone("the adapter is gone".to_owned()),
                },
                () = self.shared.touched.notified() => {}
                () = given_up(&mut self.opening) => return End::Ours,
                () = sleep_until(deadline) => {
                    let now = self.shared.now();
                    self.shared.lock().stream.tick(now);
                }
            }
        }
    }

    /// When something is to be done, if nothing happens. What was due when everything was done
    /// waits for the radio to take it, not for time.
    fn deadline(&self, acted: Time) -> Instant {
        let of_stream = self.shared.lock().stream.deadline().map(|time| {
            let is_stuck = time <= acted;
            self.shared.at(if is_stuck { acted.after(STUCK_US) } else { time })
        });
        let never = Instant::now() + Duration::from_secs(3600);
        [of_stream, self.until].into_iter().flatten().min().unwrap_or(never)
    }

    /// Tells the stream what happened.
    fn tell(&mut self, fact: Fact, is_central: bool) {
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        let stream = &mut inner.stream;
        match fact {
            Fact::Notified { carrier, bytes, .. } => {
                if carrier == Carrier::L2cap && self.channel != ChannelState::Up {
                    let ChannelState::Unclaimed { mtu } = self.channel else { return };
                    let Some(Hail::Join(named)) = hail(&bytes) else { return };
                    if stream.connection() != Some(named) {
                        return;
                    }
                    self.channel = ChannelState::Up;
                    stream.carrier_up(now, Carrier::L2cap, usize::from(mtu));
                }
                stream.received(now, carrier, &bytes);
            }
            Fact::Written { carrier: Carrier::Gatt, n, .. } => {
                self.room.gatt = (self.room.gatt + n).min(WRITES_MAX);
            }
            Fact::Written { carrier: Carrier::L2cap, n, .. } => {
                self.room.l2cap = (self.room.l2cap + n).min(WRITES_MAX);
            }
            Fact::MtuChanged { mtu, .. } => stream.mtu(now, Carrier::Gatt, usize::from(mtu)),
            Fact::ChannelUp { mtu, .. } => {
                self.room.l2cap = WRITES_MAX;
                if is_central {
                    self.channel = ChannelState::Up;
                    stream.carrier_up(now, Carrier::L2cap, usize::from(mtu));
                } else {
                    self.channel = ChannelState::Unclaimed { mtu };
                }
            }
            Fact::ChannelDown { .. } => {
                if matches!(self.channel, ChannelState::Up | ChannelState::Ordered) {
                    stream.carrier_down(now, Carrier::L2cap);
                }
                self.channel = ChannelState::None;
            }
            Fact::Adapter(_)
            | Fact::Listening { .. }
            | Fact::Heard { .. }
            | Fact::Connected { .. }
            | Fact::Refused { .. }
            | Fact::ConnectFailed { .. }
            | Fact::Arrived { .. }
            | Fact::TurnedAway
            | Fact::Lost { .. } => {}
        }
    }

    /// Orders all that the stream wants now, and wakes whoever can go on.
    fn act(&mut self) -> Time {
        let (connection, now) = (self.connection, self.shared.now());
        let mut inner = self.shared.lock();
        let stream = &mut inner.stream;
        // Acknowledgements may be due before the timer says so.
        stream.tick(now);
        let room = &mut self.room;
        while let Some((carrier, bytes)) = stream.transmit(now, |carrier| room.of(carrier) > 0) {
            room.take(carrier);
            self.radio.order(Order::Write { connection, carrier, bytes: bytes.into() });
        }
        if self.channel == ChannelState::None
            && let Some(psm) = stream.wants_l2cap()
        {
            self.channel = ChannelState::Ordered;
            self.radio.order(Order::OpenChannel { connection, psm });
        }
        if self.channel == ChannelState::Up && stream.is_l2cap_given_up() {
            self.radio.order(Order::CloseChannel { connection });
        }
        inner.wake();
        now
    }

    /// Whether it is over, after handing out the channel if it can be by now.
    fn outcome(&mut self, is_central: bool) -> Option<End> {
        let (state, left) = {
            let inner = self.shared.lock();
            (inner.stream.state(), inner.left)
        };
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Some(End::Ours);
        }
        match state {
            State::Opening => None,
            State::Open => {
                self.hand_out();
                self.last(LINGER, left == Left::Dropped)
            }
            State::Closed => {
                self.hand_out();
                let grace = if is_central { GRACE_CENTRAL } else { GRACE_PERIPHERAL };
                self.last(grace, true)
            }
            State::Broken(reason) => {
                self.fail(describe(reason), false);
                let unsaid = self.room.gatt < WRITES_MAX || self.room.l2cap < WRITES_MAX;
                if unsaid { self.last(LAST_WORDS, true) } else { Some(End::Ours) }
            }
        }
    }

    /// It is all but over: it lasts no longer than that.
    fn last(&mut self, at_most: Duration, is_so: bool) -> Option<End> {
        if is_so {
            let until = Instant::now() + at_most;
            self.until = Some(self.until.map_or(until, |earlier| earlier.min(until)));
        }
        None
    }

    /// Hands the channel to whoever waits for it. If nobody does, its drop ends the connection.
    fn hand_out(&mut self) {
        let Some(opening) = self.opening.take() else { return };
        let channel = Channel::new(self.shared.clone());
        match opening {
            Opening::Dial(reply) => drop(reply.send(Ok(channel))),
            Opening::Arrival(arrived) => {
                if arrived.try_send((self.address, channel)).is_err() {
                    Tally::add(&self.tally.arrivals_untaken);
                }
            }
        }
    }

    /// There will be no channel.
    fn fail(&mut self, why: String, is_unreachable: bool) {
        let address = self.address;
        self.refuse(if is_unreachable {
            DialError::Unreachable { address, why }
        } else {
            DialError::Unopened { address, why }
        });
    }

    fn refuse(&mut self, error: DialError) {
        match self.opening.take() {
            Some(Opening::Dial(reply)) => drop(reply.send(Err(error))),
            Some(Opening::Arrival(_)) => Tally::add(&self.tally.arrivals_unopened),
            None => {}
        }
    }

    fn end(mut self, end: End) -> ConnectionId {
        let why = match end {
            End::Ours => {
                self.radio.order(Order::Disconnect { connection: self.connection });
                "it was given up".to_owned()
            }
            End::Gone(why) | End::Refused(why) => why,
        };
        tracing::debug!(address = %self.address, why, "a connection ended");
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        inner.stream.carrier_down(now, Carrier::L2cap);
        inner.stream.carrier_down(now, Carrier::Gatt);
        inner.wake();
        drop(inner);
        self.fail(why, false);
        self.connection
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A panic in a stream is a bug, and must not leave anyone waiting for good.
        if std::thread::panicking() {
            self.shared.lock().abandon();
            self.radio.order(Order::Disconnect { connection: self.connection });
        }
    }
}

impl Room {
    fn of(&self, carrier: Carrier) -> usize {
        match carrier {
            Carrier::Gatt => self.gatt,
            Carrier::L2cap => self.l2cap,
        }
    }

    fn take(&mut self, carrier: Carrier) {
        match carrier {
            Carrier::Gatt => self.gatt -= 1,
            Carrier::L2cap => self.l2cap -= 1,
        }
    }
}

/// Returns when whoever dialled has stopped waiting.
async fn given_up(opening: &mut Option<Opening>) {
    match opening {
        Some(Opening::Dial(reply)) => reply.closed().await,
        Some(Opening::Arrival(_)) | None => std::future::pending().await,
    }
}

/// What a stream is drawn from. Where the system has no randomness to give, a number that only
/// keeps connections apart.
fn chance(connection: ConnectionId) -> u64 {
    getrandom::u64().unwrap_or_else(|_| connection.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
