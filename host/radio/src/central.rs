//! The side that scans and connects, on every platform that btleplug knows.
//!
//! It keeps one stream of btleplug's events for its whole life, because dropping such streams is
//! what makes its tasks panic. Each connection is a task, in `link.rs`.

mod heard;
mod link;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{Central as _, CentralEvent, CentralState, Manager as _, ScanFilter};
use btleplug::platform::{Adapter, Manager, PeripheralId};
use futures::{Stream, StreamExt};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::shared::Uses;
use crate::{ConnectionId, Fact, Options, Scanning};
use heard::Hearing;
use link::{Link, LinkOrder};

/// Values that one connection may have on their way to its task; the driver above orders fewer.
const ORDERS_MAX: usize = 64;
/// Between two attempts to begin a scan. A system service that died leaves the kernel one that runs
/// on for some seconds, and until then no other begins.
const AGAIN: Duration = Duration::from_millis(500);
/// Devices that may come and go before a connection notices. One that does not keep up ends.
const TURNS_MAX: usize = 32;

/// An adapter in its role as central.
pub(crate) struct Central {
    adapter: Adapter,
    options: Options,
    facts: mpsc::Sender<Fact>,
    uses: Uses,
    events: Pin<Box<dyn Stream<Item = CentralEvent> + Send>>,
    hearing: Hearing,
    /// Devices that connected (`true`) or disconnected, by whomever.
    turns: broadcast::Sender<(PeripheralId, bool)>,
    links: BTreeMap<ConnectionId, (RadioAddress, mpsc::Sender<LinkOrder>)>,
    scanning: Scanning,
    scan: Option<AbortHandle>,
    restarted: Instant,
}

impl Central {
    /// Opens an adapter: the named one, or the first. `None` means that btleplug sees no such
    /// adapter, be it that the system knows it: one whose `Modalias` it can't read is left out.
    pub(crate) async fn open(
        name: Option<&str>,
        options: &Options,
        facts: mpsc::Sender<Fact>,
        uses: Uses,
    ) -> Result<Option<Self>, btleplug::Error> {
        let mut chosen = None;
        for adapter in Manager::new().await?.adapters().await? {
            let info = adapter.adapter_info().await?;
            if name.is_none_or(|name| info.split_whitespace().next() == Some(name)) {
                chosen = Some(adapter);
                break;
            }
        }
        let Some(adapter) = chosen else { return Ok(None) };
        let events = adapter.events().await?;
        Ok(Some(Self {
            hearing: Hearing::new(Uuid::from_bytes(options.service), options.company),
            options: options.clone(),
            turns: broadcast::channel(TURNS_MAX).0,
            links: BTreeMap::new(),
            scanning: Scanning::Off,
            scan: None,
            restarted: Instant::now(),
            adapter,
            facts,
            uses,
            events,
        }))
    }

    /// Handles the next event of the system; nothing more comes after `None`.
    pub(crate) async fn next(&mut self) -> Option<CentralEvent> {
        self.events.next().await
    }

    /// Makes of an event what we tell of it; whether a device disconnected.
    pub(crate) async fn handle(&mut self, event: CentralEvent) -> bool {
        let left = matches!(event, CentralEvent::DeviceDisconnected(_));
        match &event {
            CentralEvent::DeviceConnected(id) => drop(self.turns.send((id.clone(), true))),
            CentralEvent::DeviceDisconnected(id) => drop(self.turns.send((id.clone(), false))),
            CentralEvent::DeviceDiscovered(_)
            | CentralEvent::DeviceUpdated(_)
            | CentralEvent::DeviceServicesModified(_)
            | CentralEvent::ManufacturerDataAdvertisement { .. }
            | CentralEvent::ServiceDataAdvertisement { .. }
            | CentralEvent::ServicesAdvertisement { .. }
            | CentralEvent::RssiUpdate { .. }
            | CentralEvent::StateUpdate(_) => {}
        }
        if let Some(heard) = self.hearing.handle(&self.adapter, event).await {
            // The queue is full of what matters more: a later advert will do.
            let _ = self.facts.try_send(heard);
        }
        left
    }

