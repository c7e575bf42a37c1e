//! Radios that share a medium in memory, for tests here and in the daemon.
//!
//! They behave like BlueZ where it matters to who is above: notifications reach every central,
//! values that are too long vanish, and who disconnects takes both sides down. What is written on
//! the air takes as long as the script says, and is lost when the script says so.

mod air;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::{Adapter, Fact, Order, Radio, Why};
use air::{Air, Station};

/// Facts that may wait to be taken.
const FACTS_MAX: usize = 64;
/// Facts under way to one radio. Drivers write so little at once that it is never full.
const OUTBOX_MAX: usize = 4096;
/// From one advert to the next.
const ADVERT_EVERY: Duration = Duration::from_millis(100);

/// The air between scripted radios. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Medium {
    air: Arc<Mutex<Air>>,
}

/// A radio on a [`Medium`]. Dropping it takes it off the air.
#[derive(Debug)]
pub struct Scripted {
    air: Arc<Mutex<Air>>,
    address: RadioAddress,
}

/// What a radio makes of L2CAP channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// It has none.
    None,
    /// It says that it takes them, and refuses each.
    Refused,
    /// It takes them beside GATT.
    Taken,
    /// It takes them also without GATT.
    Alone,
    /// It takes them beside GATT; another program has the network's port, and closes what does not
    /// speak as it does.
    Occupied,
}

impl Medium {
    /// An air with an MTU of 247, without loss or delay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a radio on the air; it can be used at once. Must be called within a tokio runtime.
    pub fn radio(
        &self,
        address: RadioAddress,
        channels: Channels,
    ) -> (Scripted, mpsc::Receiver<Fact>) {
        let (facts, facts_out) = mpsc::channel(FACTS_MAX);
        let (outbox, under_way) = mpsc::channel(OUTBOX_MAX);
        tokio::spawn(deliver(under_way, facts));
        let mut air = self.lock();
        if air.is_new() {
            tokio::spawn(advertise(Arc::downgrade(&self.air)));
        }
        air.enter(address, Station::new(outbox, channels));
        (Scripted { air: self.air.clone(), address }, facts_out)
    }

    /// What is written from now on takes so long.
    pub fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Values are lost from now on as this says, given the number of each.
    pub fn lose(&self, lost: impl FnMut(u64) -> bool + Send + 'static) {
        self.lock().set_loss(Box::new(lost));
    }

    /// Every connection has this ATT MTU from now on, also those that are there.
    pub fn mtu(&self, mtu: u16) {
        self.lock().set_mtu(mtu);
    }

    /// Breaks all connections once so many more values were written: instead of the next one.
    pub fn cut_after(&self, values: u64) {
        self.lock().cut_after(values);
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.lock().cut_all();
    }

    /// These two hear nothing of each other from now on.
    pub fn part(&self, a: RadioAddress, b: RadioAddress) {
        self.lock().part(a, b);
    }

    /// These two hear each other again.
    pub fn meet(&self, a: RadioAddress, b: RadioAddress) {
        self.lock().meet(a, b);
    }

    /// How strongly `to` hears the next adverts of `from`, in dBm; the last one holds.
    pub fn rssi(&self, from: RadioAddress, to: RadioAddress, script: impl Into<Vec<i16>>) {
        self.lock().set_rssi(from, to, script.into());
    }

    /// Switches an adapter on or off, as its owner would.
    pub fn switch(&self, address: RadioAddress, on: bool) {
        self.lock().switch(address, on);
    }

    /// The L2CAP channels break; GATT stays.
    pub fn cut_channels(&self) {
        self.lock().cut_channels();
    }

    /// Values that were written so far, over both carriers.
    pub fn values(&self) -> u64 {
        self.lock().values
    }

    fn lock(&self) -> MutexGuard<'_, Air> {
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Radio for Scripted {
    fn order(&self, order: Order) {
        self.air.lock().unwrap_or_else(PoisonError::into_inner).order(self.address, order);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.air.lock().unwrap_or_else(PoisonError::into_inner).leave(self.address);
    }
}

/// The adapter of a scripted radio.
fn usable(channels: Channels, address: RadioAddress) -> Adapter {
    Adapter::Usable {
        name: "scripted".to_owned(),
        address: Some(address),
        central: true,
        peripheral: true,
        l2cap: channels != Channels::None,
        bluez: None,
    }
}

fn unusable() -> Adapter {
    let text = "the scripted radio is switched off; switch it on".to_owned();
    Adapter::Unusable { why: Why::Off, text }
}

/// Hands facts out when they are due, in order.
async fn deliver(mut under_way: mpsc::Receiver<(Instant, Fact)>, facts: mpsc::Sender<Fact>) {
    while let Some((due, fact)) = under_way.recv().await {
        sleep_until(due).await;
        if let Fact::Heard { .. } = fact {
            let _ = facts.try_send(fact);
        } else if facts.send(fact).await.is_err() {
            return;
        }
    }
}

/// Lets everyone's adverts be heard, again and again.
async fn advertise(air: Weak<Mutex<Air>>) {
    let mut ticks = interval(ADVERT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(air) = air.upgrade() else { return };
        air.lock().unwrap_or_else(PoisonError::into_inner).advertise();
    }
}
