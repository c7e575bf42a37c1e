//! Advertisements: read from the client that registered them, checked as BlueZ 5.66 does.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use dbus::Path;
use dbus::arg::{PropMap, RefArg, Variant, prop_cast};
use dbus::message::Message;

use super::adapter::ADVERT_BYTES_MAX;
use super::call::{ADVERTISING, Done, Handled, Refusal, no_such_method, sender};
use super::{Answer, World};
use crate::fault::{Call, Fault};
use crate::tree::PROPERTIES;
use crate::value::Value;

const ADVERTISEMENT: &str = "org.bluez.LEAdvertisement1";

/// What a 16-bit UUID is the middle of.
const UUID_BASE: &str = "-0000-1000-8000-00805f9b34fb";

/// What an advertisement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    pub(super) uuids: Vec<String>,
    pub(super) manufacturer: BTreeMap<u16, Vec<u8>>,
    pub(super) name: Option<String>,
    /// Whether it can be connected to.
    pub(super) connectable: bool,
}

/// A registered one.
#[derive(Debug)]
pub(crate) struct Advert {
    pub(super) sender: String,
    path: String,
    pub(super) data: Data,
}

impl World {
    /// Calls on `LEAdvertisingManager1`.
    pub(super) fn advertising_call(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        member: &str,
    ) -> Handled {
        match member {
            "RegisterAdvertisement" => self.register_advert(message, index),
            "UnregisterAdvertisement" => {
                let (path, sender) = (first_path(message)?, sender(message));
                let here = |advert: &Advert| advert.sender == sender && advert.path == path;
                if !self.adapters[index].adverts.iter().any(here) {
                    return Err(Refusal::does_not_exist());
                }
                self.remove_adverts(index, here);
                Ok(Done::Nothing)
            }
            _ => no_such_method(),
        }
    }

    fn register_advert(&mut self, message: &Rc<Message>, index: usize) -> Handled {
        match self.faults.strikes(index, Call::RegisterAdvertisement) {
            Some(Fault::Hang) => return Ok(Done::Answered),
            Some(Fault::Fail | Fault::LoseLink) => {
                return Err(Refusal::failed("Failed to register advertisement"));
            }
            None => {}
        }
        let (path, sender) = (first_path(message)?, sender(message));
        let adverts = &self.adapters[index].adverts;
        if adverts.iter().any(|advert| advert.sender == sender && advert.path == path) {
            let text = "Already Exists";
            return Err(Refusal("org.bluez.Error.AlreadyExists", text.into()));
        }
        let supported =
            self.tree.value(&self.adapters[index].path, ADVERTISING, "SupportedInstances");
        if supported == Some(&Value::Byte(0)) {
            let text = "Maximum advertisements reached";
            return Err(Refusal("org.bluez.Error.NotPermitted", text.into()));
        }
        let call =
            Message::call_with_args(sender, path.clone(), PROPERTIES, "GetAll", (ADVERTISEMENT,));
        self.call(call, Answer::Advertisement(index, Rc::clone(message), path));
        Ok(Done::Answered)
    }

    /// The client has told what is to be advertised.
    pub(super) fn advertisement_read(
        &mut self,
        index: usize,
        caller: &Message,
        path: String,
        answer: &Message,
        failed: bool,
    ) {
        let props: Option<PropMap> = answer.read1().ok();
        let data = props.filter(|_| !failed).and_then(|props| parse(&props));
        let Some(data) = data else {
            return self.refuse(caller, &Refusal::failed("Failed to parse advertisement."));
        };
        if !self.adapters[index].present {
            return self.refuse(caller, &Refusal::does_not_exist());
        }
        self.adapters[index].adverts.push(Advert { sender: sender(caller), path, data });
        self.count_adverts(index);
        self.reply(caller);
        self.advertise();
    }

    /// Ends advertisements.
    pub(super) fn remove_adverts(&mut self, index: usize, gone: impl Fn(&Advert) -> bool) {
        let before = self.adapters[index].adverts.len();
        self.adapters[index].adverts.retain(|advert| !gone(advert));
        if self.adapters[index].adverts.len() != before {
            self.count_adverts(index);
        }
    }

