//! The node as a whole.

use std::collections::BTreeMap;

use pointsman_core::limits;
use pointsman_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

use super::{FindingView, NeighbourView, PolicyView, RadioView, ReachView, hex64};
use crate::handle::About;
use crate::policies::Now;
use crate::shell::Report;

/// The node as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// This node's identity.
    pub peer: String,
    /// Version of this program.
    pub version: String,
    /// Random number of this run, in hexadecimal.
    pub session: String,
    /// The process.
    pub pid: u32,
    /// Since the start.
    pub uptime_ms: u64,
    /// `network.name`.
    pub network: String,
    /// The config file; `null` where the defaults hold.
    pub config: Option<String>,
    /// Where it listens.
    pub listening: Vec<ListenView>,
    /// What others reach it by.
    pub reach: ReachView,
    /// Its interfaces.
    pub uplinks: Vec<UplinkView>,
    /// Its Bluetooth adapters; empty where Bluetooth is not enabled.
    pub radios: Vec<RadioView>,
    /// Nodes in radio range.
    pub neighbours: Vec<NeighbourView>,
    /// Peers that it knows.
    pub peers: usize,
    /// Peers with a usable link.
    pub peers_linked: usize,
    /// Links of any state.
    pub links: usize,
    /// Its policies, one for each slot.
    pub policies: Vec<PolicyView>,
    /// Messages that wait for applications here.
    pub mail: MailView,
    /// Messages of applications here that have no last fate yet.
    pub under_way: usize,
    /// What was counted since the start; every name says what.
    pub counters: BTreeMap<String, u64>,
    /// What is out of the ordinary now, the worst first; empty when all is well.
    pub findings: Vec<FindingView>,
    /// Limits that are reached now, as sentences; empty when all is well.
    pub limits_reached: Vec<String>,
}

/// An address that it listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenView {
    /// The uplink's name.
    pub uplink: String,
    /// The multiaddr, without the peer's identity.
    pub address: String,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkView {
    /// Its name.
    pub name: String,
    /// Local addresses with prefix lengths.
    pub addresses: Vec<String>,
    /// Whether it has a way out.
    pub has_default_route: bool,
    /// Whether traffic costs money or quota.
    pub metered: bool,
    /// Uplinks with the same number fail together.
    pub risk_group: u32,
    /// `null` unless an operator cut it.
    pub cut: Option<CutView>,
}

/// In which directions an uplink is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutView {
    /// What arrives is lost.
    pub inbound: bool,
    /// What is sent is lost.
    pub outbound: bool,
}

/// Messages that wait for applications here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// Listeners that are connected.
    pub listeners: usize,
    /// Messages that wait for a listener to come.
    pub unclaimed: usize,
    /// Messages that a listener has not taken yet.
    pub claimed: usize,
}

