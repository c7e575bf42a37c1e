//! `pointsman demo`: five nodes on this machine, traffic between them, and an uplink that goes
//! silent and comes back, told as the nodes see it.
//!
//! The nodes are processes of this very program. They live in network namespaces where that is
//! permitted (in a user namespace of its own where this user is not root), else on loopback.
//! Nothing is configured, nothing leaves this machine, and nothing is left behind: processes,
//! namespaces, sockets and files end with it, also when it is interrupted or killed; only a
//! kill leaves the folder with configs and logs among the temporary files.

mod api;
mod cast;
mod ears;
mod result;
mod stage;
mod story;
mod tally;
mod voice;

use std::io;
use std::time::Duration;

use crate::control::client::ClientError;
use crate::identity::IdentityError;

use cast::Cast;
use stage::Stage;
use story::Story;
use voice::Voice;

pub use result::DemoResult;

/// How many nodes take part.
pub const NODES: usize = 5;
/// Shortest and longest traffic, in seconds.
pub const SECONDS: std::ops::RangeInclusive<u64> = 3..=600;
/// Length of the traffic where nobody says otherwise, in seconds.
pub const SECONDS_DEFAULT: u64 = 9;

/// How the demonstration runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long messages flow, in seconds, within [`SECONDS`]; the uplink goes after a third of
    /// it and comes back after two.
    pub seconds: u64,
    /// Tells nothing but the result, as JSON.
    pub json: bool,
    /// On loopback, even where network namespaces are permitted.
    pub loopback: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or a process.
    #[error("the demonstration could not be set up: {0}")]
    Io(#[from] io::Error),
    /// The lab, though it is permitted.
    #[error("the network namespaces could not be set up: {0}")]
    Lab(String),
    /// A node's key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A node's control socket.
    #[error(transparent)]
    Control(#[from] ClientError),
    /// A node is not there.
    #[error("a node of the demonstration is down: {0}")]
    NodeDown(String),
    /// Nodes did not find each other.
    #[error("after {} s these pairs of nodes were not linked twice: {missing}", waited.as_secs())]
    NotLinked {
        /// How long they were given.
        waited: Duration,
        /// Which.
        missing: String,
    },
    /// It ran in a user namespace, and failed there.
    #[error("the demonstration failed in its user namespace, as told above")]
    Elsewhere,
    /// Somebody pressed Ctrl-C or ended the process.
    #[error("interrupted; nothing is left behind")]
    Interrupted,
}

/// Runs it and tells it on standard output. True when no message was lost.
///
/// Must run on the program's main task: the nodes die with the thread that starts them.
pub async fn run(options: Options) -> Result<bool, DemoError> {
    #[cfg(target_os = "linux")]
    if !options.loopback && stage::ran_in_user_namespace().await? {
        return Ok(true);
    }
    tokio::select! {
        result = perform(options) => result,
        () = interrupted() => Err(DemoError::Interrupted),
    }
}

async fn perform(options: Options) -> Result<bool, DemoError> {
    let voice = Voice::new(options.json);
    let stage = Stage::build(options.loopback)?;
    voice.say(&stage.sentence());
    let cast = Cast::start(&stage).await?;
    voice.say("all nodes run; they look for each other");
    let result = Story::new(&stage, &cast, &voice, options).tell().await;
    cast.stop().await;
    let result = result?;
    voice.conclude(&result)?;
    Ok(result.lost == 0)
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
        _ = terminate.recv() => {}
    }
}
