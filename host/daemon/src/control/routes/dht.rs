//! The phone book.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::{Refused, find_peer};
use crate::control::guard::refuse;
use crate::control::views;
use crate::handle::Pointsman;
use crate::net::phone::PhoneError;

/// How this node takes part.
pub(in super::super) async fn status(State(node): State<Pointsman>) -> Response {
    match node.dht().await {
        Ok(view) => Json(view).into_response(),
        Err(error) => *refused(error),
    }
}

/// Looks a peer up.
pub(in super::super) async fn find(
    State(node): State<Pointsman>,
    Path(peer): Path<String>,
) -> Response {
    let found = async {
        let peer = find_peer(&node, &peer).await?;
        node.phone().find(peer).await.map_err(refused)
    };
    match found.await {
        Ok(found) => Json(views::found(&found)).into_response(),
        Err(refused) => *refused,
    }
}

/// Why there is no answer, and what helps.
pub(in super::super) fn refused(error: PhoneError) -> Refused {
    let (status, remedy) = match error {
        PhoneError::Off => (StatusCode::CONFLICT, "set it to true and restart the node"),
        PhoneError::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "see pointsman dht status"),
        PhoneError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "start it again: pointsman run"),
    };
    Box::new(refuse(status, &error.to_string(), remedy))
}
