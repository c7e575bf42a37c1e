//! Events: a stable head, and fields that depend on the kind.

use std::collections::BTreeMap;

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::{Address, DialFailure, DownReason};
use pointsman_core::output::{CloseReason, Event, Violation};
use pointsman_core::policy::Role;
use pointsman_radio::Adapter;
use pointsman_sdk::failover;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::finding::sentence;
use super::link::protocol_name;
use super::peer::failure_name;
use crate::shell::OpenFinding;
use crate::shell::journal::{Followed, Happening, LinkInfo, Quarantined, Record};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// Its number: 1 for the first since the node started, without gaps.
    pub number: u64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    /// What kind, such as `link-up`; see the other fields of that kind.
    pub kind: String,
    /// The same as a sentence.
    pub text: String,
    /// The peer that it is about.
    pub peer: Option<String>,
    /// The link that it is about.
    pub link: Option<u32>,
    /// The uplink that it is about, or that the link is bound to.
    pub uplink: Option<String>,
    /// What only this kind has: `late_us`, `silent_us`, `packets`, `bytes`, `reason`, `onto`,
    /// `resent`, `because`, `address`, `why`, `role`, `strikes`, `asleep_us`, `keys`,
    /// `inbound`, `outbound`, `addresses`, `rule`, `severity`, `metric`, `evidence`, `remedy`,
    /// `generation`, `to`, `module`, `policy`, `back`, `left_s`, `what`, `metres`,
    /// `metres_least`, `metres_most`, `in_range`, `usable`, `direct`.
    pub details: BTreeMap<String, Value>,
}

/// What a follower finds next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FollowedView {
    /// An event.
    Event(Box<EventView>),
    /// Events that were dropped before they were read.
    Missed {
        /// So many.
        missed: u64,
    },
}

/// For JSON.
pub fn followed(followed: &Followed) -> FollowedView {
    match followed {
        Followed::Record(record) => FollowedView::Event(Box::new(view(record))),
        Followed::Missed(missed) => FollowedView::Missed { missed: *missed },
    }
}

fn view(record: &Record) -> EventView {
    let (link, uplink) = match &record.what {
        Happening::Node { link, uplink, .. } => (link.as_deref(), uplink.clone()),
        Happening::Radio(state) => (None, state.name.clone()),
        Happening::Cut { uplink, .. } | Happening::ListenFailed { uplink, .. } => {
            (None, Some(uplink.clone()))
        }
        Happening::Reconfigured(_)
        | Happening::Listening(_)
        | Happening::Reached { .. }
        | Happening::Quarantined(_)
        | Happening::EditRefused { .. }
        | Happening::Standing { .. }
        | Happening::Crowded { .. }
        | Happening::Published { .. }
        | Happening::Anomaly(_)
        | Happening::AnomalyOver(_)
        | Happening::LearnFailed { .. }
        | Happening::Stopping => (None, None),
    };
    let told = tell(&record.what, link);
    EventView {
        number: record.number,
        unix_ms: record.unix_ms,
        kind: told.kind.to_owned(),
        text: told.text,
        peer: told.peer.or_else(|| link.map(|link| link.peer.to_string())),
        link: told.link.or_else(|| link.map(|link| link.link.0)),
        uplink: uplink.or_else(|| link.map(|link| link.uplink.clone())),
        details: told.details,
    }
}

/// What is told of one kind.
struct Told {
    kind: &'static str,
    text: String,
    peer: Option<String>,
    link: Option<u32>,
    details: BTreeMap<String, Value>,
}

impl Told {
    fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), peer: None, link: None, details: BTreeMap::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    fn on(self, link: u32) -> Self {
        Self { link: Some(link), ..self }
    }

    fn of(self, peer: String) -> Self {
        Self { peer: Some(peer), ..self }
    }
}

fn published(sequence: u64, stored: usize) -> Told {
    let text = match stored {
        0 => "nobody took this node's record in the DHT; it is published again".to_owned(),
        1 => "a node keeps this node's record in the DHT".to_owned(),
        _ => format!("{stored} nodes keep this node's record in the DHT"),
    };
    Told::new("published", text).with("sequence", sequence).with("stored", stored)
}

fn crowded(key: &str, score_permille: u32) -> Told {
    let short = &key[..16.min(key.len())];
    let text = format!(
        "nodes were made to lie next to the key {short}… of the DHT: lookups there go to more nodes"
    );
    Told::new("crowded", text).with("key", key).with("score_permille", score_permille)
}

