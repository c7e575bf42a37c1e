//! The log of a node in the foreground: on standard error, filtered by the config.

use std::env;
use std::io::{self, IsTerminal as _};

use pointsman_core::config::Config;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::control::views::{self, FollowedView};
use crate::shell::journal::Follower;

/// Kinds of events that somebody should look at.
const WARNINGS: [&str; 3] = ["policy-rolled-back", "policy-quarantined", "edit-refused"];

/// A log whose filter can change.
pub(super) struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logging {
    /// Starts the log of this process, as the config says.
    pub(super) fn start(config: &Config) -> Result<Self, String> {
        let (filter, handle) = reload::Layer::new(parse(&config.log_level)?);
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(wants_colours());
        let lines = if config.log_json { lines.json().boxed() } else { lines.boxed() };
        let log = tracing_subscriber::registry().with(filter).with(lines);
        log.try_init().map_err(|error| error.to_string())?;
        Ok(Self { filter: handle })
    }

    /// Another filter from now on.
    pub(super) fn set(&self, filter: &str) -> Result<(), String> {
        self.filter.reload(parse(filter)?).map_err(|error| error.to_string())
    }
}

/// Logs what happens, off the loop, until the node is gone.
pub(super) async fn log_events(mut events: Follower) {
    while let Some(next) = events.next().await {
        match views::followed(&next) {
            FollowedView::Event(event) if WARNINGS.contains(&event.kind.as_str()) => {
                tracing::warn!(kind = event.kind, "{}", event.text);
            }
            FollowedView::Event(event) => tracing::info!(kind = event.kind, "{}", event.text),
            FollowedView::Missed { missed } => tracing::warn!(missed, "events came too fast"),
        }
    }
}

fn wants_colours() -> bool {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !plain
}

/// A filter, or why the text is none.
pub(super) fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("log.level: {error}"))
}
