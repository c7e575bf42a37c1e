//! The handle to a running service: everything that a test may do to it.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc::{self as queue, UnboundedSender};
use tokio::sync::oneshot;

use crate::counters::Counters;
use crate::fault::{Call, Fault, Frames};
use crate::service::{self, Command, Waiter};
use crate::stranger::Stranger;
use crate::view::View;
use crate::world::World;

/// Why there is no service, or it did not come to look as was waited for.
#[derive(Debug, Error)]
pub enum BluezError {
    /// It could not get on the bus.
    #[error("no BlueZ on the bus: {0}")]
    Bus(#[from] dbus::Error),
    /// Its thread is gone.
    #[error("the thread of the BlueZ is gone")]
    Gone,
    /// The time is over, and this is what it looked like then.
    #[error("within {0:?} it did not come about; it looks like this: {1:#?}")]
    Late(Duration, Box<View>),
}

/// The service `org.bluez` on a bus. It leaves the bus when this is dropped.
///
/// Adapters are named by number: 0 is `hci0`, with the address `00:AA:01:00:00:00`. All hear each
/// other at -50 dBm until told otherwise. Every method returns once it is done, within
/// milliseconds, and may be called from anywhere, within an async runtime too. One that names
/// an adapter which does not exist changes nothing.
#[derive(Debug)]
pub struct Bluez {
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Bluez {
    /// Puts a service with so many adapters, all switched on, on the bus at this address.
    pub fn start(address: &str, adapters: usize) -> Result<Self, BluezError> {
        let (commands, received) = queue::unbounded_channel();
        let (started, ready) = mpsc::sync_channel(1);
        let address = address.to_owned();
        let thread = thread::Builder::new()
            .name("bluez".into())
            .spawn(move || service::run(&address, adapters, received, &started))
            .map_err(|_| BluezError::Gone)?;
        ready.recv().map_err(|_| BluezError::Gone)??;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Sets how strongly two adapters hear each other, in dBm; with `None`, not at all. A link
    /// between two that do not hear each other any more breaks.
    pub fn rssi(&self, one: usize, other: usize, rssi_dbm: Option<i16>) {
        self.act(move |world| world.set_rssi(one, other, rssi_dbm));
    }

    /// Sets how often each advertisement is repeated. It is every 100 ms at first.
    pub fn adverts_every(&self, interval: Duration) {
        self.act(move |world| world.set_advert_interval(interval));
    }

    /// Sets the MTU between two adapters in bytes, also of the link that they have. It is 517 at
    /// first, and never below 23.
    pub fn mtu(&self, one: usize, other: usize, mtu: u16) {
        self.act(move |world| world.set_mtu(one, other, mtu));
    }

    /// Sets how long a connect to somebody who is not there takes to fail. It is a second at
    /// first; a real one takes twenty and more.
    pub fn connect_timeout(&self, timeout: Duration) {
        self.act(move |world| world.air.connect_timeout = timeout);
    }

    /// Sets how long a device is known after it was last heard. It is 30 s, as in BlueZ.
    pub fn forget_devices_after(&self, age: Duration) {
        self.act(move |world| world.air.device_age_max = age);
    }

    /// Switches an adapter on or off, as its property `Powered` does.
    pub fn power(&self, adapter: usize, powered: bool) {
        self.act(move |world| {
            world.power(adapter, powered);
        });
    }

    /// Blocks an adapter as rfkill does, or lifts that: it goes off, and no client can switch it
    /// on. Lifting does not switch it on.
    pub fn block(&self, adapter: usize, blocked: bool) {
        self.act(move |world| world.block(adapter, blocked));
    }

    /// Pulls an adapter: all of its objects go.
    pub fn unplug(&self, adapter: usize) {
        self.act(move |world| world.unplug(adapter));
    }

    /// Puts an adapter back: switched on, with nothing registered.
    pub fn plug(&self, adapter: usize) {
        self.act(move |world| world.plug(adapter));
    }

    /// Ends the daemon, abruptly: the name leaves the bus, calls under way are answered by the bus,
    /// nothing else is said. All registrations, links and devices are forgotten.
    pub fn stop(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        self.command(Command::Stop(done));
        let _ = wait.recv();
    }

    /// Starts the daemon again, with its adapters as they were plugged and switched.
    pub fn resume(&self) -> Result<(), BluezError> {
        let (done, wait) = mpsc::sync_channel(1);
        self.command(Command::Resume(done));
        Ok(wait.recv().map_err(|_| BluezError::Gone)??)
    }

    /// [`stop`](Self::stop) and [`resume`](Self::resume).
    pub fn restart(&self) -> Result<(), BluezError> {
        self.stop();
        self.resume()
    }

    /// Refuses these methods from now on, with `org.freedesktop.DBus.Error.AccessDenied`, as a bus
    /// does whose policy is against it. `"*"` stands for all of them.
    pub fn deny(&self, methods: &[&str]) {
        let methods: Vec<String> = methods.iter().map(|name| (*name).to_owned()).collect();
        self.act(move |world| world.denied.extend(methods));
    }

    /// Refuses nothing any more.
    pub fn allow(&self) {
        self.act(|world| world.denied.clear());
    }

    /// Breaks the link between two adapters, if there is one.
    pub fn drop_link(&self, one: usize, other: usize) {
        self.act(move |world| world.drop_links(|link| link.joins(one, other)));
    }

    /// Gives an adapter another address on the air, a random one, and returns it. Links stay as
    /// they are, and who scans meets a new device.
    pub fn rotate(&self, adapter: usize) -> String {
        self.ask(move |world| world.rotate(adapter)).unwrap_or_default()
    }

    /// Lets a stranger advertise. One with the same address is replaced.
    pub fn stranger(&self, stranger: Stranger) {
        self.act(move |world| world.add_stranger(stranger));
    }

    /// Silences all strangers.
    pub fn silence_strangers(&self) {
        self.act(|world| world.air.strangers.clear());
    }

    /// Lets a call on an adapter go wrong, after `passing` more of them have passed.
    pub fn fault(&self, adapter: usize, call: Call, passing: u64, fault: Fault) {
        self.act(move |world| world.faults.plan(adapter, call, passing, fault));
    }

    /// Sets what happens to the frames between two adapters.
    pub fn frames(&self, one: usize, other: usize, frames: Frames) {
        self.act(move |world| world.set_frames(one, other, frames));
    }

    /// What was asked so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.ask(|world| world.counters.clone()).unwrap_or_default()
    }

    /// What it looks like now. `up` is not told here, but to those who wait.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.ask(|world| world.view())
    }

    /// Waits until the service looks as wanted; returns what it then looked like.
    pub async fn until(
        &self,
        limit: Duration,
        wanted: impl FnMut(&View) -> bool + Send + 'static,
    ) -> Result<View, BluezError> {
        let (seen, wait) = oneshot::channel();
        self.command(Command::Wait(Waiter { until: Box::new(wanted), seen }));
        match tokio::time::timeout(limit, wait).await {
            Ok(view) => view.map_err(|_| BluezError::Gone),
            Err(_) => {
                let view = self.view().ok_or(BluezError::Gone)?;
                Err(BluezError::Late(limit, Box::new(view)))
            }
        }
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    fn act(&self, action: impl FnOnce(&mut World) + Send + 'static) {
        let _: Option<()> = self.ask(action);
    }

    fn ask<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, wait) = mpsc::sync_channel(1);
        self.command(Command::Do(Box::new(move |world| {
            let _ = answer.send(action(world));
        })));
        wait.recv().ok()
    }
}

impl Drop for Bluez {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
