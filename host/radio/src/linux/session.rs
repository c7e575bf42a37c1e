//! One life with an adapter: both roles, the L2CAP channels, and the watchdog.

use std::time::Duration;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::l2cap::{Arrivals, Channels, Loan};
use super::peripheral::Peripheral;
use super::sentinel::{Found, Sentinel, Sight, denied};
use super::{End, Wishes};
use crate::central::Central;
use crate::shared::Uses;
use crate::{Adapter, Carrier, ConnectionId, Fact, Options, Order, Scanning, Why};

/// How often the adapter is looked at although nothing was told.
const LOOK: Duration = Duration::from_secs(30);
/// The watchdog's bite is never further away than that.
const WATCHDOG_MAX: Duration = Duration::from_secs(600);

struct Session<'a> {
    wishes: &'a mut Wishes,
    facts: &'a mpsc::Sender<Fact>,
    uses: Uses,
    central: Option<Central>,
    peripheral: Option<Peripheral>,
    channels: Option<Channels>,
    rescanned: bool,
}

/// Uses the adapter until it can't be used or nobody orders any more.
pub(super) async fn run(
    options: &Options,
    wishes: &mut Wishes,
    orders: &mut mpsc::Receiver<Order>,
    facts: &mpsc::Sender<Fact>,
    sentinel: &mut Sentinel,
    found: Found,
) -> End {
    let mut session = match Session::open(options, wishes, facts, &found).await {
        Ok(session) => session,
        Err(end) => return end,
    };
    session.announce(&found).await;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut check = interval((options.watchdog / 4).max(Duration::from_millis(50)));
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let looking = tokio::select! {
            order = orders.recv() => match order {
                Some(order) => { session.order(order).await; false }
                None => return End::Stopped,
            },
            left = next(&mut session.central) => match left {
                Some(left) => { session.advertise_again(left); false }
                None => return End::Unusable(Why::Lost, "the connection to D-Bus broke".to_owned()),
            },
            _ = check.tick() => match session.watch(options.watchdog) {
                Some(end) => return end,
                None => false,
            },
            () = sentinel.changed() => true,
            _ = look.tick() => true,
        };
        if looking && let Some(end) = check_on(sentinel, options, &found).await {
            return end;
        }
    }
}

/// The next event of the central, which is handled here: whether a device disconnected. `None` if
/// there won't be any more.
async fn next(central: &mut Option<Central>) -> Option<bool> {
    let Some(central) = central else { return std::future::pending().await };
    let event = central.next().await?;
    Some(central.handle(event).await)
}

/// Whether the adapter is still what it was; why not, otherwise.
async fn check_on(sentinel: &Sentinel, options: &Options, found: &Found) -> Option<End> {
    match sentinel.look(options.adapter.as_deref()).await {
        Sight::Usable(now) if now == *found => None,
        Sight::Usable(now) => {
            Some(End::Unusable(Why::Lost, format!("{} gave way to {}", found.name, now.name)))
        }
        Sight::Unusable(why, text) => Some(End::Unusable(why, text)),
    }
}

impl<'a> Session<'a> {
    async fn open(
        options: &Options,
        wishes: &'a mut Wishes,
        facts: &'a mpsc::Sender<Fact>,
        found: &Found,
    ) -> Result<Self, End> {
        let uses = Uses::default();
        let central = Central::open(Some(&found.name), options, facts.clone(), uses.clone())
            .await
            .map_err(|error| refused(&found.name, &error.to_string()))?;
        if central.is_none() {
            tracing::warn!(adapter = found.name, "btleplug can't read it: it can't connect");
        }
        let arrivals = Arrivals::default();
        let peripheral = if found.peripheral {
            let opened = Peripheral::open(
                &found.name,
                options,
                facts,
                uses.clone(),
                arrivals.clone(),
                wishes.arrivals.clone(),
            );
            Some(opened.await.map_err(|error| refused(&found.name, &error.to_string()))?)
        } else {
            None
        };
        let loan = Loan {
            adapter: peripheral.as_ref().map(Peripheral::adapter),
            facts: facts.clone(),
            uses: uses.clone(),
            numbers: wishes.arrivals.clone(),
            arrivals,
        };
        let channels = options.l2cap.then(|| Channels::open(found, options, loan)).flatten();
        Ok(Self { wishes, facts, uses, central, peripheral, channels, rescanned: false })
    }

