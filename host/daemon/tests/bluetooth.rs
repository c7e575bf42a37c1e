//! Nodes with nothing but radios, as real processes, on a BlueZ of our own: the Bluetooth
//! libraries are the real ones, and so is everything above them.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::fs;
use std::time::Duration;

use pointsman_bluez::{ADDRESS_VARIABLE, Bluez, Bus};
use serde_json::Value;

use process::Node;

/// A bus of our own, the BlueZ on it, and an end to both.
struct Air {
    bluez: Bluez,
    bus: Bus,
}

impl Air {
    fn with(adapters: usize) -> Self {
        let bus = Bus::start().unwrap_or_else(|error| panic!("{error}"));
        let bluez = Bluez::start(bus.address(), adapters).unwrap();
        bluez.adverts_every(Duration::from_millis(100));
        Self { bluez, bus }
    }

    /// A node with these adapters.
    fn node(&self, adapters: &[usize], more: &str) -> Node {
        let names: Vec<_> = adapters.iter().map(|number| format!("\"hci{number}\"")).collect();
        let config = format!(
            "network.name = \"radio-test\"\nnode.identity = \"identity\"\nmdns.enabled = false\n\
             uplinks.others = false\nbluetooth.adapters = [{}]\n{more}",
            names.join(", ")
        );
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), config).unwrap();
        Node::start_with(folder, &[(ADDRESS_VARIABLE, self.bus.address())])
    }
}

