//! Many messages at a wanted rate, for measuring: sent by the node itself, so that the control
//! socket is no part of the figure.

use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::unfold;
use pointsman_core::id::PeerId;
use pointsman_core::limits::MESSAGE_BYTES_MAX;
use pointsman_core::output::Fate;
use pointsman_sdk::selector::Class;
use serde::Deserialize;

use super::super::routes::{Refused, accepted, class_named, find_peer};
use super::super::views::LoadView;
use super::{answer, event};
use crate::handle::Pointsman;
use crate::shell::sends::{Message, Sender, Stopped, TrySendError};

/// Messages under way at once.
const WINDOW: usize = 512;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Times that are kept for the percentiles; beyond them a message replaces one by its number.
const SAMPLES_MAX: usize = 65_536;

/// What to send.
#[derive(Debug, Deserialize)]
pub(in super::super) struct LoadQuery {
    peer: String,
    class: Option<String>,
    #[serde(default)]
    ordered: bool,
    ttl_ms: Option<u64>,
    /// How many messages.
    count: u64,
    /// How many bytes each.
    size: usize,
    /// How many in a second; as many as possible without it.
    rate: Option<u32>,
}

pub(in super::super) async fn load(
    State(node): State<Pointsman>,
    query: Result<Query<LoadQuery>, QueryRejection>,
) -> Response {
    let run = match prepare(&node, query).await {
        Ok(run) => run,
        Err(refused) => return *refused,
    };
    answer(unfold(Some(run), |run| async move {
        let mut run = run?;
        let more = run.until_told().await.is_ok() && !run.is_done();
        Some((Ok(event(&run.view())), more.then_some(run)))
    }))
}

async fn prepare(
    node: &Pointsman,
    query: Result<Query<LoadQuery>, QueryRejection>,
) -> Result<Run, Refused> {
    let query = accepted(query)?;
    let class = class_named(query.class.as_deref())?.unwrap_or(Class::Bulk);
    let peer = find_peer(node, &query.peer).await?;
    let size = query.size.clamp(1, MESSAGE_BYTES_MAX);
    Ok(Run {
        peer,
        class,
        ordered: query.ordered,
        ttl: query.ttl_ms.map(Duration::from_millis),
        payload: Bytes::from(vec![b'.'; size]),
        count: query.count,
        rate: query.rate.filter(|&rate| rate > 0),
        sender: node.sender(WINDOW),
        started: Instant::now(),
        sent: 0,
        fates: Vec::with_capacity(WINDOW),
        delivered: 0,
        expired: 0,
        refused: 0,
        took_us: Vec::new(),
    })
}

/// One measurement under way.
struct Run {
    peer: PeerId,
    class: Class,
    ordered: bool,
    ttl: Option<Duration>,
    payload: Bytes,
    count: u64,
    rate: Option<u32>,
    sender: Sender,
    started: Instant,
    sent: u64,
    fates: Vec<(u64, Fate)>,
    delivered: u64,
    expired: u64,
    refused: u64,
    took_us: Vec<u64>,
}

impl Run {
    fn is_done(&self) -> bool {
        self.met_fate() == self.count
    }

    fn met_fate(&self) -> u64 {
        self.delivered + self.expired + self.refused
    }

    /// Sends and counts until progress is due, or all is done.
    async fn until_told(&mut self) -> Result<(), Stopped> {
        let tell = tokio::time::Instant::now() + TELL_EVERY;
        while !self.is_done() {
            let busy = self.send_some()?;
            let next = self.next_due().map_or(tell, |due| tell.min(due.into()));
            tokio::select! {
                told = self.sender.fates(&mut self.fates), if self.sent > self.met_fate() => {
                    told?;
                    self.count_fates();
                }
                () = tokio::task::yield_now(), if busy => {}
                () = tokio::time::sleep_until(next) => {}
            }
            if tokio::time::Instant::now() >= tell {
                break;
            }
        }
        Ok(())
    }

    /// Hands over what is due and fits. True where the loop had no time for more.
    fn send_some(&mut self) -> Result<bool, Stopped> {
        while self.sent < self.due().min(self.count) && self.sender.room() > 0 {
            let Self { peer, class, ordered, ttl, .. } = *self;
            let message = Message { peer, class, ordered, ttl, payload: self.payload.clone() };
            match self.sender.try_send(message) {
                Ok(_) => self.sent += 1,
                Err(TrySendError::WindowFull(_)) => break,
                Err(TrySendError::Busy(_)) => return Ok(true),
                Err(TrySendError::Stopped(_)) => return Err(Stopped),
            }
        }
        Ok(false)
    }

    /// How many messages should have been sent by now.
    fn due(&self) -> u64 {
        let Some(rate) = self.rate else { return u64::MAX };
        let us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        us.saturating_mul(u64::from(rate)) / 1_000_000 + 1
    }

    /// When the next message is due, if the rate holds it back.
    fn next_due(&self) -> Option<Instant> {
        let us = self.sent.saturating_mul(1_000_000) / u64::from(self.rate?);
        (self.sent < self.count).then(|| self.started + Duration::from_micros(us))
    }

    fn count_fates(&mut self) {
        for (number, fate) in self.fates.drain(..) {
            match fate {
                Fate::Delivered { took_us } if self.took_us.len() < SAMPLES_MAX => {
                    self.delivered += 1;
                    self.took_us.push(took_us);
                }
                Fate::Delivered { took_us } => {
                    self.delivered += 1;
                    self.took_us[(number % SAMPLES_MAX as u64) as usize] = took_us;
                }
                Fate::Expired => self.expired += 1,
                Fate::Refused(_) => self.refused += 1,
                Fate::Queued => {}
            }
        }
    }

    fn view(&self) -> LoadView {
        let mut sorted = self.took_us.clone();
        sorted.sort_unstable();
        let percentile = |permille: usize| {
            let last = sorted.len().checked_sub(1)?;
            sorted.get(last * permille / 1000).copied()
        };
        LoadView {
            peer: self.peer.to_string(),
            count: self.count,
            sent: self.sent,
            delivered: self.delivered,
            expired: self.expired,
            refused: self.refused,
            bytes_delivered: self.delivered * self.payload.len() as u64,
            elapsed_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            took_us_p50: percentile(500),
            took_us_p99: percentile(990),
            took_us_max: sorted.last().copied(),
        }
    }
}
