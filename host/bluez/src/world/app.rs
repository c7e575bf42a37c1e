//! GATT applications: what clients serve, and how peers come to see it.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use dbus::Path;
use dbus::arg::{PropMap, prop_cast};
use dbus::message::Message;

use super::advert::first_path;
use super::call::{
    CHARACTERISTIC, DESCRIPTOR, DEVICE, Done, Handled, Refusal, SERVICE, no_such_method, sender,
};
use super::characteristic::Remote;
use super::{Answer, World};
use crate::tree::Interfaces;
use crate::value::{Props, Value};

/// The descriptor that subscribes.
const SUBSCRIPTION: &str = "00002902-0000-1000-8000-00805f9b34fb";

/// A registered application.
#[derive(Debug)]
pub(crate) struct App {
    number: u64,
    pub(super) sender: String,
    path: String,
    services: Vec<Service>,
}

#[derive(Debug)]
struct Service {
    uuid: String,
    primary: bool,
    handle: u16,
    characteristics: Vec<Characteristic>,
}

#[derive(Debug)]
struct Characteristic {
    /// The client's object.
    path: String,
    uuid: String,
    flags: Vec<String>,
    handle: u16,
    /// How many peers are subscribed.
    subscribers: u32,
}

impl Characteristic {
    fn notifies(&self) -> bool {
        self.flags.iter().any(|flag| flag == "notify" || flag == "indicate")
    }
}

impl World {
    /// Calls on `GattManager1`.
    pub(super) fn application_call(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        member: &str,
    ) -> Handled {
        let (path, sender) = match member {
            "RegisterApplication" | "UnregisterApplication" => {
                (first_path(message)?, sender(message))
            }
            _ => return no_such_method(),
        };
        let here = |app: &App| app.sender == sender && app.path == path;
        let known = self.adapters[index].apps.iter().any(here);
        if member == "UnregisterApplication" {
            if !known {
                return Err(Refusal::does_not_exist());
            }
            self.remove_apps(index, here);
            return Ok(Done::Nothing);
        }
        if known {
            let text = "Already Exists";
            return Err(Refusal("org.bluez.Error.AlreadyExists", text.into()));
        }
        self.listen_to(&sender, &path);
        let call = Message::call_with_args(
            sender,
            path.clone(),
            "org.freedesktop.DBus.ObjectManager",
            "GetManagedObjects",
            (),
        );
        self.call(call, Answer::Application(index, Rc::clone(message), path));
        Ok(Done::Answered)
    }

    /// Asks the bus for the signals of an application. The rule ends with our connection; that
    /// there may be more of them than applications does no harm.
    fn listen_to(&mut self, sender: &str, path: &str) {
        let rule = format!(
            "type='signal',sender='{sender}',interface='org.freedesktop.DBus.Properties',\
             member='PropertiesChanged',path_namespace='{path}'"
        );
        let bus = "org.freedesktop.DBus";
        let add = Message::call_with_args(bus, "/org/freedesktop/DBus", bus, "AddMatch", (rule,));
        self.call(add, Answer::Nobody);
    }

    /// The client has told what it serves.
    pub(super) fn application_read(
        &mut self,
        index: usize,
        caller: &Message,
        path: String,
        answer: &Message,
        failed: bool,
    ) {
        type Objects = HashMap<Path<'static>, HashMap<String, PropMap>>;
        let objects: Option<Objects> = answer.read1().ok().filter(|_| !failed);
        let mut handle = self.adapters[index].handle_last;
        let services = objects.map(|objects| services(&objects, &mut handle)).unwrap_or_default();
        if services.is_empty() || !self.adapters[index].present {
            let refusal = Refusal::failed("No object received");
            return self.refuse(caller, &refusal);
        }
        self.adapters[index].handle_last = handle;
        let number = self.number();
        let app = App { number, sender: sender(caller), path, services };
        self.adapters[index].apps.push(app);
        self.reply(caller);
        self.services_changed(index);
    }

