//! The node as a program in the same process uses it.
//!
//! A [`Pointsman`] is cheap to clone; all clones are one node. The node stops when
//! [`Pointsman::shutdown`] is called, or when the last clone is dropped.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pointsman_core::config::{Config, Module, PeerConfig, diff};
use pointsman_core::id::PeerId;
use pointsman_core::input::Address;
use pointsman_core::policy::{Failover, Selector};
use pointsman_core::snapshot::Snapshot;
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::SetLogFilter;
use crate::aside::AsideHandle;
use crate::config_file::Loaded;
use crate::control::views::{self, LinkView, PeerView, PolicyView, StatusView};
use crate::policies::{Policies, SeatError, Seated};
use crate::shell::journal::{Follower, Journal};
use crate::shell::mail::{Filter, Mail, Receiver};
use crate::shell::sends::{Message, Sender, Stopped, Submission, Ticket, Waiter};
use crate::shell::{Applied, Command, CutError, Report};
use crate::uplinks::UplinkWatch;

/// What stays true of a node as long as it runs.
#[derive(Clone, Debug)]
pub struct About {
    /// Its identity.
    pub peer: PeerId,
    /// Version of this program.
    pub version: &'static str,
    /// When it started.
    pub started: Instant,
    /// `network.name`.
    pub network: String,
    /// Its config file; `None` where the defaults hold.
    pub config_file: Option<PathBuf>,
}

/// A running node.
#[derive(Clone, Debug)]
pub struct Pointsman {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) about: About,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) submissions: mpsc::Sender<Submission>,
    pub(crate) mail: Arc<Mail>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) stop: watch::Sender<bool>,
    /// Turns true when the loop has ended; its sender is gone without that if it broke.
    pub(crate) ended: watch::Receiver<bool>,
    /// Held over a whole reconfiguration, so that there is one at a time.
    pub(crate) setup: tokio::sync::Mutex<Setup>,
    pub(crate) seated: Mutex<Vec<Seated>>,
    pub(crate) aside: AsideHandle,
}

/// What the next config is compared with, and what it can change beside the loop.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) policies: Arc<Policies>,
    pub(crate) watch: UplinkWatch,
    pub(crate) set_log_filter: SetLogFilter,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Keys that the config can change at any time but this daemon only at its start.
const AT_START_ONLY: [&str; 1] = ["mdns.enabled"];