fn tell(what: &Happening, link: Option<&LinkInfo>) -> Told {
    match what {
        Happening::Node { event, uplink, .. } => {
            node_event(event, link, uplink.as_deref().unwrap_or("an uplink"))
        }
        Happening::Reconfigured(keys) if keys.is_empty() => {
            Told::new("reconfigured", "the config was read again; nothing changed")
                .with("keys", json!(keys))
        }
        Happening::Reconfigured(keys) => {
            Told::new("reconfigured", format!("the config changed: {}", keys.join(", ")))
                .with("keys", json!(keys))
        }
        Happening::Cut { uplink, inbound, outbound } => {
            Told::new("cut", cut_text(uplink, *inbound, *outbound))
                .with("inbound", *inbound)
                .with("outbound", *outbound)
        }
        Happening::Listening(addresses) => {
            Told::new("listening", format!("listening on {}", addresses.join(", ")))
                .with("addresses", json!(addresses))
        }
        Happening::Reached { direct, addresses } => reached(*direct, addresses),
        Happening::ListenFailed { uplink, protocol, why } => {
            let protocol = protocol_name(*protocol);
            Told::new("listen-failed", format!("cannot listen on {uplink} by {protocol}: {why}"))
                .with("why", why.as_str())
        }
        Happening::Standing { peer, score, level, was } => {
            let (level, was) = (level.name(), was.name());
            let text = format!("{peer} is {level}, and was {was}: its score is {score}");
            Told::new("standing", text)
                .of(peer.to_string())
                .with("level", level)
                .with("was", was)
                .with("score", *score)
        }
        Happening::Published { sequence, stored } => published(*sequence, *stored),
        Happening::Crowded { key, score_permille } => crowded(key, *score_permille),
        Happening::Anomaly(open) => found("anomaly", sentence(open), open),
        Happening::AnomalyOver(open) => {
            found("anomaly-over", format!("{} is as usual again", open.about()), open)
        }
        Happening::LearnFailed { role, generation, why } => {
            let text =
                format!("generation {generation} of the {} did not learn: {why}", role.name());
            Told::new("learn-failed", text)
                .with("role", role.name())
                .with("generation", *generation)
                .with("why", why.as_str())
        }
        Happening::Quarantined(quarantined) => quarantine(quarantined),
        Happening::EditRefused { what, why } => {
            Told::new("edit-refused", format!("{what}: the node goes on as it was: {why}"))
                .with("what", what.as_str())
                .with("why", why.as_str())
        }
        Happening::Radio(state) => {
            let usable = matches!(state.adapter, Adapter::Usable { .. });
            Told::new("radio", state.sentence()).with("usable", usable)
        }
        Happening::Stopping => Told::new("stopping", "the node finishes and stops"),
    }
}

fn reached(direct: Option<bool>, addresses: &[String]) -> Told {
    let directly = match direct {
        Some(true) => "others reach this node directly",
        Some(false) => "others do not reach this node directly",
        None => "nobody has tried to reach this node directly",
    };
    let text = match addresses {
        [] => directly.to_owned(),
        addresses => format!("{directly}; what leads here: {}", addresses.join(", ")),
    };
    Told::new("reached", text).with("direct", direct).with("addresses", json!(addresses))
}

fn quarantine(told: &Quarantined) -> Told {
    let Quarantined { role, policy, module, back, because, left_s } = told;
    let role = role.name();
    let back = back.as_deref().unwrap_or("the policy before");
    let text = format!(
        "{role}: {policy} did not prove itself: {because}; {back} is back, and {module} stays out \
         for {left_s} s. Mend it, or insist: pointsman policy swap {role} {module} --force"
    );
    Told::new("policy-quarantined", text)
        .with("role", role)
        .with("module", module.as_str())
        .with("policy", policy.as_str())
        .with("back", back)
        .with("why", because.as_str())
        .with("left_s", *left_s)
}

fn found(kind: &'static str, text: String, open: &OpenFinding) -> Told {
    let told = Told::new(kind, text)
        .with("rule", open.rule)
        .with("severity", open.severity.name())
        .with("metric", open.metric.name())
        .with("evidence", open.evidence)
        .with("remedy", open.remedy.name());
    match open.peer {
        None => told,
        Some(peer) => told.of(peer.to_string()),
    }
}