/// The whole of it.
pub fn status(about: &About, slots: &[Now], report: &Report) -> StatusView {
    let node = &report.node;
    let peers = super::peers(node);
    StatusView {
        peer: about.peer.to_string(),
        version: about.version.to_owned(),
        session: hex64(node.session),
        pid: std::process::id(),
        uptime_ms: u64::try_from(about.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        network: about.network.clone(),
        config: about.config_file.as_ref().map(|file| file.display().to_string()),
        listening: listening(report),
        reach: super::reach(&report.reach),
        uplinks: uplinks(report),
        radios: report.radios.iter().map(super::radio).collect(),
        neighbours: super::neighbours(node),
        peers: peers.len(),
        peers_linked: peers.iter().filter(|peer| peer.links_usable > 0).count(),
        links: peers.iter().map(|peer| peer.links).sum(),
        policies: super::policies(slots, report),
        mail: MailView {
            listeners: report.mail.listeners,
            unclaimed: report.mail.unclaimed,
            claimed: report.mail.claimed,
        },
        under_way: report.under_way,
        counters: counters(report),
        findings: report.findings.iter().map(super::finding).collect(),
        limits_reached: limits_reached(node),
    }
}

fn listening(report: &Report) -> Vec<ListenView> {
    let view = |one: &crate::net::ListenAddress| ListenView {
        uplink: one.uplink.clone(),
        address: one.address.text.clone(),
    };
    report.listening.iter().map(view).collect()
}

fn uplinks(report: &Report) -> Vec<UplinkView> {
    let cut = |name: &str| {
        let found = report.cuts.iter().find(|(cut, ..)| cut == name);
        found.map(|&(_, inbound, outbound)| CutView { inbound, outbound })
    };
    let view = |uplink: &pointsman_core::input::Uplink| UplinkView {
        name: uplink.name.clone(),
        addresses: uplink.addresses.clone(),
        has_default_route: uplink.has_default_route,
        metered: uplink.metered,
        risk_group: uplink.risk_group,
        cut: cut(&uplink.name),
    };
    report.node.uplinks.iter().map(view).collect()
}

fn counters(report: &Report) -> BTreeMap<String, u64> {
    let tally = report.tally;
    let (aside, bluetooth) = (&report.aside, report.node.bluetooth);
    let own = [
        ("loop_turns", tally.turns),
        ("loop_lag_us_max", tally.lag_us_max),
        ("frames_unqueued", tally.frames_unqueued),
        ("frames_for_gone_links", tally.frames_without_link),
        ("dials_unheard", tally.dials_unheard),
        ("connections_refused", tally.connections_refused),
        ("handshakes_failed", tally.handshakes_failed),
        ("adverts", bluetooth.adverts),
        ("adverts_malformed", bluetooth.malformed),
        ("adverts_incompatible", bluetooth.incompatible),
        ("adverts_echoed", bluetooth.echoes),
        ("adverts_unmeasured", bluetooth.unmeasured),
        ("neighbours_evicted", bluetooth.evicted),
        ("neighbours_refused", bluetooth.refused),
        ("neighbour_dials", bluetooth.dials),
        ("neighbour_dials_failed", bluetooth.dials_failed),
        ("adverts_dropped", tally.radio.adverts_dropped),
        ("radio_arrivals_refused", tally.radio.arrivals_refused),
        ("radio_arrivals_unopened", tally.radio.arrivals_unopened),
        ("radio_arrivals_untaken", tally.radio.arrivals_untaken),
        ("standings_asked", aside.reputation.asked),
        ("inspections_asked", aside.anomaly.asked),
        ("aside_dropped", aside.dropped),
        ("aside_unanswered", aside.unanswered),
        ("lessons", aside.lessons),
        ("outcomes_learned", aside.outcomes_learned),
        ("outcomes_unknown", aside.outcomes_unknown),
        ("learn_failures", aside.learn_failures),
        ("checkpoints", aside.checkpoints),
    ];
    let nat = report.reach.counts;
    let nat = [
        ("hole_punches", nat.punches),
        ("hole_punches_made", nat.punched),
        ("hole_punches_given_up", nat.punches_given_up),
        ("address_probes", nat.probes),
        ("address_probe_bytes", nat.probe_bytes),
        ("address_probes_answered", nat.answers),
        ("relay_reservations_granted", nat.reservations_granted),
        ("relay_circuits", nat.circuits_relayed),
        ("relay_circuits_now", nat.circuits_now),
        ("relay_refusals", nat.relays_refused),
    ];
    let all = report.node.counters.iter().copied().chain(own).chain(nat);
    all.map(|(name, count)| (name.to_owned(), count)).collect()
}

fn limits_reached(node: &Snapshot) -> Vec<String> {
    let links: usize = node.peers.iter().map(|peer| peer.links.len()).sum();
    let waiting: u64 = node.peers.iter().flat_map(|peer| peer.queues).map(|one| one.bytes).sum();
    let mut reached = Vec::new();
    if node.peers.len() >= limits::PEERS_MAX {
        reached.push(format!("{} peers are known, the most that are kept", limits::PEERS_MAX));
    }
    if links >= limits::LINKS_MAX {
        reached.push(format!("{} links are up, the most that are kept", limits::LINKS_MAX));
    }
    if node.uplinks.len() >= limits::UPLINKS_MAX {
        reached.push(format!("{} uplinks are in use, the most there may be", limits::UPLINKS_MAX));
    }
    if waiting >= limits::QUEUES_BYTES_MAX {
        reached.push(format!("{waiting} bytes wait to be sent, the most there may be"));
    }
    let full = |queue: &pointsman_core::snapshot::QueueSnapshot| {
        queue.messages >= limits::QUEUE_MESSAGES_MAX || queue.bytes >= limits::QUEUE_BYTES_MAX
    };
    for peer in node.peers.iter().filter(|peer| peer.queues.iter().any(full)) {
        reached.push(format!("a queue to {} is full", peer.peer));
    }
    reached
}
