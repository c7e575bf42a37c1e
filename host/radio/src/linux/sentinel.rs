//! What BlueZ has to offer now, and when that may have changed.
//!
//! A connection to the bus of our own: neither btleplug nor bluer says that BlueZ itself came or
//! went, or why a call was refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dbus::Path;
use dbus::arg::{PropMap, prop_cast};
use dbus::message::MatchRule;
use dbus::nonblock::{MsgMatch, Proxy, SyncConnection};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{mpsc, watch};

use crate::Why;

/// How long BlueZ may take over an answer about itself.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Adapters whose properties are watched. More are found by looking now and then.
const ADAPTERS_MAX: usize = 4;

type Objects = HashMap<Path<'static>, HashMap<String, PropMap>>;

/// A watch on BlueZ.
pub(super) struct Sentinel {
    bus: Arc<SyncConnection>,
    changes: mpsc::Receiver<()>,
    broken: watch::Receiver<bool>,
    _matches: Vec<MsgMatch>,
}

/// What was seen.
pub(super) enum Sight {
    /// An adapter that is switched on.
    Usable(Found),
    /// None, for a reason, with the remedy.
    Unusable(Why, String),
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Such as `hci0`.
    pub(super) name: String,
    pub(super) address: Option<RadioAddress>,
    pub(super) random: bool,
    /// Whether it can advertise and serve GATT.
    pub(super) peripheral: bool,
}

impl Sentinel {
    /// Connects to the system bus and begins to watch.
    pub(super) async fn new() -> Result<Self, (Why, String)> {
        let (resource, bus) = dbus_tokio::connection::new_system_sync().map_err(|error| {
            let said = error.message().unwrap_or("no answer").to_owned();
            (Why::NoService, format!("there is no system D-Bus ({said}); start `dbus`"))
        })?;
        let (broken_in, broken) = watch::channel(false);
        tokio::spawn(async move {
            resource.await;
            let _ = broken_in.send(true);
        });
        let (changed, changes) = mpsc::channel(1);
        let mut matches = Vec::new();
        for rule in rules() {
            let changed = changed.clone();
            let added = bus.add_match(rule).await.map_err(|error| unreachable(&error))?;
            matches.push(added.msg_cb(move |message| {
                if matters(&message) {
                    // One that waits already says the same.
                    let _ = changed.try_send(());
                }
                true
            }));
        }
        Ok(Self { bus, changes, broken, _matches: matches })
    }

    /// Returns when something may have changed.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            _ = self.changes.recv() => {}
            _ = self.broken.wait_for(|broken| *broken) => {}
        }
    }

    /// Whether the bus is gone. It does not come back to this sentinel.
    pub(super) fn is_broken(&self) -> bool {
        *self.broken.borrow()
    }

    /// Looks for the named adapter, or the first that is switched on.
    pub(super) async fn look(&self, name: Option<&str>) -> Sight {
        if self.is_broken() {
            let text = "the connection to the system D-Bus broke; start `dbus`".to_owned();
            return Sight::Unusable(Why::NoService, text);
        }
        let proxy = Proxy::new("org.bluez", "/", CALL_MAX, self.bus.clone());
        let call = proxy.method_call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ());
        let objects: Result<(Objects,), dbus::Error> = call.await;
        match objects {
            Ok((objects,)) => choose(&objects, name),
            Err(error) => {
                let (why, text) = unreachable(&error);
                Sight::Unusable(why, text)
            }
        }
    }
}

/// The signals that matter: BlueZ comes or goes, adapters come or go, their switches.
fn rules() -> Vec<MatchRule<'static>> {
    let mut rules = vec![
        MatchRule::new_signal("org.freedesktop.DBus", "NameOwnerChanged"),
        MatchRule::new_signal("org.freedesktop.DBus.ObjectManager", "InterfacesAdded"),
        MatchRule::new_signal("org.freedesktop.DBus.ObjectManager", "InterfacesRemoved"),
    ];
    for number in 0..ADAPTERS_MAX {
        let path = Path::from(format!("/org/bluez/hci{number}"));
        let mut rule =
            MatchRule::new_signal("org.freedesktop.DBus.Properties", "PropertiesChanged");
        rule.path = Some(path);
        rules.push(rule);
    }
    rules
}