fn cut_text(uplink: &str, inbound: bool, outbound: bool) -> String {
    match (inbound, outbound) {
        (true, true) => format!("{uplink} is cut in both directions"),
        (true, false) => format!("{uplink} is cut: what arrives is lost"),
        (false, true) => format!("{uplink} is cut: what is sent is lost"),
        (false, false) => format!("{uplink} is whole again"),
    }
}

fn node_event(event: &Event, info: Option<&LinkInfo>, uplink: &str) -> Told {
    let name = |link: u32| match info {
        Some(info) => {
            format!("link {link} ({} over {})", protocol_name(info.protocol), info.uplink)
        }
        None => format!("link {link}"),
    };
    match event {
        Event::LinkUp(link) => Told::new("link-up", format!("{} is up", name(link.0))).on(link.0),
        Event::LinkDown(link, reason) => {
            let why = down_name(*reason);
            Told::new("link-down", format!("{} is down: {why}", name(link.0)))
                .on(link.0)
                .with("why", why)
        }
        Event::Suspect(link, late_us) => {
            let text = format!("{} is suspect: {late_us} µs without an answer", name(link.0));
            Told::new("suspect", text).on(link.0).with("late_us", *late_us)
        }
        Event::Recovered(link, silent_us) => {
            let text = format!("{} was heard again after {silent_us} µs", name(link.0));
            Told::new("recovered", text).on(link.0).with("silent_us", *silent_us)
        }
        Event::Hedged { from, packets, bytes, reason } => {
            let text = format!("{packets} packets of {} were copied elsewhere", name(from.0));
            Told::new("hedged", text)
                .on(from.0)
                .with("packets", *packets)
                .with("bytes", *bytes)
                .with("reason", *reason)
        }
        Event::Closed(link, reason) => {
            let why = close_name(*reason);
            Told::new("closed", format!("{} was closed: {why}", name(link.0)))
                .on(link.0)
                .with("why", why)
        }
        Event::Moved { peer, onto, resent, event, reason } => {
            let onto: Vec<u32> = onto.iter().map(|link| link.0).collect();
            moved(peer, &onto, event_name(*event)).with("resent", *resent).with("reason", *reason)
        }
        Event::DialFailed { peer, address, failure, .. } => failed_dial(peer, address, *failure),
        Event::UplinkChanged(_) => Told::new("uplink-changed", format!("{uplink} is in use")),
        Event::UplinkGone(_) => Told::new("uplink-gone", format!("{uplink} is gone")),
        Event::Struck { role, strike, strikes } => {
            let text = format!("the {} did not answer: {strike}", role.name());
            Told::new("struck", text)
                .with("role", role.name())
                .with("why", strike.to_string())
                .with("strikes", *strikes)
        }
        Event::Swapped { role, generation } => seated("policy-swapped", *role, *generation),
        Event::Proven { role, generation } => seated("policy-proven", *role, *generation),
        Event::RolledBack { role, generation, to, because } => {
            rolled_back(*role, *generation, *to, &because.to_string())
        }
        Event::ApproachFailed { address, failure, .. } => {
            approach_failed(address, *failure, uplink)
        }
        Event::NeighbourFound { address, distance_cm, .. } => {
            neighbour_found(address, *distance_cm, uplink)
        }
        Event::RangeChanged { address, distance_cm, least_cm, most_cm, in_range, .. } => {
            range_changed(address, [*distance_cm, *least_cm, *most_cm], *in_range)
        }
        Event::NeighbourLost { address, .. } => neighbour_lost(address, uplink),
        Event::Fading(link) => trend("fading", name(link.0), *link),
        Event::Steady(link) => trend("steady", name(link.0), *link),
        Event::Resumed(asleep_us) => resumed(*asleep_us),
    }
}

fn neighbour(kind: &'static str, text: String, address: &RadioAddress) -> Told {
    Told::new(kind, text).with("address", address.to_string())
}

fn approach_failed(address: &RadioAddress, failure: DialFailure, uplink: &str) -> Told {
    let why = failure_name(failure);
    let text = format!("{address} cannot be reached by {uplink}: {why}");
    neighbour("dial-failed", text, address).with("why", why)
}

fn neighbour_found(address: &RadioAddress, distance_cm: Option<u32>, uplink: &str) -> Told {
    let far = distance_cm.map(|cm| format!(", about {:.1} m away", f64::from(cm) / 100.0));
    let text = format!("{address} is in radio range of {uplink}{}", far.unwrap_or_default());
    neighbour("neighbour-found", text, address)
}

