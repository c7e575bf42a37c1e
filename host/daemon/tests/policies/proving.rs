//! Policies that must prove themselves, and those that can't.

use std::fs;

use rustix::process::Signal;

use crate::process::{CONFIG, Node};
use crate::scene::{failed, modest, place, selector, story, stubborn, talk};

#[test]
fn a_policy_that_outlives_its_probation_has_proven_itself() {
    let node = Node::start("[policy]\nprobation_ms = 200\n");
    place(&node, "mine.wasm", &modest(1));
    node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    node.event("policy-proven", |event| event["details"]["role"] == "selector");
    until_told(&node, "proven");
    let slot = selector(&node);
    assert_eq!((&slot["on_probation"], &slot["warm"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn a_policy_that_lets_nothing_go_is_rolled_back_by_itself_and_stays_out() {
    let there = Node::start("");
    let here = there.start_neighbour();
    talk(&here, &there, "100");
    place(&here, "bad.wasm", &stubborn());
    here.json(&["policy", "swap", "selector", "bad.wasm", "--json"]);
    talk(&here, &there, "100");
    let event = here.event("policy-quarantined", |event| event["details"]["role"] == "selector");
    assert!(event["text"].as_str().unwrap().contains("--force"), "{event}");
    let slot = selector(&here);
    assert_eq!((&slot["name"], &slot["from"]), (&"fastest-first".into(), &"rollback".into()));
    assert_eq!(story(&here).last(), Some(&("rolled-back".to_owned(), Some(2))));

    let told = failed(&here, &["policy", "swap", "selector", "bad.wasm"]);
    assert!(told.contains("in quarantine") && told.contains("stays out for"), "{told}");
    place(&here, "bad.wasm", &modest(3));
    here.json(&["policy", "swap", "selector", "bad.wasm", "--json"]);
    assert_eq!(selector(&here)["name"], "by-hand", "other bytes are another policy");
}

#[test]
fn force_takes_a_quarantined_policy_again() {
    let there = Node::start("");
    let here = there.start_neighbour();
    place(&here, "bad.wasm", &stubborn());
    here.json(&["policy", "swap", "selector", "bad.wasm", "--json"]);
    talk(&here, &there, "100");
    here.event("policy-quarantined", |_| true);
    let told = here.json(&["policy", "swap", "selector", "bad.wasm", "--force", "--json"]);
    assert_eq!(told["changed"], true);
    talk(&here, &there, "100");
    here.event("policy-rolled-back", |event| event["details"]["generation"] == 3);
}

#[test]
fn neither_a_reload_nor_a_restart_takes_back_what_was_rolled_back() {
    let there = Node::start("");
    let peer = there.as_peer();
    let here = Node::start(&format!("{peer}[policy]\nprobation_ms = 60000\n"));
    place(&here, "bad.wasm", &stubborn());
    let rest = "[policy.selector]\nmodule = \"bad.wasm\"\n";
    let config = format!("{CONFIG}{peer}[policy]\nprobation_ms = 60000\n{rest}");
    fs::write(here.folder.path().join("config.toml"), config).unwrap();
    here.event("policy-swapped", |event| event["details"]["generation"] == 2);
    talk(&here, &there, "100");
    here.event("policy-quarantined", |_| true);

    let told = here.json(&["reload", "--json"]);
    assert!(told["notes"][0].as_str().unwrap().contains("in quarantine"), "{told}");
    assert_eq!(selector(&here)["name"], "fastest-first");

    here.signal(Signal::TERM);
    let (_, folder) = here.ended();
    let again = Node::start_in(folder);
    let slot = selector(&again);
    assert_eq!(slot["name"], "fastest-first");
    assert!(slot["note"].as_str().unwrap().contains("in place of bad.wasm"), "{slot}");
    assert!(slot["generation"].as_u64() > Some(2), "numbers grow over restarts: {slot}");
    talk(&again, &there, "100");
}

#[test]
fn a_restart_falls_back_to_the_module_that_proved_itself_last() {
    let there = Node::start("");
    let peer = there.as_peer();
    let head =
        |probation_ms: u32| format!("{CONFIG}{peer}[policy]\nprobation_ms = {probation_ms}\n");
    let folder = tempfile::tempdir().unwrap();
    let rest = "[policy.selector]\nmodule = \"mine.wasm\"\n";
    fs::write(folder.path().join("config.toml"), format!("{}{rest}", head(60_000))).unwrap();
    fs::write(folder.path().join("mine.wasm"), modest(1)).unwrap();
    let here = Node::start_in(folder);
    let good = selector(&here)["digest"].clone();
    place(&here, "mine.wasm", &stubborn());
    here.event("policy-swapped", |event| event["details"]["generation"] == 2);
    talk(&here, &there, "100");
    here.event("policy-quarantined", |_| true);
    here.signal(Signal::TERM);
    let (_, folder) = here.ended();
    let again = Node::start_in(folder);
    let slot = selector(&again);
    assert_eq!(slot["digest"], good, "{slot}");
    talk(&again, &there, "100");
}

/// Waits until the history's newest entry has this outcome: it is written after the event.
pub(crate) fn until_told(node: &Node, outcome: &str) {
    let began = std::time::Instant::now();
    while story(node).last().is_none_or(|(told, _)| told != outcome) {
        assert!(began.elapsed() < crate::process::PATIENCE, "the history never tells {outcome}");
    }
}