/// Why an edited config did not take effect. The node is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// These keys take effect only when the node starts.
    #[error("restart the node to change {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// A policy can't be loaded.
    #[error(transparent)]
    Policy(#[from] SeatError),
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Log(String),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Pointsman {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Who it is.
    pub fn about(&self) -> &About {
        &self.inner.about
    }

    /// Hands a message over. Waits while the loop has more to do than it can take.
    pub async fn send(&self, message: Message) -> Result<Ticket, Stopped> {
        let (waiter, ticket) = Waiter::ticket();
        let submission = Submission { message, waiter };
        self.inner.submissions.send(submission).await.map_err(|_| Stopped)?;
        Ok(ticket)
    }

    /// A sender for a high rate, with at most `window` messages under way.
    pub fn sender(&self, window: usize) -> Sender {
        Sender::new(self.inner.submissions.clone(), window)
    }

    /// Receives messages. Each goes to one listener: the oldest whose filter it passes.
    pub fn listen(&self, filter: Filter) -> Receiver {
        self.inner.mail.listen(filter)
    }

    /// Follows what happens, from the first event with a number above `after` that is kept.
    pub fn events(&self, after: u64) -> Follower {
        self.inner.journal.follow(after)
    }

    /// What the loop knows now.
    pub async fn report(&self) -> Result<Report, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.order(Command::Report(reply), answer).await
    }

    /// The Node's part of that.
    pub async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        self.report().await.map(|report| report.node)
    }

    /// The node as a whole, as the control API tells it.
    pub async fn status(&self) -> Result<StatusView, Stopped> {
        let report = self.report().await?;
        Ok(views::status(&self.inner.about, &self.seated(), &report))
    }

    /// The peers, as the control API tells them.
    pub async fn peers(&self) -> Result<Vec<PeerView>, Stopped> {
        self.snapshot().await.map(|snapshot| views::peers(&snapshot))
    }

    /// The links, as the control API tells them.
    pub async fn links(&self) -> Result<Vec<LinkView>, Stopped> {
        self.snapshot().await.map(|snapshot| views::links(&snapshot))
    }

    /// The policies, as the control API tells them.
    pub async fn policies(&self) -> Result<Vec<PolicyView>, Stopped> {
        let report = self.report().await?;
        Ok(views::policies(&self.seated(), &report))
    }

    /// The way to the policies off the loop.
    pub(crate) fn aside(&self) -> &AsideHandle {
        &self.inner.aside
    }

    /// Blackholes an uplink in these directions, as a dead path would, or mends it.
    pub async fn set_cut(
        &self,
        uplink: &str,
        inbound: bool,
        outbound: bool,
    ) -> Result<Result<(), CutError>, Stopped> {
        let (reply, answer) = oneshot::channel();
        let uplink = uplink.to_owned();
        self.order(Command::Cut { uplink, inbound, outbound, reply }, answer).await
    }

    /// Takes over an edited config: what is new is built and proven first, and any failure
    /// leaves the node as it was. Answers with the keys that changed.
    pub async fn reconfigure(&self, loaded: Loaded) -> Result<Vec<String>, ReconfigureError> {
        let mut setup = self.inner.setup.lock().await;
        let changes = diff(&setup.config, &loaded.config);
        let late = |key: &str| AT_START_ONLY.contains(&key);
        let restart = changes.iter().filter(|change| change.needs_restart || late(change.key));
        let restart: Vec<_> = restart.map(|change| change.key.to_owned()).collect();
        if !restart.is_empty() {
            return Err(ReconfigureError::NeedsRestart(restart));
        }
        let new = prove(&setup, &loaded).await?;
        if setup.config.log_level != loaded.config.log_level {
            (setup.set_log_filter)(&loaded.config.log_level).map_err(ReconfigureError::Log)?;
        }
        let keys: Vec<_> = changes.iter().map(|change| change.key.to_owned()).collect();
        let before = addresses(&setup.config.peers);
        let after = addresses(&loaded.config.peers);
        let applied = Applied {
            node: crate::app::node_config(&loaded.config),
            allow: crate::app::admitted(&loaded.config),
            selector: new.selector,
            failover: new.failover,
            added: after.iter().filter(|one| !before.contains(one)).cloned().collect(),
            removed: before.iter().filter(|one| !after.contains(one)).cloned().collect(),
            keys: keys.clone(),
        };
        let (reply, answer) = oneshot::channel();
        self.order(Command::Apply(Box::new(applied), reply), answer).await?;
        for seated in new.seated {
            self.seats().retain(|one| one.role != seated.role);
            self.seats().push(seated);
        }
        setup.watch.configure(loaded.config.uplinks.clone(), loaded.config.other_uplinks);
        setup.config = loaded.config;
        Ok(keys)
    }

    /// Asks the node to finish what is under way and stop.
    pub fn stop(&self) {
        self.inner.stop.send_replace(true);
    }

    /// Waits until the node has stopped; false if its loop broke.
    pub async fn stopped(&self) -> bool {
        self.inner.ended.clone().wait_for(|&ended| ended).await.is_ok()
    }

    /// Stops the node and waits for it; false if its loop broke.
    pub async fn shutdown(&self) -> bool {
        self.stop();
        self.stopped().await
    }

    async fn order<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Result<T, Stopped> {
        self.inner.commands.send(command).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    fn seated(&self) -> Vec<Seated> {
        let mut seated = self.seats().clone();
        seated.sort_by_key(|one| one.role);
        seated
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seated>> {
        self.inner.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Policies that take the place of others.
#[derive(Default)]
struct Proven {
    selector: Option<Box<dyn Selector>>,
    failover: Option<Box<dyn Failover>>,
    seated: Vec<Seated>,
}

/// Loads the policies whose part of the config changed, and those from a file, whose bytes may
/// have. Compiling takes its time, so it has a thread of its own.
async fn prove(setup: &Setup, loaded: &Loaded) -> Result<Proven, SeatError> {
    let is_file = |module: &Module| matches!(module, Module::File(_));
    let (old, new) = (&setup.config, &loaded.config);
    let selector = (old.selector != new.selector || is_file(&new.selector.module))
        .then(|| new.selector.clone());
    let failover = (old.failover != new.failover || is_file(&new.failover.module))
        .then(|| new.failover.clone());
    let (policies, folder) = (Arc::clone(&setup.policies), loaded.folder().to_owned());
    let load = move || {
        let mut proven = Proven::default();
        if let Some(config) = selector {
            let (policy, seated) = policies.selector(&config, &folder)?;
            proven.selector = Some(policy);
            proven.seated.push(seated);
        }
        if let Some(config) = failover {
            let (policy, seated) = policies.failover(&config, &folder)?;
            proven.failover = Some(policy);
            proven.seated.push(seated);
        }
        Ok(proven)
    };
    let done = tokio::task::spawn_blocking(load).await;
    done.expect("loading a policy does not panic, and nobody aborts it")
}

fn addresses(peers: &[PeerConfig]) -> Vec<(PeerId, Address)> {
    let of = |peer: &PeerConfig| {
        let id = peer.id;
        peer.addresses.iter().map(move |address| (id, address.clone())).collect::<Vec<_>>()
    };
    peers.iter().flat_map(of).collect()
}
