//! The task between the radio and the drivers: it hands each fact to the one it concerns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::stream::{Carrier, Connection, Hail, ResetCode, hail, refusal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::driver::{Driver, Parts};
use crate::{
    Adapter, Bluetooth, Channel, ConnectionId, Counters, DialError, Fact, Heard, Options, Order,
    Radio, RadioFact, Scanning, Told,
};

/// Facts that may wait for a driver. It takes them at once, so more than a few mean a busy machine.
const EVENTS_MAX: usize = 64;
/// Dials that may wait to begin.
const DIALS_MAX: usize = 16;

/// A dial, and where its channel goes.
pub(crate) struct Dial {
    pub(crate) address: RadioAddress,
    pub(crate) reply: oneshot::Sender<Result<Channel, DialError>>,
}

/// The counters as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) adverts_dropped: AtomicU64,
    pub(crate) arrivals_refused: AtomicU64,
    pub(crate) arrivals_unopened: AtomicU64,
    pub(crate) arrivals_untaken: AtomicU64,
}

struct Hub {
    radio: Arc<dyn Radio>,
    told: mpsc::Sender<RadioFact>,
    arrived: mpsc::Sender<(RadioAddress, Channel)>,
    tally: Arc<Tally>,
    connections_max: usize,
    numbers: u64,
    adapter: AdapterState,
    links: BTreeMap<ConnectionId, Link>,
    drivers: JoinSet<ConnectionId>,
}

/// What matters of the adapter.
#[derive(Default)]
struct AdapterState {
    is_central: bool,
    has_l2cap: bool,
    psm: Option<u16>,
    /// News that were not told yet.
    news: Option<Adapter>,
}

/// A connection of the radio.
struct Link {
    address: RadioAddress,
    /// What an inbound one came by, and its MTU.
    carrier: Carrier,
    mtu: u16,
    /// Where its driver takes facts, once there is one.
    events: Option<mpsc::Sender<Fact>>,
    /// Which stream a central opened over it.
    opened: Option<Connection>,
    /// It was refused, and is only waiting for its end.
    refused: bool,
}

/// Starts the hub.
pub(crate) fn start(
    radio: Arc<dyn Radio>,
    facts: mpsc::Receiver<Fact>,
    options: &Options,
) -> (Bluetooth, Told) {
    let (told, told_out) = mpsc::channel(options.facts_max.max(1));
    let (arrived, arrived_out) = mpsc::channel(options.connections_max.max(1));
    let (dials_in, dials) = mpsc::channel(DIALS_MAX);
    let tally = Arc::<Tally>::default();
    let hub = Hub {
        radio: radio.clone(),
        told,
        arrived,
        tally: tally.clone(),
        connections_max: options.connections_max,
        numbers: 0,
        adapter: AdapterState::default(),
        links: BTreeMap::new(),
        drivers: JoinSet::new(),
    };
    tokio::spawn(hub.run(facts, dials));
    (Bluetooth::new(radio, dials_in, tally), Told { facts: told_out, arrived: arrived_out })
}

impl Hub {
    async fn run(mut self, mut facts: mpsc::Receiver<Fact>, mut dials: mpsc::Receiver<Dial>) {
        let told = self.told.clone();
        let mut wanted = true;
        while wanted || !self.drivers.is_empty() {
            tokio::select! {
                fact = facts.recv() => match fact {
                    Some(fact) => self.fact(fact).await,
                    None => break,
                },
                dial = dials.recv(), if wanted => match dial {
                    Some(dial) => self.dial(dial),
                    None => {
                        wanted = false;
                        self.radio.order(Order::Scan(Scanning::Off));
                        self.radio.order(Order::Advertise(None));
                    }
                },
                Some(ended) = self.drivers.join_next() => self.ended(ended.ok()),
                Ok(permit) = told.reserve(), if self.adapter.news.is_some() => {
                    if let Some(news) = self.adapter.news.take() {
                        permit.send(RadioFact::Adapter(news));
                    }
                }
            }
        }
        // Without a radio: drivers end when nobody tells them anything any more.
        self.links.clear();
        while self.drivers.join_next().await.is_some() {}
    }

