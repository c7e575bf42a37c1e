//! The server of the control API.
//!
//! One task accepts; each connection is a task of its own, at most
//! [`CONTROL_CONNECTIONS_MAX`] at once. A head that is too long or too slow ends its
//! connection. The server ends when its [`Server`] is dropped, and takes its socket with it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pointsman_core::limits::{
    CONTROL_BODY_BYTES_MAX, CONTROL_CONNECTIONS_MAX, CONTROL_HEAD_BYTES_MAX, CONTROL_REQUEST_MS_MAX,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use super::caller::Caller;
use super::socket::Socket;
use super::{guard, routes, streams};
use crate::handle::Pointsman;

/// How long the server waits after the system refused it a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server.
#[derive(Debug)]
pub struct Server {
    task: JoinHandle<()>,
    _socket: Socket,
}

impl Server {
    /// Serves a node on its socket.
    pub fn start(node: Pointsman, socket: Socket, listener: UnixListener) -> Self {
        Self { task: tokio::spawn(accept(node, listener)), _socket: socket }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections, as many at once as there may be; the rest wait in the backlog.
async fn accept(node: Pointsman, listener: UnixListener) {
    let owner = rustix::process::geteuid().as_raw();
    let (open, closed) = (router(node), strangers());
    let places = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let caller = caller(&stream);
                let allowed = caller.is_some_and(|caller| may_ask(caller, owner));
                let router = if allowed { open.clone() } else { closed.clone() };
                connections.spawn(async move {
                    serve(stream, router, caller).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket accepts nobody now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Who the kernel says is at the other side.
fn caller(stream: &UnixStream) -> Option<Caller> {
    stream.peer_cred().ok().map(|peer| Caller { uid: peer.uid() })
}

/// Whether that is the node's own user, or root.
fn may_ask(caller: Caller, owner: u32) -> bool {
    caller.uid == owner || caller.uid == 0
}

async fn serve(stream: UnixStream, router: Router, caller: Option<Caller>) {
    let known = router.map_request(move |mut request: Request<Incoming>| {
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(CONTROL_REQUEST_MS_MAX))
        .max_buf_size(CONTROL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(known));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a control connection ended badly");
    }
}

fn router(node: Pointsman) -> Router {
    Router::new()
        .route("/v1/status", get(routes::status))
        .route("/v1/peers", get(routes::peers))
        .route("/v1/peers/{peer}/why", get(routes::why))
        .route("/v1/neighbours", get(routes::neighbours))
        .route("/v1/links", get(routes::links))
        .route("/v1/metrics", get(routes::metrics))
        .route("/v1/dht", get(routes::dht::status))
        .route("/v1/dht/find/{peer}", get(routes::dht::find))
        .route("/v1/dht/crawl", post(streams::crawl))
        .route("/v1/policies", get(routes::policy::policies))
        .route("/v1/policies/history", get(routes::policy::history))
        .route("/v1/policies/{slot}/swap", post(routes::policy::swap))
        .route("/v1/policies/{slot}/rollback", post(routes::policy::rollback))
        .route("/v1/policies/{slot}/promote", post(routes::policy::promote))
        .route("/v1/policies/{slot}/shadow", get(routes::policy::shadow_report))
        .route("/v1/policies/{slot}/shadow", post(routes::policy::shadow))
        .route("/v1/policies/{slot}/shadow/stop", post(routes::policy::stop_shadow))
        .route("/v1/events", get(streams::events))
        .route("/v1/listen", get(streams::listen))
        .route("/v1/send", post(routes::send))
        .route("/v1/load", post(streams::load))
        .route("/v1/uplinks/{name}/cut", post(routes::cut))
        .route("/v1/reload", post(routes::reload))
        .route("/v1/stop", post(routes::stop))
        .fallback(routes::unknown)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(DefaultBodyLimit::max(CONTROL_BODY_BYTES_MAX))
        .layer(from_fn(guard::check))
        .with_state(node)
}

fn strangers() -> Router {
    Router::new().fallback(guard::stranger).layer(from_fn(guard::check))
}
