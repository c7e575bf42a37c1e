//! The requests that have one answer.

pub(super) mod dht;
pub(super) mod policy;

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use pointsman_core::id::PeerId;
use pointsman_core::limits::{CONTROL_BODY_BYTES_MAX, CONTROL_REQUEST_MS_MAX};
use pointsman_core::snapshot::Snapshot;
use pointsman_sdk::selector::Class;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::guard::refuse;
use super::metrics::{MEDIA_TYPE, Metrics};
use super::views::{self, ReloadView};
use crate::config_file;
use crate::handle::{Pointsman, ReconfigureError, Reconfigured};
use crate::shell::sends::{Message, Stopped};
use crate::tasks::off_loop;

/// An answer in place of the one that was asked for.
pub(super) type Refused = Box<Response>;

pub(super) async fn status(State(node): State<Pointsman>) -> Response {
    answer(node.status().await)
}

pub(super) async fn peers(State(node): State<Pointsman>) -> Response {
    answer(node.peers().await)
}

pub(super) async fn neighbours(State(node): State<Pointsman>) -> Response {
    answer(node.neighbours().await)
}

pub(super) async fn metrics(State(node): State<Pointsman>) -> Response {
    let measured = async {
        let status = node.status().await.map_err(stopped)?;
        let snapshot = node.snapshot().await.map_err(stopped)?;
        let (peers, links) = (views::peers(&snapshot), views::links(&snapshot));
        let dht = node.dht().await.ok();
        let text = Metrics { status, peers, links, dht }.text();
        text.map_err(|error| {
            Box::new(refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), ""))
        })
    };
    match measured.await {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(refused) => *refused,
    }
}

/// Why a peer is treated as it is.
pub(super) async fn why(State(node): State<Pointsman>, Path(peer): Path<String>) -> Response {
    let why = async {
        let peer = find_peer(&node, &peer).await?;
        node.why(peer).await.map_err(stopped)?.ok_or_else(|| {
            let error = format!("nothing is known of {peer}");
            Box::new(refuse(StatusCode::NOT_FOUND, &error, "see pointsman peers"))
        })
    };
    match why.await {
        Ok(why) => Json(why).into_response(),
        Err(refused) => *refused,
    }
}

/// Which links.
#[derive(Debug, Deserialize)]
pub(super) struct LinksQuery {
    peer: Option<String>,
}

pub(super) async fn links(
    State(node): State<Pointsman>,
    query: Result<Query<LinksQuery>, QueryRejection>,
) -> Response {
    let links = async {
        let LinksQuery { peer } = accepted(query)?;
        let snapshot = node.snapshot().await.map_err(stopped)?;
        let mut links = views::links(&snapshot);
        if let Some(peer) = peer {
            let peer = resolve(&peer, &snapshot)?.to_string();
            links.retain(|link| link.peer == peer);
        }
        Ok::<_, Refused>(links)
    };
    match links.await {
        Ok(links) => Json(links).into_response(),
        Err(refused) => *refused,
    }
}

/// When the sender wants to hear of its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wait {
    /// When the node has it.
    #[default]
    Queued,
    /// When the peer's node has it, or never will.
    Delivered,
}

/// A message, but for its payload.
#[derive(Debug, Deserialize)]
pub(super) struct SendQuery {
    peer: String,
    class: Option<String>,
    #[serde(default)]
    ordered: bool,
    ttl_ms: Option<u64>,
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn send(
    State(node): State<Pointsman>,
    query: Result<Query<SendQuery>, QueryRejection>,
    body: Body,
) -> Response {
    match try_send(&node, query, body).await {
        Ok(fate) => Json(fate).into_response(),
        Err(refused) => *refused,
    }
}

async fn try_send(
    node: &Pointsman,
    query: Result<Query<SendQuery>, QueryRejection>,
    body: Body,
) -> Result<views::FateView, Refused> {
    let SendQuery { peer, class, ordered, ttl_ms, wait } = accepted(query)?;
    let class = class_named(class.as_deref())?.unwrap_or(Class::Interactive);
    let payload = read(body).await?;
    let peer = find_peer(node, &peer).await?;
    let bytes = payload.len();
    let ttl = ttl_ms.map(Duration::from_millis);
    let message = Message { peer, class, ordered, ttl, payload };
    let mut ticket = node.send(message).await.map_err(stopped)?;
    let fate = match wait {
        Wait::Queued => ticket.first().await,
        Wait::Delivered => ticket.last().await,
    };
    Ok(views::fate(fate.map_err(stopped)?, &peer, bytes))
}

/// Which directions are lost from now on.
#[derive(Debug, Deserialize)]
pub(super) struct CutQuery {
    #[serde(default)]
    inbound: bool,
    #[serde(default)]
    outbound: bool,
}

pub(super) async fn cut(
    State(node): State<Pointsman>,
    Path(name): Path<String>,
    query: Result<Query<CutQuery>, QueryRejection>,
) -> Response {
    let CutQuery { inbound, outbound } = match accepted(query) {
        Ok(query) => query,
        Err(refused) => return *refused,
    };
    match node.set_cut(&name, inbound, outbound).await {
        Ok(Ok(())) => Json(views::CutView { inbound, outbound }).into_response(),
        Ok(Err(unknown)) => refuse(StatusCode::NOT_FOUND, &unknown.to_string(), ""),
        Err(error) => *stopped(error),
    }
}

/// Reads the config file again, and answers with what changed.
pub(super) async fn reload(
    State(node): State<Pointsman>,
    Extension(caller): Extension<Caller>,
) -> Response {
    match reloaded(&node, caller).await {
        Ok(Reconfigured { changed, swapped, notes }) => {
            Json(ReloadView { changed, swapped, notes }).into_response()
        }
        Err(refused) => *refused,
    }
}

async fn reloaded(node: &Pointsman, caller: Caller) -> Result<Reconfigured, Refused> {
    let unusable = |error: &dyn std::error::Error| {
        let remedy = "the node goes on as it was; mend the file, then: pointsman reload";
        Box::new(refuse(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string(), remedy))
    };
    let file = node.about().config_file.clone();
    let loaded = off_loop(move || config_file::load(file.as_deref())).await;
    let loaded = loaded.map_err(|error| unusable(&error))?;
    let done = node.reconfigure_for(loaded, caller.name()).await;
    done.map_err(|error| match error {
        ReconfigureError::Stopped(error) => stopped(error),
        ReconfigureError::NeedsRestart(_)
        | ReconfigureError::Policy(_)
        | ReconfigureError::Log(_) => unusable(&error),
    })
}

pub(super) async fn stop(State(node): State<Pointsman>) -> Response {
    node.stop();
    (StatusCode::ACCEPTED, Json(serde_json::json!({ "stopping": true }))).into_response()
}

pub(super) async fn unknown() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing at this path", "see pointsman help")
}

