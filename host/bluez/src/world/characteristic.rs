//! Characteristics of peers: reads, writes and notifications, and the frames that these are.

use std::collections::BTreeSet;
use std::rc::Rc;

use dbus::Path;
use dbus::arg::{PropMap, RefArg, Variant, prop_cast};
use dbus::message::Message;

use super::call::{CHARACTERISTIC, Done, Handled, Refusal, no_such_method, sender};
use super::link::broken_call;
use super::{Answer, Timer, World};
use crate::fault::{Call, Fault};
use crate::value::{Props, Value};

/// The longest value that BlueZ 5.66 takes in one write, whatever the MTU: measured.
const WRITE_BYTES_MAX: u16 = 510;
/// The longest value that there is.
const VALUE_BYTES_MAX: u16 = 512;
/// What a frame has before its value.
const HEADER_BYTES: u16 = 3;

/// A characteristic of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// The object that the peer is here.
    pub(super) device: String,
    /// The peer's adapter.
    pub(super) peer: usize,
    /// The number of the application that serves it, who that is, and the object there.
    pub(super) app: u64,
    sender: String,
    pub(super) object: String,
    flags: Vec<String>,
    /// The clients that are subscribed. They stay so when the link breaks, and are subscribed
    /// again with the next.
    sessions: BTreeSet<String>,
    /// Whether a request is under way.
    busy: bool,
}

impl Remote {
    pub(super) fn new(
        device: &str,
        peer: usize,
        app: u64,
        sender: &str,
        object: &str,
        flags: &[String],
    ) -> Self {
        Self {
            device: device.to_owned(),
            peer,
            app,
            sender: sender.to_owned(),
            object: object.to_owned(),
            flags: flags.to_vec(),
            sessions: BTreeSet::new(),
            busy: false,
        }
    }

