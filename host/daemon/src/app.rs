//! Builds a node out of its config, in order, and takes it down again.
//!
//! Everything that can be wrong is tried before anything is opened: policies first, then the
//! identity, then the network, then the loop. The parts end in the opposite order, each when
//! the one that uses it is gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use libp2p::identity::Keypair;
use pointsman_core::Node;
use pointsman_core::config::{Allow, Config, NodeConfig};
use pointsman_core::id::PeerId;
use pointsman_core::input::{Input, Source};
use pointsman_core::limits::{COMMANDS_MAX, SUBMISSIONS_MAX};
use pointsman_core::policy::builtin;
use pointsman_core::reputation::Recollection;
use tokio::sync::mpsc;

use crate::aside::{self, AsideSetup};
use crate::clock::{self, Clock};
use crate::config_file::Loaded;
use crate::decision_log::DecisionLog;
use crate::handle::{About, Inner, Pointsman, Setup, follow_edits, keep, watched};
use crate::identity::{self, IdentityError};
use crate::net::bindings::Bindings;
use crate::net::phone::PhoneOptions;
use crate::net::registry::Registry;
use crate::net::{self, NetOptions};
use crate::places;
use crate::policies::{Filled, Leaving, Policies, SeatError, Slots, fill, module_text};
use crate::power;
use crate::radio::{self, Radios};
use crate::remembering::{self, Earlier, Recalled};
use crate::shell::journal::Journal;
use crate::shell::mail::Mail;
use crate::shell::{Ports, Shell, Sources};
use crate::tasks::off_loop;
use crate::uplinks::{self, WatchError};
use crate::watch::Watch;

