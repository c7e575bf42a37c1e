//! Builds a node out of its config, in order, and takes it down again.
//!
//! Everything that can be wrong is tried before anything is opened: policies first, then the
//! identity, then the network, then the loop. The parts end in the opposite order, each when
//! the one that uses it is gone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use pointsman_core::Node;
use pointsman_core::config::{Allow, Config, NodeConfig};
use pointsman_core::input::{Input, Source};
use pointsman_core::limits::{COMMANDS_MAX, SUBMISSIONS_MAX};
use tokio::sync::{mpsc, watch};

use crate::clock::{self, Clock};
use crate::config_file::Loaded;
use crate::handle::{About, Changers, Inner, Pointsman, Setup};
use crate::identity::{self, IdentityError};
use crate::net::bindings::Bindings;
use crate::net::registry::Registry;
use crate::net::{self, NetOptions};
use crate::places;
use crate::policies::{Policies, SeatError};
use crate::shell::journal::Journal;
use crate::shell::mail::Mail;
use crate::shell::{Ports, Shell, Sources};
use crate::uplinks;

/// Sets the log filter of this process.
pub type SetLogFilter = Box<dyn Fn(&str) -> Result<(), String> + Send>;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A policy can't be loaded.
    #[error(transparent)]
    Policy(#[from] SeatError),
    /// There is no usable identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system does not tell its interfaces.
    #[error("cannot watch the network interfaces: {0}")]
    Uplinks(#[from] std::io::Error),
}

/// Starts a node. Must be called inside a tokio runtime with time and IO.
///
/// `set_log_filter` is called when `log.level` changes; a program with a log of its own gives
/// one that does nothing.
pub fn start(loaded: &Loaded, set_log_filter: SetLogFilter) -> Result<Pointsman, StartError> {
    let config = loaded.config.clone();
    let policies = Arc::new(Policies::default());
    let (selector, selector_seat) = policies.selector(&config.selector, loaded.folder())?;
    let (failover, failover_seat) = policies.failover(&config.failover, loaded.folder())?;
    let keypair = identity::load_or_create(&identity_file(loaded))?;
    let me = identity::peer_id(&keypair);
    let bindings = Bindings::new();
    let watching = uplinks::start(&config)?;
    let options = NetOptions {
        keypair,
        network: config.network.clone(),
        allow: admitted(&config),
        mdns: config.mdns,
    };
    let (net, facts) = net::start(options, bindings.clone(), Registry::default());

    let now = Clock::now();
    let mut node = Node::new(me, node_config(&config), clock::random_u64());
    node.handle(now, Input::SelectorSwapped(Some(selector)));
    node.handle(now, Input::FailoverSwapped(Some(failover)));
    for peer in &config.peers {
        for address in peer.addresses.iter().cloned() {
            let source = Source::Config;
            node.handle(now, Input::Sighted { peer: peer.id, address, source });
        }
    }
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (submissions, submissions_in) = mpsc::channel(SUBMISSIONS_MAX);
    let (stop, stop_in) = watch::channel(false);
    let (mail, journal) = (Arc::new(Mail::default()), Arc::new(Journal::new()));
    let ports = Ports { quic: config.listen_quic, tcp: config.listen_tcp };
    let shell = Shell::new(node, net, bindings, ports, Arc::clone(&mail), Arc::clone(&journal));
    let sources = Sources {
        links: facts.links,
        commands: commands_in,
        submissions: submissions_in,
        uplinks: watching.facts,
        net: facts.net,
        stop: stop_in,
    };
    let changer = watching.changer;
    let changers = Changers { uplinks: Box::new(move |new| changer.set(new)), log: set_log_filter };
    let about = About {
        peer: me,
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        network: config.network.clone(),
        config_file: loaded.file.clone(),
    };
    Ok(Pointsman::new(Inner {
        about,
        commands,
        submissions,
        mail,
        journal,
        stop,
        ended: spawn(shell, sources),
        setup: tokio::sync::Mutex::new(Setup { config, policies, changers }),
        seated: std::sync::Mutex::new(vec![selector_seat, failover_seat]),
    }))
}

/// Where the identity of a node with this config is, or will be.
pub fn identity_file(loaded: &Loaded) -> PathBuf {
    match &loaded.config.identity {
        Some(path) => loaded.folder().join(path),
        None => places::state_folder().join("identity"),
    }
}

/// Who may connect: whom the config lists, and its static peers.
pub(crate) fn admitted(config: &Config) -> Allow {
    match &config.node.allow {
        Allow::All => Allow::All,
        Allow::Listed(listed) => {
            let fixed = config.peers.iter().map(|peer| peer.id);
            Allow::Listed(listed.iter().copied().chain(fixed).collect())
        }
    }
}

/// The Node's part of a config, with the static peers among those who may be peers.
pub(crate) fn node_config(config: &Config) -> NodeConfig {
    NodeConfig { allow: admitted(config), ..config.node.clone() }
}

/// Runs the loop in a task of its own, and tells when it has ended in good order.
fn spawn(shell: Shell, sources: Sources) -> watch::Receiver<bool> {
    let (ended, told) = watch::channel(false);
    tokio::spawn(async move {
        shell.run(sources).await;
        ended.send_replace(true);
    });
    told
}
