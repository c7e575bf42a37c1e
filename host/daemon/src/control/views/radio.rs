//! Bluetooth: the adapters, and who is in radio range.

use pointsman_core::bluetooth::advert::Capabilities;
use pointsman_core::snapshot::{self, NeighbourState, Snapshot};
use pointsman_radio::{Adapter, Why};
use serde::{Deserialize, Serialize};

use crate::radio::RadioState;

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadioView {
    /// Its name, such as `hci0`; `null` where none was found yet.
    pub adapter: Option<String>,
    /// Whether it can be used.
    pub usable: bool,
    /// Its address on the air.
    pub address: Option<String>,
    /// What it does: `central` scans and connects, `peripheral` is seen and connected to.
    pub roles: Vec<String>,
    /// Whether links may have an L2CAP channel.
    pub l2cap: bool,
    /// The version of BlueZ, where it is known.
    pub bluez: Option<String>,
    /// Why it can't be used: `no-service`, `no-adapter`, `off`, `denied`, `lost` or
    /// `unsupported`.
    pub why: Option<String>,
    /// The same as a sentence, with the remedy.
    pub text: String,
}

/// A node in radio range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourView {
    /// The adapter that hears it.
    pub uplink: String,
    /// Where it is on the air now; it changes, and is no identity.
    pub address: String,
    /// Who it is, where a handshake told.
    pub peer: Option<String>,
    /// `far` (out of range), `near` (to be dialled), `idle` (not to be), `dialling`, `linked` or
    /// `fading`.
    pub state: String,
    /// The link to it.
    pub link: Option<u32>,
    /// What its advertisement says that it can do.
    pub capabilities: Vec<String>,
    /// Received with so much power, filtered.
    pub rssi_dbm: Option<f64>,
    /// How far it is, as estimated from that.
    pub metres: Option<f64>,
    /// It is hardly nearer than this.
    pub metres_least: Option<f64>,
    /// It is hardly further than this.
    pub metres_most: Option<f64>,
    /// How the signal changes; negative: it goes away.
    pub trend_db_per_s: Option<f64>,
    /// Since it was heard last.
    pub heard_ms_ago: u64,
    /// Failed dials in a row.
    pub failures: u32,
}

/// An adapter, for JSON.
pub fn radio(state: &RadioState) -> RadioView {
    let text = state.sentence();
    match &state.adapter {
        Adapter::Usable { name, address, central, peripheral, l2cap, bluez } => {
            let roles = [(*central, "central"), (*peripheral, "peripheral")];
            let roles = roles.into_iter().filter(|(has, _)| *has);
            RadioView {
                adapter: Some(name.clone()),
                usable: true,
                address: address.map(|address| address.to_string()),
                roles: roles.map(|(_, role)| role.to_owned()).collect(),
                l2cap: *l2cap,
                bluez: bluez.clone(),
                why: None,
                text,
            }
        }
        Adapter::Unusable { why, .. } => RadioView {
            adapter: state.name.clone(),
            usable: false,
            address: None,
            roles: Vec::new(),
            l2cap: false,
            bluez: None,
            why: Some(why_name(*why).to_owned()),
            text,
        },
    }
}

fn why_name(why: Why) -> &'static str {
    match why {
        Why::NoService => "no-service",
        Why::NoAdapter => "no-adapter",
        Why::Off => "off",
        Why::Denied => "denied",
        Why::Lost => "lost",
        Why::Unsupported => "unsupported",
    }
}

/// Who is in radio range.
pub fn neighbours(snapshot: &Snapshot) -> Vec<NeighbourView> {
    snapshot.neighbours.iter().map(|one| neighbour(snapshot, one)).collect()
}

fn neighbour(snapshot: &Snapshot, one: &snapshot::NeighbourView) -> NeighbourView {
    let uplink = snapshot.uplinks.iter().find(|uplink| uplink.id == one.uplink);
    let (state, link) = match one.state {
        NeighbourState::Far => ("far", None),
        NeighbourState::Near { .. } => ("near", None),
        NeighbourState::Idle => ("idle", None),
        NeighbourState::Dialling => ("dialling", None),
        NeighbourState::Linked(link) => ("linked", Some(link.0)),
        NeighbourState::Fading(link) => ("fading", Some(link.0)),
    };
    NeighbourView {
        uplink: uplink.map(|uplink| uplink.name.clone()).unwrap_or_default(),
        address: one.address.to_string(),
        peer: one.peer.map(|peer| peer.to_string()),
        state: state.to_owned(),
        link,
        capabilities: capabilities(one.capabilities),
        rssi_dbm: one.rssi_dbm,
        metres: one.range.map(|range| range.metres),
        metres_least: one.range.map(|range| range.low_m),
        metres_most: one.range.map(|range| range.high_m),
        trend_db_per_s: one.trend_db_per_s,
        heard_ms_ago: snapshot.at.since(one.heard_at) / 1000,
        failures: one.failures,
    }
}

fn capabilities(flags: Capabilities) -> Vec<String> {
    let all = [
        (Capabilities::APPLICATION, "application"),
        (Capabilities::MESH_ROUTING, "mesh-routing"),
        (Capabilities::TRANSACTIONS, "transactions"),
        (Capabilities::CENTRAL, "central"),
        (Capabilities::L2CAP, "l2cap"),
    ];
    let has = all.into_iter().filter(|(flag, _)| flags.contains(*flag));
    has.map(|(_, name)| name.to_owned()).collect()
}
