//! Links: how they come up, what each side sees of the other, and how they end.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Instant;

use dbus::message::Message;

use super::call::{CHARACTERISTIC, DEVICE, Done, Handled, Refusal, no_such_method};
use super::discovery::Who;
use super::{Answer, Timer, World};
use crate::fault::{Call, Fault};
use crate::value::{Props, Value};
use crate::view::LinkView;

/// What a connect that comes to nothing says, and a call whose link breaks.
const ABORTED: &str = "le-connection-abort-by-local";
const BROKEN: &str = "Operation failed with ATT error: 0x0e";

/// One side of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub(super) adapter: usize,
    /// The object that the other side is here.
    pub(super) device: String,
    /// Characteristics of the other side that are subscribed to from here.
    pub(super) subscribed: BTreeSet<String>,
}

/// A link between two adapters.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) number: u64,
    /// The central first.
    pub(super) ends: [End; 2],
    pub(super) mtu: u16,
    /// When the last frame arrives: none may overtake it.
    pub(super) frame_due: Instant,
}

/// A connect that is not answered.
pub(crate) struct Pending {
    number: u64,
    adapter: usize,
    device: String,
    caller: Rc<Message>,
}

impl Link {
    pub(crate) fn joins(&self, one: usize, other: usize) -> bool {
        self.ends_at(one) && self.ends_at(other) && one != other
    }

    pub(super) fn ends_at(&self, adapter: usize) -> bool {
        self.ends.iter().any(|end| end.adapter == adapter)
    }

    pub(super) fn has_device(&self, path: &str) -> bool {
        self.ends.iter().any(|end| end.device == path)
    }

    /// The side that knows the other as this device: 0 is the central.
    pub(super) fn side(&self, device: &str) -> Option<usize> {
        self.ends.iter().position(|end| end.device == device)
    }

    pub(super) fn view(&self) -> LinkView {
        LinkView {
            central: self.ends[0].adapter,
            peripheral: self.ends[1].adapter,
            mtu: self.mtu,
            subscriptions: self.ends.iter().map(|end| end.subscribed.len()).sum(),
        }
    }
}

impl World {
    /// Calls on `Device1`.
    pub(super) fn device_call(
        &mut self,
        message: &Rc<Message>,
        index: usize,
        path: &str,
        member: &str,
    ) -> Handled {
        match member {
            "Connect" => self.connect(message, index, path),
            "Disconnect" => {
                let waits = |pending: &Pending| pending.device == path;
                if self.connects.iter().any(waits) {
                    self.abort_connects(waits);
                }
                self.drop_links(|link| link.has_device(path));
                Ok(Done::Nothing)
            }
            "Pair" | "CancelPairing" | "ConnectProfile" | "DisconnectProfile" => {
                Err(Refusal::not_supported())
            }
            _ => no_such_method(),
        }
    }

    fn connect(&mut self, message: &Rc<Message>, index: usize, path: &str) -> Handled {
        let fault = self.faults.strikes(index, Call::Connect);
        if !self.adapters[index].powered {
            return Err(Refusal::not_ready());
        }
        if self.links.iter().any(|link| link.has_device(path)) {
            return Ok(Done::Nothing);
        }
        if self.connects.iter().any(|pending| pending.device == path) {
            return Err(Refusal::in_progress());
        }
        match fault {
            Some(Fault::Fail) => return Err(Refusal::failed(ABORTED)),
            Some(Fault::Hang) => return Ok(Done::Answered),
            Some(Fault::LoseLink) => {
                if let Some(peer) = self.reachable(index, path) {
                    let number = self.establish(index, path, peer);
                    self.reply(message);
                    self.drop_links(|link| link.number == number);
                    return Ok(Done::Answered);
                }
            }
            None => {}
        }
        let number = self.number();
        let (device, caller) = (path.to_owned(), Rc::clone(message));
        self.connects.push(Pending { number, adapter: index, device, caller });
        self.at(self.now + self.air.connect_timeout, Timer::ConnectTimeout(number));
        self.try_connects();
        Ok(Done::Answered)
    }

    /// The adapter behind a device, if it can be connected to now.
    fn reachable(&self, index: usize, path: &str) -> Option<usize> {
        let device = self.adapters[index].devices.get(path)?;
        let Who::Adapter(peer) = device.who else { return None };
        let there = &self.adapters[peer];
        let answers = there.is_on()
            && there.on_air == device.address
            && there.adverts.iter().any(|advert| advert.data.connectable)
            && self.air.rssi(index, peer).is_some();
        answers.then_some(peer)
    }