    async fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Adapter(adapter) => self.adapter(adapter),
            Fact::Listening { psm } => self.adapter.psm = psm,
            Fact::Heard { address, payload, rssi } => {
                let heard = RadioFact::Heard(Heard { address, payload, rssi });
                // The adapter's news must not be overtaken.
                if self.adapter.news.is_some() || self.told.try_send(heard).is_err() {
                    Tally::add(&self.tally.adverts_dropped);
                }
            }
            Fact::Arrived { connection, address, carrier, mtu } => {
                self.links.insert(connection, Link::new(address, carrier, mtu));
            }
            Fact::TurnedAway => Tally::add(&self.tally.arrivals_unopened),
            Fact::Notified { connection, carrier, ref bytes } => {
                if let Some(opened) = self.opens(connection, carrier, bytes) {
                    self.admit(connection, opened);
                }
                self.pass(connection, fact).await;
            }
            Fact::Lost { connection, .. } | Fact::ConnectFailed { connection, .. } => {
                self.pass(connection, fact).await;
                self.links.remove(&connection);
            }
            Fact::MtuChanged { connection, mtu } => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.mtu = mtu;
                }
                self.pass(connection, fact).await;
            }
            Fact::Connected { connection, .. }
            | Fact::Refused { connection, .. }
            | Fact::Written { connection, .. }
            | Fact::ChannelUp { connection, .. }
            | Fact::ChannelDown { connection } => self.pass(connection, fact).await,
        }
    }

    fn adapter(&mut self, adapter: Adapter) {
        match &adapter {
            Adapter::Usable { central, l2cap, .. } => {
                self.adapter.is_central = *central;
                self.adapter.has_l2cap = *l2cap;
            }
            Adapter::Unusable { .. } => {
                // Their drivers end when nobody tells them anything any more.
                self.links.clear();
                self.adapter = AdapterState::default();
            }
        }
        self.adapter.news = Some(adapter);
    }

    /// Hands a fact to the driver it concerns. A driver always takes facts, so this never waits
    /// for long; one that has ended takes none.
    async fn pass(&mut self, connection: ConnectionId, fact: Fact) {
        let Some(link) = self.links.get(&connection) else { return };
        if let Some(events) = link.events.clone() {
            let _ = events.send(fact).await;
        }
    }

    fn dial(&mut self, dial: Dial) {
        let Dial { address, reply } = dial;
        if !self.adapter.is_central {
            let _ = reply.send(Err(DialError::Unusable));
            return;
        }
        if self.drivers.len() >= self.connections_max {
            let _ = reply.send(Err(DialError::Full(self.connections_max)));
            return;
        }
        self.numbers += 1;
        let connection = ConnectionId(self.numbers * 2);
        let (parts, events) = self.parts(connection, address);
        let driver = Driver::central(parts, self.adapter.has_l2cap, reply);
        let link = Link { events: Some(events), ..Link::new(address, Carrier::Gatt, 0) };
        self.links.insert(connection, link);
        self.drivers.spawn(driver.run());
    }

    fn parts(
        &self,
        connection: ConnectionId,
        address: RadioAddress,
    ) -> (Parts, mpsc::Sender<Fact>) {
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let (radio, tally) = (self.radio.clone(), self.tally.clone());
        (Parts { connection, address, radio, events, tally }, events_in)
    }

    /// Whether a value opens a stream over an inbound connection that is not open yet, or that its
    /// central has forgotten: one that died and came back over the same link.
    fn opens(
        &mut self,
        connection: ConnectionId,
        carrier: Carrier,
        bytes: &[u8],
    ) -> Option<Connection> {
        let link = self.links.get_mut(&connection)?;
        let is_inbound = link.opened.is_some() || link.events.is_none();
        if !is_inbound || link.refused || link.carrier != carrier {
            return None;
        }
        match hail(bytes) {
            Some(Hail::Open(opened)) => (link.opened != Some(opened)).then_some(opened),
            Some(Hail::Join(_) | Hail::Other(_)) | None => {
                if link.events.is_none() {
                    link.refused = true;
                    Tally::add(&self.tally.arrivals_unopened);
                    self.radio.order(Order::Disconnect { connection });
                }
                None
            }
        }
    }

    /// Makes a driver for a stream that a central opens, or refuses it.
    fn admit(&mut self, connection: ConnectionId, opened: Connection) {
        let tag_taken = self.links.iter().any(|(other, link)| {
            *other != connection && link.opened.is_some_and(|known| known.tag == opened.tag)
        });
        if tag_taken {
            self.say_no(connection, opened, ResetCode::TagTaken);
            return;
        }
        let Some(link) = self.links.get_mut(&connection) else { return };
        let (address, over) = (link.address, (link.carrier, link.mtu));
        if let Some(old) = link.events.take() {
            let why = "its central began anew".to_owned();
            let _ = old.try_send(Fact::Lost { connection, why });
        } else if self.drivers.len() >= self.connections_max {
            link.refused = true;
            Tally::add(&self.tally.arrivals_refused);
            self.say_no(connection, opened, ResetCode::Busy);
            self.radio.order(Order::Disconnect { connection });
            return;
        }
        let (parts, events) = self.parts(connection, address);
        let driver = Driver::peripheral(parts, over, self.adapter.psm, self.arrived.clone());
        if let Some(link) = self.links.get_mut(&connection) {
            link.events = Some(events);
            link.opened = Some(opened);
        }
        self.drivers.spawn(driver.run());
    }

    fn say_no(&self, connection: ConnectionId, opened: Connection, code: ResetCode) {
        let bytes = refusal(opened, code).into();
        let carrier = self.links.get(&connection).map_or(Carrier::Gatt, |link| link.carrier);
        self.radio.order(Order::Write { connection, carrier, bytes });
    }

    /// A driver ended. What its connection still says is nobody's, until the radio says that it is
    /// gone; unless another driver has taken over.
    fn ended(&mut self, connection: Option<ConnectionId>) {
        let Some(link) = connection.and_then(|connection| self.links.get_mut(&connection)) else {
            return;
        };
        if link.events.as_ref().is_some_and(mpsc::Sender::is_closed) {
            link.refused = true;
            link.opened = None;
        }
    }
}

impl Link {
    fn new(address: RadioAddress, carrier: Carrier, mtu: u16) -> Self {
        Self { address, carrier, mtu, events: None, opened: None, refused: false }
    }
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            adverts_dropped: read(&self.adverts_dropped),
            arrivals_refused: read(&self.arrivals_refused),
            arrivals_unopened: read(&self.arrivals_unopened),
            arrivals_untaken: read(&self.arrivals_untaken),
        }
    }
}
