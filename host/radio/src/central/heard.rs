//! Adverts, put together from the events of a system that tells only what changed.

use std::collections::HashMap;
use std::time::Duration;

use btleplug::api::{BDAddr, Central as _, CentralEvent, Peripheral as _};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use pointsman_core::bluetooth::RadioAddress;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Fact;

/// The service that every device has (Generic Access, 0x1800). No advertisement of ours lists it:
/// BlueZ does, once it has read the services of a device, and from then on its list is that and
/// no more what the device advertises.
const GENERIC_ACCESS: Uuid = Uuid::from_u128(0x0000_1800_0000_1000_8000_0080_5f9b_34fb);

/// Devices that are remembered. When there are more, all are forgotten and asked for again.
const DEVICES_MAX: usize = 512;
/// One advert comes as up to two events; what comes so soon after another with the same payload
/// is the second.
const SAME_ADVERT: Duration = Duration::from_millis(15);

/// What is known of the devices around.
pub(super) struct Hearing {
    service: Uuid,
    company: u16,
    devices: HashMap<PeripheralId, Device>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Device {
    address: RadioAddress,
    /// Whether it says that it has our service.
    ours: bool,
    payload: Option<Vec<u8>>,
    rssi: Option<i16>,
    told: Option<Instant>,
}

impl Hearing {
    pub(super) fn new(service: Uuid, company: u16) -> Self {
        Self { service, company, devices: HashMap::new(), last: None }
    }

    /// When one of ours was last heard.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// An event; an advert of ours if that is what it makes.
    pub(super) async fn handle(&mut self, adapter: &Adapter, event: CentralEvent) -> Option<Fact> {
        match event {
            CentralEvent::DeviceDiscovered(id) | CentralEvent::DeviceUpdated(id) => {
                self.devices.remove(&id);
                self.device(adapter, id).await?.tell(false)
            }
            CentralEvent::RssiUpdate { id, rssi } => {
                let device = self.device(adapter, id).await?;
                device.rssi = Some(rssi);
                device.tell(false)
            }
            CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => {
                let payload = manufacturer_data.get(&self.company)?.clone();
                let device = self.device(adapter, id).await?;
                let same = device.payload.as_ref() == Some(&payload);
                device.payload = Some(payload);
                device.tell(same)
            }
            CentralEvent::ServicesAdvertisement { id, services } => {
                let ours = self.may_be_ours(&services);
                self.device(adapter, id).await?.ours |= ours;
                None
            }
            CentralEvent::DeviceConnected(_)
            | CentralEvent::DeviceDisconnected(_)
            | CentralEvent::DeviceServicesModified(_)
            | CentralEvent::ServiceDataAdvertisement { .. }
            | CentralEvent::StateUpdate(_) => None,
        }
        .inspect(|_| self.last = Some(Instant::now()))
    }

    /// What is known of a device, asked for if it is new.
    async fn device(&mut self, adapter: &Adapter, id: PeripheralId) -> Option<&mut Device> {
        if !self.devices.contains_key(&id) {
            if self.devices.len() >= DEVICES_MAX {
                self.devices.clear();
            }
            let device = self.ask(adapter, &id).await?;
            self.devices.insert(id.clone(), device);
        }
        self.devices.get_mut(&id)
    }

    /// Whether a device of these services may be of our network. Where the list is that of the
    /// services that were read some time ago, all that is left to tell is the payload.
    fn may_be_ours(&self, services: &[Uuid]) -> bool {
        services.contains(&self.service) || services.contains(&GENERIC_ACCESS)
    }

    async fn ask(&self, adapter: &Adapter, id: &PeripheralId) -> Option<Device> {
        let peripheral = adapter.peripheral(id).await.ok()?;
        let properties = peripheral.properties().await.ok()??;
        Some(Device {
            address: address_of(&peripheral),
            ours: self.may_be_ours(&properties.services),
            payload: properties.manufacturer_data.get(&self.company).cloned(),
            rssi: properties.rssi,
            told: None,
        })
    }
}

impl Device {
    /// The advert, unless it is only the rest of one that was told.
    fn tell(&mut self, same: bool) -> Option<Fact> {
        let payload = self.payload.clone().filter(|_| self.ours)?;
        if same && self.told.is_some_and(|told| told.elapsed() < SAME_ADVERT) {
            return None;
        }
        self.told = Some(Instant::now());
        Some(Fact::Heard { address: self.address, payload, rssi: self.rssi })
    }
}

/// The address of a device. Where the system keeps it to itself, as macOS does, one that is made
/// of what it says instead, and that holds for as long.
pub(super) fn address_of(peripheral: &Peripheral) -> RadioAddress {
    let address = peripheral.address();
    if address != BDAddr::default() {
        return RadioAddress(address.into_inner());
    }
    // FNV-1a: any hash will do that is the same in each run.
    let hash = peripheral.id().to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [_, _, a, b, c, d, e, f] = hash.to_be_bytes();
    RadioAddress([a, b, c, d, e, f])
}
