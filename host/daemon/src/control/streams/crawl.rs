//! A crawl of the DHT, as it goes on.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures::stream::unfold;
use pointsman_core::limits::DHT_CRAWL_PARALLEL_MAX;
use serde::Deserialize;

use super::super::routes::{accepted, dht::refused};
use super::{answer, event, views};
use crate::handle::Pointsman;

/// How it is done.
#[derive(Debug, Deserialize)]
pub(in super::super) struct CrawlQuery {
    /// Questions under way at once.
    parallel: Option<usize>,
    /// Whether to go on where the one before was interrupted.
    #[serde(default)]
    resume: bool,
}

/// Ends early where the client goes away.
pub(in super::super) async fn crawl(
    State(node): State<Pointsman>,
    query: Result<Query<CrawlQuery>, QueryRejection>,
) -> Response {
    let CrawlQuery { parallel, resume } = match accepted(query) {
        Ok(query) => query,
        Err(refused) => return *refused,
    };
    let parallel = parallel.unwrap_or(32).clamp(1, DHT_CRAWL_PARALLEL_MAX);
    let mut news = match node.phone().crawl(parallel, resume).await {
        Ok(news) => news,
        Err(error) => return *refused(error),
    };
    let first = match news.recv().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return *refused(error),
        None => return *refused(crate::net::phone::PhoneError::Stopped),
    };
    answer(unfold((Some(first), news), |(first, mut news)| async move {
        let next = match first {
            Some(first) => first,
            None => news.recv().await?.ok()?,
        };
        Some((Ok(event(&views::crawling(&next))), (None, news)))
    }))
}
