//! Two nodes as real processes over two loopback uplinks: what one sends arrives at the other.

mod process;

use std::fs;

use process::{Node, text};
use rustix::process::Signal;

#[test]
fn a_message_that_was_delivered_arrived() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let mut listener = there.follow(&["listen", "--json", "--count", "2"]);
    let sent = here.json(&["send", &there.peer, "seven", "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered");
    assert!(sent["took_us"].as_u64().is_some_and(|took| took > 0));
    let got = listener.next();
    assert_eq!((&got["text"], &got["class"]), (&"seven".into(), &"interactive".into()));
    assert_eq!(got["peer"], here.peer.as_str());

    fs::write(here.folder.path().join("dice"), [0xff, 0x00, 0x01]).unwrap();
    let end = &there.peer[there.peer.len() - 6..];
    let file = ["send", end, "--file", "dice", "--class", "realtime", "--wait", "delivered"];
    assert!(here.run(&file).status.success());
    let got = listener.next();
    assert_eq!((&got["base64"], &got["text"]), (&"/wAB".into(), &serde_json::Value::Null));
    assert!(listener.ended().success(), "a listener ends after its count");
}

#[test]
fn a_message_waits_for_the_first_listener() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let sent = here.json(&["send", &there.peer, "early", "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered");
    assert_eq!(there.json(&["status", "--json"])["mail"]["unclaimed"], 1);
    assert_eq!(there.follow(&["listen", "--json"]).next()["text"], "early");
}

#[test]
fn status_peers_links_and_policies_tell_what_is() {
    let there = Node::start("");
    let here = there.start_neighbour();
    here.run(&["send", &there.peer, "x", "--wait", "delivered"]);
    let status = here.json(&["status", "--json"]);
    assert_eq!(status["peer"], here.peer.as_str());
    assert_eq!(status["network"], "pointsman-test");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["session"].as_str().map(str::len), Some(16));
    assert_eq!((&status["peers"], &status["peers_linked"]), (&1.into(), &1.into()));
    assert_eq!(status["uplinks"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["counters"]["messages_delivered"], 1);
    assert_eq!(status["counters"]["frames_unqueued"], 0);
    assert_eq!(status["limits_reached"], serde_json::json!([]));
    assert!(status["policies"][0]["asked"].as_u64() > Some(0), "{}", status["policies"]);

    let peers = here.json(&["peers", "--json"]);
    assert_eq!(peers[0]["peer"], there.peer.as_str());
    assert_eq!(peers[0]["addresses"].as_array().map(Vec::len), Some(4));
    let links = here.json(&["links", &there.peer, "--json"]);
    let all = links.as_array().unwrap();
    assert!(!all.is_empty() && all.iter().all(|link| link["peer"] == there.peer.as_str()));
    assert!(all.iter().any(|link| link["sent_bytes"].as_u64() > Some(0)), "{links}");

    let policies = here.json(&["policy", "list", "--json"]);
    for (slot, role, name) in [(0, "selector", "fastest-first"), (1, "failover", "standby")] {
        let policy = &policies[slot];
        assert_eq!((&policy["role"], &policy["name"]), (&role.into(), &name.into()));
        match policy["kind"].as_str().unwrap() {
            "builtin" => assert!(policy["note"].as_str().unwrap().contains("native builtins")),
            "embedded" => assert_eq!(policy["digest"].as_str().map(str::len), Some(64)),
            other => panic!("{other} was not configured"),
        }
    }
    let table = text(&here.run(&["links"]).stdout);
    assert!(table.contains("UPLINK") && !table.contains('\x1b'), "{table}");
}