    /// Tells of the adapter, and takes up what was wished before.
    async fn announce(&mut self, found: &Found) {
        let state = Adapter::Usable {
            name: found.name.clone(),
            address: found.address,
            central: self.central.is_some(),
            peripheral: self.peripheral.is_some(),
            l2cap: self.channels.is_some(),
            bluez: None,
        };
        self.wishes.told = Some(state.clone());
        let _ = self.facts.send(Fact::Adapter(state)).await;
        let psm = self.channels.as_ref().map(Channels::psm);
        let _ = self.facts.send(Fact::Listening { psm }).await;
        self.order(Order::Advertise(self.wishes.advert)).await;
        if self.wishes.scanning != Scanning::Off {
            self.order(Order::Scan(self.wishes.scanning)).await;
        }
    }

    async fn order(&mut self, order: Order) {
        match order {
            Order::Scan(scanning) => {
                self.wishes.scanning = scanning;
                if let Some(central) = &mut self.central {
                    central.scan(scanning);
                }
            }
            Order::Advertise(advert) => {
                self.wishes.advert = advert;
                if let Some(peripheral) = &self.peripheral {
                    peripheral.advertise(advert);
                }
            }
            Order::Connect { connection, address, carrier } => match &mut self.central {
                Some(central) if carrier == Carrier::Gatt => central.connect(connection, address),
                Some(_) => self.dial(connection, address).await,
                None => {
                    let why = "the adapter can't connect".to_owned();
                    let _ = self.facts.send(Fact::ConnectFailed { connection, why }).await;
                }
            },
            Order::OpenChannel { connection, psm } => {
                let address = self.central.as_ref().and_then(|central| central.address(connection));
                match (&mut self.channels, address) {
                    (Some(channels), Some(address)) => channels.connect(connection, address, psm),
                    _ => {
                        let _ = self.facts.send(Fact::ChannelDown { connection }).await;
                    }
                }
            }
            Order::CloseChannel { connection } => {
                if let Some(channels) = &mut self.channels {
                    channels.close(connection);
                }
            }
            Order::Write { connection, carrier: Carrier::L2cap, bytes } => {
                if let Some(channels) = &self.channels {
                    channels.write(connection, bytes);
                }
            }
            Order::Write { connection, carrier: Carrier::Gatt, bytes } => {
                match (&self.central, &self.peripheral) {
                    (Some(central), _) if central.has(connection) => {
                        central.write(connection, bytes);
                    }
                    (_, Some(peripheral)) => peripheral.write(connection, bytes),
                    _ => {}
                }
            }
            Order::Disconnect { connection } => {
                if let Some(channels) = &mut self.channels {
                    channels.close(connection);
                }
                if let Some(central) = &mut self.central {
                    central.disconnect(connection);
                }
                if let Some(peripheral) = &self.peripheral {
                    peripheral.disconnect(connection);
                }
            }
        }
    }

    /// Whenever one that had connected to us is gone, Linux 6.1 advertises as it did when that one
    /// came (`hci_disconn_complete_evt`). If this was before BlueZ last died, it does so in a way
    /// that nobody can connect to.
    fn advertise_again(&self, left: bool) {
        if let Some(peripheral) = self.peripheral.as_ref().filter(|_| left) {
            peripheral.advertise(self.wishes.advert);
        }
    }

    /// Connects by a channel alone.
    async fn dial(&self, connection: ConnectionId, address: RadioAddress) {
        match &self.channels {
            Some(channels) => channels.dial(connection, address),
            None => {
                let why = "this adapter has no channels".to_owned();
                let _ = self.facts.send(Fact::Refused { connection, why }).await;
            }
        }
    }

    /// Bites when nothing was heard for long: first it begins the scan anew, then, if there is no
    /// connection that would suffer, a new life. In a quiet place that helps nothing, so it takes
    /// twice as long each time.
    fn watch(&mut self, watchdog: Duration) -> Option<End> {
        let central = self.central.as_mut()?;
        if central.has_heard() {
            self.wishes.watchdog = watchdog;
            self.rescanned = false;
        }
        if central.deaf_for() < self.wishes.watchdog {
            return None;
        }
        if !self.rescanned || self.uses.any() {
            tracing::debug!("nothing was heard for long: the scan begins anew");
            self.rescanned = true;
            central.rescan();
            return None;
        }
        self.wishes.watchdog = (self.wishes.watchdog * 2).min(WATCHDOG_MAX.max(watchdog));
        let text = "nothing was heard for long; the session with BlueZ begins anew".to_owned();
        Some(End::Unusable(Why::Lost, text))
    }
}

/// BlueZ is there, and refused us.
fn refused(adapter: &str, said: &str) -> End {
    let lower = said.to_lowercase();
    let is_denied =
        ["accessdenied", "not permitted", "notpermitted", "not authorized", "rejected send"]
            .iter()
            .any(|word| lower.contains(word));
    if is_denied {
        End::Unusable(Why::Denied, denied())
    } else {
        End::Unusable(Why::Lost, format!("{adapter} refused: {said}"))
    }
}
