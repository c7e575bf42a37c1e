//! The local interfaces: which of them are uplinks, and when they come, change and go.
//!
//! [`watch`] asks the kernel once (rtnetlink: links, addresses, routes), and again, whole,
//! after every burst of notifications; a lost notification can so do no harm. What the
//! kernel says becomes uplinks in one pure step (`decide`); the difference to what was
//! told before becomes [`UplinkFact`]s. The watch lives until its handle is dropped or nobody
//! listens to it any more. It changes nothing in the system, and never polls.
//!
//! IPv6 link-local addresses are left out: they mean nothing without their interface, which
//! a peer cannot know, and a network without any other address is met by mDNS over IPv4. An
//! uplink that has nothing else is no uplink.

mod decide;
mod kernel;
mod kind;
mod roster;

use std::future::pending;
use std::io;
use std::time::Duration;

use pointsman_core::config::UplinkConfig;
use pointsman_core::id::UplinkId;
use pointsman_core::input::Uplink;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use self::decide::decide;
pub(crate) use self::decide::{entry_for, quota_kib};
use self::kernel::{Kernel, snapshot};
use self::roster::Roster;
use crate::net::bindings::Binding;

/// A burst is over when the kernel was quiet for so long: an interface that comes up tells of
/// its flags, addresses and routes within milliseconds.
const QUIET: Duration = Duration::from_millis(50);

/// A burst is looked at after this at the latest.
const BURST_MAX: Duration = Duration::from_millis(500);

/// How long to wait before a netlink socket that broke is opened again; doubles.
const REOPEN_MIN: Duration = Duration::from_millis(100);
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// Facts that may wait for the shell; then the watch waits.
const FACTS_QUEUE: usize = 64;

/// What the watch tells.
#[derive(Clone, Debug)]
pub enum UplinkFact {
    /// An uplink came or changed.
    Changed {
        /// For the Node.
        uplink: Uplink,
        /// For the transports.
        binding: Binding,
    },
    /// An uplink went.
    Gone(UplinkId),
}

/// Why there is no watch.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No socket.
    #[error("the kernel gives no rtnetlink socket, without which no interface can be found: {0}")]
    Socket(#[source] io::Error),
    /// No answer to the first question.
    #[error("the kernel does not tell of its interfaces by rtnetlink: {0}")]
    Dump(#[source] rtnetlink::Error),
}

/// The handle of a watch; it ends with it.
#[derive(Debug)]
pub struct UplinkWatch {
    wishes: tokio::sync::watch::Sender<Wishes>,
}

/// What the config says.
#[derive(Clone, Debug)]
struct Wishes {
    config: Vec<UplinkConfig>,
    others: bool,
}

impl UplinkWatch {
    /// From now on another config; its facts follow.
    pub fn configure(&self, config: Vec<UplinkConfig>, others: bool) {
        self.wishes.send_replace(Wishes { config, others });
    }
}

/// Watches the interfaces: those that the config names, and where `others` says so all that
/// look usable. What there is at the start is told as `Changed`. Must be called within a
/// tokio runtime.
pub async fn watch(
    config: Vec<UplinkConfig>,
    others: bool,
) -> Result<(UplinkWatch, mpsc::Receiver<UplinkFact>), WatchError> {
    let kernel = Kernel::open().map_err(WatchError::Socket)?;
    snapshot(kernel.handle()).await.map_err(WatchError::Dump)?;
    let (wishes, wished) = tokio::sync::watch::channel(Wishes { config, others });
    let (facts, told) = mpsc::channel(FACTS_QUEUE);
    let watching = Watching { kernel, wished, facts, roster: Roster::default() };
    tokio::spawn(watching.run());
    Ok((UplinkWatch { wishes }, told))
}

/// The task behind a watch.
struct Watching {
    kernel: Kernel,
    wished: tokio::sync::watch::Receiver<Wishes>,
    facts: mpsc::Sender<UplinkFact>,
    roster: Roster,
}

impl Watching {
    async fn run(mut self) {
        let facts = self.facts.clone();
        tokio::select! {
            () = facts.closed() => {}
            Err(_ended) = self.follow() => {}
        }
    }

    /// Tells, and waits for the next burst, until the handle is gone or nobody listens.
    async fn follow(&mut self) -> Result<std::convert::Infallible, Ended> {
        loop {
            match snapshot(self.kernel.handle()).await {
                Ok(_) if self.kernel.is_dead() => {
                    self.reopen().await;
                    continue;
                }
                Ok(snapshot) => self.tell(&snapshot).await?,
                Err(error) => {
                    tracing::warn!(%error, "the kernel did not tell of its interfaces");
                    self.reopen().await;
                    continue;
                }
            }
            self.wait().await?;
        }
    }

    async fn tell(&mut self, snapshot: &decide::Snapshot) -> Result<(), Ended> {
        let Wishes { config, others } = self.wished.borrow_and_update().clone();
        for fact in self.roster.update(decide(snapshot, &config, others)) {
            self.facts.send(fact).await.map_err(|_| Ended)?;
        }
        Ok(())
    }

    /// Waits until something changed, and then until that is over.
    async fn wait(&mut self) -> Result<(), Ended> {
        let mut burst: Option<(Instant, Instant)> = None;
        loop {
            let over = async {
                match burst {
                    Some((quiet, latest)) => sleep_until(quiet.min(latest)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => return Ok(()),
                wished = self.wished.changed() => return wished.map_err(|_| Ended),
                alive = self.kernel.changed() => {
                    let now = Instant::now();
                    if !alive {
                        self.reopen().await;
                        return Ok(());
                    }
                    let latest = burst.map_or(now + BURST_MAX, |(_, latest)| latest);
                    burst = Some((now + QUIET, latest));
                }
            }
        }
    }

    /// Opens the netlink socket anew, as often as it takes.
    async fn reopen(&mut self) {
        let mut pause = REOPEN_MIN;
        loop {
            sleep(pause).await;
            match Kernel::open() {
                Ok(kernel) => {
                    self.kernel = kernel;
                    return;
                }
                Err(error) => tracing::warn!(%error, "the kernel gives no rtnetlink socket"),
            }
            pause = (pause * 2).min(REOPEN_MAX);
        }
    }
}

/// The handle was dropped, or nobody listens any more.
#[derive(Debug)]
struct Ended;