    /// Listens from now on as told.
    pub(crate) fn scan(&mut self, scanning: Scanning) {
        self.scanning = scanning;
        self.restarted = Instant::now();
        if let Some(scan) = self.scan.take() {
            scan.abort();
        }
        let duty = duty(self.adapter.clone(), Uuid::from_bytes(self.options.service), scanning);
        self.scan = Some(tokio::spawn(duty).abort_handle());
    }

    /// Whether anything was heard since the scan last began.
    pub(crate) fn has_heard(&self) -> bool {
        self.hearing.last().is_some_and(|last| last > self.restarted)
    }

    /// For how long a scan has heard nothing, since it last began.
    pub(crate) fn deaf_for(&self) -> Duration {
        if self.scanning == Scanning::Off {
            return Duration::ZERO;
        }
        self.hearing.last().map_or(self.restarted, |last| last.max(self.restarted)).elapsed()
    }

    /// Begins the scan anew.
    pub(crate) fn rescan(&mut self) {
        self.scan(self.scanning);
    }

    /// Connects; what comes of it is told.
    pub(crate) fn connect(&mut self, connection: ConnectionId, address: RadioAddress) {
        self.links.retain(|_, (_, orders)| !orders.is_closed());
        let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
        self.links.insert(connection, (address, orders_in));
        let link = Link {
            connection,
            address,
            adapter: self.adapter.clone(),
            characteristic: Uuid::from_bytes(self.options.characteristic),
            facts: self.facts.clone(),
        };
        tokio::spawn(link.run(self.uses.begin(address), orders, self.turns.subscribe()));
    }

    /// Where one of our connections leads.
    pub(crate) fn address(&self, connection: ConnectionId) -> Option<RadioAddress> {
        self.links.get(&connection).map(|(address, _)| *address)
    }

    /// Writes a value to the other side's characteristic.
    pub(crate) fn write(&self, connection: ConnectionId, bytes: Vec<u8>) {
        if let Some((_, orders)) = self.links.get(&connection) {
            let _ = orders.try_send(LinkOrder::Write(bytes));
        }
    }

    /// Whether a connection is one of ours, rather than one that arrived.
    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.links.contains_key(&connection)
    }

    /// Ends a connection.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        // The task ends when its orders do.
        self.links.remove(&connection);
    }
}

impl Drop for Central {
    fn drop(&mut self) {
        if let Some(scan) = &self.scan {
            scan.abort();
        }
    }
}

/// Listens for a window out of every interval, until it is aborted.
async fn duty(adapter: Adapter, service: Uuid, scanning: Scanning) {
    // A scan may still be running from before; it is no error if none is.
    let _ = adapter.stop_scan().await;
    let Scanning::On { window_ms, interval_ms } = scanning else { return };
    let window = Duration::from_millis(u64::from(window_ms));
    let rest = Duration::from_millis(u64::from(interval_ms.saturating_sub(window_ms)));
    let mut has_begun = false;
    loop {
        // btleplug switches an adapter on in order to scan: one that somebody switched off a
        // moment ago stays off.
        let is_on = matches!(adapter.adapter_state().await, Ok(CentralState::PoweredOn));
        let filter = ScanFilter { services: vec![service] };
        let begins = if is_on { adapter.start_scan(filter).await } else { Ok(()) };
        has_begun |= is_on && begins.is_ok();
        // Of one that runs already an error says nothing, but of the first it does.
        if !has_begun {
            tracing::debug!(is_on, ?begins, "the scan did not begin");
            tokio::time::sleep(AGAIN.min(window)).await;
            continue;
        }
        tokio::time::sleep(window.max(Duration::from_millis(10))).await;
        if rest.is_zero() {
            // It runs on; starting it again is what makes it survive another program's stop.
            continue;
        }
        let _ = adapter.stop_scan().await;
        tokio::time::sleep(rest).await;
    }
}
