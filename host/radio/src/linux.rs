//! BlueZ: the radio of Linux.
//!
//! It lives on a thread of its own, with a runtime that runs one task at a time: values that
//! BlueZ hands over as separate calls keep their order that way. Each time the adapter becomes
//! usable a *life* begins, and it ends with whatever made it usable. A life has its own runtime, so
//! that no task, match or registration of btleplug or bluer survives it, whatever state the bus
//! is in. Their tasks may panic without harm: nobody waits for them. A life that panics itself ends,
//! and the next one begins after a rest.

mod l2cap;
mod peripheral;
mod sentinel;
mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::{Adapter, Fact, Options, Order, Radio, Scanning, THREAD, Why};
use sentinel::{Found, Sentinel, Sight};

/// Orders that may wait for the thread. Drivers order at most a few values each before they wait.
const ORDERS_MAX: usize = 1024;
/// Facts that may wait to be taken.
const FACTS_MAX: usize = 256;
/// How long after a failure it is tried again, if nothing is told before.
const PAUSE: Duration = Duration::from_secs(5);
/// A life that is no longer than this is followed by a rest as long.
const SHORT: Duration = Duration::from_secs(2);

/// The handle on the thread.
pub(crate) struct Linux {
    orders: mpsc::Sender<Order>,
}

/// What outlives a life.
struct Wishes {
    scanning: Scanning,
    advert: Option<[u8; 6]>,
    told: Option<Adapter>,
    /// The next life is not to begin at once.
    rests: bool,
    /// How many connections arrived in all lives.
    arrivals: Arc<AtomicU64>,
    /// For how long nothing may be heard before the next life ends; grows while it stays quiet.
    watchdog: Duration,
}

/// How a life ended.
enum End {
    /// Nobody needs the radio any more.
    Stopped,
    /// The adapter can't be used now.
    Unusable(Why, String),
}

/// What was dropped at the end of a life takes itself off BlueZ in tasks of bluer's, which nobody
/// can wait for, and which run only while the runtime does. What stays behind would be a second
/// service beside that of the next life.
const FAREWELL: Duration = Duration::from_millis(200);

/// What is told of a life that panicked.
const PANICKED: &str = "Bluetooth failed, and begins anew; the log says how: please report it";

/// Starts the thread.
pub(crate) fn start(options: Options) -> (Linux, mpsc::Receiver<Fact>) {
    let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
    let (facts, facts_out) = mpsc::channel(FACTS_MAX);
    let spawned = thread::Builder::new()
        .name(THREAD.to_owned())
        .spawn(move || live(&options, orders, &facts));
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for Bluetooth");
    }
    (Linux { orders: orders_in }, facts_out)
}

impl Radio for Linux {
    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::debug!(%error, "the radio takes no order");
        }
    }
}

/// One life after the other.
fn live(options: &Options, mut orders: mpsc::Receiver<Order>, facts: &mpsc::Sender<Fact>) {
    let watchdog = options.watchdog;
    let mut wishes = Wishes {
        scanning: Scanning::Off,
        advert: None,
        told: None,
        rests: false,
        arrivals: Arc::default(),
        watchdog,
    };
    loop {
        let Some(runtime) = runtime() else { return };
        let lived = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let end = life(options, &mut wishes, &mut orders, facts).await;
                sleep(FAREWELL).await;
                end
            })
        }));
        let end = lived.unwrap_or_else(|_| {
            wishes.rests = true;
            End::Unusable(Why::Lost, PANICKED.to_owned())
        });
        // Calls that a broken bus never answers must not hold us up.
        runtime.shutdown_timeout(Duration::from_millis(100));
        match end {
            End::Stopped => return,
            End::Unusable(why, text) => {
                let state = Adapter::Unusable { why, text };
                if wishes.told.as_ref() != Some(&state) {
                    tracing::debug!(?state, "the adapter can't be used");
                    wishes.told = Some(state.clone());
                    if facts.blocking_send(Fact::Adapter(state)).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn runtime() -> Option<Runtime> {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            tracing::warn!(%error, "no runtime for Bluetooth");
            None
        }
    }
}

/// Waits for an adapter and uses it while it lasts.
async fn life(
    options: &Options,
    wishes: &mut Wishes,
    orders: &mut mpsc::Receiver<Order>,
    facts: &mpsc::Sender<Fact>,
) -> End {
    if std::mem::take(&mut wishes.rests)
        && let Some(end) = idle(wishes, orders, facts, SHORT).await
    {
        return end;
    }
    let mut sentinel = match Sentinel::new().await {
        Ok(sentinel) => sentinel,
        Err((why, text)) => {
            return match told_otherwise(wishes, why, &text) {
                true => End::Unusable(why, text),
                false => {
                    idle(wishes, orders, facts, PAUSE).await.unwrap_or(End::Unusable(why, text))
                }
            };
        }
    };
    loop {
        match sentinel.look(options.adapter.as_deref()).await {
            Sight::Usable(found) => {
                return session(options, wishes, orders, facts, &mut sentinel, found).await;
            }
            Sight::Unusable(why, text) if told_otherwise(wishes, why, &text) => {
                return End::Unusable(why, text);
            }
            Sight::Unusable(why, text) => {
                if sentinel.is_broken() {
                    return idle(wishes, orders, facts, PAUSE)
                        .await
                        .unwrap_or(End::Unusable(why, text));
                }
                tokio::select! {
                    () = sentinel.changed() => {}
                    stopped = idle(wishes, orders, facts, PAUSE) => {
                        if let Some(end) = stopped {
                            return end;
                        }
                    }
                }
            }
        }
    }
}

/// A life with an adapter. One that ends as soon as it began is told at once, and has the next
/// one wait.
async fn session(
    options: &Options,
    wishes: &mut Wishes,
    orders: &mut mpsc::Receiver<Order>,
    facts: &mpsc::Sender<Fact>,
    sentinel: &mut Sentinel,
    found: Found,
) -> End {
    let began = Instant::now();
    let end = session::run(options, wishes, orders, facts, sentinel, found).await;
    wishes.rests = began.elapsed() < SHORT;
    end
}

/// Whether this is news.
fn told_otherwise(wishes: &Wishes, why: Why, text: &str) -> bool {
    !matches!(&wishes.told, Some(Adapter::Unusable { why: old, text: line }) if *old == why && line == text)
}

/// Remembers what is wished and refuses the rest, for a while, or until nobody orders any more.
async fn idle(
    wishes: &mut Wishes,
    orders: &mut mpsc::Receiver<Order>,
    facts: &mpsc::Sender<Fact>,
    pause: Duration,
) -> Option<End> {
    let refusing = async {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Scan(scanning) => wishes.scanning = scanning,
                Order::Advertise(advert) => wishes.advert = advert,
                Order::Connect { connection, .. } => {
                    let why = "there is no adapter to use".to_owned();
                    let _ = facts.send(Fact::ConnectFailed { connection, why }).await;
                }
                Order::OpenChannel { .. }
                | Order::CloseChannel { .. }
                | Order::Write { .. }
                | Order::Disconnect { .. } => {}
            }
        }
        End::Stopped
    };
    timeout(pause, refusing).await.ok()
}
