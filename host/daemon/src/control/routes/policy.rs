//! The requests about slots: swap, shadow, promote, go back, and what happened.

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use pointsman_core::config::{ConfigError, Module, parse};
use pointsman_core::policy::Role;
use pointsman_engine::shadow::Thresholds;
use pointsman_sdk::Value;
use serde::Deserialize;

use super::{Refused, accepted, answer, read};
use crate::control::caller::Caller;
use crate::control::guard::refuse;
use crate::control::views;
use crate::handle::{Pointsman, ShadowError, Shadowed, SwapError, SwapOrder};

pub(in crate::control) async fn policies(State(node): State<Pointsman>) -> Response {
    answer(node.policies().await)
}

/// Which entries of the history.
#[derive(Debug, Deserialize)]
pub(in crate::control) struct HistoryQuery {
    slot: Option<String>,
}

pub(in crate::control) async fn history(
    State(node): State<Pointsman>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Response {
    let role = accepted(query).and_then(|query| query.slot.as_deref().map(role_named).transpose());
    match role {
        Ok(role) => Json(node.policy_history(role)).into_response(),
        Err(refused) => *refused,
    }
}

/// What shall come into a slot. The body has its settings, as below `[policy.ROLE.settings]`.
#[derive(Debug, Deserialize)]
pub(in crate::control) struct SwapQuery {
    module: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    allow_downgrade: bool,
    /// Whether the settings are those in the body, rather than those of the config.
    #[serde(default)]
    own_settings: bool,
}

pub(in crate::control) async fn swap(
    State(node): State<Pointsman>,
    Extension(caller): Extension<Caller>,
    Path(slot): Path<String>,
    query: Result<Query<SwapQuery>, QueryRejection>,
    body: Body,
) -> Response {
    let order = match order(&slot, query, caller, body).await {
        Ok(order) => order,
        Err(refused) => return *refused,
    };
    match node.swap_policy(order).await {
        Ok(swapped) => Json(views::swapped(&swapped)).into_response(),
        Err(error) => *refused(&error),
    }
}

pub(in crate::control) async fn rollback(
    State(node): State<Pointsman>,
    Extension(caller): Extension<Caller>,
    Path(slot): Path<String>,
) -> Response {
    let role = match role_named(&slot) {
        Ok(role) => role,
        Err(refused) => return *refused,
    };
    match node.roll_back_policy(role, caller.name()).await {
        Ok(swapped) => Json(views::swapped(&swapped)).into_response(),
        Err(error) => *refused(&error),
    }
}

pub(in crate::control) async fn shadow(
    State(node): State<Pointsman>,
    Extension(caller): Extension<Caller>,
    Path(slot): Path<String>,
    query: Result<Query<SwapQuery>, QueryRejection>,
    body: Body,
) -> Response {
    match order(&slot, query, caller, body).await {
        Ok(order) => shadowed(node.shadow_policy(order).await),
        Err(refused) => *refused,
    }
}

pub(in crate::control) async fn shadow_report(
    State(node): State<Pointsman>,
    Path(slot): Path<String>,
) -> Response {
    match role_named(&slot) {
        Ok(role) => shadowed(node.shadow_report(role)),
        Err(refused) => *refused,
    }
}

pub(in crate::control) async fn stop_shadow(
    State(node): State<Pointsman>,
    Path(slot): Path<String>,
) -> Response {
    match role_named(&slot) {
        Ok(role) => shadowed(node.stop_shadow(role).await),
        Err(refused) => *refused,
    }
}

/// What a candidate must have shown; what is not named is as by default.
#[derive(Debug, Deserialize)]
pub(in crate::control) struct PromoteQuery {
    compared_min: Option<u64>,
    differ_permille_max: Option<u32>,
    strikes_max: Option<u64>,
    mean_ns_max: Option<u32>,
    /// Whatever it has shown, and although it is quarantined.
    #[serde(default)]
    force: bool,
}

pub(in crate::control) async fn promote(
    State(node): State<Pointsman>,
    Extension(caller): Extension<Caller>,
    Path(slot): Path<String>,
    query: Result<Query<PromoteQuery>, QueryRejection>,
) -> Response {
    let (role, query) = match (role_named(&slot), accepted(query)) {
        (Ok(role), Ok(query)) => (role, query),
        (Err(refused), _) | (_, Err(refused)) => return *refused,
    };
    let usual = node.promotion_bounds(role).await;
    let bounds = Thresholds {
        compared_min: query.compared_min.unwrap_or(usual.compared_min),
        differ_permille_max: query.differ_permille_max.unwrap_or(usual.differ_permille_max),
        strikes_max: query.strikes_max.unwrap_or(usual.strikes_max),
        mean_ns_max: query.mean_ns_max.unwrap_or(usual.mean_ns_max),
    };
    let bounds = (!query.force).then_some(bounds);
    match node.promote_policy(role, bounds, caller.name()).await {
        Ok(swapped) => Json(views::swapped(&swapped)).into_response(),
        Err(error) => *not_shadowed(&error),
    }
}

fn shadowed(result: Result<Shadowed, ShadowError>) -> Response {
    match result {
        Ok(shadowed) => Json(views::shadowed(&shadowed)).into_response(),
        Err(error) => *not_shadowed(&error),
    }
}

fn not_shadowed(error: &ShadowError) -> Refused {
    let status = match error {
        ShadowError::Swap(error) => return refused(error),
        ShadowError::None(_) => StatusCode::NOT_FOUND,
        ShadowError::IsLive { .. } | ShadowError::Short { .. } => StatusCode::CONFLICT,
        ShadowError::Thread(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Box::new(refuse(status, &error.to_string(), &error.remedy()))
}

/// An order out of a request.
async fn order(
    slot: &str,
    query: Result<Query<SwapQuery>, QueryRejection>,
    caller: Caller,
    body: Body,
) -> Result<SwapOrder, Refused> {
    let role = role_named(slot)?;
    let SwapQuery { module, force, allow_downgrade, own_settings } = accepted(query)?;
    let text = read(body).await?;
    let settings = own_settings.then(|| settings(role, &text)).transpose()?;
    let module = module_named(&module)?;
    Ok(SwapOrder { role, module, settings, force, allow_downgrade, who: caller.name() })
}

/// The slot of this name.
fn role_named(name: &str) -> Result<Role, Refused> {
    Role::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
        let error = format!("there is no slot {name:?}");
        let remedy = "use selector, failover, reputation or anomaly";
        Box::new(refuse(StatusCode::NOT_FOUND, &error, remedy))
    })
}

/// A module as a command names it. The node may run anywhere, so a file has its full path.
fn module_named(text: &str) -> Result<Module, Refused> {
    if let Some(name) = text.strip_prefix("builtin:") {
        return Ok(Module::Builtin(name.to_owned()));
    }
    if let Some(name) = text.strip_prefix("embedded:") {
        return Ok(Module::Embedded(name.to_owned()));
    }
    if std::path::Path::new(text).is_absolute() && !text.contains('\0') {
        return Ok(Module::File(text.to_owned()));
    }
    let error = format!("{text:?} names no module");
    let remedy = "use builtin:NAME, embedded:NAME, or the full path of a .wasm file";
    Err(Box::new(refuse(StatusCode::BAD_REQUEST, &error, remedy)))
}

/// Settings as they would stand in a config. An error tells the line in what was sent.
fn settings(role: Role, text: &[u8]) -> Result<Vec<(String, Value)>, Refused> {
    let wrong = |errors: &[ConfigError]| {
        let told = errors.iter().map(|error| {
            let ConfigError { line, column, message, .. } = error;
            format!("line {}, column {column}: {message}", line.saturating_sub(1))
        });
        let error = format!("the settings: {}", told.collect::<Vec<_>>().join("; "));
        let remedy = format!("write them as below [policy.{}.settings]", role.name());
        Box::new(refuse(StatusCode::UNPROCESSABLE_ENTITY, &error, &remedy))
    };
    let text = String::from_utf8_lossy(text);
    let config = parse(&format!("[policy.{}.settings]\n{text}", role.name()));
    config.map(|config| config.slot(role).settings.clone()).map_err(|errors| wrong(&errors))
}

fn refused(error: &SwapError) -> Refused {
    let status = match error {
        SwapError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        SwapError::Held { .. } | SwapError::NothingBefore(_) => StatusCode::CONFLICT,
        SwapError::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Box::new(refuse(status, &error.to_string(), &error.remedy()))
}
