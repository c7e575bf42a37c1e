//! Calls of clients: which object and method they mean, and how they are answered.

use std::ffi::CString;
use std::rc::Rc;

use dbus::arg::{RefArg, Variant};
use dbus::message::{Message, MessageType};
use dbus::strings::ErrorName;

use super::{Answer, World};
use crate::tree::PROPERTIES;
use crate::value::{Value, prop_map};

/// The interfaces of BlueZ.
pub(crate) const ADAPTER: &str = "org.bluez.Adapter1";
pub(crate) const ADVERTISING: &str = "org.bluez.LEAdvertisingManager1";
pub(crate) const APPLICATIONS: &str = "org.bluez.GattManager1";
pub(crate) const DEVICE: &str = "org.bluez.Device1";
pub(crate) const SERVICE: &str = "org.bluez.GattService1";
pub(crate) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
pub(crate) const DESCRIPTOR: &str = "org.bluez.GattDescriptor1";

/// How a handler went about it.
pub(crate) enum Done {
    /// Answer with nothing.
    Nothing,
    /// It was or will be answered elsewhere.
    Answered,
}

/// An error that a client is answered with: its name, and what it says.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) &'static str, pub(crate) String);

/// What a handler comes to.
pub(crate) type Handled = Result<Done, Refusal>;

impl Refusal {
    pub(crate) fn failed(text: &str) -> Self {
        Self("org.bluez.Error.Failed", text.into())
    }
    pub(crate) fn not_ready() -> Self {
        Self("org.bluez.Error.NotReady", "Resource Not Ready".into())
    }
    pub(crate) fn in_progress() -> Self {
        Self("org.bluez.Error.InProgress", "In Progress".into())
    }
    pub(crate) fn not_supported() -> Self {
        Self("org.bluez.Error.NotSupported", "Operation is not supported".into())
    }
    pub(crate) fn does_not_exist() -> Self {
        Self("org.bluez.Error.DoesNotExist", "Does Not Exist".into())
    }
    pub(crate) fn invalid(text: &str) -> Self {
        Self("org.bluez.Error.InvalidArguments", text.into())
    }
    fn unknown_object(path: &str) -> Self {
        Self("org.freedesktop.DBus.Error.UnknownObject", format!("no object at {path}"))
    }
    fn unknown_method(interface: &str, member: &str) -> Self {
        let text = format!("Method \"{member}\" doesn't exist on interface \"{interface}\"");
        Self("org.freedesktop.DBus.Error.UnknownMethod", text)
    }
}

/// Who sent a message, by its unique name.
pub(crate) fn sender(message: &Message) -> String {
    message.sender().map(|name| name.to_string()).unwrap_or_default()
}

impl World {
    /// A call or a signal.
    pub(super) fn message(&mut self, message: Message) {
        match message.msg_type() {
            MessageType::MethodCall => self.called(message),
            MessageType::Signal => self.signalled(&message),
            MessageType::MethodReturn | MessageType::Error => {}
        }
    }

    fn called(&mut self, message: Message) {
        let message = Rc::new(message);
        let path = message.path().map(|path| path.to_string()).unwrap_or_default();
        let member = message.member().map(|name| name.to_string()).unwrap_or_default();
        let interface = message.interface().map(|name| name.to_string()).unwrap_or_default();
        let adapter = self.adapter_above(&path);
        let counted = (adapter.unwrap_or(usize::MAX), member.clone());
        *self.counters.calls.entry(counted).or_default() += 1;
        if self.denied.contains("*") || self.denied.contains(&member) {
            let text = format!("Rejected send message: {interface}.{member} to org.bluez");
            return self
                .refuse(&message, &Refusal("org.freedesktop.DBus.Error.AccessDenied", text));
        }
        match self.dispatch(&message, &path, &interface, &member) {
            Ok(Done::Nothing) => self.reply(&message),
            Ok(Done::Answered) => {}
            Err(refusal) => self.refuse(&message, &refusal),
        }
    }

    fn dispatch(
        &mut self,
        message: &Rc<Message>,
        path: &str,
        interface: &str,
        member: &str,
    ) -> Handled {
        match interface {
            "org.freedesktop.DBus.ObjectManager" => {
                let objects = self.tree.managed();
                self.tree.send(message.method_return().append1(objects));
                return Ok(Done::Answered);
            }
            "org.freedesktop.DBus.Introspectable" => {
                let xml =
                    self.tree.introspect(path).ok_or_else(|| Refusal::unknown_object(path))?;
                self.tree.send(message.method_return().append1(xml));
                return Ok(Done::Answered);
            }
            "org.freedesktop.DBus.Peer" => return Ok(Done::Nothing),
            _ => {}
        }
        if !self.tree.has(path) {
            return Err(Refusal::unknown_object(path));
        }
        let adapter = self.adapter_above(path).ok_or_else(|| Refusal::unknown_object(path))?;
        match interface {
            PROPERTIES => self.properties(message, adapter, path, member),
            ADAPTER => self.adapter_call(message, adapter, member),
            ADVERTISING => self.advertising_call(message, adapter, member),
            APPLICATIONS => self.application_call(message, adapter, member),
            DEVICE => self.device_call(message, adapter, path, member),
            CHARACTERISTIC => self.characteristic_call(message, adapter, path, member),
            _ => Err(Refusal::unknown_method(interface, member)),
        }
        .map_err(|refusal| match refusal.0 {
            "" => Refusal::unknown_method(interface, member),
            _ => refusal,
        })
    }