/// Sets the log filter of this process.
pub type SetLogFilter = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

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
    #[error(transparent)]
    Uplinks(#[from] WatchError),
    /// The system does not give another thread.
    #[error("cannot start the thread for policies off the loop: {0}")]
    Aside(std::io::Error),
    /// No certificate can be made of the identity.
    #[error("cannot make a certificate for QUIC: {0}")]
    Certificate(#[from] std::io::Error),
    /// No thread can record decisions.
    #[error("cannot record decisions: {0}")]
    DecisionLog(std::io::Error),
    /// No thread can watch the files.
    #[error("cannot watch the config: {0}")]
    Watch(std::io::Error),
}

/// Starts a node. Must be called inside a tokio runtime with time and IO.
///
/// `set_log_filter` is called when `log.level` changes; a program with a log of its own gives
/// one that does nothing.
pub async fn start(loaded: &Loaded, set_log_filter: SetLogFilter) -> Result<Pointsman, StartError> {
    let config = loaded.config.clone();
    let policies = Arc::new(Policies::default());
    let state = state_folder(loaded);
    let decisions = decision_log(loaded).map_err(StartError::DecisionLog)?;
    let beside = aside_setup(&state, &decisions);
    let (aside, told, thread) = aside::start(beside).map_err(StartError::Aside)?;
    let (around_loop, folder) = (aside.clone(), state.clone());
    let mut slots = off_loop(move || Slots::open(policies, around_loop, &folder)).await;
    let Filled { leaving, later } = fill(&slots, &config, loaded.folder()).await?;
    let keypair = identity::load_or_create(&identity_file(loaded))?;
    let (me, salt) = (identity::peer_id(&keypair), identity::salt(&keypair));
    let (watch, uplinks) = uplinks::watch(config.uplinks.clone(), config.other_uplinks).await?;
    let recalled = off_loop(move || remembering::recall(&state)).await;
    let Recalled { memory, phone: earlier, standings } = recalled;
    let options = net_options(keypair, &config, earlier);
    let bindings = Bindings::new();
    let Radios { handles, news, ports, wishes } = radio::start(&config);
    let (net, facts) = net::start(options, bindings.clone(), Registry::default(), ports)?;
    let phone = net.phone().clone();

    let mut node = node(me, &config, standings).salted(salt);
    for one in leaving {
        enter(&mut node, &mut slots, one, &config).await;
    }
    let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
    let (submissions, submissions_in) = mpsc::channel(SUBMISSIONS_MAX);
    let (stop, stop_in) = tokio::sync::watch::channel(false);
    let (mail, journal) = (Arc::new(Mail::default()), Arc::new(Journal::new()));
    let (post, diary) = (Arc::clone(&mail), Arc::clone(&journal));
    let shell = Shell::new(node, net, bindings, listen(&config), post, diary, aside.clone())
        .recording(decisions.clone())
        .with_radios(handles)
        .remembering(memory);
    let sources = Sources {
        links: facts.links,
        commands: commands_in,
        submissions: submissions_in,
        uplinks,
        net: facts.net,
        radio: news,
        power: power::watch(),
        aside: told,
        stop: stop_in,
    };
    let ended = spawn(shell, sources, thread);
    let (files, edits) = Watch::start(watched(&config, loaded.file.as_deref(), loaded.folder()))
        .map_err(StartError::Watch)?;
    let (book, folder) = (Arc::clone(&slots.book), loaded.folder().to_owned());
    let setup = Setup { config, folder, slots, files, watch, radios: wishes, set_log_filter };
    let parts = Inner {
        about: about(me, loaded),
        commands,
        submissions,
        mail,
        journal,
        decisions,
        stop,
        ended,
        setup: tokio::sync::Mutex::new(setup),
        book,
        shadows: Default::default(),
        returning: Default::default(),
        aside,
        phone,
    };
    let node = Pointsman::new(parts);
    tokio::spawn(keep(node.weak(), node.events(0), later));
    tokio::spawn(follow_edits(node.weak(), edits));
    Ok(node)
}

fn net_options(keypair: Keypair, config: &Config, earlier: Earlier) -> NetOptions {
    let phone = PhoneOptions {
        config: config.dht.clone(),
        contacts: earlier.contacts,
        records: earlier.records,
        sequence: earlier.sequence,
        sealing_key: identity::sealing_key(&keypair),
        relays: config.nat.relay_server,
    };
    NetOptions {
        phone: config.dht.enabled.then_some(phone),
        keypair,
        network: config.network.clone(),
        allow: admitted(config),
        mdns: config.mdns,
        nat: config.nat.clone(),
    }
}

/// Where a node with this config listens, on every uplink.
fn listen(config: &Config) -> Ports {
    Ports { quic: config.listen_quic, tcp: config.listen_tcp }
}

/// Puts a policy into its slot before the loop begins.
async fn enter(node: &mut Node, slots: &mut Slots, leaving: Leaving, config: &Config) {
    let (placed, record, _) = slots.send_off(leaving);
    if let Some(placed) = placed {
        node.handle(Clock::now(), placed.into());
    }
    let configured = module_text(&config.slot(record.live.seated.role).module);
    slots.entered(record, false, &configured).await;
}

/// What stays true of a node that starts now.
fn about(peer: PeerId, loaded: &Loaded) -> About {
    About {
        peer,
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        network: loaded.config.network.clone(),
        config_file: loaded.file.clone(),
    }
}

/// Where decisions of a node with this config are recorded.
fn decision_log(loaded: &Loaded) -> std::io::Result<DecisionLog> {
    let rules = &loaded.config.policy;
    DecisionLog::start(state_folder(loaded).join("decisions"), rules.log_mib, rules.sample)
}

/// A Node that knows its static peers, and where others stood in earlier runs.
fn node(me: PeerId, config: &Config, standings: Vec<Recollection>) -> Node {
    let now = Clock::now();
    let mut node = Node::new(me, node_config(config), clock::session());
    node.handle(now, Input::Recalled(standings));
    node.handle(now, Input::SampleDecisions { every: config.policy.sample });
    for peer in &config.peers {
        node.handle(now, Input::Wanted { peer: peer.id, wanted: true });
        for address in peer.addresses.iter().cloned() {
            let source = Source::Config;
            node.handle(now, Input::Sighted { peer: peer.id, address, source });
        }
    }
    node
}

/// Where the identity of a node with this config is, or will be.
pub fn identity_file(loaded: &Loaded) -> PathBuf {
    match &loaded.config.identity {
        Some(path) => loaded.folder().join(path),
        None => places::state_folder().join("identity"),
    }
}

/// Where a node with this config keeps what must survive it. Nodes of one user that have
/// identities of their own have folders of their own, beside these.
pub fn state_folder(loaded: &Loaded) -> PathBuf {
    match &loaded.config.identity {
        Some(path) => {
            let mut name = loaded.folder().join(path).into_os_string();
            name.push(".state");
            PathBuf::from(name)
        }
        None => places::state_folder(),
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

/// What the policies off the loop begin with: the builtins, and what was learned before.
fn aside_setup(state: &Path, log: &DecisionLog) -> AsideSetup {
    AsideSetup {
        folder: Some(state.join("learned")),
        reputation: Some(builtin::default_reputation()),
        anomaly: Some(builtin::default_anomaly()),
        log: Some(log.clone()),
    }
}

/// Runs the loop in a task of its own, and tells when it and the thread beside it have ended in
/// good order.
fn spawn(
    shell: Shell,
    sources: Sources,
    aside: std::thread::JoinHandle<()>,
) -> tokio::sync::watch::Receiver<bool> {
    let (ended, told) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        shell.run(sources).await;
        // It writes down what was learned, which takes no longer than the disk does.
        let joined = tokio::task::spawn_blocking(move || aside.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread for policies off the loop broke");
        }
        ended.send_replace(true);
    });
    told
}