    /// Ends applications.
    pub(super) fn remove_apps(&mut self, index: usize, gone: impl Fn(&App) -> bool) {
        let before = self.adapters[index].apps.len();
        self.adapters[index].apps.retain(|app| !gone(app));
        if self.adapters[index].apps.len() != before {
            self.services_changed(index);
        }
    }

    /// What an adapter serves has changed: all its peers look again.
    fn services_changed(&mut self, index: usize) {
        let links = self.links.iter().filter(|link| link.ends_at(index));
        let sides = links.map(|link| (link.number, usize::from(link.ends[0].adapter == index)));
        for (number, side) in sides.collect::<Vec<_>>() {
            self.export_services(number, side);
        }
    }

    /// Shows one side of a link what the other serves. What is there already stays as it is,
    /// subscriptions included.
    pub(super) fn export_services(&mut self, number: u64, side: usize) {
        let Some(link) = self.links.iter().find(|link| link.number == number) else { return };
        let (here, peer, mtu) = (link.ends[side].adapter, link.ends[1 - side].adapter, link.mtu);
        let device = link.ends[side].device.clone();
        let mut wanted = BTreeSet::new();
        let mut shown: Vec<(String, Interfaces)> = Vec::new();
        let mut remotes = Vec::new();
        let mut uuids = Vec::new();
        for app in &self.adapters[peer].apps {
            for service in &app.services {
                uuids.push(service.uuid.clone());
                let path = format!("{device}/service{:04x}", service.handle);
                shown.push((path.clone(), Interfaces::from([(SERVICE, service.props(&device))])));
                for characteristic in &service.characteristics {
                    let below = format!("{path}/char{:04x}", characteristic.handle);
                    shown.extend(characteristic.objects(&path, &below, mtu));
                    let remote = Remote::new(
                        &device,
                        peer,
                        app.number,
                        &app.sender,
                        &characteristic.path,
                        &characteristic.flags,
                    );
                    remotes.push((below, remote));
                }
            }
        }
        wanted.extend(shown.iter().map(|(path, _)| path.clone()));
        self.hide_services(here, &device, &wanted, &remotes);
        for (path, interfaces) in shown {
            if self.tree.has(&path) {
                let told = Value::U16(mtu);
                if self.tree.value(&path, CHARACTERISTIC, "MTU").is_some() {
                    self.tree.set(&path, CHARACTERISTIC, "MTU", told);
                }
            } else {
                self.tree.insert(&path, interfaces);
            }
        }
        for (path, remote) in remotes {
            self.adapters[here].remotes.entry(path).or_insert(remote);
        }
        let uuids = self.known_uuids(&device, &uuids);
        self.tree.set(&device, DEVICE, "UUIDs", Value::Texts(uuids));
    }

    /// Removes what a peer does not serve any more, or serves by another application.
    fn hide_services(
        &mut self,
        here: usize,
        device: &str,
        wanted: &BTreeSet<String>,
        remotes: &[(String, Remote)],
    ) {
        let same = |path: &str, old: &Remote| {
            remotes.iter().any(|(other, new)| other == path && new.is_same(old))
        };
        let beneath = format!("{device}/service");
        let gone: Vec<String> = self.adapters[here]
            .remotes
            .iter()
            .filter(|(path, old)| {
                path.starts_with(&beneath) && (!wanted.contains(*path) || !same(path, old))
            })
            .filter_map(|(path, _)| path.rsplit_once('/').map(|(service, _)| service.to_owned()))
            .collect();
        for service in gone {
            self.tree.remove(&service);
            let beneath = format!("{service}/");
            self.adapters[here].remotes.retain(|path, _| !path.starts_with(&beneath));
            for link in &mut self.links {
                for end in &mut link.ends {
                    end.subscribed.retain(|path| !path.starts_with(&beneath));
                }
            }
        }
    }

