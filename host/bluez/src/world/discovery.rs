//! Discovery: who wants to hear of what, and the devices that are heard.

use std::rc::Rc;
use std::time::Instant;

use dbus::arg::{PropMap, prop_cast};
use dbus::message::Message;

use super::adapter::Address;
use super::advert::Data;
use super::call::{ADAPTER, DEVICE, Done, Handled, Refusal, sender};
use super::{Timer, World};
use crate::fault::{Call, Fault};
use crate::stranger::readable;
use crate::tree::Interfaces;
use crate::value::{Props, Value};

/// What a client wants to hear of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// One of these must be advertised; none means anything.
    uuids: Vec<String>,
    /// What is weaker is not told, in dBm.
    rssi_dbm: Option<i16>,
    /// Whether data that did not change is told again.
    duplicates: bool,
}

/// Who a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Adapter(usize),
    Stranger,
}

/// A device that an adapter knows.
#[derive(Debug)]
pub(crate) struct Device {
    pub(super) who: Who,
    pub(super) address: Address,
    /// When it was last heard, or had a link.
    pub(super) heard: Instant,
}

/// Something heard on the air.
struct Sighting {
    who: Who,
    address: Address,
    data: Data,
    rssi_dbm: i16,
}

impl Filter {
    fn passes(&self, sighting: &Sighting) -> bool {
        let uuids = &sighting.data.uuids;
        (self.uuids.is_empty() || self.uuids.iter().any(|uuid| uuids.contains(uuid)))
            && self.rssi_dbm.is_none_or(|least| sighting.rssi_dbm >= least)
    }
}

impl World {
    pub(super) fn set_filter(&mut self, message: &Rc<Message>, index: usize) -> Handled {
        let props: PropMap = message.read1().map_err(|_| Refusal::invalid("Invalid arguments"))?;
        let uuids = prop_cast::<Vec<String>>(&props, "UUIDs").cloned().unwrap_or_default();
        let filter = Filter {
            uuids: uuids.iter().map(|uuid| uuid.to_lowercase()).collect(),
            rssi_dbm: prop_cast(&props, "RSSI").copied(),
            // BlueZ repeats them unless told otherwise.
            duplicates: prop_cast(&props, "DuplicateData").copied().unwrap_or(true),
        };
        self.adapters[index].filters.insert(sender(message), filter);
        Ok(Done::Nothing)
    }

    pub(super) fn start_discovery(&mut self, message: &Rc<Message>, index: usize) -> Handled {
        match self.faults.strikes(index, Call::StartDiscovery) {
            Some(Fault::Hang) => return Ok(Done::Answered),
            Some(Fault::Fail | Fault::LoseLink) => return Err(Refusal::failed("Operation failed")),
            None => {}
        }
        let adapter = &mut self.adapters[index];
        if !adapter.powered {
            return Err(Refusal::not_ready());
        }
        if !adapter.discoveries.insert(sender(message)) {
            return Err(Refusal::in_progress());
        }
        let path = adapter.path.clone();
        self.reply(message);
        self.tree.set(&path, ADAPTER, "Discovering", Value::Flag(true));
        self.advertise();
        Ok(Done::Answered)
    }

    pub(super) fn stop_discovery(&mut self, client: &str, index: usize) -> Handled {
        if !self.adapters[index].discoveries.remove(client) {
            return Err(Refusal::failed("No discovery started"));
        }
        if self.adapters[index].discoveries.is_empty() {
            self.discovery_ended(index);
        }
        Ok(Done::Nothing)
    }

    /// Nobody discovers on an adapter any more: how strongly devices are heard is not known.
    pub(super) fn discovery_ended(&mut self, index: usize) {
        let adapter = &self.adapters[index];
        for path in adapter.devices.keys() {
            self.tree.unset(path, DEVICE, "RSSI");
        }
        self.tree.set(&adapter.path, ADAPTER, "Discovering", Value::Flag(false));
    }

    /// It is time for all advertisements.
    pub(super) fn adverts_due(&mut self) {
        self.at(self.now + self.air.advert_interval, Timer::Adverts);
        self.forget_old_devices();
        self.advertise();
    }

    /// The interval is another.
    pub(super) fn adverts_again(&mut self) {
        self.timers.retain(|_, timer| !matches!(timer, Timer::Adverts));
        self.adverts_due();
    }

    /// Everything that is advertised is heard once, by everyone who discovers.
    pub(super) fn advertise(&mut self) {
        for index in 0..self.adapters.len() {
            if self.adapters[index].is_on() && !self.adapters[index].discoveries.is_empty() {
                for sighting in self.audible(index) {
                    self.heard(index, &sighting);
                }
            }
        }
        self.try_connects();
    }