pub(super) async fn wrong_method() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method", "")
}

/// The peer that a text names: its identity in full, or the beginning or end of the identity
/// of one peer that the node knows.
pub(super) async fn find_peer(node: &Pointsman, text: &str) -> Result<PeerId, Refused> {
    if let Ok(peer) = text.parse() {
        return Ok(peer);
    }
    let snapshot = node.snapshot().await.map_err(stopped)?;
    resolve(text, &snapshot)
}

fn resolve(text: &str, snapshot: &Snapshot) -> Result<PeerId, Refused> {
    if let Ok(peer) = text.parse() {
        return Ok(peer);
    }
    let named = |peer: &PeerId| {
        let name = peer.to_string();
        name.starts_with(text) || name.ends_with(text)
    };
    let mut found = snapshot.peers.iter().map(|peer| peer.peer).filter(named);
    let remedy = "see pointsman peers; the full identity always works";
    match (found.next().filter(|_| !text.is_empty()), found.next()) {
        (Some(peer), None) => Ok(peer),
        (None, _) => {
            let error = format!("no known peer's identity begins or ends with {text:?}");
            Err(Box::new(refuse(StatusCode::NOT_FOUND, &error, remedy)))
        }
        (Some(_), Some(_)) => {
            let error = format!("{text:?} is the beginning or end of several identities");
            Err(Box::new(refuse(StatusCode::CONFLICT, &error, remedy)))
        }
    }
}

/// The class of this name; `None` where none is named.
pub(super) fn class_named(name: Option<&str>) -> Result<Option<Class>, Refused> {
    let Some(name) = name else { return Ok(None) };
    match Class::ALL.into_iter().find(|class| class.name() == name) {
        Some(class) => Ok(Some(class)),
        None => {
            let error = format!("there is no class {name:?}");
            let remedy = "use realtime, interactive or bulk";
            Err(Box::new(refuse(StatusCode::BAD_REQUEST, &error, remedy)))
        }
    }
}

/// The query, or what is wrong with it.
pub(super) fn accepted<Q>(query: Result<Query<Q>, QueryRejection>) -> Result<Q, Refused> {
    match query {
        Ok(Query(query)) => Ok(query),
        Err(error) => {
            Err(Box::new(refuse(StatusCode::BAD_REQUEST, &error.body_text(), "mend the query")))
        }
    }
}

pub(super) fn stopped(error: Stopped) -> Refused {
    let remedy = "start it again: pointsman run";
    Box::new(refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), remedy))
}

fn answer<T: Serialize>(result: Result<T, Stopped>) -> Response {
    match result {
        Ok(view) => Json(view).into_response(),
        Err(error) => *stopped(error),
    }
}

/// A body, whole, within its bounds of size and time.
async fn read(body: Body) -> Result<Bytes, Refused> {
    let most = Duration::from_millis(CONTROL_REQUEST_MS_MAX);
    let too_long = || {
        let error = format!("the body is longer than {CONTROL_BODY_BYTES_MAX} bytes");
        let remedy = "send it in several messages";
        Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &error, remedy))
    };
    if body.size_hint().lower() > CONTROL_BODY_BYTES_MAX as u64 {
        return Err(too_long());
    }
    let reading = axum::body::to_bytes(body, CONTROL_BODY_BYTES_MAX);
    match tokio::time::timeout(most, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_long()),
        Err(_) => {
            let error = "the body did not come in time";
            Err(Box::new(refuse(StatusCode::REQUEST_TIMEOUT, error, "send it at once")))
        }
    }
}
