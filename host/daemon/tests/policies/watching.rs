//! Files that change by themselves.

use std::fs;

use crate::process::{CONFIG, Node};
use crate::scene::{modest, place, selector, story};

/// A node whose selector is a file, and whose policies need not prove themselves.
fn watching(more: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.wasm"), modest(0)).unwrap();
    let policy = format!("[policy]\n{more}[policy.selector]\nmodule = \"mine.wasm\"\n");
    fs::write(folder.path().join("config.toml"), format!("{CONFIG}{policy}")).unwrap();
    Node::start_in(folder)
}

#[test]
fn a_module_that_is_renamed_into_place_comes_in_by_itself() {
    let node = watching("");
    let before = selector(&node)["digest"].clone();
    place(&node, "mine.wasm", &modest(1));
    node.event("policy-swapped", |event| event["details"]["generation"] == 2);
    until(&node, "another digest", |slot| slot["digest"] != before);
    let slot = selector(&node);
    assert_eq!((&slot["from"], &slot["on_probation"]), (&"file".into(), &true.into()));
}

#[test]
fn an_edit_that_is_wrong_is_told_and_changes_nothing_until_it_is_mended() {
    let node = watching("");
    fs::write(node.folder.path().join("mine.wasm"), b"half a mod").unwrap();
    let event = node.event("edit-refused", |_| true);
    let told = event["text"].as_str().unwrap();
    assert!(told.contains("mine.wasm") && told.contains("goes on as it was"), "{told}");
    assert_eq!(selector(&node)["generation"], 1);
    fs::remove_file(node.folder.path().join("mine.wasm")).unwrap();
    node.event("edit-refused", |event| event["text"].as_str().unwrap().contains("No such file"));
    place(&node, "mine.wasm", &modest(1));
    node.event("policy-swapped", |event| event["details"]["generation"] == 2);
    let config = node.folder.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}[link]\nheartbeat_ms = 700\n")).unwrap();
    node.event("reconfigured", |event| event["details"]["keys"][0] == "link.heartbeat_ms");
    fs::write(&config, "no config").unwrap();
    node.event("edit-refused", |event| event["details"]["what"].as_str().unwrap().contains("toml"));
    assert_eq!(selector(&node)["name"], "by-hand");
}

#[test]
fn a_thousand_edits_in_a_burst_end_with_the_last_one_and_few_loads() {
    let node = watching("probation_ms = 0\n");
    let modules: Vec<_> = (1..=1000).map(modest).collect();
    for module in &modules {
        place(&node, "mine.wasm", module);
    }
    let last = digest_of(&node);
    until(&node, "the last digest", |slot| slot["digest"] == last.as_str());
    let loads = story(&node).iter().filter(|(outcome, _)| outcome == "live").count();
    assert!(loads <= 12, "{loads} loads");
}

#[test]
fn without_the_watch_only_a_reload_counts() {
    let node = watching("watch = false\n");
    place(&node, "mine.wasm", &modest(1));
    let told = node.json(&["reload", "--json"]);
    assert_eq!(told["swapped"].as_array().map(Vec::len), Some(1), "{told}");
    let history = node.json(&["policy", "history", "selector", "--json"]);
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!(last["from"], "file");
    assert_ne!(last["who"], "node", "somebody typed it");
}

fn digest_of(node: &Node) -> String {
    let view = node.json(&["policy", "check", "mine.wasm", "--json"]);
    view["digest"].as_str().unwrap().to_owned()
}

/// Asks until the selector's slot is as wanted.
fn until(node: &Node, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
    let began = std::time::Instant::now();
    while !wanted(&selector(node)) {
        assert!(began.elapsed() < crate::process::PATIENCE, "{what} never came");
    }
}
