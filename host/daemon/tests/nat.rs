//! Nodes behind NATs, as real processes in namespaces: linked through a relay, and directly
//! where a hole can be punched.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::fs;
use std::time::Instant;

use pointsman_lab::{Host, Internet, Lab, NatBox, NatKind, has_nft, trial};
use serde_json::Value;

use process::{Node, PATIENCE, note};

const CONFIG: &str = r#"
[network]
name = "pointsman-test"
[node]
identity = "identity"
[mdns]
enabled = false
[bluetooth]
enabled = false
[uplinks]
others = false
[[uplink]]
name = "eth0"
"#;

/// Runs a test in a lab, where there are labs with NATs.
fn behind_nats(name: &str, body: impl FnOnce(&mut Lab)) {
    if has_nft() {
        trial(name, body);
    } else {
        note(&format!("SKIPPED {name}: nft is not installed (Debian: apt-get install nftables)"));
    }
}

fn start(host: &Host, config: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), format!("{CONFIG}{config}")).unwrap();
    Node::start_by(folder, &[], |command| host.namespace.spawn(command).unwrap())
}

/// A relay that everybody reaches.
struct Relay {
    node: Node,
    host: Host,
}

impl Relay {
    fn start(lab: &mut Lab, internet: &mut Internet) -> Self {
        let host = internet.public_host(lab).unwrap();
        let node = start(&host, "[nat]\nupnp = false\nrelay_server = true\n");
        node.event("reached", |event| event["details"]["direct"] == true);
        Self { node, host }
    }

    /// Where it listens with this protocol: `udp/4001/quic-v1`.
    fn address(&self, protocol: &str) -> String {
        format!("/ip4/{}/{protocol}/p2p/{}", self.host.uplinks[0].address, self.node.peer)
    }
}

/// Two nodes behind NATs of their own; `here` knows `there` through the relays only.
struct Pair {
    here: Node,
    there: Node,
    _hosts: [Host; 2],
    _nats: [NatBox; 2],
}

impl Pair {
    fn start(
        lab: &mut Lab,
        internet: &mut Internet,
        kinds: [NatKind; 2],
        relays: &[&Relay],
    ) -> Self {
        Self::start_over(lab, internet, kinds, relays, "udp/4001/quic-v1")
    }

    /// The same with the protocol by which the relays are reached.
    fn start_over(
        lab: &mut Lab,
        internet: &mut Internet,
        kinds: [NatKind; 2],
        relays: &[&Relay],
        protocol: &str,
    ) -> Self {
        let mut nats = kinds.map(|kind| internet.nat(lab, kind).unwrap());
        let hosts = nats.each_mut().map(|nat| nat.host(lab).unwrap());
        let known: Vec<_> = relays.iter().map(|relay| relay.address(protocol)).collect();
        let nat = format!("[nat]\nupnp = false\nrelays = {known:?}\n");
        let there = start(&hosts[1], &nat);
        there.event("reached", |event| {
            let addresses = event["details"]["addresses"].as_array().unwrap();
            addresses.iter().filter(|address| is_circuit(address)).count() == known.len()
        });
        let through: Vec<_> = known.iter().map(|relay| format!("{relay}/p2p-circuit")).collect();
        let peer = format!("[[peer]]\nid = \"{}\"\naddresses = {through:?}\n", there.peer);
        let here = start(&hosts[0], &format!("{nat}{peer}"));
        Self { here, there, _hosts: hosts, _nats: nats }
    }

    /// The links of one side to the other, relayed or direct.
    fn links(&self, relayed: bool) -> Vec<Value> {
        let links = self.here.json(&["links", &self.there.peer, "--json"]);
        let all = links.as_array().unwrap().iter();
        all.filter(|link| link["relayed"] == relayed && link["state"] == "up").cloned().collect()
    }

    /// When the first link of that kind came up on this side, in milliseconds.
    fn linked_ms(&self, relayed: bool) -> u64 {
        let up = self.here.event("link-up", |event| {
            event["text"].as_str().unwrap().contains("circuit") == relayed
                && event["peer"] == self.there.peer.as_str()
        });
        up["unix_ms"].as_u64().unwrap()
    }

    fn send(&self, text: &str) {
        let send = ["send", &self.there.peer, text, "--wait", "delivered", "--json"];
        assert_eq!(self.here.json(&send)["fate"], "delivered");
    }
}

fn is_circuit(address: &Value) -> bool {
    address.as_str().is_some_and(|address| address.ends_with("/p2p-circuit"))
}

fn counter(node: &Node, name: &str) -> u64 {
    node.json(&["status", "--json"])["counters"][name].as_u64().unwrap()
}

/// Waits until something is so that no event tells.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    // Asking is a process each time, which is pause enough.
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not so in time: {what}");
    }
}

