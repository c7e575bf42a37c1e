//! A peripheral by bluer that echoes what is written, and a central by btleplug.

use std::collections::BTreeMap;
use std::time::Duration;

use bluer::adv::{Advertisement, AdvertisementHandle};
use bluer::gatt::local::{
    Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
    CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod,
    Service,
};
use btleplug::api::{
    Central as _, CentralEvent, Manager as _, Peripheral as _, ScanFilter, ValueNotification,
};
use btleplug::platform::{Adapter, Manager, Peripheral};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub(crate) const SERVICE: Uuid = Uuid::from_u128(0x6f1d_0001_2b3c_4d5e_8f90_a1b2_c3d4_e5f6);
/// Written by centrals.
pub(crate) const IN: Uuid = Uuid::from_u128(0x6f1d_0002_2b3c_4d5e_8f90_a1b2_c3d4_e5f6);
/// Notified by the peripheral.
pub(crate) const OUT: Uuid = Uuid::from_u128(0x6f1d_0003_2b3c_4d5e_8f90_a1b2_c3d4_e5f6);
pub(crate) const OTHER: Uuid = Uuid::from_u128(0x6f1d_0009_2b3c_4d5e_8f90_a1b2_c3d4_e5f6);

/// How long anything may take. Far more than it does, for machines that are busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The result of something that must not take for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what}: nothing within {LIMIT:?}"))
}

/// A write that reached the peripheral.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) value: Vec<u8>,
    pub(crate) from: String,
    pub(crate) mtu: u16,
}

/// A peripheral that echoes.
pub(crate) struct Echo {
    pub(crate) adapter: bluer::Adapter,
    pub(crate) written: mpsc::UnboundedReceiver<Written>,
    /// How many notification sessions were started, and how many of them are over.
    pub(crate) sessions: watch::Receiver<(u32, u32)>,
    advert: Option<AdvertisementHandle>,
    _app: ApplicationHandle,
    _session: bluer::Session,
}

impl Echo {
    pub(crate) async fn start(adapter: &str) -> Self {
        let session = soon("a session", bluer::Session::new()).await.unwrap();
        let adapter = session.adapter(adapter).unwrap();
        let (echo, echoed) = mpsc::unbounded_channel();
        let (tell, written) = mpsc::unbounded_channel();
        let (notifiers, notifier) = mpsc::unbounded_channel();
        let (count, sessions) = watch::channel((0, 0));
        tokio::spawn(echoes(echoed, notifier, count));
        let app = served(&adapter, || Application {
            services: vec![Service {
                uuid: SERVICE,
                primary: true,
                characteristics: vec![
                    written_by_centrals(echo.clone(), tell.clone()),
                    notifying(notifiers.clone()),
                ],
                ..Default::default()
            }],
            ..Default::default()
        });
        let app = app.await;
        let mut this =
            Self { adapter, written, sessions, advert: None, _app: app, _session: session };
        this.advertise(6).await.unwrap();
        this
    }

    /// Advertises the service with so many bytes beside it.
    pub(crate) async fn advertise(&mut self, bytes: u8) -> bluer::Result<()> {
        let advert = Advertisement {
            service_uuids: [SERVICE].into(),
            manufacturer_data: BTreeMap::from([(0xffff, (0..bytes).collect())]),
            ..Default::default()
        };
        self.advert = Some(soon("advertising", self.adapter.advertise(advert)).await?);
        Ok(())
    }
}

/// Serves an application. A new session of bluer drops the calls that come before a task of its
/// own has begun to listen, and then a registration is never answered: so a second is made.
async fn served(
    adapter: &bluer::Adapter,
    mut application: impl FnMut() -> Application,
) -> ApplicationHandle {
    let patience = Duration::from_secs(1);
    let registering = || adapter.serve_gatt_application(application());
    for registration in std::iter::repeat_with(registering).take(10) {
        if let Ok(served) = tokio::time::timeout(patience, registration).await {
            return served.unwrap();
        }
    }
    panic!("no registration of an application was answered");
}

