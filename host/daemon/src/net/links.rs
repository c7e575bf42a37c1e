//! Links: connections with one substream per channel.

pub mod queue;

use std::time::Duration;

/// How long a link may take to write what was sent before it was closed.
pub const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);