    /// Whether both are the same object of the same application.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.app, &self.object) == (other.app, &other.object)
    }

    fn may(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

/// Something on its way over a link.
pub(crate) struct Frame {
    link: u64,
    /// The adapter that has the object of the peer's characteristic.
    adapter: usize,
    path: String,
    what: What,
}

enum What {
    Command(Vec<u8>),
    Request(Vec<u8>, Rc<Message>),
    Read(Rc<Message>),
    /// With who asked for it, unless it is a subscription of before.
    Subscribe(Option<Rc<Message>>),
    Unsubscribe,
    Notification(Vec<u8>),
}

impl World {
    /// Calls on `GattCharacteristic1`.
    pub(super) fn characteristic_call(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        path: &str,
        member: &str,
    ) -> Handled {
        let Some(remote) = self.adapters[index].remotes.get(path).cloned() else {
            return no_such_method();
        };
        match member {
            "ReadValue" => self.read_value(message, index, path, &remote),
            "WriteValue" => self.write_value(message, index, path, &remote),
            "StartNotify" => self.start_notify(message, index, path, &remote),
            "StopNotify" => self.stop_notify(&sender(message), index, path),
            "AcquireWrite" | "AcquireNotify" => Err(Refusal::not_supported()),
            _ => no_such_method(),
        }
    }

    /// The link to a device, with its MTU.
    fn link_to(&self, device: &str) -> Result<(u64, u16), Refusal> {
        let link = self.links.iter().find(|link| link.has_device(device));
        link.map(|link| (link.number, link.mtu)).ok_or_else(|| Refusal::failed("Not connected"))
    }

    /// Whether a call goes wrong: then how it was dealt with.
    fn struck(&mut self, index: usize, call: Call, link: u64) -> Option<Handled> {
        Some(match self.faults.strikes(index, call)? {
            Fault::Hang => Ok(Done::Answered),
            Fault::Fail => Err(broken_call()),
            Fault::LoseLink => {
                self.drop_links(|one| one.number == link);
                Err(broken_call())
            }
        })
    }

    fn read_value(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        path: &str,
        remote: &Remote,
    ) -> Handled {
        let (link, _) = self.link_to(&remote.device)?;
        if !remote.may("read") {
            return Err(Refusal("org.bluez.Error.NotPermitted", "Read not permitted".into()));
        }
        self.transmit(link, index, path, What::Read(Rc::clone(message)));
        Ok(Done::Answered)
    }

    fn write_value(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        path: &str,
        remote: &Remote,
    ) -> Handled {
        let (value, options): (Vec<u8>, PropMap) =
            message.read2().map_err(|_| Refusal::invalid("Invalid arguments"))?;
        let (link, mtu) = self.link_to(&remote.device)?;
        if remote.busy {
            return Err(Refusal::in_progress());
        }
        if let Some(handled) = self.struck(index, Call::WriteValue, link) {
            return handled;
        }
        let kind = prop_cast::<String>(&options, "type").map(String::as_str);
        let command = match kind {
            Some("command") => true,
            Some(_) => false,
            None => !remote.may("write"),
        };
        if !remote.may(if command { "write-without-response" } else { "write" }) {
            return Err(Refusal::not_supported());
        }
        let longest = usize::from((mtu - HEADER_BYTES).min(WRITE_BYTES_MAX));
        if value.len() > longest {
            if !command {
                return Err(Refusal::invalid("Invalid Length"));
            }
            self.counters.writes_too_long += 1;
            return Ok(Done::Nothing);
        }
        if command {
            self.reply(message);
            self.transmit(link, index, path, What::Command(value));
        } else {
            if let Some(remote) = self.adapters[index].remotes.get_mut(path) {
                remote.busy = true;
            }
            self.transmit(link, index, path, What::Request(value, Rc::clone(message)));
        }
        Ok(Done::Answered)
    }

    fn start_notify(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        path: &str,
        remote: &Remote,
    ) -> Handled {
        if !remote.may("notify") && !remote.may("indicate") {
            return Err(Refusal::not_supported());
        }
        let link = self.link_to(&remote.device);
        if let Ok((link, _)) = &link
            && let Some(handled) = self.struck(index, Call::StartNotify, *link)
        {
            return handled;
        }
        let client = sender(message);
        if remote.sessions.contains(&client) {
            return Ok(Done::Nothing);
        }
        let first = remote.sessions.is_empty();
        if let Some(remote) = self.adapters[index].remotes.get_mut(path) {
            remote.sessions.insert(client);
        }
        match link {
            Ok((link, _)) if first => {
                self.transmit(link, index, path, What::Subscribe(Some(Rc::clone(message))));
                Ok(Done::Answered)
            }
            // Subscribed already, or with the next link.
            _ => Ok(Done::Nothing),
        }
    }

    fn stop_notify(&mut self, client: &str, index: usize, path: &str) -> Handled {
        let remote = self.adapters[index].remotes.get_mut(path);
        let Some(remote) = remote.filter(|remote| remote.sessions.contains(client)) else {
            return Err(Refusal::failed("No notify session started"));
        };
        remote.sessions.remove(client);
        if remote.sessions.is_empty() {
            let device = remote.device.clone();
            self.tree.set(path, CHARACTERISTIC, "Notifying", Value::Flag(false));
            if let Ok((link, _)) = self.link_to(&device) {
                self.transmit(link, index, path, What::Unsubscribe);
            }
        }
        Ok(Done::Nothing)
    }

    /// A client is gone: so are its subscriptions.
    pub(super) fn leave_notifications(&mut self, index: usize, client: &str) {
        let remotes = self.adapters[index].remotes.iter();
        let subscribed = remotes.filter(|(_, remote)| remote.sessions.contains(client));
        for path in subscribed.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
            let _ = self.stop_notify(client, index, &path);
        }
    }

    /// A new link: clients that subscribed over an earlier one are subscribed again.
    pub(super) fn subscribe_again(&mut self, number: u64, side: usize) {
        let Some(link) = self.links.iter().find(|link| link.number == number) else { return };
        let (index, device) = (link.ends[side].adapter, link.ends[side].device.clone());
        let remotes = self.adapters[index].remotes.iter();
        let subscribed = remotes
            .filter(|(_, remote)| remote.device == device && !remote.sessions.is_empty())
            .map(|(path, _)| path.clone());
        for path in subscribed.collect::<Vec<_>>() {
            self.transmit(number, index, &path, What::Subscribe(None));
        }
    }

    /// An application's value changed: it goes to every peer that is subscribed.
    pub(super) fn notify_peers(&mut self, from: &str, object: &str, value: &[u8]) {
        let mut peers = Vec::new();
        for link in &self.links {
            for end in &link.ends {
                for path in &end.subscribed {
                    let remote = self.adapters[end.adapter].remotes.get(path);
                    let theirs = |remote: &&Remote| {
                        remote.sender == from
                            && remote.object == object
                            && remote.device == end.device
                    };
                    if remote.filter(theirs).is_some() {
                        peers.push((link.number, end.adapter, path.clone(), link.mtu));
                    }
                }
            }
        }
        for (link, adapter, path, mtu) in peers {
            let longest = usize::from((mtu - HEADER_BYTES).min(VALUE_BYTES_MAX));
            if value.len() > longest {
                self.counters.notifications_cut += 1;
            }
            let value = value[..value.len().min(longest)].to_vec();
            self.transmit(link, adapter, &path, What::Notification(value));
        }
    }

    /// Sends a frame on its way; no frame overtakes an earlier one of its link.
    fn transmit(&mut self, number: u64, adapter: usize, path: &str, what: What) {
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return };
        let (one, other) = (link.ends[0].adapter, link.ends[1].adapter);
        let may_be_lost = matches!(what, What::Command(_) | What::Notification(_));
        if may_be_lost && self.air.loses(one, other) {
            self.counters.frames_lost += 1;
            return;
        }
        let due = link.frame_due.max(self.now + self.air.delay(one, other));
        link.frame_due = due;
        let frame = Frame { link: number, adapter, path: path.to_owned(), what };
        if due <= self.now {
            self.arrived(frame);
        } else {
            self.at(due, Timer::Frame(frame));
        }
    }

    /// A frame is there.
    pub(super) fn arrived(&mut self, frame: Frame) {
        let Frame { link: number, adapter, path, what } = frame;
        let remote = self.adapters[adapter].remotes.get(&path).cloned();
        let link = self.links.iter().find(|link| link.number == number);
        let side = link.and_then(|link| Some((link.side(&remote.as_ref()?.device)?, link)));
        let (Some(remote), Some((side, link))) = (remote, side) else {
            if let What::Request(_, caller) | What::Read(caller) | What::Subscribe(Some(caller)) =
                what
            {
                self.not_busy(&path);
                self.refuse(&caller, &broken_call());
            }
            return;
        };
        let mut options = PropMap::new();
        let mut option = |name: &str, value: Box<dyn RefArg>| {
            options.insert(name.to_owned(), Variant(value));
        };
        let asking = Path::from(link.ends[1 - side].device.clone());
        option("device", Box::new(asking));
        option("mtu", Box::new(link.mtu));
        option("link", Box::new("LE".to_owned()));
        match what {
            What::Command(value) => {
                option("type", Box::new("command".to_owned()));
                self.counters.writes += 1;
                self.ask(&remote, "WriteValue", (value, options), Answer::Nobody);
            }
            What::Request(value, caller) => {
                option("type", Box::new("request".to_owned()));
                self.counters.writes += 1;
                let answer = Answer::Write(number, caller, path);
                self.ask(&remote, "WriteValue", (value, options), answer);
            }
            What::Read(caller) => {
                self.ask(&remote, "ReadValue", (options,), Answer::Read(number, caller, path));
            }
            What::Subscribe(caller) => self.subscribed(number, side, &path, &remote, caller),
            What::Unsubscribe => {
                if self.subscriptions(number, side).is_some_and(|paths| paths.remove(&path)) {
                    self.ended_notifications(adapter, &path);
                }
            }
            What::Notification(value) => self.notified(&path, &remote, value),
        }
    }

    fn subscriptions(&mut self, number: u64, side: usize) -> Option<&mut BTreeSet<String>> {
        let link = self.links.iter_mut().find(|link| link.number == number)?;
        Some(&mut link.ends[side].subscribed)
    }

    /// BlueZ tells the application of every subscriber, and does not wait for what it says.
    fn subscribed(
        &mut self,
        number: u64,
        side: usize,
        path: &str,
        remote: &Remote,
        caller: Option<Rc<Message>>,
    ) {
        if self.subscriptions(number, side).is_some_and(|paths| paths.insert(path.to_owned())) {
            self.count_subscribers(remote, true);
            self.ask(remote, "StartNotify", (), Answer::Nobody);
        }
        self.tree.set(path, CHARACTERISTIC, "Notifying", Value::Flag(true));
        if let Some(caller) = caller {
            self.reply(&caller);
        }
    }

    /// A peer is not subscribed any more: with the last one, the application is told.
    pub(super) fn ended_notifications(&mut self, adapter: usize, path: &str) {
        let Some(remote) = self.adapters[adapter].remotes.get(path).cloned() else { return };
        if self.count_subscribers(&remote, false) == Some(0) {
            self.ask(&remote, "StopNotify", (), Answer::Nobody);
        }
    }

    fn notified(&mut self, path: &str, remote: &Remote, value: Vec<u8>) {
        self.counters.notifications += 1;
        self.tree.announce(path, CHARACTERISTIC, Props::from([("Value", Value::Bytes(value))]));
        if !remote.may("notify") {
            self.ask(remote, "Confirm", (), Answer::Nobody);
        }
    }

    /// Calls the application behind a characteristic.
    fn ask(
        &mut self,
        remote: &Remote,
        method: &'static str,
        arguments: impl dbus::arg::AppendAll,
        answer: Answer,
    ) {
        let (sender, object) = (remote.sender.clone(), remote.object.clone());
        let call = Message::call_with_args(sender, object, CHARACTERISTIC, method, arguments);
        self.call(call, answer);
    }

    /// No request is under way any more.
    pub(super) fn not_busy(&mut self, path: &str) {
        for adapter in &mut self.adapters {
            if let Some(remote) = adapter.remotes.get_mut(path) {
                remote.busy = false;
            }
        }
    }

    pub(super) fn write_answered(
        &mut self,
        _link: u64,
        caller: &Message,
        path: &str,
        error: Option<dbus::Error>,
    ) {
        self.not_busy(path);
        match error {
            None => self.reply(caller),
            Some(error) => self.refuse(caller, &over_the_air(&error)),
        }
    }

    pub(super) fn read_answered(
        &mut self,
        _link: u64,
        caller: &Message,
        path: &str,
        answer: &Message,
        error: Option<dbus::Error>,
    ) {
        match (answer.read1::<Vec<u8>>(), error) {
            (Ok(value), None) => {
                self.tree.send(caller.method_return().append1(value.clone()));
                self.tree.set(path, CHARACTERISTIC, "Value", Value::Bytes(value));
            }
            (_, Some(error)) => self.refuse(caller, &over_the_air(&error)),
            (Err(_), None) => self.refuse(caller, &broken_call()),
        }
    }
}

/// What is left of an application's error once it went over the air.
fn over_the_air(error: &dbus::Error) -> Refusal {
    match error.name().unwrap_or_default() {
        "org.bluez.Error.NotPermitted" => {
            Refusal("org.bluez.Error.NotPermitted", "Write not permitted".into())
        }
        "org.bluez.Error.NotAuthorized" => {
            Refusal("org.bluez.Error.NotAuthorized", "Operation Not Authorized".into())
        }
        "org.bluez.Error.NotSupported" => Refusal::not_supported(),
        "org.bluez.Error.InvalidValueLength" => Refusal::invalid("Invalid Length"),
        "org.bluez.Error.InvalidOffset" => Refusal::invalid("Invalid offset"),
        _ => broken_call(),
    }
}