    /// What an adapter can hear now.
    fn audible(&self, index: usize) -> Vec<Sighting> {
        let mut heard = Vec::new();
        for peer in self.adapters.iter().filter(|peer| peer.index != index && peer.is_on()) {
            let Some(rssi_dbm) = self.air.rssi(index, peer.index) else { continue };
            heard.extend(peer.adverts.iter().map(|advert| Sighting {
                who: Who::Adapter(peer.index),
                address: peer.on_air.clone(),
                data: advert.data.clone(),
                rssi_dbm,
            }));
        }
        heard.extend(self.air.strangers.iter().map(|stranger| Sighting {
            who: Who::Stranger,
            address: Address { text: stranger.address.clone(), random: stranger.random },
            data: Data {
                uuids: stranger.uuids.clone(),
                manufacturer: stranger.manufacturer.clone(),
                name: stranger.name.as_deref().map(readable),
                connectable: false,
            },
            rssi_dbm: stranger.rssi_dbm,
        }));
        heard
    }

    fn heard(&mut self, index: usize, sighting: &Sighting) {
        let adapter = &self.adapters[index];
        let anything = Filter::default();
        let filters = adapter.discoveries.iter();
        let filters = filters.map(|client| adapter.filters.get(client).unwrap_or(&anything));
        let passing: Vec<&Filter> = filters.filter(|filter| filter.passes(sighting)).collect();
        if passing.is_empty() {
            return;
        }
        let duplicates = passing.iter().any(|filter| filter.duplicates);
        self.counters.adverts += 1;
        let path = self.device_path(index, &sighting.address);
        let data = &sighting.data;
        let mut told = Props::from([("RSSI", Value::Dbm(sighting.rssi_dbm))]);
        if let Some(name) = &data.name {
            told.insert("Name", Value::text(name));
            told.insert("Alias", Value::text(name));
        }
        let uuids = self.known_uuids(&path, &data.uuids);
        told.insert("UUIDs", Value::Texts(uuids));
        let manufacturer = Value::Manufacturers(data.manufacturer.clone());
        if !self.tree.has(&path) {
            if !data.manufacturer.is_empty() {
                told.insert("ManufacturerData", manufacturer);
            }
            self.meet(index, sighting.who, &sighting.address, told);
            return;
        }
        if let Some(device) = self.adapters[index].devices.get_mut(&path) {
            device.heard = self.now;
            device.who = sighting.who;
        }
        self.tree.update(&path, DEVICE, told);
        if !data.manufacturer.is_empty() {
            let told = Props::from([("ManufacturerData", manufacturer)]);
            if duplicates {
                self.tree.announce(&path, DEVICE, told);
            } else {
                self.tree.update(&path, DEVICE, told);
            }
        }
    }

    /// The UUIDs that a device is known to have, together with these.
    pub(super) fn known_uuids(&self, path: &str, more: &[String]) -> Vec<String> {
        let mut uuids = match self.tree.value(path, DEVICE, "UUIDs") {
            Some(Value::Texts(known)) => known.clone(),
            _ => Vec::new(),
        };
        uuids.extend(more.iter().filter(|uuid| !uuids.contains(uuid)).cloned().collect::<Vec<_>>());
        uuids
    }

    pub(super) fn device_path(&self, index: usize, address: &Address) -> String {
        format!("{}/dev_{}", self.adapters[index].path, address.text.replace(':', "_"))
    }

    /// An adapter meets a device for the first time.
    pub(super) fn meet(&mut self, index: usize, who: Who, address: &Address, told: Props) {
        let path = self.device_path(index, address);
        let mut props = Props::from([
            ("Address", Value::text(&address.text)),
            ("AddressType", address.kind()),
            ("Alias", Value::text(address.text.replace(':', "-"))),
            ("Adapter", Value::Object(self.adapters[index].path.clone())),
            ("Paired", Value::Flag(false)),
            ("Bonded", Value::Flag(false)),
            ("Trusted", Value::Flag(false)),
            ("Blocked", Value::Flag(false)),
            ("LegacyPairing", Value::Flag(false)),
            ("Connected", Value::Flag(false)),
            ("ServicesResolved", Value::Flag(false)),
            ("UUIDs", Value::Texts(Vec::new())),
        ]);
        props.extend(told);
        let device = Device { who, address: address.clone(), heard: self.now };
        self.adapters[index].devices.insert(path.clone(), device);
        self.tree.insert(&path, Interfaces::from([(DEVICE, props)]));
    }

    pub(super) fn forget_device(&mut self, index: usize, path: &str) {
        self.adapters[index].devices.remove(path);
        let beneath = format!("{path}/");
        self.adapters[index].remotes.retain(|remote, _| !remote.starts_with(&beneath));
        self.tree.remove(path);
    }

    fn forget_old_devices(&mut self) {
        let Some(oldest) = self.now.checked_sub(self.air.device_age_max) else { return };
        for index in 0..self.adapters.len() {
            let devices = self.adapters[index].devices.iter();
            let old: Vec<String> = devices
                .filter(|(path, device)| {
                    device.heard < oldest && !self.links.iter().any(|link| link.has_device(path))
                })
                .map(|(path, _)| path.clone())
                .collect();
            for path in old {
                self.forget_device(index, &path);
            }
        }
    }
}