fn neighbour_lost(address: &RadioAddress, uplink: &str) -> Told {
    let text = format!("{address} was not heard by {uplink} any more");
    neighbour("neighbour-lost", text, address)
}

fn range_changed(address: &RadioAddress, cm: [u32; 3], in_range: bool) -> Told {
    let [metres, least, most] = cm.map(|cm| f64::from(cm) / 100.0);
    let range = if in_range { "in range" } else { "out of range" };
    let text = format!("{address} is about {metres:.1} m away ({least:.1} to {most:.1}), {range}");
    neighbour("range-changed", text, address)
        .with("metres", metres)
        .with("metres_least", least)
        .with("metres_most", most)
        .with("in_range", in_range)
}

fn trend(kind: &'static str, name: String, link: LinkId) -> Told {
    let text = match kind {
        "fading" => format!("{name} fades: its other end goes away"),
        _ => format!("{name} does not fade any more"),
    };
    Told::new(kind, text).on(link.0)
}

fn failed_dial(peer: &PeerId, address: &Address, failure: DialFailure) -> Told {
    let why = failure_name(failure);
    Told::new("dial-failed", format!("{peer} cannot be reached at {}: {why}", address.text))
        .of(peer.to_string())
        .with("address", address.text.as_str())
        .with("why", why)
}

fn resumed(asleep_us: u64) -> Told {
    Told::new("resumed", format!("the machine slept for {} ms", asleep_us / 1000))
        .with("asleep_us", asleep_us)
}

fn seated(kind: &'static str, role: Role, generation: u64) -> Told {
    let became = if kind == "policy-proven" { "has proven itself" } else { "is live" };
    let text = format!("generation {generation} of the {} {became}", role.name());
    Told::new(kind, text).with("role", role.name()).with("generation", generation)
}

fn rolled_back(role: Role, generation: u64, to: u64, because: &str) -> Told {
    let name = role.name();
    let text = format!("generation {generation} of the {name} is rolled back to {to}: {because}");
    Told::new("policy-rolled-back", text)
        .with("role", name)
        .with("generation", generation)
        .with("to", to)
        .with("why", because)
}

fn moved(peer: &PeerId, onto: &[u32], because: &'static str) -> Told {
    Told::new("moved", format!("traffic to {peer} moved onto links {onto:?}: {because}"))
        .of(peer.to_string())
        .with("onto", json!(onto))
        .with("because", because)
}

fn event_name(event: failover::Event) -> &'static str {
    match event {
        failover::Event::Suspect => "suspect",
        failover::Event::Lost => "lost",
        failover::Event::Fading => "fading",
        failover::Event::Recovered => "recovered",
        failover::Event::Appeared => "appeared",
        failover::Event::UplinkChanged => "uplink-changed",
        failover::Event::DialFailed => "dial-failed",
        failover::Event::ProbeResult => "probe-result",
        failover::Event::Tick => "tick",
    }
}

fn down_name(reason: DownReason) -> &'static str {
    match reason {
        DownReason::Ordered => "ordered",
        DownReason::Closed => "closed by the peer",
        DownReason::Broken => "broken",
    }
}

fn close_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Duplicate => "duplicate",
        CloseReason::NotAllowed => "not-allowed",
        CloseReason::Limited => "limited",
        CloseReason::Violation(violation) => violation_name(violation),
        CloseReason::Incompatible => "incompatible",
        CloseReason::OtherNetwork => "other-network",
        CloseReason::ByPeer => "by-peer",
        CloseReason::Policy => "policy",
        CloseReason::UplinkGone => "uplink-gone",
        CloseReason::OutOfSight => "out-of-sight",
        CloseReason::Faded => "faded",
        CloseReason::Spare => "spare",
        CloseReason::Dead => "dead",
        CloseReason::Shunned => "shunned",
        CloseReason::Evicted => "evicted",
    }
}

fn violation_name(violation: Violation) -> &'static str {
    match violation {
        Violation::Malformed => "violation: malformed",
        Violation::FalseAck => "violation: false-ack",
        Violation::OverCredit => "violation: over-credit",
        Violation::HelloOrder => "violation: hello-order",
        Violation::WrongChannel => "violation: wrong-channel",
        Violation::BadPiece => "violation: bad-piece",
    }
}
