//! Who may ask: every request passes here before any route sees it.
//!
//! A Unix socket can't be reached by a web page, but a proxy in front of it can; so requests
//! that a browser marks with their origin are refused, and so is any other host name than
//! ours, which is no name that DNS could be made to answer.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::HOST;
use super::views::ErrorView;

/// An answer that says what is wrong and what to do.
pub(super) fn refuse(status: StatusCode, error: &str, remedy: &str) -> Response {
    let view = ErrorView { error: error.to_owned(), remedy: remedy.to_owned() };
    (status, Json(view)).into_response()
}

/// Lets a request pass that is ours, and marks every answer as nothing for browsers.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let mut response = match objection(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn objection(headers: &HeaderMap) -> Option<Response> {
    if headers.contains_key(header::ORIGIN) || headers.contains_key(header::REFERER) {
        return Some(refuse(
            StatusCode::FORBIDDEN,
            "this request comes from a web page",
            "ask from a program; the control socket is not for browsers",
        ));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let ours = hosts.next().is_some_and(|host| host == HOST) && hosts.next().is_none();
    (!ours).then(|| {
        let remedy = format!("send `Host: {HOST}`");
        refuse(StatusCode::MISDIRECTED_REQUEST, "this request is for another host", &remedy)
    })
}

/// Answers everything that a user asks who may not ask.
pub(super) async fn stranger() -> Response {
    refuse(
        StatusCode::FORBIDDEN,
        "this node belongs to another user",
        "run the command as the user that runs the node, or as root",
    )
}
