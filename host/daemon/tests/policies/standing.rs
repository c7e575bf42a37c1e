//! Where peers stand and what is out of the ordinary, on real nodes.

use std::time::Instant;

use serde_json::Value;

use crate::process::{Node, PATIENCE};
use crate::scene::talk;

fn first_peer(node: &Node) -> Value {
    node.json(&["peers", "--json"])[0].clone()
}

#[test]
fn a_peer_that_acknowledges_comes_to_be_trusted() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let began = Instant::now();
    while first_peer(&here)["standing"].as_i64().unwrap() <= 0 {
        talk(&here, &there, "100");
        assert!(began.elapsed() < PATIENCE, "{}", first_peer(&here));
    }
    let peer = first_peer(&here);
    assert!(peer["seen"]["ack"].as_u64().unwrap() > 0, "{peer}");
    assert_eq!((&peer["seen"]["invalid"], &peer["seen"]["spam"]), (&0.into(), &0.into()));
    let reputation = &here.json(&["policy", "list", "--json"])[2];
    assert_eq!((&reputation["role"], &reputation["strikes"]), (&"reputation".into(), &0.into()));
    assert!(reputation["asked"].as_u64().unwrap() > 0, "{reputation}");
}

/// A peer that nobody is, at an address where nobody listens.
const NOBODY: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

#[test]
fn what_waits_too_long_is_found_and_told_when_it_is_over() {
    let node = Node::start(&format!(
        "[[peer]]\nid = \"{NOBODY}\"\naddresses = [\"/ip4/127.0.0.3/tcp/9\"]\n\
         [policy.anomaly]\nmodule = \"builtin:thresholds\"\n\
         settings = {{ queue_bytes = 1000, steps = 2, loop_lag_us = 0 }}\n"
    ));
    let letter = "x".repeat(5_000);
    node.run(&["send", NOBODY, &letter, "--ttl", "12s"]);
    let raised = node.event("anomaly", |event| event["details"]["metric"] == "queue-bytes");
    assert_eq!(raised["peer"], NOBODY);
    assert_eq!(raised["details"]["evidence"], 5_000);
    let finding = node.json(&["status", "--json"])["findings"][0].clone();
    assert_eq!((&finding["metric"], &finding["peer"]), (&"queue-bytes".into(), &NOBODY.into()));
    let over = node.event("anomaly-over", |event| event["details"]["metric"] == "queue-bytes");
    assert!(over["number"].as_u64() > raised["number"].as_u64());
    assert_eq!(node.json(&["status", "--json"])["findings"], Value::Array(Vec::new()));
}