    fn properties(
        &mut self,
        message: &Rc<Message>,
        adapter: usize,
        path: &str,
        member: &str,
    ) -> Handled {
        let wrong = |_| Refusal::invalid("Invalid arguments in method call");
        let unknown = |what: &str| {
            let name = "org.freedesktop.DBus.Error.InvalidArgs";
            Refusal(name, format!("No such interface or property '{what}'"))
        };
        match member {
            "Get" => {
                let (interface, name): (String, String) = message.read2().map_err(wrong)?;
                let value =
                    self.tree.value(path, &interface, &name).ok_or_else(|| unknown(&name))?;
                let reply = message.method_return().append1(value.variant());
                self.tree.send(reply);
            }
            "GetAll" => {
                let interface: String = message.read1().map_err(wrong)?;
                let props = self.tree.props(path, &interface).ok_or_else(|| unknown(&interface))?;
                let reply = message.method_return().append1(prop_map(props));
                self.tree.send(reply);
            }
            "Set" => {
                type Set = (String, String, Variant<Box<dyn RefArg>>);
                let (interface, name, value): Set = message.read3().map_err(wrong)?;
                return self.set_property(adapter, path, &interface, &name, &value.0);
            }
            _ => return Err(Refusal::unknown_method(PROPERTIES, member)),
        }
        Ok(Done::Answered)
    }

    /// Sets a property that a client may set.
    fn set_property(
        &mut self,
        adapter: usize,
        path: &str,
        interface: &str,
        name: &str,
        value: &dyn RefArg,
    ) -> Handled {
        let flag = value.as_i64().map(|value| value != 0);
        let text = value.as_str().map(Value::text);
        match (interface, name, flag, text) {
            (ADAPTER, "Powered", Some(powered), _) => {
                if !self.power(adapter, powered) {
                    let text = "Blocked through rfkill";
                    return Err(Refusal("org.bluez.Error.Blocked", text.into()));
                }
            }
            (ADAPTER, "Discoverable", Some(value), _) => {
                self.tree.set(path, ADAPTER, "Discoverable", Value::Flag(value));
            }
            (ADAPTER, "Pairable", Some(value), _) => {
                self.tree.set(path, ADAPTER, "Pairable", Value::Flag(value));
            }
            (ADAPTER, "Alias", _, Some(value)) => self.tree.set(path, ADAPTER, "Alias", value),
            (DEVICE, "Alias", _, Some(value)) => self.tree.set(path, DEVICE, "Alias", value),
            (DEVICE, "Trusted", Some(value), _) => {
                self.tree.set(path, DEVICE, "Trusted", Value::Flag(value));
            }
            (DEVICE, "Blocked", Some(value), _) => {
                self.tree.set(path, DEVICE, "Blocked", Value::Flag(value));
            }
            _ => {
                let text = format!("Property '{name}' is not writable");
                return Err(Refusal("org.freedesktop.DBus.Error.PropertyReadOnly", text));
            }
        }
        Ok(Done::Nothing)
    }

    /// An answer of a client has come.
    pub(super) fn answered(&mut self, answer: Answer, mut message: Message) {
        let error = message.as_result().err();
        match answer {
            Answer::Advertisement(adapter, caller, path) => {
                self.advertisement_read(adapter, &caller, path, &message, error.is_some());
            }
            Answer::Application(adapter, caller, path) => {
                self.application_read(adapter, &caller, path, &message, error.is_some());
            }
            Answer::Read(link, caller, path) => {
                self.read_answered(link, &caller, &path, &message, error);
            }
            Answer::Write(link, caller, path) => self.write_answered(link, &caller, &path, error),
            Answer::Nobody => {}
        }
    }

    /// A signal: a client came or went, or an application has a new value.
    fn signalled(&mut self, message: &Message) {
        match message.member().as_deref() {
            Some("NameOwnerChanged") => {
                if let Ok((name, _, owner)) = message.read3::<String, String, String>()
                    && name.starts_with(':')
                    && owner.is_empty()
                {
                    self.client_gone(&name);
                }
            }
            Some("PropertiesChanged") => self.application_changed(message),
            _ => {}
        }
    }

    /// Answers with nothing.
    pub(super) fn reply(&mut self, caller: &Message) {
        self.tree.send(caller.method_return());
    }

    /// Answers with an error.
    pub(super) fn refuse(&mut self, caller: &Message, refusal: &Refusal) {
        let text = CString::new(refusal.1.replace('\0', " ")).unwrap_or_default();
        self.tree.send(caller.error(&ErrorName::from(refusal.0), &text));
    }
}

/// What a handler says of a method that it does not know.
pub(crate) fn no_such_method() -> Handled {
    Err(Refusal("", String::new()))
}
