//! `pointsman run`: a node in the foreground.
//!
//! It reads the config or exits 64, opens the control socket, starts the node, says that it
//! is ready, waits for a signal, and drains. SIGHUP reads the config again; a second signal
//! to stop ends the process at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::{Logging, log_events};
use super::{Context, Failure};
use crate::app::{self, StartError};
use crate::config_file::{self, LoadError, Loaded};
use crate::control::server::Server;
use crate::control::socket;
use crate::handle::{Pointsman, Reconfigured};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman run                           with the config of this user or this system
  pointsman run --config table7.toml      with this one
  pointsman --socket /tmp/b.sock run      a second node beside the first")]
pub(super) struct Args {
    /// The config. Without it: $XDG_CONFIG_HOME/pointsman/config.toml, then
    /// /etc/pointsman/config.toml, then the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let loaded = load(args.config.as_deref())?;
    let logging = Logging::start(&loaded.config).map_err(Failure::usage)?;
    end_process_on_panic();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(node(&loaded, logging, context))
}

/// The config, or all that is wrong with it.
pub(super) fn load(file: Option<&Path>) -> Result<Loaded, Failure> {
    config_file::load(file).map_err(|error| match error {
        LoadError::Invalid { .. } => Failure::Usage(format!("the config is unusable\n{error}")),
        LoadError::Unreadable { .. } | LoadError::TooLarge { .. } => Failure::usage(error),
    })
}

async fn node(loaded: &Loaded, logging: Logging, context: &mut Context) -> Result<(), Failure> {
    if let Some(path) = &loaded.config.control_socket
        && context.socket == crate::places::default_socket()
    {
        context.socket = loaded.folder().join(path);
    }
    let (socket, listener) = socket::bind(&context.socket).map_err(Failure::failed)?;
    let set_log_filter = Box::new(move |filter: &str| logging.set(filter));
    let node = app::start(loaded, set_log_filter).await.map_err(|error| match error {
        StartError::Policy(_) => Failure::usage(error),
        StartError::Identity(_)
        | StartError::Uplinks(_)
        | StartError::Certificate(_)
        | StartError::Aside(_)
        | StartError::DecisionLog(_)
        | StartError::Watch(_) => Failure::failed(error),
    })?;
    let log = tokio::spawn(log_events(node.events(0)));
    let server = Server::start(node.clone(), socket, listener);
    // From here on a signal stops the node in order, so who reads `ready` may send one.
    let signals = Signals::new().map_err(Failure::failed)?;
    say_ready(&node, context)?;
    let in_order = until_stopped(&node, signals).await;
    drop(server);
    if in_order {
        // A loop that ended in order closed its journal; what is left to log is little.
        let _ = log.await;
    }
    if in_order { Ok(()) } else { Err(Failure::failed("the loop of the node broke")) }
}

fn say_ready(node: &Pointsman, context: &mut Context) -> Result<(), Failure> {
    let about = node.about();
    let config = match &about.config_file {
        Some(file) => file.display().to_string(),
        None => "none found: the defaults hold".to_owned(),
    };
    let lines = [
        format!("pointsman {}", about.version),
        format!("peer    {}", about.peer),
        format!("config  {config}"),
        format!("socket  {}", context.socket.display()),
        "ready".to_owned(),
    ];
    // A node does not depend on somebody reading this.
    match lines.iter().try_for_each(|line| context.out.line(line)) {
        Err(Failure::PipeClosed) => Ok(()),
        other => other,
    }
}

/// Serves until a signal or an order stops the node; false if its loop broke.
async fn until_stopped(node: &Pointsman, mut signals: Signals) -> bool {
    loop {
        tokio::select! {
            in_order = node.stopped() => return in_order,
            told = signals.next() => match told {
                Told::Reload => reload(node).await,
                Told::Stop => break,
            },
        }
    }
    tokio::select! {
        in_order = node.shutdown() => in_order,
        () = signals.stop() => {
            tracing::warn!("a second signal: not waiting for what is under way");
            true
        }
    }
}

async fn reload(node: &Pointsman) {
    let file = node.about().config_file.clone();
    let done = match config_file::load(file.as_deref()) {
        Ok(loaded) => node.reconfigure(loaded).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(Reconfigured { changed, swapped, notes }) => {
            tracing::info!(changed = changed.join(", "), "the config was read again");
            swapped.iter().for_each(|one| tracing::info!("{one}"));
            notes.iter().for_each(|note| tracing::warn!("{note}"));
        }
        Err(why) => tracing::warn!("the node goes on as it was: {why}"),
    }
}

/// What a signal tells the node to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.terminate.recv() => Told::Stop,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}

/// A task that panics leaves a node that looks alive and is not: end the process, with the
/// message that the panic prints. The radio alone gets over it by itself.
fn end_process_on_panic() {
    let print: Arc<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync> =
        std::panic::take_hook().into();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        if std::thread::current().name() != Some(pointsman_radio::THREAD) {
            std::process::exit(1);
        }
    }));
}
