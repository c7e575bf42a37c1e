//! The phone book as the rest of the program asks it.

use std::time::Duration;

use pointsman_core::dht::crawl::{CrawlState, Progress};
use pointsman_core::dht::lookup::Step;
use pointsman_core::id::PeerId;
use pointsman_dht::TooMany;
use pointsman_dht::record::Checked;
use pointsman_dht::shelf::Shelved;
use pointsman_dht::status::Status;
use tokio::sync::{mpsc, oneshot};

/// News of a crawl that wait for who ordered it.
const NEWS_MAX: usize = 4;

/// Why the phone book does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// It is not enabled.
    #[error("this node does not take part in the DHT: dht.enabled is false in its config")]
    Off,
    /// There is too much to do.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The node stops.
    #[error("the node stops")]
    Stopped,
}

/// What came of a lookup.
#[derive(Clone, Debug)]
pub struct Found {
    /// Who was looked for.
    pub peer: PeerId,
    /// Where it is; empty where it was not found.
    pub addresses: Vec<String>,
    /// The newest record of it.
    pub record: Option<Checked>,
    /// Every question that was asked.
    pub trace: Vec<Step>,
    /// How long it took.
    pub took: Duration,
}

/// How far a crawl is.
#[derive(Clone, Debug)]
pub struct Crawling {
    /// In numbers.
    pub progress: Progress,
    /// Since it began.
    pub elapsed: Duration,
    /// What it found, once it is over.
    pub state: Option<CrawlState>,
}

#[derive(Debug)]
pub(in super::super) struct FindOrder {
    pub(super) peer: PeerId,
    pub(super) reply: oneshot::Sender<Result<Found, PhoneError>>,
}

#[derive(Debug)]
pub(in super::super) struct CrawlOrder {
    pub(super) parallel: usize,
    pub(super) resume: bool,
    pub(super) news: mpsc::Sender<Result<Crawling, PhoneError>>,
}

/// What the phone book is asked.
#[derive(Debug)]
pub(in super::super) enum PhoneOrder {
    Status(oneshot::Sender<Status>),
    Shelved(oneshot::Sender<Vec<Shelved>>),
    Find(FindOrder),
    Crawl(CrawlOrder),
}

/// Asks the phone book. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PhoneBook {
    orders: Option<mpsc::Sender<PhoneOrder>>,
}

impl PhoneBook {
    /// One that answers through these orders; without them it is not enabled.
    pub(in super::super) fn new(orders: Option<mpsc::Sender<PhoneOrder>>) -> Self {
        Self { orders }
    }

    /// How this node takes part.
    pub async fn status(&self) -> Result<Status, PhoneError> {
        let (reply, answer) = oneshot::channel();
        self.order(PhoneOrder::Status(reply)).await?;
        answer.await.map_err(|_| PhoneError::Stopped)
    }

    /// The records that this node keeps for others.
    pub async fn shelved(&self) -> Result<Vec<Shelved>, PhoneError> {
        let (reply, answer) = oneshot::channel();
        self.order(PhoneOrder::Shelved(reply)).await?;
        answer.await.map_err(|_| PhoneError::Stopped)
    }

    /// Looks a peer up.
    pub async fn find(&self, peer: PeerId) -> Result<Found, PhoneError> {
        let (reply, answer) = oneshot::channel();
        self.order(PhoneOrder::Find(FindOrder { peer, reply })).await?;
        answer.await.map_err(|_| PhoneError::Stopped)?
    }

    /// Asks everybody whom they know, so many at once. News come about once a second, the last
    /// with what was found. To drop the receiver ends the crawl; with `resume` the next one goes
    /// on there.
    pub async fn crawl(
        &self,
        parallel: usize,
        resume: bool,
    ) -> Result<mpsc::Receiver<Result<Crawling, PhoneError>>, PhoneError> {
        let (news, receiver) = mpsc::channel(NEWS_MAX);
        self.order(PhoneOrder::Crawl(CrawlOrder { parallel, resume, news })).await?;
        Ok(receiver)
    }

    async fn order(&self, order: PhoneOrder) -> Result<(), PhoneError> {
        let orders = self.orders.as_ref().ok_or(PhoneError::Off)?;
        orders.send(order).await.map_err(|_| PhoneError::Stopped)
    }
}
