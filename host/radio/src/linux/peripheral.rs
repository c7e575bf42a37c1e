//! The side that advertises and is connected to, by bluer.
//!
//! A central is noticed when it first writes; each write names its device. What is notified goes to
//! everyone who subscribed, whomever it was meant for.
//!
//! The service has one characteristic, never more: in which order BlueZ gives several their
//! handles is left to chance (dbus-crossroads answers out of a hash map), and differs from
//! one start to the next. The BlueZ of a peer reads a service again only where its UUID or its
//! first and last handle changed (`discovery_found_service` of its gatt-client.c), so it would
//! write to what only notifies by now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluer::adv::{Advertisement, AdvertisementHandle};
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
    CharacteristicNotifyMethod, CharacteristicWrite, CharacteristicWriteMethod,
    CharacteristicWriteRequest, Service,
};
use bluer::{Adapter, Address, DeviceEvent, DeviceProperty, Session};
use futures::{FutureExt, StreamExt};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::l2cap::Arrivals;
use crate::shared::{Use, Uses};
use crate::{Carrier, ConnectionId, Fact, Options};

/// Values that may wait to be looked at; more wait in BlueZ.
const INLET_MAX: usize = 64;
/// Values that may wait to be notified; drivers order fewer.
const OUTLET_MAX: usize = 256;
/// Advertisements take slots of the controller, and one that was given up takes its time.
const ADVERTISE_TRIES: u32 = 10;
const ADVERTISE_PAUSE: Duration = Duration::from_millis(300);
/// How often it is said on the air, where BlueZ lets us choose (5.66 does with `--experimental`
/// only; its own 1.28 s hold otherwise). Whoever connects waits for the next one, twice. Costs a
/// common radio some 0.3 mW.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_millis(150);
/// How long BlueZ may take over a disconnect.
const CALL_MAX: Duration = Duration::from_secs(10);

/// An adapter in its role as peripheral. Dropping it takes everything off the air.
pub(super) struct Peripheral {
    adapter: Adapter,
    advert: watch::Sender<Option<[u8; 6]>>,
    outlet: mpsc::Sender<Outward>,
    _application: ApplicationHandle,
    _session: Session,
}

/// What goes out to centrals.
enum Outward {
    Notify(ConnectionId, Vec<u8>),
    Disconnect(ConnectionId),
}

/// What comes in.
enum Inward {
    Wrote { address: RadioAddress, mtu: u16, value: Vec<u8> },
    Left(RadioAddress),
}

/// The present notifier: there is one for all subscribers, and none without.
type Notifier = Arc<Mutex<Option<CharacteristicNotifier>>>;

/// A central that wrote.
struct Arrival {
    connection: ConnectionId,
    mtu: u16,
    closing: bool,
    usage: Use,
}

impl Peripheral {
    /// Registers the service. Nothing is advertised yet.
    pub(super) async fn open(
        name: &str,
        options: &Options,
        facts: &mpsc::Sender<Fact>,
        uses: Uses,
        channels: Arrivals,
        numbers: Arc<AtomicU64>,
    ) -> bluer::Result<Self> {
        let session = Session::new().await?;
        let adapter = session.adapter(name)?;
        listening(&adapter).await?;
        let (inlet_in, inlet) = mpsc::channel(INLET_MAX);
        let (outlet_in, outlet) = mpsc::channel(OUTLET_MAX);
        let notifier = Notifier::default();
        let application = application(options, inlet_in.clone(), notifier.clone());
        let application = adapter.serve_gatt_application(application).await?;
        let desk = Desk {
            adapter: adapter.clone(),
            facts: facts.clone(),
            uses,
            notifier,
            arrivals: BTreeMap::new(),
            numbers,
            left: inlet_in,
            channels,
        };
        tokio::spawn(desk.run(inlet, outlet));
        let (advert, wish) = watch::channel(None);
        let (service, company) = (Uuid::from_bytes(options.service), options.company);
        tokio::spawn(advertise(adapter.clone(), service, company, wish));
        Ok(Self {
            adapter,
            advert,
            outlet: outlet_in,
            _application: application,
            _session: session,
        })
    }

    /// Advertises this payload instead of the last one, or nothing.
    pub(super) fn advertise(&self, payload: Option<[u8; 6]>) {
        self.advert.send_replace(payload);
    }

