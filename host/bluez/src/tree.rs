//! The objects that clients see: what each of them has, and the signals when that changes.
//!
//! Whatever leaves the service goes through [`Tree::out`], so its order is the order of events.

use std::collections::{BTreeMap, HashMap};

use dbus::Path;
use dbus::arg::PropMap;
use dbus::message::Message;

use crate::value::{Props, Value, prop_map};

/// The interfaces of one object, by name.
pub(crate) type Interfaces = BTreeMap<&'static str, Props>;

const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
/// The interface of properties.
pub(crate) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What the service does to the bus.
#[derive(Debug)]
pub(crate) enum Out {
    /// A reply, an error or a signal.
    Send(Message),
    /// A call to a client, and the number that its answer is known by.
    Call(u64, Message),
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    objects: BTreeMap<String, Interfaces>,
    /// What waits to be sent, oldest first.
    pub(crate) out: Vec<Out>,
}

impl Tree {
    /// Whether there is such an object.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }

    /// The properties of an interface, if the object has it.
    pub(crate) fn props(&self, path: &str, interface: &str) -> Option<&Props> {
        self.objects.get(path)?.get(interface)
    }

    /// One property.
    pub(crate) fn value(&self, path: &str, interface: &str, name: &str) -> Option<&Value> {
        self.props(path, interface)?.get(name)
    }

    /// Adds an object, and says so.
    pub(crate) fn insert(&mut self, path: &str, interfaces: Interfaces) {
        let map = interface_map(&interfaces);
        self.objects.insert(path.to_owned(), interfaces);
        let signal = signal("/", OBJECT_MANAGER, "InterfacesAdded");
        self.send(signal.append2(Path::from(path.to_owned()), map));
    }

    /// Removes an object and all beneath it, the deepest first, and says so.
    pub(crate) fn remove(&mut self, path: &str) {
        let beneath = format!("{path}/");
        let gone: Vec<String> = self
            .objects
            .keys()
            .filter(|other| *other == path || other.starts_with(&beneath))
            .cloned()
            .collect();
        for path in gone.into_iter().rev() {
            let Some(interfaces) = self.objects.remove(&path) else { continue };
            let names: Vec<&str> = interfaces.keys().copied().collect();
            let signal = signal("/", OBJECT_MANAGER, "InterfacesRemoved");
            self.send(signal.append2(Path::from(path), names));
        }
    }

    /// Forgets everything, and says nothing: as when the service ends.
    pub(crate) fn clear(&mut self) {
        self.objects.clear();
        self.out.clear();
    }

    /// Sets properties. Those that differ are told in one signal.
    pub(crate) fn update(&mut self, path: &str, interface: &'static str, props: Props) {
        let Some(known) = self.objects.get_mut(path).and_then(|all| all.get_mut(interface)) else {
            return;
        };
        let changed: Props =
            props.into_iter().filter(|(name, value)| known.get(name) != Some(value)).collect();
        if !changed.is_empty() {
            known.extend(changed.clone());
            self.changed(path, interface, &changed, &[]);
        }
    }

    /// Sets one property, and tells it if it differs.
    pub(crate) fn set(
        &mut self,
        path: &str,
        interface: &'static str,
        name: &'static str,
        value: Value,
    ) {
        self.update(path, interface, Props::from([(name, value)]));
    }

    /// Sets properties, and tells them whether they differ or not.
    pub(crate) fn announce(&mut self, path: &str, interface: &'static str, props: Props) {
        if let Some(known) = self.objects.get_mut(path).and_then(|all| all.get_mut(interface)) {
            known.extend(props.clone());
            self.changed(path, interface, &props, &[]);
        }
    }

    /// Takes a property away.
    pub(crate) fn unset(&mut self, path: &str, interface: &'static str, name: &'static str) {
        let known = self.objects.get_mut(path).and_then(|all| all.get_mut(interface));
        if known.is_some_and(|known| known.remove(name).is_some()) {
            self.changed(path, interface, &Props::new(), &[name]);
        }
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, message: Message) {
        self.out.push(Out::Send(message));
    }

    /// Everything, as `GetManagedObjects` answers it.
    pub(crate) fn managed(&self) -> HashMap<Path<'static>, HashMap<String, PropMap>> {
        self.objects
            .iter()
            .map(|(path, interfaces)| (Path::from(path.clone()), interface_map(interfaces)))
            .collect()
    }

    /// The interfaces and children of an object as XML; none where nothing is or is beneath.
    pub(crate) fn introspect(&self, path: &str) -> Option<String> {
        let beneath = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let mut children: Vec<&str> = self
            .objects
            .keys()
            .filter_map(|other| other.strip_prefix(&beneath)?.split('/').next())
            .filter(|name| !name.is_empty())
            .collect();
        children.dedup();
        let interfaces = self.objects.get(path);
        if children.is_empty() && interfaces.is_none() && path != "/" {
            return None;
        }
        let mut xml = String::from("<node>\n");
        for name in interfaces.into_iter().flat_map(BTreeMap::keys) {
            xml.push_str(&format!("  <interface name=\"{name}\"/>\n"));
        }
        for name in children {
            xml.push_str(&format!("  <node name=\"{name}\"/>\n"));
        }
        xml.push_str("</node>\n");
        Some(xml)
    }

    fn changed(&mut self, path: &str, interface: &str, changed: &Props, gone: &[&str]) {
        let signal = signal(path, PROPERTIES, "PropertiesChanged");
        self.send(signal.append3(interface, prop_map(changed), gone));
    }
}

fn interface_map(interfaces: &Interfaces) -> HashMap<String, PropMap> {
    interfaces.iter().map(|(name, props)| ((*name).to_owned(), prop_map(props))).collect()
}

fn signal(path: &str, interface: &'static str, member: &'static str) -> Message {
    Message::signal(&Path::from(path.to_owned()), &interface.into(), &member.into())
}
