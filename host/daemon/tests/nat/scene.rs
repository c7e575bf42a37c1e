//! Who is on this Internet: relays, pairs of nodes behind NATs, and what they say.

use std::fs;
use std::time::Instant;

use pointsman_lab::{Host, Internet, Lab, NatBox, NatKind, has_nft, trial};
use serde_json::Value;

use crate::process::{Node, PATIENCE, note};

const CONFIG: &str = r#"
[network]
name = "pointsman-test"
[node]
identity = "identity"
[bluetooth]
enabled = false
[uplinks]
others = false
[[uplink]]
name = "eth0"
"#;

/// Runs a test in a lab, where there are labs with NATs.
pub(crate) fn behind_nats(name: &str, body: impl FnOnce(&mut Lab)) {
    if has_nft() {
        trial(name, body);
    } else {
        note(&format!("SKIPPED {name}: nft is not installed (Debian: apt-get install nftables)"));
    }
}

/// A node on this host. It looks for nobody on the cable, unless its config says so.
pub(crate) fn start(host: &Host, config: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let alone = if config.contains("[mdns]") { "" } else { "[mdns]\nenabled = false\n" };
    fs::write(folder.path().join("config.toml"), format!("{CONFIG}{alone}{config}")).unwrap();
    start_in(host, folder)
}

/// A node with the config and the memory that are there.
pub(crate) fn start_in(host: &Host, folder: tempfile::TempDir) -> Node {
    Node::start_by(folder, &[], |command| host.namespace.spawn(command).unwrap())
}

/// Where a node on this host listens with this protocol, `udp/4001/quic-v1` say.
pub(crate) fn address(host: &Host, protocol: &str, node: &Node) -> String {
    format!("/ip4/{}/{protocol}/p2p/{}", host.uplinks[0].address, node.peer)
}

/// A relay that everybody reaches.
pub(crate) struct Relay {
    pub(crate) node: Node,
    host: Host,
}

impl Relay {
    pub(crate) fn start(lab: &mut Lab, internet: &mut Internet) -> Self {
        let host = internet.public_host(lab).unwrap();
        let node = start(&host, "[nat]\nupnp = false\nrelay_server = true\n");
        node.event("reached", |event| event["details"]["direct"] == true);
        Self { node, host }
    }

    pub(crate) fn address(&self, protocol: &str) -> String {
        address(&self.host, protocol, &self.node)
    }
}

/// What a [`Pair`] is made of.
pub(crate) struct Setting<'a> {
    pub(crate) kinds: [NatKind; 2],
    /// Those that both know.
    pub(crate) relays: &'a [&'a Relay],
    /// How these are reached.
    pub(crate) protocol: &'a str,
    /// What both have in `[nat]`.
    pub(crate) nat: &'a str,
    /// What else both have in their configs.
    pub(crate) config: &'a str,
}

impl<'a> Setting<'a> {
    pub(crate) fn new(kinds: [NatKind; 2], relays: &'a [&'a Relay]) -> Self {
        Self { kinds, relays, protocol: "udp/4001/quic-v1", nat: "", config: "" }
    }
}

/// Two nodes behind NATs of their own; `here` knows `there` through the relays only.
pub(crate) struct Pair {
    pub(crate) here: Node,
    pub(crate) there: Node,
    _hosts: [Host; 2],
    _nats: [NatBox; 2],
}

impl Pair {
    pub(crate) fn start(lab: &mut Lab, internet: &mut Internet, setting: &Setting<'_>) -> Self {
        let mut nats = setting.kinds.map(|kind| internet.nat(lab, kind).unwrap());
        let hosts = nats.each_mut().map(|nat| nat.host(lab).unwrap());
        let known: Vec<_> =
            setting.relays.iter().map(|relay| relay.address(setting.protocol)).collect();
        let Setting { nat, config, .. } = setting;
        let config = format!("{config}\n[nat]\nupnp = false\nrelays = {known:?}\n{nat}\n");
        let there = start(&hosts[1], &config);
        let reserved = known.len().min(pointsman_core::limits::RESERVATIONS_MAX);
        there.event("reached", |event| {
            let addresses = event["details"]["addresses"].as_array().unwrap();
            addresses.iter().filter(|address| is_circuit(address)).count() == reserved
        });
        let through: Vec<_> = known.iter().map(|relay| format!("{relay}/p2p-circuit")).collect();
        let peer = format!("[[peer]]\nid = \"{}\"\naddresses = {through:?}\n", there.peer);
        let here = start(&hosts[0], &format!("{config}{peer}"));
        Self { here, there, _hosts: hosts, _nats: nats }
    }

    /// The links of one side to the other that are up.
    pub(crate) fn links(&self) -> Vec<Value> {
        let links = self.here.json(&["links", &self.there.peer, "--json"]);
        links.as_array().unwrap().iter().filter(|link| link["state"] == "up").cloned().collect()
    }

    /// Those of them that are relayed, or direct.
    pub(crate) fn links_that_are(&self, relayed: bool) -> Vec<Value> {
        let mut links = self.links();
        links.retain(|link| link["relayed"] == relayed);
        links
    }

    /// When the first link of that kind came up on this side, in milliseconds.
    pub(crate) fn linked_ms(&self, relayed: bool) -> u64 {
        self.told_ms("link-up", relayed)
    }

    /// When this side told so of such a link to the other one, in milliseconds.
    pub(crate) fn told_ms(&self, kind: &str, relayed: bool) -> u64 {
        let event = self.here.event(kind, |event| {
            event["text"].as_str().unwrap().contains("circuit") == relayed
                && event["peer"] == self.there.peer.as_str()
        });
        event["unix_ms"].as_u64().unwrap()
    }

    pub(crate) fn send(&self, text: &str) {
        send(&self.here, &self.there, text);
    }
}

/// Sends a message, which must arrive.
pub(crate) fn send(from: &Node, to: &Node, text: &str) {
    let sent = from.json(&["send", &to.peer, text, "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered", "{sent}");
}

pub(crate) fn is_circuit(address: &Value) -> bool {
    address.as_str().is_some_and(|address| address.ends_with("/p2p-circuit"))
}

pub(crate) fn status(node: &Node) -> Value {
    node.json(&["status", "--json"])
}

pub(crate) fn counter(node: &Node, name: &str) -> u64 {
    status(node)["counters"][name].as_u64().unwrap()
}

/// Waits until something is so that no event tells.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    // Asking is a process each time, which is pause enough.
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not so in time: {what}");
    }
}