fn written_by_centrals(
    echo: mpsc::UnboundedSender<Vec<u8>>,
    tell: mpsc::UnboundedSender<Written>,
) -> Characteristic {
    Characteristic {
        uuid: IN,
        read: Some(CharacteristicRead {
            read: true,
            fun: Box::new(|_| async { Ok(b"hello".to_vec()) }.boxed()),
            ..Default::default()
        }),
        write: Some(CharacteristicWrite {
            write: true,
            write_without_response: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |value, request| {
                let from = request.device_address.to_string();
                let _ = echo.send(value.clone());
                let _ = tell.send(Written { value, from, mtu: request.mtu });
                async { Ok(()) }.boxed()
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn notifying(notifiers: mpsc::UnboundedSender<CharacteristicNotifier>) -> Characteristic {
    Characteristic {
        uuid: OUT,
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                let _ = notifiers.send(notifier);
                async {}.boxed()
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Sends back what comes, by the newest notifier, which reaches all that are subscribed.
async fn echoes(
    mut echoed: mpsc::UnboundedReceiver<Vec<u8>>,
    mut notifiers: mpsc::UnboundedReceiver<CharacteristicNotifier>,
    count: watch::Sender<(u32, u32)>,
) {
    let mut newest: Option<CharacteristicNotifier> = None;
    loop {
        tokio::select! {
            biased;
            Some(notifier) = notifiers.recv() => {
                let (over, count_over) = (notifier.stopped(), count.clone());
                tokio::spawn(async move {
                    over.await;
                    count_over.send_modify(|sessions| sessions.1 += 1);
                });
                newest = Some(notifier);
                count.send_modify(|sessions| sessions.0 += 1);
            }
            Some(value) = echoed.recv() => {
                if let Some(notifier) = &mut newest {
                    let _ = notifier.notify(value).await;
                }
            }
            else => return,
        }
    }
}

/// A central: one adapter, and the one stream of its events.
pub(crate) struct Hunter {
    pub(crate) adapter: Adapter,
    pub(crate) events: BoxStream<'static, CentralEvent>,
}

impl Hunter {
    pub(crate) async fn start(name: &str) -> Self {
        let manager = soon("a manager", Manager::new()).await.unwrap();
        for adapter in soon("adapters", manager.adapters()).await.unwrap() {
            if adapter.adapter_info().await.unwrap().split(' ').next() == Some(name) {
                let events = soon("events", adapter.events()).await.unwrap();
                return Self { adapter, events };
            }
        }
        panic!("no adapter {name}");
    }

    pub(crate) async fn scan(&self, uuid: Uuid) {
        let filter = ScanFilter { services: vec![uuid] };
        soon("a scan", self.adapter.start_scan(filter)).await.unwrap();
    }

    /// The next event that is wanted.
    pub(crate) async fn event<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(CentralEvent) -> Option<T>,
    ) -> T {
        let events = &mut self.events;
        soon(what, async {
            loop {
                let event = events.next().await.expect("the stream goes on");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        })
        .await
    }

    /// The next device that appears.
    pub(crate) async fn found(&mut self) -> Peripheral {
        let id = self
            .event("a device", |event| match event {
                CentralEvent::DeviceDiscovered(id) => Some(id),
                _ => None,
            })
            .await;
        soon("its properties", self.adapter.peripheral(&id)).await.unwrap()
    }

    /// Finds, connects, discovers and subscribes.
    pub(crate) async fn hunt(&mut self) -> Prey {
        self.scan(SERVICE).await;
        let peripheral = self.found().await;
        soon("connecting", peripheral.connect()).await.unwrap();
        soon("discovering", peripheral.discover_services()).await.unwrap();
        let heard = soon("notifications", peripheral.notifications()).await.unwrap();
        let prey = Prey { peripheral, heard };
        soon("subscribing", prey.peripheral.subscribe(&prey.characteristic(OUT))).await.unwrap();
        prey
    }
}

/// A peripheral that is connected and subscribed to.
pub(crate) struct Prey {
    pub(crate) peripheral: Peripheral,
    pub(crate) heard: BoxStream<'static, ValueNotification>,
}

impl Prey {
    pub(crate) fn characteristic(&self, uuid: Uuid) -> btleplug::api::Characteristic {
        let mut all = self.peripheral.characteristics().into_iter();
        all.find(|one| one.uuid == uuid).expect("it was discovered")
    }

    pub(crate) async fn write(
        &self,
        value: &[u8],
        kind: btleplug::api::WriteType,
    ) -> btleplug::Result<()> {
        soon("a write", self.peripheral.write(&self.characteristic(IN), value, kind)).await
    }

    /// The value of the next notification.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        soon("a notification", self.heard.next()).await.expect("the stream goes on").value
    }
}
