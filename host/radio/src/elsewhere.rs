//! Systems without BlueZ: btleplug alone, which scans and connects and can't be connected to.
//!
//! Nobody has run this. It shares all but its loop with Linux.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::central::Central;
use crate::shared::Uses;
use crate::{Adapter, Fact, Options, Order, Radio, Scanning, Why};

/// Orders that may wait. Drivers order at most a few values each before they wait.
const ORDERS_MAX: usize = 1024;
/// Facts that may wait to be taken.
const FACTS_MAX: usize = 256;
/// Between two attempts to use the adapter.
const PAUSE: Duration = Duration::from_secs(5);

/// The handle on the task.
pub(crate) struct Elsewhere {
    orders: mpsc::Sender<Order>,
}

/// Starts the task.
pub(crate) fn start(options: Options) -> (Elsewhere, mpsc::Receiver<Fact>) {
    let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
    let (facts, facts_out) = mpsc::channel(FACTS_MAX);
    tokio::spawn(live(options, orders, facts));
    (Elsewhere { orders: orders_in }, facts_out)
}

impl Radio for Elsewhere {
    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::debug!(%error, "the radio takes no order");
        }
    }
}

/// Uses the adapter whenever it can be used, until nobody orders any more.
async fn live(options: Options, mut orders: mpsc::Receiver<Order>, facts: mpsc::Sender<Fact>) {
    let mut scanning = Scanning::Off;
    let mut told = None;
    loop {
        let opened =
            Central::open(options.adapter.as_deref(), &options, facts.clone(), Uses::default());
        let (why, text) = match opened.await {
            Ok(Some(mut central)) => {
                told = None;
                let _ = facts.send(Fact::Adapter(usable())).await;
                central.scan(scanning);
                if !serve(&mut central, &mut orders, &facts, &mut scanning).await {
                    return;
                }
                (Why::Lost, "the Bluetooth adapter went away; switch it on".to_owned())
            }
            Ok(None) => (Why::NoAdapter, "there is no Bluetooth adapter; plug one in".to_owned()),
            Err(error) => (Why::NoService, format!("Bluetooth can't be used: {error}")),
        };
        if told.as_ref() != Some(&text) {
            told = Some(text.clone());
            let _ = facts.send(Fact::Adapter(Adapter::Unusable { why, text })).await;
        }
        let idle = async {
            while let Some(order) = orders.recv().await {
                refuse(order, &facts, &mut scanning).await;
            }
        };
        if timeout(PAUSE, idle).await.is_ok() {
            return;
        }
    }
}

fn usable() -> Adapter {
    Adapter::Usable {
        name: "default".to_owned(),
        address: None,
        central: true,
        peripheral: false,
        l2cap: false,
        bluez: None,
    }
}

/// Carries out orders; `false` when there will be none, `true` when the adapter is gone.
async fn serve(
    central: &mut Central,
    orders: &mut mpsc::Receiver<Order>,
    facts: &mpsc::Sender<Fact>,
    scanning: &mut Scanning,
) -> bool {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Scan(wished)) => {
                    *scanning = wished;
                    central.scan(wished);
                }
                Some(Order::Connect { connection, address, .. }) => {
                    central.connect(connection, address);
                }
                Some(Order::Write { connection, bytes, .. }) => central.write(connection, bytes),
                Some(Order::Disconnect { connection }) => central.disconnect(connection),
                Some(order) => refuse(order, facts, scanning).await,
                None => return false,
            },
            event = central.next() => match event {
                Some(event) => drop(central.handle(event).await),
                None => return true,
            },
        }
    }
}

/// Answers what can't be done now, or ever.
async fn refuse(order: Order, facts: &mpsc::Sender<Fact>, scanning: &mut Scanning) {
    match order {
        Order::Scan(wished) => *scanning = wished,
        Order::Connect { connection, .. } => {
            let why = "there is no adapter to use".to_owned();
            let _ = facts.send(Fact::ConnectFailed { connection, why }).await;
        }
        Order::OpenChannel { connection, .. } => {
            let _ = facts.send(Fact::ChannelDown { connection }).await;
        }
        Order::Advertise(_)
        | Order::CloseChannel { .. }
        | Order::Write { .. }
        | Order::Disconnect { .. } => {}
    }
}