#[test]
fn events_follow_what_happens_without_gaps() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let up = here.event("link-up", |_| true);
    assert_eq!(up["peer"], there.peer.as_str());
    assert!(up["uplink"] == "a" || up["uplink"] == "b", "{up}");
    let mut events = here.follow(&["events", "--json", "--follow"]);
    for number in 1..=up["number"].as_u64().unwrap() {
        assert_eq!(events.next()["number"], number);
    }
    let past = here.run(&["events", "--json", "--since", "1"]);
    let first: serde_json::Value =
        serde_json::from_str(text(&past.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(first["number"], 2);
}

#[test]
fn a_message_goes_round_an_uplink_that_was_cut() {
    let there = Node::start("");
    let here = there.start_neighbour();
    for uplink in ["a", "b"] {
        here.event("link-up", |event| event["uplink"] == uplink);
    }
    here.run(&["send", &there.peer, "before", "--wait", "delivered"]);
    let links = here.json(&["links", "--json"]);
    let busiest = links.as_array().unwrap().iter().max_by_key(|one| one["sent_bytes"].as_u64());
    let uplink = busiest.unwrap()["uplink"].as_str().unwrap().to_owned();
    let cut = format!("POST /v1/uplinks/{uplink}/cut?inbound=true&outbound=true HTTP/1.1\r\n");
    let head = "Host: pointsman.local\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(here.raw(format!("{cut}{head}").as_bytes()).contains("200 OK"));
    let sent = here.json(&["send", &there.peer, "after", "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered");
    here.event("cut", |event| event["uplink"] == uplink.as_str());
    let uplinks = here.json(&["status", "--json"])["uplinks"].clone();
    let cut = uplinks.as_array().unwrap().iter().find(|one| one["name"] == uplink.as_str());
    assert_eq!(cut.unwrap()["cut"], serde_json::json!({ "inbound": true, "outbound": true }));
}

#[test]
fn a_message_to_nobody_expires_and_its_sender_is_told() {
    let here = Node::start("");
    let nobody = Node::start("").peer.clone();
    let output = here.run(&["send", &nobody, "x", "--ttl", "50ms", "--wait", "delivered"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("expired"), "{}", text(&output.stderr));
    assert!(here.run(&["send", &nobody, "x"]).status.success(), "queued is enough by default");
}

#[test]
fn a_measured_load_is_delivered_whole() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let mut listener = there.follow(&["listen", "--json", "--class", "bulk"]);
    let load = ["send", &there.peer, "--count", "5000", "--size", "700", "--json"];
    let told = here.json(&load);
    assert_eq!((&told["delivered"], &told["sent"]), (&5000.into(), &5000.into()));
    assert!(told["took_us_p50"].as_u64() <= told["took_us_p99"].as_u64());
    for _ in 0..5000 {
        assert_eq!(listener.next()["bytes"], 700);
    }
    assert_eq!(here.json(&["status", "--json"])["counters"]["frames_unqueued"], 0);
}

#[test]
fn a_reload_changes_what_it_can_and_refuses_the_rest_by_name() {
    let node = Node::start("");
    let file = node.folder.path().join("config.toml");
    let edit = |more: &str| fs::write(&file, format!("{}{more}", process::CONFIG)).unwrap();
    assert_eq!(node.json(&["reload", "--json"])["changed"], serde_json::json!([]));

    edit("[link]\nheartbeat_ms = 700\n");
    let changed = node.json(&["reload", "--json"]);
    assert_eq!(changed["changed"], serde_json::json!(["link.heartbeat_ms"]));
    node.event("reconfigured", |event| event["details"]["keys"][0] == "link.heartbeat_ms");

    fs::write(&file, process::CONFIG.replace("tcp = 0", "tcp = 4001")).unwrap();
    let output = node.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("listen.tcp"), "{}", text(&output.stderr));

    edit("[policy.selector]\nmodule = \"gone.wasm\"\n");
    let output = node.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("gone.wasm"), "{}", text(&output.stderr));
    let policies = node.json(&["policy", "list", "--json"]);
    assert_eq!(policies[0]["name"], "fastest-first");
}

#[test]
fn a_node_ends_in_order_by_signal_and_by_command() {
    let by_signal = Node::start("");
    by_signal.signal(Signal::TERM);
    let (status, folder) = by_signal.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!folder.path().join("node.sock").exists());

    let there = Node::start("");
    let here = there.start_neighbour();
    there.event("link-up", |_| true);
    assert!(here.run(&["stop"]).status.success());
    let (status, folder) = here.ended();
    assert_eq!(status.code(), Some(0));
    assert!(!folder.path().join("node.sock").exists());
    there.event("link-down", |_| true);
    assert!(there.json(&["status", "--json"])["counters"]["byes_received"].as_u64() > Some(0));
}
