//! Adapters: plugged in or not, on or off, and what was registered on them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dbus::message::Message;

use super::World;
use super::advert::Advert;
use super::app::App;
use super::call::{
    ADAPTER, ADVERTISING, APPLICATIONS, Done, Handled, Refusal, no_such_method, sender,
};
use super::characteristic::Remote;
use super::discovery::{Device, Filter};
use crate::tree::Interfaces;
use crate::value::{Props, Value};
use crate::view::AdapterView;

/// How many advertisements a controller takes at once.
const ADVERTS_MAX: u8 = 5;
/// What a legacy advertisement carries.
pub(super) const ADVERT_BYTES_MAX: u8 = 31;

/// An address, and whether it is a random one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) text: String,
    pub(crate) random: bool,
}

impl Address {
    /// What BlueZ calls its type.
    pub(super) fn kind(&self) -> Value {
        Value::text(if self.random { "random" } else { "public" })
    }
}

/// One adapter.
pub(crate) struct Adapter {
    pub(super) index: usize,
    pub(super) path: String,
    pub(super) present: bool,
    pub(super) powered: bool,
    pub(super) blocked: bool,
    /// Its own address, which never changes.
    own: String,
    /// The address that others hear.
    pub(super) on_air: Address,
    rotations: u32,
    /// Who discovers.
    pub(super) discoveries: BTreeSet<String>,
    /// What each client wants to hear of.
    pub(super) filters: BTreeMap<String, Filter>,
    pub(super) adverts: Vec<Advert>,
    pub(super) apps: Vec<App>,
    /// The highest handle that an application was given.
    pub(super) handle_last: u16,
    /// Devices by path.
    pub(super) devices: BTreeMap<String, Device>,
    /// The characteristics of peers, by path.
    pub(super) remotes: BTreeMap<String, Remote>,
}

impl Adapter {
    pub(super) fn new(index: usize) -> Self {
        let own = format!("00:AA:01:00:00:{index:02X}");
        Self {
            index,
            path: format!("/org/bluez/hci{index}"),
            present: true,
            powered: true,
            blocked: false,
            on_air: Address { text: own.clone(), random: false },
            own,
            rotations: 0,
            discoveries: BTreeSet::new(),
            filters: BTreeMap::new(),
            adverts: Vec::new(),
            apps: Vec::new(),
            handle_last: 0x0b,
            devices: BTreeMap::new(),
            remotes: BTreeMap::new(),
        }
    }

    /// Forgets what clients did to it.
    pub(super) fn forget(&mut self) {
        let fresh = Self::new(self.index);
        let old = std::mem::replace(self, fresh);
        self.present = old.present;
        self.powered = old.powered;
        self.blocked = old.blocked;
        self.on_air = old.on_air;
        self.rotations = old.rotations;
    }

    /// Whether it can hear and be heard.
    pub(super) fn is_on(&self) -> bool {
        self.present && self.powered
    }

    pub(super) fn name(&self) -> String {
        format!("hci{}", self.index)
    }

    pub(super) fn view(&self) -> AdapterView {
        AdapterView {
            name: self.name(),
            address: self.on_air.text.clone(),
            present: self.present,
            powered: self.powered,
            discoveries: self.discoveries.len(),
            adverts: self.adverts.len(),
            applications: self.apps.len(),
            devices: self.devices.len(),
        }
    }

    /// What clients see of it.
    pub(super) fn interfaces(&self) -> Interfaces {
        let texts = |texts: &[&str]| Value::Texts(texts.iter().map(ToString::to_string).collect());
        let adapter = Props::from([
            ("Address", Value::text(&self.own)),
            ("AddressType", Value::text("public")),
            ("Name", Value::text(self.name())),
            ("Alias", Value::text(self.name())),
            ("Class", Value::U32(0)),
            ("Powered", Value::Flag(self.powered)),
            ("Discoverable", Value::Flag(false)),
            ("DiscoverableTimeout", Value::U32(180)),
            ("Pairable", Value::Flag(false)),
            ("PairableTimeout", Value::U32(0)),
            ("Discovering", Value::Flag(!self.discoveries.is_empty())),
            ("UUIDs", texts(&[])),
            ("Modalias", Value::text("usb:v1D6Bp0246d0542")),
            ("Roles", texts(&["central", "peripheral"])),
        ]);
        let sizes = [("MaxAdvLen", ADVERT_BYTES_MAX), ("MaxScnRspLen", ADVERT_BYTES_MAX)];
        let advertising = Props::from([
            ("ActiveInstances", Value::Byte(0)),
            ("SupportedInstances", Value::Byte(ADVERTS_MAX)),
            ("SupportedIncludes", texts(&["tx-power", "appearance", "local-name"])),
            ("SupportedCapabilities", Value::Sizes(BTreeMap::from(sizes))),
        ]);
        Interfaces::from([
            (ADAPTER, adapter),
            (ADVERTISING, advertising),
            (APPLICATIONS, Props::new()),
        ])
    }
}

