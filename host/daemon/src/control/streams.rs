//! The requests that are answered bit by bit, as server-sent events.
//!
//! Each event is one JSON view. A stream ends with its node; a client ends it by closing the
//! connection. A listener that is gone hands back what it did not take.

mod crawl;
mod load;

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use futures::stream::unfold;
use serde::{Deserialize, Serialize};

use super::routes::{Refused, accepted, class_named, find_peer};
use super::views;
use crate::handle::Pointsman;
use crate::shell::mail::Filter;

pub(super) use crawl::crawl;
pub(super) use load::load;

/// A stream that is silent for so long says that it lives, so that a dead client is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    /// Only events with a number above this one.
    #[serde(default)]
    since: u64,
    /// Whether to wait for those that come.
    #[serde(default)]
    follow: bool,
}

pub(super) async fn events(
    State(node): State<Pointsman>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Response {
    let EventsQuery { since, follow } = match accepted(query) {
        Ok(query) => query,
        Err(refused) => return *refused,
    };
    let follower = node.events(since);
    let stream = unfold(follower, move |mut follower| async move {
        let next = if follow { follower.next().await } else { follower.try_next() };
        next.map(|next| (Ok(event(&views::followed(&next))), follower))
    });
    answer(stream)
}

/// Which messages.
#[derive(Debug, Deserialize)]
pub(super) struct ListenQuery {
    peer: Option<String>,
    class: Option<String>,
}

pub(super) async fn listen(
    State(node): State<Pointsman>,
    query: Result<Query<ListenQuery>, QueryRejection>,
) -> Response {
    let filter = match filter(&node, query).await {
        Ok(filter) => filter,
        Err(refused) => return *refused,
    };
    let receiver = node.listen(filter);
    let stream = unfold(receiver, |mut receiver| async move {
        let delivery = receiver.recv().await?;
        Some((Ok(event(&views::delivery(&delivery))), receiver))
    });
    answer(stream)
}

async fn filter(
    node: &Pointsman,
    query: Result<Query<ListenQuery>, QueryRejection>,
) -> Result<Filter, Refused> {
    let ListenQuery { peer, class } = accepted(query)?;
    let class = class_named(class.as_deref())?;
    let peer = match peer {
        Some(peer) => Some(find_peer(node, &peer).await?),
        None => None,
    };
    Ok(Filter { peer, class })
}

/// Streams events, and begins with a comment so that the client knows that it is connected.
fn answer(stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    use futures::StreamExt as _;
    let hello = futures::stream::once(async { Ok(Event::default().comment("connected")) });
    Sse::new(hello.chain(stream)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn event(view: &impl Serialize) -> Event {
    let text = serde_json::to_string(view).expect("views are maps with text keys");
    Event::default().data(text)
}
