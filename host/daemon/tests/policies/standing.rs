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

#[test]
fn why_a_peer_stands_as_it_does_is_told_in_a_sentence_and_in_numbers() {
    let there = Node::start("");
    let here = there.start_neighbour();
    let began = Instant::now();
    while first_peer(&here)["level"] != "trusted" {
        talk(&here, &there, "100");
        assert!(began.elapsed() < PATIENCE, "{}", first_peer(&here));
    }
    let told = here.event("standing", |event| event["details"]["level"] == "trusted");
    assert_eq!(told["peer"], there.peer.as_str());
    let why = here.json(&["peers", "why", &there.peer[..20], "--json"]);
    assert_eq!((&why["peer"], &why["level"]), (&there.peer.as_str().into(), &"trusted".into()));
    let parts = ["first_hand", "subnet", "hearsay"].map(|part| why[part].as_i64().unwrap());
    assert_eq!(why["score"], parts.iter().sum::<i64>());
    let causes: Vec<&str> = why["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["cause"].as_str().unwrap())
        .collect();
    assert!(causes.contains(&"acked") && causes.contains(&"greeted"), "{causes:?}");
    let text = crate::process::text(&here.run(&["peers", "why", &there.peer]).stdout);
    assert!(text.starts_with("It is trusted with a score of "), "{text}");
}

#[test]
fn why_of_nobody_is_an_error_that_says_so() {
    let node = Node::start("");
    for (peer, told, code) in [
        (NOBODY, "nothing is known of 12D3KooW", 1),
        ("12D3KooWx", "no known peer's identity begins or ends with", 1),
        ("a/b", "is no part of an identity", 64),
        ("", "is no part of an identity", 64),
    ] {
        let output = node.command(&["peers", "why", peer]).output().unwrap();
        let text = crate::process::text(&output.stderr);
        assert!(text.contains(told), "{text}");
        assert_eq!(output.status.code(), Some(code), "{text}");
    }
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