impl World {
    /// The adapter that an object is, or is beneath.
    pub(super) fn adapter_above(&self, path: &str) -> Option<usize> {
        let name = path.strip_prefix("/org/bluez/")?.split('/').next()?;
        self.adapters.iter().position(|adapter| adapter.name() == name)
    }

    /// Calls on `Adapter1`.
    pub(super) fn adapter_call(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        member: &str,
    ) -> Handled {
        match member {
            "SetDiscoveryFilter" => self.set_filter(message, index),
            "StartDiscovery" => self.start_discovery(message, index),
            "StopDiscovery" => self.stop_discovery(&sender(message), index),
            "RemoveDevice" => {
                let path: dbus::Path<'_> =
                    message.read1().map_err(|_| Refusal::invalid("Invalid arguments"))?;
                if !self.adapters[index].devices.contains_key(&*path) {
                    return Err(Refusal::does_not_exist());
                }
                self.drop_links(|link| link.has_device(&path));
                self.forget_device(index, &path);
                Ok(Done::Nothing)
            }
            _ => no_such_method(),
        }
    }

    /// Switches an adapter; false where that is not allowed.
    pub(crate) fn power(&mut self, index: usize, powered: bool) -> bool {
        let Some(adapter) = self.adapters.get_mut(index) else { return false };
        if powered && adapter.blocked {
            return false;
        }
        if adapter.powered == powered {
            return true;
        }
        adapter.powered = powered;
        let path = adapter.path.clone();
        if powered {
            self.tree.set(&path, ADAPTER, "Powered", Value::Flag(true));
            self.advertise();
        } else {
            self.silence(index);
            self.tree.set(&path, ADAPTER, "Powered", Value::Flag(false));
        }
        true
    }

    pub(crate) fn block(&mut self, index: usize, blocked: bool) {
        if let Some(adapter) = self.adapters.get_mut(index) {
            adapter.blocked = blocked;
            if blocked {
                self.power(index, false);
            }
        }
    }

    pub(crate) fn unplug(&mut self, index: usize) {
        if self.adapters.get(index).is_some_and(|adapter| adapter.present) {
            self.silence(index);
            let path = self.adapters[index].path.clone();
            self.tree.remove(&path);
            self.adapters[index].forget();
            self.adapters[index].present = false;
        }
    }

    pub(crate) fn plug(&mut self, index: usize) {
        if let Some(adapter) = self.adapters.get_mut(index).filter(|adapter| !adapter.present) {
            adapter.present = true;
            adapter.powered = !adapter.blocked;
            let (path, interfaces) = (adapter.path.clone(), adapter.interfaces());
            self.tree.insert(&path, interfaces);
        }
    }

    /// Gives an adapter another address on the air.
    pub(crate) fn rotate(&mut self, index: usize) -> String {
        let Some(adapter) = self.adapters.get_mut(index) else { return String::new() };
        adapter.rotations += 1;
        // The two highest bits of a resolvable private address are 01.
        let text = format!("4A:00:{:02X}:00:00:{index:02X}", adapter.rotations % 256);
        adapter.on_air = Address { text: text.clone(), random: true };
        self.advertise();
        text
    }

    /// Ends everything that needs an adapter to be on. What is registered stays.
    fn silence(&mut self, index: usize) {
        self.drop_links(|link| link.ends_at(index));
        self.fail_connects(index);
        self.adapters[index].discoveries.clear();
        self.discovery_ended(index);
    }

    /// A client left the bus: what it had registered goes. Its links stay, as with BlueZ.
    pub(super) fn client_gone(&mut self, name: &str) {
        for index in 0..self.adapters.len() {
            self.adapters[index].filters.remove(name);
            if self.adapters[index].discoveries.contains(name) {
                let _ = self.stop_discovery(name, index);
            }
            self.remove_adverts(index, |advert| advert.sender == name);
            self.remove_apps(index, |app| app.sender == name);
            self.leave_notifications(index, name);
        }
    }
}