/// Sends a text, and waits until the other node has it.
fn deliver(from: &Node, to: &Node, text: &str) {
    let sent = from.json(&["send", &to.peer, text, "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered", "{sent}");
}

fn radio(node: &Node) -> Value {
    node.json(&["status", "--json"])["radios"][0].clone()
}

fn usable(is: bool) -> impl Fn(&Value) -> bool {
    move |event| event["details"]["usable"] == is
}

#[test]
fn neighbours_without_any_network_meet_and_talk() {
    let air = Air::with(2);
    let (here, there) = (air.node(&[0], ""), air.node(&[1], ""));
    here.event("link-up", |_| true);
    deliver(&here, &there, "over the air");
    deliver(&there, &here, "and back");
    // What carries it is sampled ten times a second while there is traffic.
    let links = loop {
        let links = here.json(&["links", "--json"]);
        if !links[0]["channel"].is_null() {
            break links;
        }
        deliver(&here, &there, "more");
    };
    assert_eq!(links.as_array().unwrap().len(), 1, "{links}");
    assert_eq!(
        (&links[0]["transport"], &links[0]["peer"]),
        (&"bluetooth".into(), &there.peer.as_str().into())
    );
    assert_eq!(
        (&links[0]["channel"]["carrier"], &links[0]["uplink"]),
        (&"gatt".into(), &"hci0".into())
    );
    assert!(links[0]["channel"]["mtu"].as_u64().unwrap() >= 20, "{links}");
    let radio = radio(&here);
    assert_eq!(radio["usable"], true, "{radio}");
    assert_eq!(radio["roles"], serde_json::json!(["central", "peripheral"]));
}

#[test]
fn whoever_is_near_is_shown_with_its_distance_and_no_address_of_a_radio_is_told_to_peers() {
    let air = Air::with(2);
    air.bluez.rssi(0, 1, Some(-65));
    let (here, there) = (air.node(&[0], ""), air.node(&[1], ""));
    here.event("neighbour-found", |_| true);
    here.event("link-up", |_| true);
    deliver(&here, &there, "hello");
    let peers = here.json(&["peers", "--json"]);
    let neighbour = &peers[0]["neighbours"][0];
    assert_eq!(peers[0]["peer"], there.peer.as_str(), "{peers}");
    let [least, metres, most] =
        ["metres_least", "metres", "metres_most"].map(|name| neighbour[name].as_f64().unwrap());
    assert!(least <= metres && metres <= most && (1.0..4.0).contains(&metres), "{neighbour}");
    assert_eq!(neighbour["state"], "linked");
    assert_eq!(peers[0]["addresses"], serde_json::json!([]), "only radios lead there: {peers}");
    let shown = process::text(&here.run(&["peers"]).stdout);
    assert!(shown.contains("dBm") && shown.contains(" m ± "), "{shown}");
}

#[test]
fn whoever_is_too_far_away_is_not_linked_until_it_comes_near() {
    let air = Air::with(2);
    air.bluez.rssi(0, 1, Some(-90));
    let (here, there) = (air.node(&[0], ""), air.node(&[1], ""));
    let found = here.event("neighbour-found", |_| true);
    assert!(found["text"].as_str().unwrap().contains("m away"), "{found}");
    assert_eq!(here.json(&["links", "--json"]), serde_json::json!([]));
    air.bluez.rssi(0, 1, Some(-60));
    here.event("range-changed", |event| event["details"]["in_range"] == true);
    here.event("link-up", |_| true);
    deliver(&here, &there, "near");
}

#[test]
fn an_adapter_that_is_switched_off_is_said_so_and_comes_back_by_itself() {
    let air = Air::with(2);
    let (here, there) = (air.node(&[0], ""), air.node(&[1], ""));
    let first = here.event("link-up", |_| true);
    deliver(&here, &there, "before");
    air.bluez.power(0, false);
    let event = here.event("radio", usable(false));
    let text = event["text"].as_str().unwrap();
    assert!(
        text.contains("hci0") && text.contains("bluetoothctl"),
        "the remedy is missing: {text}"
    );
    assert_eq!(radio(&here)["why"], "off");
    air.bluez.power(0, true);
    here.event("link-up", |event| event["number"].as_u64() > first["number"].as_u64());
    deliver(&here, &there, "again");
}

#[test]
fn a_bluez_that_begins_anew_costs_the_links_and_no_message() {
    let air = Air::with(2);
    let (here, there) = (air.node(&[0], ""), air.node(&[1], ""));
    here.event("link-up", |_| true);
    air.bluez.stop();
    here.event("radio", usable(false));
    let waiting =
        here.command(&["send", &there.peer, "late", "--wait", "delivered"]).spawn().unwrap();
    air.bluez.resume().unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    deliver(&there, &here, "and back");
}

#[test]
fn a_machine_without_bluez_runs_on_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = "node.identity = \"identity\"\nmdns.enabled = false\nlisten = { quic = 0, tcp = 0 }\n\
                  uplinks.others = false\n";
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let nowhere = format!("unix:path={}", folder.path().join("no-bus").display());
    let node = Node::start_with(folder, &[(ADDRESS_VARIABLE, &nowhere)]);
    node.event("radio", usable(false));
    let radio = radio(&node);
    assert_eq!(radio["why"], "no-service", "{radio}");
    assert!(!radio["text"].as_str().unwrap().contains('\n'), "{radio}");
    let shown = process::text(&node.run(&["status"]).stdout);
    assert!(shown.contains("no Bluetooth: "), "{shown}");
}

#[test]
fn traffic_moves_to_the_better_radio_before_the_one_that_carries_it_fades() {
    let air = Air::with(3);
    air.bluez.rssi(0, 1, Some(-60));
    air.bluez.rssi(0, 2, Some(-78));
    let here = air.node(&[0], "");
    let there = air.node(&[1, 2], "");
    here.event("link-up", |_| true);
    deliver(&here, &there, "by the near one");
    let mut listening = there.follow(&["listen", "--json"]);
    let load = here.command(&["send", &there.peer, "--count", "400", "--rate", "20", "--json"]);
    let load = {
        let mut load = load;
        load.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    for step in 0..30_i16 {
        listening.next();
        listening.next();
        air.bluez.rssi(0, 1, Some(-60 - step));
        air.bluez.rssi(0, 2, Some(-78 + step));
    }
    // Either side may see it first, and order the better one.
    let over = |adapter: &'static str| move |event: &Value| event["uplink"] == adapter;
    let better = there.event("link-up", over("hci2"));
    let worse = there.event("link-down", over("hci1"));
    assert!(better["number"].as_u64() < worse["number"].as_u64(), "first the one, then the other");
    let sent = load.wait_with_output().unwrap();
    let sent: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(sent["delivered"], 400, "{sent}");
}
