//! One connection that we made: a task from the connect to the disconnect.

use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{Central as _, Characteristic, Peripheral as _, ValueNotification, WriteType};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use futures::stream::FuturesOrdered;
use futures::{Stream, StreamExt};
use pointsman_core::bluetooth::RadioAddress;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;
use uuid::Uuid;

use super::heard::address_of;
use crate::shared::Use;
use crate::{Carrier, ConnectionId, Fact};

/// Until a connection is there with its services, or is given up. BlueZ itself takes up to 25 s
/// over a device that went away.
const CONNECT_MAX: Duration = Duration::from_secs(20);
/// How long a system may take over one value or one disconnect.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Values handed to the system at once: so many that its answers' way costs nothing.
const WRITES_MAX: usize = 4;

/// What a connection is ordered. It disconnects when its orders end.
#[derive(Debug)]
pub(super) enum LinkOrder {
    /// Write a value to the characteristic.
    Write(Vec<u8>),
}

/// A connection to be.
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    pub(super) address: RadioAddress,
    pub(super) adapter: Adapter,
    pub(super) characteristic: Uuid,
    pub(super) facts: mpsc::Sender<Fact>,
}

/// A connection that is there.
struct Up {
    peripheral: Peripheral,
    characteristic: Characteristic,
    notifications: Pin<Box<dyn Stream<Item = ValueNotification> + Send>>,
}

type Orders = mpsc::Receiver<LinkOrder>;
type Turns = broadcast::Receiver<(PeripheralId, bool)>;

impl Link {
    /// The whole life of it.
    pub(super) async fn run(self, usage: Use, mut orders: Orders, mut turns: Turns) {
        let connection = self.connection;
        let opened = tokio::select! {
            opened = timeout(CONNECT_MAX, self.open(&mut turns)) => {
                opened.unwrap_or_else(|_| Err("it took too long".to_owned()))
            }
            () = ended(&mut orders) => Err("given up".to_owned()),
        };
        let fact = match opened {
            Ok(up) => {
                let mtu = up.peripheral.mtu();
                let carrier = Carrier::Gatt;
                let _ = self.facts.send(Fact::Connected { connection, carrier, mtu }).await;
                let why = self.carry(&up.peripheral.clone(), up, &mut orders, turns, &usage).await;
                Fact::Lost { connection, why }
            }
            Err(why) => {
                self.give_up(&usage).await;
                Fact::ConnectFailed { connection, why }
            }
        };
        drop(usage);
        let _ = self.facts.send(fact).await;
    }

    async fn find(&self) -> Result<Peripheral, String> {
        let around = self.adapter.peripherals().await.map_err(text)?;
        let found = around.into_iter().find(|peripheral| address_of(peripheral) == self.address);
        found.ok_or_else(|| "it was not heard lately".to_owned())
    }

    /// Opens it; what comes and goes again is not waited for, as btleplug would.
    async fn open(&self, turns: &mut Turns) -> Result<Up, String> {
        let peripheral = self.find().await?;
        let came_and_went = async {
            arrived(turns, &peripheral).await;
            left(turns, &peripheral).await;
        };
        tokio::select! {
            opened = self.subscribe(peripheral.clone()) => opened,
            () = came_and_went => Err("it disconnected at once".to_owned()),
        }
    }

    async fn subscribe(&self, peripheral: Peripheral) -> Result<Up, String> {
        peripheral.connect().await.map_err(text)?;
        peripheral.discover_services().await.map_err(text)?;
        let ours = |known: &Characteristic| known.uuid == self.characteristic;
        let found = peripheral.characteristics().into_iter().find(ours);
        let characteristic = found.ok_or_else(|| "it does not have our service".to_owned())?;
        let notifications = peripheral.notifications().await.map_err(text)?;
        peripheral.subscribe(&characteristic).await.map_err(text)?;
        Ok(Up { peripheral, characteristic, notifications })
    }

    /// Ends what a failed connect may have left behind.
    async fn give_up(&self, usage: &Use) {
        if usage.is_last()
            && let Ok(peripheral) = self.find().await
        {
            let _ = timeout(CALL_MAX, peripheral.disconnect()).await;
        }
    }

    /// Carries values both ways until an end, whose cause it returns.
    async fn carry(
        &self,
        peripheral: &Peripheral,
        mut up: Up,
        orders: &mut Orders,
        mut turns: Turns,
        usage: &Use,
    ) -> String {
        // What was said of earlier connections to the same device is no news of this one.
        while turns.try_recv().is_ok() {}
        if !peripheral.is_connected().await.unwrap_or(false) {
            return "it disconnected at once".to_owned();
        }
        let mut writes = FuturesOrdered::new();
        loop {
            tokio::select! {
                value = up.notifications.next() => match value {
                    Some(value) if value.uuid == self.characteristic => self.notified(value.value).await,
                    Some(_) => {}
                    None => return "the bus is gone".to_owned(),
                },
                order = orders.recv(), if writes.len() < WRITES_MAX => match order {
                    Some(LinkOrder::Write(bytes)) => {
                        writes.push_back(write(peripheral, &up.characteristic, bytes));
                    }
                    None => {
                        leave(peripheral, &up.characteristic, usage).await;
                        return "we ended it".to_owned();
                    }
                },
                Some(written) = writes.next() => {
                    if let Err(why) = written {
                        leave(peripheral, &up.characteristic, usage).await;
                        return why;
                    }
                    self.written().await;
                }
                () = left(&mut turns, peripheral) => return "it disconnected".to_owned(),
            }
        }
    }

    async fn notified(&self, bytes: Vec<u8>) {
        let (connection, carrier) = (self.connection, Carrier::Gatt);
        let _ = self.facts.send(Fact::Notified { connection, carrier, bytes }).await;
    }

    async fn written(&self) {
        let (connection, carrier) = (self.connection, Carrier::Gatt);
        let _ = self.facts.send(Fact::Written { connection, carrier, n: 1 }).await;
    }
}

async fn write(
    peripheral: &Peripheral,
    characteristic: &Characteristic,
    bytes: Vec<u8>,
) -> Result<(), String> {
    let writing = peripheral.write(characteristic, &bytes, WriteType::WithoutResponse);
    match timeout(CALL_MAX, writing).await {
        Ok(written) => written.map_err(text),
        Err(_) => Err("a write was never answered".to_owned()),
    }
}

/// Ends our use of a link, and the link if nobody else uses it.
async fn leave(peripheral: &Peripheral, characteristic: &Characteristic, usage: &Use) {
    let leaving = async {
        if usage.is_last() {
            let _ = peripheral.disconnect().await;
        } else {
            let _ = peripheral.unsubscribe(characteristic).await;
        }
    };
    let _ = timeout(CALL_MAX, leaving).await;
}

/// Returns when the orders have ended. None can come before a connection is there.
async fn ended(orders: &mut Orders) {
    while orders.recv().await.is_some() {}
}

/// Returns when a device has connected.
async fn arrived(turns: &mut Turns, peripheral: &Peripheral) {
    turn(turns, peripheral, true).await;
}

/// Returns when a device has disconnected, or so many have that this one can't be known.
async fn left(turns: &mut Turns, peripheral: &Peripheral) {
    turn(turns, peripheral, false).await;
}

async fn turn(turns: &mut Turns, peripheral: &Peripheral, wanted: bool) {
    while let Ok((id, connected)) = turns.recv().await {
        if connected == wanted && id == peripheral.id() {
            return;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn text(error: btleplug::Error) -> String {
    error.to_string()
}