    /// Connects that waited for somebody who is there now.
    pub(super) fn try_connects(&mut self) {
        let mut waiting = Vec::new();
        for pending in std::mem::take(&mut self.connects) {
            let Some(peer) = self.reachable(pending.adapter, &pending.device) else {
                waiting.push(pending);
                continue;
            };
            let joined = self.links.iter().any(|link| link.joins(pending.adapter, peer));
            let number = (!joined).then(|| self.establish(pending.adapter, &pending.device, peer));
            self.reply(&pending.caller);
            if let Some(number) = number {
                self.resolve(number);
            }
        }
        self.connects.extend(waiting);
    }

    pub(super) fn connect_timed_out(&mut self, number: u64) {
        self.abort_connects(|pending| pending.number == number);
    }

    pub(super) fn fail_connects(&mut self, index: usize) {
        self.abort_connects(|pending| pending.adapter == index);
    }

    fn abort_connects(&mut self, aborted: impl Fn(&Pending) -> bool) {
        let connects = std::mem::take(&mut self.connects);
        let (gone, waiting) = connects.into_iter().partition::<Vec<_>, _>(|one| aborted(one));
        self.connects = waiting;
        for pending in gone {
            self.refuse(&pending.caller, &Refusal::failed(ABORTED));
        }
    }

    /// A link comes up. The peripheral meets the central, if it does not know it.
    fn establish(&mut self, index: usize, path: &str, peer: usize) -> u64 {
        let address = self.adapters[index].on_air.clone();
        let back = self.device_path(peer, &address);
        self.tree.set(path, DEVICE, "Connected", Value::Flag(true));
        if self.tree.has(&back) {
            self.tree.set(&back, DEVICE, "Connected", Value::Flag(true));
        } else {
            // As BlueZ tells it: the device appears connected, and nothing changes then.
            let told = Props::from([("Connected", Value::Flag(true))]);
            self.meet(peer, Who::Adapter(index), &address, told);
        }
        let number = self.number();
        let end = |adapter, device: String| End { adapter, device, subscribed: BTreeSet::new() };
        self.links.push(Link {
            number,
            ends: [end(index, path.to_owned()), end(peer, back)],
            mtu: self.air.mtu(index, peer),
            frame_due: self.now,
        });
        self.counters.links += 1;
        number
    }

    /// Both sides learn of each other's services.
    fn resolve(&mut self, number: u64) {
        for side in [0, 1] {
            self.export_services(number, side);
            let Some(link) = self.links.iter().find(|link| link.number == number) else { return };
            let device = link.ends[side].device.clone();
            self.tree.set(&device, DEVICE, "ServicesResolved", Value::Flag(true));
            self.subscribe_again(number, side);
        }
    }

    /// The MTU of a link changes while it is up.
    pub(super) fn change_mtu(&mut self, one: usize, other: usize, mtu: u16) {
        for index in 0..self.links.len() {
            if !self.links[index].joins(one, other) {
                continue;
            }
            self.links[index].mtu = mtu;
            for side in [0, 1] {
                let end = &self.links[index].ends[side];
                for (path, remote) in &self.adapters[end.adapter].remotes {
                    if remote.device == end.device {
                        self.tree.set(path, CHARACTERISTIC, "MTU", Value::U16(mtu));
                    }
                }
            }
        }
    }

    /// Breaks links: calls over them fail, subscriptions end at the peripheral's application, and
    /// both sides are told.
    pub(crate) fn drop_links(&mut self, broken: impl Fn(&Link) -> bool) {
        let links = std::mem::take(&mut self.links);
        let (gone, up) = links.into_iter().partition::<Vec<_>, _>(|link| broken(link));
        self.links = up;
        for link in gone {
            for end in &link.ends {
                for path in &end.subscribed {
                    self.ended_notifications(end.adapter, path);
                }
                if let Some(device) = self.adapters[end.adapter].devices.get_mut(&end.device) {
                    device.heard = self.now;
                }
                let props = Props::from([
                    ("Connected", Value::Flag(false)),
                    ("ServicesResolved", Value::Flag(false)),
                ]);
                self.tree.update(&end.device, DEVICE, props);
            }
            self.fail_calls(link.number);
        }
    }

    /// Answers the calls that went over a link that is gone.
    fn fail_calls(&mut self, gone: u64) {
        let over = |answer: &Answer| match answer {
            Answer::Read(link, ..) | Answer::Write(link, ..) => *link == gone,
            Answer::Advertisement(..) | Answer::Application(..) | Answer::Nobody => false,
        };
        let numbers: Vec<u64> =
            self.calls.iter().filter(|(_, answer)| over(answer)).map(|(n, _)| *n).collect();
        for number in numbers {
            if let Some(Answer::Read(_, caller, path) | Answer::Write(_, caller, path)) =
                self.calls.remove(&number)
            {
                self.not_busy(&path);
                self.refuse(&caller, &broken_call());
            }
        }
    }
}

/// What a call says whose link broke.
pub(super) fn broken_call() -> Refusal {
    Refusal::failed(BROKEN)
}