#[test]
fn behind_usual_nats_a_relayed_link_is_followed_by_a_direct_one() {
    behind_nats("behind_usual_nats_a_relayed_link_is_followed_by_a_direct_one", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let pair = Pair::start(lab, &mut internet, [NatKind::PortRestricted; 2], &[&relay]);
        let relayed_ms = pair.linked_ms(true);
        let direct_ms = pair.linked_ms(false);
        let took_ms = direct_ms.saturating_sub(relayed_ms);
        note(&format!("direct {took_ms} ms after the relayed link"));
        assert!(took_ms <= 2_000, "the direct link came {took_ms} ms after the relayed one");
        pair.send("directly");
        let links = pair.links(false);
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!(pair.links(true).len(), 1, "the relayed link stays as a spare at first");
        let sent = |link: &Value| link["sent_bytes"].as_u64().unwrap();
        assert!(sent(&links[0]) > 0);
        let reached = pair.here.json(&["status", "--json"])["reach"].clone();
        assert_eq!(reached["reservations"][0]["confirmed"], true, "{reached}");
        // Others tried, and nobody got in unasked.
        pair.here.event("reached", |event| event["details"]["direct"] == false);
        assert!(counter(&relay.node, "relay_circuits") >= 1);
    });
}

#[test]
fn a_hole_is_punched_for_tcp_where_a_network_blocks_udp() {
    behind_nats("a_hole_is_punched_for_tcp_where_a_network_blocks_udp", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let kinds = [NatKind::PortRestricted; 2];
        let pair = Pair::start_over(lab, &mut internet, kinds, &[&relay], "tcp/4001");
        let relayed_ms = pair.linked_ms(true);
        let took_ms = pair.linked_ms(false).saturating_sub(relayed_ms);
        note(&format!("direct by TCP {took_ms} ms after the relayed link"));
        pair.send("directly");
        let links = pair.links(false);
        assert!(links.len() == 1 && links[0]["protocol"] == "tcp", "{links:?}");
    });
}

#[test]
fn where_no_hole_can_be_punched_messages_go_through_the_relay() {
    behind_nats("where_no_hole_can_be_punched_messages_go_through_the_relay", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let pair = Pair::start(lab, &mut internet, [NatKind::Symmetric; 2], &[&relay]);
        pair.linked_ms(true);
        pair.send("while a hole is tried");
        until("the tries are over", || counter(&pair.there, "hole_punches_given_up") > 0);
        pair.send("after it");
        assert_eq!((pair.links(true).len(), pair.links(false).len()), (1, 0));
        let load = ["send", &pair.there.peer, "--count", "500", "--size", "900", "--json"];
        let told = pair.here.json(&load);
        assert_eq!(told["delivered"], 500, "{told}");
    });
}

#[test]
fn a_full_cone_is_reached_from_behind_a_symmetric_nat_by_one_direct_link() {
    let name = "a_full_cone_is_reached_from_behind_a_symmetric_nat_by_one_direct_link";
    behind_nats(name, |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relay = Relay::start(lab, &mut internet);
        let kinds = [NatKind::Symmetric, NatKind::FullCone];
        let pair = Pair::start(lab, &mut internet, kinds, &[&relay]);
        pair.linked_ms(false);
        pair.send("directly");
        // Whoever waits to be dialled does not know that it was, and would try twice more.
        until("the tries are over", || counter(&pair.there, "hole_punches_given_up") > 0);
        let links = pair.links(false);
        assert_eq!(links.len(), 1, "{links:?}");
        // Anybody gets in there, and the relay found that out for it.
        pair.there.event("reached", |event| event["details"]["direct"] == true);
    });
}

#[test]
fn a_relay_that_dies_is_replaced_and_nothing_is_lost() {
    behind_nats("a_relay_that_dies_is_replaced_and_nothing_is_lost", |lab| {
        let mut internet = Internet::new(lab).unwrap();
        let relays = [(); 2].map(|()| Relay::start(lab, &mut internet));
        let both = [&relays[0], &relays[1]];
        let pair = Pair::start(lab, &mut internet, [NatKind::Symmetric; 2], &both);
        pair.linked_ms(true);
        let remote = pair.links(true)[0]["remote"].as_str().unwrap().to_owned();
        let mut listener = pair.there.follow(&["listen", "--json"]);
        pair.send("0");
        let [first, second] = relays;
        let (dies, stays) = match remote.contains(&first.node.peer) {
            true => (first, second),
            false => (second, first),
        };
        drop(dies);
        for n in 1..20 {
            pair.send(&n.to_string());
        }
        for n in 0..20 {
            assert_eq!(listener.next()["text"], n.to_string());
        }
        let links = pair.links(true);
        assert!(links[0]["remote"].as_str().unwrap().contains(&stays.node.peer), "{links:?}");
    });
}