    /// The adapter, to ask about devices.
    pub(super) fn adapter(&self) -> Adapter {
        self.adapter.clone()
    }

    /// Notifies.
    pub(super) fn write(&self, connection: ConnectionId, bytes: Vec<u8>) {
        let _ = self.outlet.try_send(Outward::Notify(connection, bytes));
    }

    /// Ends the connection of a central.
    pub(super) fn disconnect(&self, connection: ConnectionId) {
        let _ = self.outlet.try_send(Outward::Disconnect(connection));
    }
}

/// A new session of bluer drops the calls that come before a task which it spawned has run, and
/// BlueZ waits for good for what it asked of a registration then. By the time that later tasks
/// have run, and the bus has answered, it listens.
async fn listening(adapter: &Adapter) -> bluer::Result<()> {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    adapter.is_powered().await.map(drop)
}

/// Fits the 31 bytes of an advertisement: flags (3), a service (18), a company (4) and our six.
/// `Discoverable` would cost BlueZ the flags a second time.
fn advertisement(service: Uuid, company: u16, payload: [u8; 6]) -> Advertisement {
    Advertisement {
        service_uuids: [service].into(),
        manufacturer_data: [(company, payload.to_vec())].into(),
        min_interval: Some(INTERVAL_MIN),
        max_interval: Some(INTERVAL_MAX),
        ..Default::default()
    }
}

/// Keeps the advertisement that is wished on the air. One that is being registered is never given
/// up half way: nobody could take it back.
async fn advertise(
    adapter: Adapter,
    service: Uuid,
    company: u16,
    mut wish: watch::Receiver<Option<[u8; 6]>>,
) {
    loop {
        let payload = *wish.borrow_and_update();
        let held = match payload {
            Some(payload) => {
                register(&adapter, advertisement(service, company, payload), &wish).await
            }
            None => None,
        };
        if wish.changed().await.is_err() {
            return;
        }
        drop(held);
    }
}

/// Registers an advertisement, with some patience, unless another one is wished meanwhile.
async fn register(
    adapter: &Adapter,
    advert: Advertisement,
    wish: &watch::Receiver<Option<[u8; 6]>>,
) -> Option<AdvertisementHandle> {
    for tried in 1..=ADVERTISE_TRIES {
        match adapter.advertise(advert.clone()).await {
            Ok(handle) => return Some(handle),
            Err(error) => tracing::debug!(%error, tried, "no advertisement"),
        }
        sleep(ADVERTISE_PAUSE * tried).await;
        if wish.has_changed().unwrap_or(true) {
            return None;
        }
    }
    tracing::warn!("BlueZ takes no advertisement: others will not find this node");
    None
}