    /// The number of subscribers of a characteristic changes by one; returns how many there are.
    pub(super) fn count_subscribers(&mut self, remote: &Remote, joined: bool) -> Option<u32> {
        let app =
            self.adapters[remote.peer].apps.iter_mut().find(|app| app.number == remote.app)?;
        let mut all = app.services.iter_mut().flat_map(|service| &mut service.characteristics);
        let characteristic = all.find(|one| one.path == remote.object)?;
        let subscribers = characteristic.subscribers;
        characteristic.subscribers =
            if joined { subscribers + 1 } else { subscribers.saturating_sub(1) };
        Some(characteristic.subscribers)
    }

    /// An application told that a value is another: every subscribed peer is notified.
    pub(super) fn application_changed(&mut self, message: &Message) {
        let Ok((interface, changed, _)) = message.read3::<String, PropMap, Vec<String>>() else {
            return;
        };
        let Some(value) = changed.get("Value").filter(|_| interface == CHARACTERISTIC) else {
            return;
        };
        let Some(value) = super::advert::bytes_of(&*value.0) else { return };
        let sender = sender(message);
        let object = message.path().map(|path| path.to_string()).unwrap_or_default();
        self.notify_peers(&sender, &object, &value);
    }
}

impl Service {
    fn props(&self, device: &str) -> Props {
        Props::from([
            ("UUID", Value::text(&self.uuid)),
            ("Device", Value::Object(device.to_owned())),
            ("Primary", Value::Flag(self.primary)),
            ("Includes", Value::Objects(Vec::new())),
        ])
    }
}

impl Characteristic {
    /// What a peer sees of it: the characteristic, and its descriptor if it notifies.
    fn objects(&self, service: &str, path: &str, mtu: u16) -> Vec<(String, Interfaces)> {
        let mut props = Props::from([
            ("UUID", Value::text(&self.uuid)),
            ("Service", Value::Object(service.to_owned())),
            ("Value", Value::Bytes(Vec::new())),
            ("Flags", Value::Texts(self.flags.clone())),
            ("MTU", Value::U16(mtu)),
        ]);
        let mut objects = Vec::new();
        if self.notifies() {
            props.insert("Notifying", Value::Flag(false));
            let descriptor = Props::from([
                ("UUID", Value::text(SUBSCRIPTION)),
                ("Characteristic", Value::Object(path.to_owned())),
                ("Value", Value::Bytes(Vec::new())),
            ]);
            let below = format!("{path}/desc{:04x}", self.handle + 2);
            objects.push((below, Interfaces::from([(DESCRIPTOR, descriptor)])));
        }
        objects.insert(0, (path.to_owned(), Interfaces::from([(CHARACTERISTIC, props)])));
        objects
    }
}

/// The services among a client's objects, in the order of their paths, each with handles.
fn services(
    objects: &HashMap<Path<'static>, HashMap<String, PropMap>>,
    handle: &mut u16,
) -> Vec<Service> {
    let mut paths: Vec<&Path<'static>> = objects.keys().collect();
    paths.sort();
    let text = |props: &PropMap, name: &str| prop_cast::<String>(props, name).cloned();
    let mut found = Vec::new();
    for path in &paths {
        let Some(props) = objects[*path].get(SERVICE) else { continue };
        let Some(uuid) = text(props, "UUID") else { continue };
        let primary = prop_cast(props, "Primary").copied().unwrap_or(true);
        *handle += 1;
        let mut service = Service {
            uuid: uuid.to_lowercase(),
            primary,
            handle: *handle,
            characteristics: Vec::new(),
        };
        for below in &paths {
            let Some(props) = objects[*below].get(CHARACTERISTIC) else { continue };
            let of: Option<&Path<'static>> = prop_cast(props, "Service");
            let (Some(uuid), true) = (text(props, "UUID"), of == Some(*path)) else { continue };
            let characteristic = Characteristic {
                path: below.to_string(),
                uuid: uuid.to_lowercase(),
                flags: prop_cast(props, "Flags").cloned().unwrap_or_default(),
                handle: *handle + 1,
                subscribers: 0,
            };
            // One for itself, one for its value, one for the descriptor.
            *handle += if characteristic.notifies() { 3 } else { 2 };
            service.characteristics.push(characteristic);
        }
        found.push(service);
    }
    found
}
