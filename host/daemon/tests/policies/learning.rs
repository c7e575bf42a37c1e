//! A policy that learns of its own decisions, on real nodes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Node, PATIENCE};
use crate::scene::{selector, talk};

/// Every decision is sampled, and the selector is one that learns.
const LEARNS: &str =
    "[policy]\nsample = 1\n[policy.selector]\nmodule = \"builtin:most-reliable\"\n";

fn counter(node: &Node, name: &str) -> u64 {
    node.json(&["status", "--json"])["counters"][name].as_u64().unwrap()
}

/// Two nodes that talk until the first has learned of it.
fn learned(more: &str) -> (Node, Node) {
    let there = Node::start("");
    let here = Node::start(&format!("{}{more}", there.as_peer()));
    let began = Instant::now();
    while counter(&here, "lessons") == 0 {
        talk(&here, &there, "200");
        assert!(began.elapsed() < PATIENCE, "{}", here.json(&["status", "--json"])["counters"]);
    }
    (here, there)
}

fn checkpoint(folder: &Path) -> Value {
    let file = folder.join("identity.state/learned/selector.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn what_became_of_real_decisions_is_learned_and_survives_a_restart() {
    let (here, _there) = learned(LEARNS);
    assert!(counter(&here, "outcomes_learned") > 0);
    assert_eq!(counter(&here, "learn_failures"), 0);
    assert_eq!(selector(&here)["strikes"], 0);
    here.signal(Signal::TERM);
    let (status, folder) = here.ended();
    assert!(status.success());
    let first = checkpoint(folder.path());
    assert_eq!((&first["name"], &first["schema"]), (&"most-reliable".into(), &1.into()));
    let state = first["state"].as_str().unwrap().to_owned();
    assert!(!state.is_empty() && state.len().is_multiple_of(16), "records of eight bytes: {state}");

    let again = Node::start_in(folder);
    assert_eq!(selector(&again)["name"], "most-reliable");
    again.signal(Signal::TERM);
    let (_, folder) = again.ended();
    assert_eq!(checkpoint(folder.path()), first, "nothing was learned, and nothing is lost");
}

#[test]
fn a_damaged_checkpoint_is_moved_aside_and_the_node_begins_anew() {
    let (here, _there) = learned(LEARNS);
    here.signal(Signal::TERM);
    let (_, folder) = here.ended();
    let file = folder.path().join("identity.state/learned/selector.json");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("\"schema\":1", "\"schema\":7")).unwrap();
    let again = Node::start_in(folder);
    assert!(!file.exists() && file.with_extension("damaged").exists());
    assert_eq!(selector(&again)["name"], "most-reliable");
}