    /// Says how many there are, and how many more there may be.
    fn count_adverts(&mut self, index: usize) {
        let adapter = &self.adapters[index];
        let active = u8::try_from(adapter.adverts.len()).unwrap_or(u8::MAX);
        let path = adapter.path.clone();
        let total = match (
            self.tree.value(&path, ADVERTISING, "ActiveInstances"),
            self.tree.value(&path, ADVERTISING, "SupportedInstances"),
        ) {
            (Some(Value::Byte(active)), Some(Value::Byte(free))) => active.saturating_add(*free),
            _ => return,
        };
        let free = total.saturating_sub(active);
        self.tree.set(&path, ADVERTISING, "ActiveInstances", Value::Byte(active));
        self.tree.set(&path, ADVERTISING, "SupportedInstances", Value::Byte(free));
    }
}

/// The path that a call names first.
pub(super) fn first_path(message: &Message) -> Result<String, Refusal> {
    let path: Option<Path<'_>> = message.get1();
    path.map(|path| path.to_string()).ok_or_else(|| Refusal::invalid("Invalid arguments"))
}

/// What the properties of an advertisement say; none where they are too long for one.
fn parse(props: &PropMap) -> Option<Data> {
    let flag = |name: &str| prop_cast::<bool>(props, name).copied().unwrap_or(false);
    let texts = |name: &str| prop_cast::<Vec<String>>(props, name).cloned().unwrap_or_default();
    let kind = prop_cast::<String>(props, "Type")?;
    let uuids: Vec<String> = texts("ServiceUUIDs").iter().map(|uuid| uuid.to_lowercase()).collect();
    let mut manufacturer = BTreeMap::new();
    type Numbered = HashMap<u16, Variant<Box<dyn RefArg>>>;
    for (number, bytes) in prop_cast::<Numbered>(props, "ManufacturerData").into_iter().flatten() {
        manufacturer.insert(*number, bytes_of(&*bytes.0)?);
    }
    let mut data_bytes = 0;
    for (uuid, bytes) in prop_cast::<PropMap>(props, "ServiceData").into_iter().flatten() {
        data_bytes += 2 + uuid_bytes(uuid) + bytes_of(&*bytes.0)?.len();
    }
    let includes = texts("Includes");
    let mut length = lists_bytes(&uuids) + lists_bytes(&texts("SolicitUUIDs")) + data_bytes;
    length += manufacturer.values().map(|bytes| 4 + bytes.len()).sum::<usize>();
    length += if flag("Discoverable") { 3 } else { 0 };
    length += if includes.iter().any(|name| name == "tx-power") { 3 } else { 0 };
    let appearance = prop_cast::<u16>(props, "Appearance").is_some();
    length += if appearance || includes.iter().any(|name| name == "appearance") { 4 } else { 0 };
    if length > usize::from(ADVERT_BYTES_MAX) {
        return None;
    }
    // A name goes into the scan response, and costs nothing here.
    let name = prop_cast::<String>(props, "LocalName").cloned();
    Some(Data { uuids, manufacturer, name, connectable: kind == "peripheral" })
}

/// The bytes in a variant, whatever its layers.
pub(super) fn bytes_of(value: &(dyn RefArg + 'static)) -> Option<Vec<u8>> {
    if let Some(bytes) = dbus::arg::cast::<Vec<u8>>(value) {
        return Some(bytes.clone());
    }
    let numbers = value.as_iter()?;
    numbers.map(|number| u8::try_from(number.as_u64()?).ok()).collect()
}

/// How many bytes a UUID takes on the air.
fn uuid_bytes(uuid: &str) -> usize {
    match uuid.strip_suffix(UUID_BASE) {
        Some(short) if short.starts_with("0000") => 2,
        Some(_) => 4,
        None => 16,
    }
}

/// How many bytes lists of UUIDs take: one list for each length, each with a header.
fn lists_bytes(uuids: &[String]) -> usize {
    [2, 4, 16]
        .map(|size| {
            let count = uuids.iter().filter(|uuid| uuid_bytes(uuid) == size).count();
            if count == 0 { 0 } else { 2 + count * size }
        })
        .iter()
        .sum()
}
