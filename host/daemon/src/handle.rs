//! The node as a program in the same process uses it.
//!
//! A [`Pointsman`] is cheap to clone; all clones are one node. The node stops when
//! [`Pointsman::shutdown`] is called, or when the last clone is dropped.

mod keeping;
mod reconfigure;
mod shadowing;
mod swapping;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pointsman_core::config::{Config, UplinkConfig};
use pointsman_core::id::PeerId;
use pointsman_core::policy::Role;
use pointsman_core::snapshot::Snapshot;
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::SetLogFilter;
use crate::aside::AsideHandle;
use crate::control::views::{
    self, DhtView, LinkView, NeighbourView, PeerView, PolicyView, StatusView, WhyView,
};
use crate::decision_log::DecisionLog;
use crate::net::phone::{PhoneBook, PhoneError};
use crate::policies::{Book, Slots};
use crate::shell::journal::{Follower, Journal};
use crate::shell::mail::{Filter, Mail, Receiver};
use crate::shell::sends::{Message, Sender, Stopped, Submission, Ticket, Waiter};
use crate::shell::{Command, CutError, Report};
use crate::uplinks::UplinkWatch;
use crate::watch::Watch;

pub(crate) use keeping::keep;
pub use reconfigure::{ReconfigureError, Reconfigured};
pub(crate) use shadowing::Shadowing;
pub use shadowing::{ShadowError, Shadowed};
pub use swapping::{SwapError, SwapOrder, Swapped};
pub(crate) use watching::{follow_edits, watched};

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
    pub(crate) decisions: DecisionLog,
    pub(crate) stop: watch::Sender<bool>,
    /// Turns true when the loop has ended; its sender is gone without that if it broke.
    pub(crate) ended: watch::Receiver<bool>,
    /// Held over a whole reconfiguration, so that there is one at a time.
    pub(crate) setup: tokio::sync::Mutex<Setup>,
    /// What is told of the slots.
    pub(crate) book: Arc<Book>,
    /// Candidates that answer beside the live policies.
    pub(crate) shadows: Mutex<BTreeMap<Role, Shadowing>>,
    /// Slots that an operator's order brings back, and whose return is not entered yet.
    pub(crate) returning: Mutex<BTreeSet<Role>>,
    /// The way to the policies off the loop.
    pub(crate) aside: AsideHandle,
    /// The way to the network's phone book.
    pub(crate) phone: PhoneBook,
}

/// What the next config is compared with, and what it can change beside the loop.
pub(crate) struct Setup {
    pub(crate) config: Config,
    /// The folder of the config file.
    pub(crate) folder: PathBuf,
    pub(crate) slots: Slots,
    /// Notices edits of the config and what it names.
    pub(crate) files: Watch,
    pub(crate) watch: UplinkWatch,
    /// Where the radios learn what the config says of uplinks.
    pub(crate) radios: tokio::sync::watch::Sender<Vec<UplinkConfig>>,
    pub(crate) set_log_filter: SetLogFilter,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("config", &self.config).finish_non_exhaustive()
    }
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
        self.order(Command::Report).await
    }

    /// The Node's part of that.
    pub async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        self.report().await.map(|report| report.node)
    }

    /// The node as a whole, as the control API tells it.
    pub async fn status(&self) -> Result<StatusView, Stopped> {
        let report = self.report().await?;
        Ok(views::status(&self.inner.about, &self.inner.book.slots(), &report))
    }

    /// The peers, as the control API tells them.
    pub async fn peers(&self) -> Result<Vec<PeerView>, Stopped> {
        self.snapshot().await.map(|snapshot| views::peers(&snapshot))
    }

    /// Why a peer is treated as it is, as the control API tells it; `None` where nothing is
    /// known of it.
    pub async fn why(&self, peer: PeerId) -> Result<Option<WhyView>, Stopped> {
        let told = self.order(|reply| Command::Why(peer, reply)).await?;
        Ok(told.as_ref().map(views::why))
    }

    /// Who is in radio range, as the control API tells it.
    pub async fn neighbours(&self) -> Result<Vec<NeighbourView>, Stopped> {
        self.snapshot().await.map(|snapshot| views::neighbours(&snapshot))
    }

    /// The network's phone book.
    pub fn phone(&self) -> &PhoneBook {
        &self.inner.phone
    }

    /// How this node takes part in it, as the control API tells it.
    pub async fn dht(&self) -> Result<DhtView, PhoneError> {
        let network = &self.inner.about.network;
        match self.inner.phone.status().await {
            Ok(status) => Ok(views::dht(&status, network)),
            Err(PhoneError::Off) => Ok(views::no_dht(network)),
            Err(error) => Err(error),
        }
    }

    /// The links, as the control API tells them.
    pub async fn links(&self) -> Result<Vec<LinkView>, Stopped> {
        self.snapshot().await.map(|snapshot| views::links(&snapshot))
    }

    /// The policies, as the control API tells them.
    pub async fn policies(&self) -> Result<Vec<PolicyView>, Stopped> {
        let report = self.report().await?;
        Ok(views::policies(&self.inner.book.slots(), &report))
    }

    /// Blackholes an uplink in these directions, as a dead path would, or mends it.
    pub async fn set_cut(
        &self,
        uplink: &str,
        inbound: bool,
        outbound: bool,
    ) -> Result<Result<(), CutError>, Stopped> {
        let uplink = uplink.to_owned();
        self.order(|reply| Command::Cut { uplink, inbound, outbound, reply }).await
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

    fn shadows(&self) -> MutexGuard<'_, BTreeMap<Role, Shadowing>> {
        self.inner.shadows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn returning(&self) -> MutexGuard<'_, BTreeSet<Role>> {
        self.inner.returning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the loop do something, and waits for its answer.
    async fn order<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.inner.commands.send(command(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