/// Whether a signal is worth a look: devices come and go all the time, and names of others.
fn matters(message: &dbus::Message) -> bool {
    match message.member().as_deref() {
        Some("NameOwnerChanged") => message.get1::<&str>() == Some("org.bluez"),
        Some("InterfacesAdded" | "InterfacesRemoved") => {
            message.get1::<Path<'_>>().is_some_and(|path| adapter_name(&path).is_some())
        }
        Some("PropertiesChanged") => match message.get2::<&str, PropMap>() {
            (Some("org.bluez.Adapter1"), Some(changed)) => changed.contains_key("Powered"),
            _ => false,
        },
        _ => false,
    }
}

fn adapter_name(path: &str) -> Option<&str> {
    path.strip_prefix("/org/bluez/").filter(|name| !name.contains('/'))
}

/// Chooses among what BlueZ lists.
fn choose(objects: &Objects, name: Option<&str>) -> Sight {
    let mut adapters: Vec<(&str, &HashMap<String, PropMap>)> = objects
        .iter()
        .filter(|(_, interfaces)| interfaces.contains_key("org.bluez.Adapter1"))
        .filter_map(|(path, interfaces)| Some((adapter_name(path)?, interfaces)))
        .filter(|(known, _)| name.is_none_or(|name| name == *known))
        .collect();
    adapters.sort_unstable_by_key(|(name, _)| *name);
    let powered = |interfaces: &HashMap<String, PropMap>| flag(interfaces, "Powered");
    if let Some((name, interfaces)) = adapters.iter().find(|(_, interfaces)| powered(interfaces)) {
        return Sight::Usable(found(name, interfaces));
    }
    match (adapters.first(), name) {
        (Some((name, _)), _) => Sight::Unusable(Why::Off, off(name)),
        (None, Some(name)) => {
            let text = format!("there is no Bluetooth adapter {name}; plug it in, or name another");
            Sight::Unusable(Why::NoAdapter, text)
        }
        (None, None) => {
            let text = "there is no Bluetooth adapter; plug one in".to_owned();
            Sight::Unusable(Why::NoAdapter, text)
        }
    }
}

fn flag(interfaces: &HashMap<String, PropMap>, key: &str) -> bool {
    let adapter = interfaces.get("org.bluez.Adapter1");
    adapter.and_then(|properties| prop_cast::<bool>(properties, key)).copied().unwrap_or(false)
}

fn found(name: &str, interfaces: &HashMap<String, PropMap>) -> Found {
    let text = |key: &str| {
        let adapter = interfaces.get("org.bluez.Adapter1")?;
        prop_cast::<String>(adapter, key).cloned()
    };
    let serves = ["org.bluez.GattManager1", "org.bluez.LEAdvertisingManager1"]
        .iter()
        .all(|interface| interfaces.contains_key(*interface));
    Found {
        name: name.to_owned(),
        address: text("Address").and_then(|address| address.parse().ok()),
        random: text("AddressType").is_some_and(|kind| kind == "random"),
        peripheral: serves,
    }
}

/// What is wrong when BlueZ does not answer.
fn unreachable(error: &dbus::Error) -> (Why, String) {
    match error.name().unwrap_or_default() {
        "org.freedesktop.DBus.Error.AccessDenied" => (Why::Denied, denied()),
        "org.freedesktop.DBus.Error.NoReply" => {
            let text = "BlueZ does not answer; `systemctl restart bluetooth`".to_owned();
            (Why::NoService, text)
        }
        _ => {
            let text = "BlueZ is not running; `systemctl start bluetooth`".to_owned();
            (Why::NoService, text)
        }
    }
}

/// What helps who may not use BlueZ.
pub(super) fn denied() -> String {
    "this user may not use BlueZ; add it to the group `bluetooth` and log in again".to_owned()
}

/// What helps against an adapter that is off: that depends on what keeps it so.
fn off(name: &str) -> String {
    match blocked() {
        Some(true) => format!("{name} is blocked by a switch on the machine"),
        Some(false) => format!("{name} is blocked; `rfkill unblock bluetooth`"),
        None => format!("{name} is switched off; `bluetoothctl power on`"),
    }
}

/// Whether rfkill blocks Bluetooth, and if so, whether by a switch.
fn blocked() -> Option<bool> {
    let is = |folder: &std::path::Path, file: &str, value: &str| {
        std::fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
    };
    let entries = std::fs::read_dir("/sys/class/rfkill").ok()?;
    let ours =
        entries.flatten().map(|entry| entry.path()).filter(|path| is(path, "type", "bluetooth"));
    let ours: Vec<_> = ours.collect();
    if ours.iter().any(|path| is(path, "hard", "1")) {
        return Some(true);
    }
    ours.iter().any(|path| is(path, "soft", "1")).then_some(false)
}