/// The service with its characteristic.
fn application(options: &Options, inlet: mpsc::Sender<Inward>, notifier: Notifier) -> Application {
    let write = move |value: Vec<u8>, request: CharacteristicWriteRequest| {
        let inlet = inlet.clone();
        async move {
            let address = RadioAddress(request.device_address.0);
            let _ = inlet.send(Inward::Wrote { address, mtu: request.mtu, value }).await;
            Ok(())
        }
        .boxed()
    };
    let subscribe = move |session: CharacteristicNotifier| {
        let notifier = notifier.clone();
        async move {
            *notifier.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        }
        .boxed()
    };
    let characteristic = Characteristic {
        uuid: Uuid::from_bytes(options.characteristic),
        write: Some(CharacteristicWrite {
            write: true,
            write_without_response: true,
            method: CharacteristicWriteMethod::Fun(Box::new(write)),
            ..Default::default()
        }),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(subscribe)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let service = Service {
        uuid: Uuid::from_bytes(options.service),
        primary: true,
        characteristics: vec![characteristic],
        ..Default::default()
    };
    Application { services: vec![service], ..Default::default() }
}

/// Who is connected to us, and the task that looks after them.
struct Desk {
    adapter: Adapter,
    facts: mpsc::Sender<Fact>,
    uses: Uses,
    notifier: Notifier,
    arrivals: BTreeMap<RadioAddress, Arrival>,
    /// Never given out twice, in no life.
    numbers: Arc<AtomicU64>,
    left: mpsc::Sender<Inward>,
    channels: Arrivals,
}

impl Desk {
    async fn run(mut self, mut inlet: mpsc::Receiver<Inward>, mut outlet: mpsc::Receiver<Outward>) {
        loop {
            tokio::select! {
                Some(inward) = inlet.recv() => match inward {
                    Inward::Wrote { address, mtu, value } => self.wrote(address, mtu, value).await,
                    Inward::Left(address) => self.left(address).await,
                },
                outward = outlet.recv() => match outward {
                    Some(Outward::Notify(connection, bytes)) => self.notify(connection, bytes).await,
                    Some(Outward::Disconnect(connection)) => self.disconnect(connection),
                    None => return,
                },
            }
        }
    }

    async fn wrote(&mut self, address: RadioAddress, mtu: u16, bytes: Vec<u8>) {
        if !self.arrivals.contains_key(&address) {
            self.arrive(address, mtu).await;
        }
        let Some(arrival) = self.arrivals.get_mut(&address).filter(|arrival| !arrival.closing)
        else {
            return;
        };
        let connection = arrival.connection;
        if arrival.mtu != mtu {
            arrival.mtu = mtu;
            let _ = self.facts.send(Fact::MtuChanged { connection, mtu }).await;
        }
        let carrier = Carrier::Gatt;
        let _ = self.facts.send(Fact::Notified { connection, carrier, bytes }).await;
    }

    async fn arrive(&mut self, address: RadioAddress, mtu: u16) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let connection = ConnectionId(number * 2 + 1);
        let usage = self.uses.begin(address);
        self.arrivals.insert(address, Arrival { connection, mtu, closing: false, usage });
        self.channels.expect(address, connection);
        tokio::spawn(watch_device(self.adapter.clone(), address, self.left.clone()));
        let carrier = Carrier::Gatt;
        let _ = self.facts.send(Fact::Arrived { connection, address, carrier, mtu }).await;
    }

    async fn left(&mut self, address: RadioAddress) {
        let Some(arrival) = self.arrivals.remove(&address) else { return };
        self.channels.forget(address);
        let (connection, why) = (arrival.connection, "it disconnected".to_owned());
        let _ = self.facts.send(Fact::Lost { connection, why }).await;
    }

    async fn notify(&mut self, connection: ConnectionId, bytes: Vec<u8>) {
        if !self.arrivals.values().any(|arrival| arrival.connection == connection) {
            return;
        }
        let taken = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut notifier) = taken
            && notifier.notify(bytes).await.is_ok()
        {
            let mut slot = self.notifier.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert(notifier);
        }
        let (carrier, n) = (Carrier::Gatt, 1);
        let _ = self.facts.send(Fact::Written { connection, carrier, n }).await;
    }

    /// Ends a central's connection, and the link below unless we need it ourselves. What it
    /// still writes until then is nobody's.
    fn disconnect(&mut self, connection: ConnectionId) {
        let found = self.arrivals.iter_mut().find(|(_, arrival)| arrival.connection == connection);
        let Some((address, arrival)) = found else { return };
        arrival.closing = true;
        let (adapter, address, left) = (self.adapter.clone(), *address, self.left.clone());
        let is_last = arrival.usage.is_last();
        tokio::spawn(async move {
            if is_last && let Ok(device) = adapter.device(Address(address.0)) {
                let _ = timeout(CALL_MAX, device.disconnect()).await;
            }
            let _ = left.send(Inward::Left(address)).await;
        });
    }
}

/// Says when a device has disconnected or is forgotten.
async fn watch_device(adapter: Adapter, address: RadioAddress, left: mpsc::Sender<Inward>) {
    let watching = async {
        let device = adapter.device(Address(address.0))?;
        let mut events = device.events().await?;
        if !device.is_connected().await? {
            return Ok(());
        }
        while let Some(event) = events.next().await {
            if let DeviceEvent::PropertyChanged(DeviceProperty::Connected(false)) = event {
                break;
            }
        }
        Ok::<(), bluer::Error>(())
    };
    let _ = watching.await;
    let _ = left.send(Inward::Left(address)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_has_one_characteristic_so_that_peers_may_remember_its_handles() {
        let options = Options::new([1; 16], [2; 16]);
        let application = application(&options, mpsc::channel(1).0, Notifier::default());
        let [service] = &application.services[..] else { panic!("it is one service") };
        let [characteristic] = &service.characteristics[..] else { panic!("it has one") };
        assert!(characteristic.write.as_ref().is_some_and(|write| write.write_without_response));
        assert!(characteristic.notify.as_ref().is_some_and(|notify| notify.notify));
    }
}
