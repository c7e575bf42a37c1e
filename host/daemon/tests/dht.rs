//! Nodes that know nothing of each other but one to begin with, as real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use serde_json::Value;

use process::{Node, text};

/// Within this machine: loopback addresses are told and believed.
const SITE: &str = "[dht]\nprivate_addresses = true\n";

/// The first node of a network.
fn root() -> Node {
    Node::start(SITE)
}

/// Where a node is, as a `dht.bootstrap` has it.
fn as_bootstrap(node: &Node) -> String {
    let listening = node.event("listening", |event| {
        event["details"]["addresses"].as_array().is_some_and(|all| all.len() == 4)
    });
    let addresses = listening["details"]["addresses"].as_array().unwrap().iter();
    let all = addresses.map(|address| format!("{}/p2p/{}", address.as_str().unwrap(), node.peer));
    format!("{SITE}bootstrap = {:?}\n", all.collect::<Vec<_>>())
}

/// A node that knows the first one, once its record is kept there.
fn joined(root: &Node) -> Node {
    let node = Node::start(&as_bootstrap(root));
    node.event("published", |event| event["details"]["stored"].as_u64() >= Some(1));
    node
}

#[test]
fn a_message_reaches_somebody_of_whom_nothing_is_known_but_the_identity() {
    let root = root();
    let (a, b) = (joined(&root), joined(&root));
    let sent = a.json(&["send", &b.peer, "hello", "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered", "{sent}");
    let peers = a.json(&["peers", "--json"]);
    let found = peers.as_array().unwrap().iter().find(|peer| peer["peer"] == b.peer.as_str());
    let addresses = found.unwrap()["addresses"].as_array().unwrap();
    assert!(addresses.iter().any(|one| one["source"] == "dht"), "{addresses:?}");
}

#[test]
fn a_lookup_shows_what_it_found_and_whom_it_asked() {
    let root = root();
    let (a, b) = (joined(&root), joined(&root));
    let found = a.json(&["dht", "find", &b.peer, "--json"]);
    assert_eq!(found["addresses"].as_array().unwrap().len(), 4, "{found}");
    assert!(found["record"]["sequence"].as_u64() > Some(0), "{found}");
    let way = found["way"].as_array().unwrap();
    assert!(way.iter().any(|asked| asked["result"] == "answered"), "{found}");
    let shown = a.run(&["dht", "find", &b.peer]);
    assert!(text(&shown.stdout).contains("RESULT"), "{}", text(&shown.stdout));
}

#[test]
fn nobody_is_found_who_is_not_there_and_the_command_says_so() {
    let root = root();
    let a = joined(&root);
    let stranger = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
    let output = a.run(&["dht", "find", stranger]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody knows where"), "{}", text(&output.stderr));
}

#[test]
fn a_crawl_finds_everybody_and_prints_a_graph() {
    let root = root();
    let nodes = [joined(&root), joined(&root)];
    // Nobody tells when a node has found out who else is there. Asking is a process each time,
    // which is pause enough.
    while root.json(&["dht", "status", "--json"])["peers"].as_u64() < Some(2) {}
    let graph = nodes[0].json(&["dht", "crawl", "--format", "netjson"]);
    assert_eq!(graph["type"], "NetworkGraph");
    let names: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
    for peer in [&root.peer, &nodes[1].peer] {
        assert!(names.contains(&&Value::from(peer.as_str())), "{peer} is not in {names:?}");
    }
    assert!(!graph["links"].as_array().unwrap().is_empty());
}

#[test]
fn status_and_metrics_tell_how_a_node_takes_part() {
    let root = root();
    let a = joined(&root);
    let status = a.json(&["dht", "status", "--json"]);
    assert_eq!(status["mode"], "server", "{status}");
    assert_eq!(status["bootstrap"], "", "{status}");
    assert!(status["own"]["stored"].as_u64() >= Some(1), "{status}");
    let metrics = text(&a.run(&["metrics"]).stdout);
    assert!(metrics.contains("pointsman_dht_peers 1"), "{metrics}");
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
}

#[test]
fn a_node_that_takes_no_part_says_how_it_would() {
    let node = Node::start("[dht]\nenabled = false\n");
    let output = node.run(&["dht", "find", "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("dht.enabled") && said.contains("restart"), "{said}");
}

#[test]
fn a_bootstrap_that_is_all_wrong_is_told_with_the_time_of_the_next_try() {
    let wrong = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
    let node = Node::start(&format!("{SITE}bootstrap = [\"{wrong}\"]\n"));
    let mut said = String::new();
    while !said.contains("tries again in") {
        said = text(&node.run(&["dht", "status"]).stdout);
        assert!(said.contains("nodes that it knows"), "{said}");
    }
}
