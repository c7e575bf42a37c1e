//! What the service is: adapters on one medium, links between them, and what clients see of it.
//!
//! A world touches nothing: messages and time come in by [`World::incoming`] and [`World::now`],
//! and what is to be sent waits in [`Tree::out`](crate::tree::Tree). One file for each part:
//! adapters, advertisements, links, applications, characteristics.

mod adapter;
mod advert;
mod air;
mod app;
mod call;
mod characteristic;
mod discovery;
mod link;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use dbus::message::Message;

use crate::counters::Counters;
use crate::fault::Faults;
use crate::tree::{Out, Tree};
use crate::view::View;
use crate::wire::Incoming;

use adapter::Adapter;
use air::Air;
use characteristic::Frame;
use link::{Link, Pending};

/// The state of everything.
pub(crate) struct World {
    pub(crate) tree: Tree,
    pub(crate) air: Air,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    /// Methods that are refused.
    pub(crate) denied: BTreeSet<String>,
    adapters: Vec<Adapter>,
    links: Vec<Link>,
    /// Connects that wait for their peer.
    connects: Vec<Pending>,
    /// Calls to clients that are not answered, by their number.
    calls: BTreeMap<u64, Answer>,
    /// What is to happen, by time and order.
    timers: BTreeMap<(Instant, u64), Timer>,
    /// The last number that was given to anything.
    last: u64,
    now: Instant,
}

/// What happens later.
enum Timer {
    /// All adapters advertise.
    Adverts,
    /// A connect, by its number, has waited long enough.
    ConnectTimeout(u64),
    /// A frame arrives.
    Frame(Frame),
}

/// What the answer to a call of ours is for.
enum Answer {
    /// The data of an advertisement: adapter, who called, and path.
    Advertisement(usize, Rc<Message>, String),
    /// The objects of an application: adapter, who called, and path.
    Application(usize, Rc<Message>, String),
    /// A read, and its characteristic.
    Read(u64, Rc<Message>, String),
    /// A write request, and its characteristic.
    Write(u64, Rc<Message>, String),
    /// Nobody waits for it.
    Nobody,
}

impl World {
    /// A world with so many adapters, all switched on.
    pub(crate) fn new(adapters: usize, now: Instant) -> Self {
        let mut world = Self {
            tree: Tree::default(),
            air: Air::default(),
            faults: Faults::default(),
            counters: Counters::default(),
            denied: BTreeSet::new(),
            adapters: (0..adapters).map(Adapter::new).collect(),
            links: Vec::new(),
            connects: Vec::new(),
            calls: BTreeMap::new(),
            timers: BTreeMap::new(),
            last: 0,
            now,
        };
        world.publish();
        world
    }

    /// Takes a message to where it belongs.
    pub(crate) fn incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) => self.message(message),
            Incoming::Answer(number, message) => {
                if let Some(answer) = self.calls.remove(&number) {
                    self.answered(answer, message);
                }
            }
        }
    }

    /// When the next thing is to happen.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.timers.keys().next().map(|(due, _)| *due)
    }

    /// Tells the time, and lets happen what is due.
    pub(crate) fn now(&mut self, now: Instant) {
        self.now = now;
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Timer::Adverts => self.adverts_due(),
                Timer::ConnectTimeout(number) => self.connect_timed_out(number),
                Timer::Frame(frame) => self.arrived(frame),
            }
        }
    }

    /// Forgets what a daemon forgets that ends, and has its adapters as they were.
    pub(crate) fn forget(&mut self) {
        self.tree.clear();
        self.links.clear();
        self.connects.clear();
        self.calls.clear();
        self.timers.clear();
        for adapter in &mut self.adapters {
            adapter.forget();
        }
        self.publish();
        self.tree.out.clear();
    }

    /// What it looks like now.
    pub(crate) fn view(&self) -> View {
        View {
            up: true,
            adapters: self.adapters.iter().map(Adapter::view).collect(),
            links: self.links.iter().map(Link::view).collect(),
            counters: self.counters.clone(),
        }
    }

    /// Shows the adapters that are plugged in.
    fn publish(&mut self) {
        for adapter in self.adapters.iter().filter(|adapter| adapter.present) {
            self.tree.insert(&adapter.path, adapter.interfaces());
        }
        self.at(self.now + self.air.advert_interval, Timer::Adverts);
    }

    /// A number that nothing else has.
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn at(&mut self, due: Instant, timer: Timer) {
        let number = self.number();
        self.timers.insert((due, number), timer);
    }

    /// Calls a client, and keeps in mind what for.
    fn call(&mut self, message: Message, answer: Answer) {
        let number = self.number();
        self.calls.insert(number, answer);
        self.tree.out.push(Out::Call(number, message));
    }
}
