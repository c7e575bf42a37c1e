//! Modules to swap, and what a node says of its slots.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use pointsman_sdk::selector::Verdict;
use serde_json::Value;

use crate::guests::{FAILOVER, Guest, SELECTOR};
use crate::process::{Node, text};

/// A selector that answers everything with this verdict. Its number makes it another module.
pub(crate) fn always(verdict: Verdict, number: u32) -> Vec<u8> {
    let choose = format!("i64.const {}", verdict.pack().cast_signed());
    let extra = format!("(global $number i32 (i32.const {number}))");
    Guest { choose: choose.leak(), extra: extra.leak(), ..SELECTOR }.bytes()
}

/// A selector that leaves everything to the builtin.
pub(crate) fn modest(number: u32) -> Vec<u8> {
    always(Verdict::abstain(), number)
}

/// A selector that lets nothing go.
pub(crate) fn stubborn() -> Vec<u8> {
    always(Verdict::hold(1_000_000), 0)
}

/// A failover policy that stays.
pub(crate) fn staying() -> Vec<u8> {
    FAILOVER.bytes()
}

/// Writes a module into a node's folder, all at once; returns its path.
pub(crate) fn place(node: &Node, name: &str, module: &[u8]) -> PathBuf {
    let file = node.folder.path().join(name);
    let draft = node.folder.path().join(format!("{name}.draft"));
    fs::write(&draft, module).unwrap();
    fs::rename(draft, &file).unwrap();
    file
}

/// What is in the selector's slot.
pub(crate) fn selector(node: &Node) -> Value {
    node.json(&["policy", "list", "--json"])[0].clone()
}

/// What happened to the selector's slot: outcome and generation of each entry.
pub(crate) fn story(node: &Node) -> Vec<(String, Option<u64>)> {
    let history = node.json(&["policy", "history", "selector", "--json"]);
    let entry = |entry: &Value| {
        (entry["outcome"].as_str().unwrap().to_owned(), entry["generation"].as_u64())
    };
    history.as_array().unwrap().iter().map(entry).collect()
}

/// What a command said that had to fail.
pub(crate) fn failed(node: &Node, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = node.run(arguments);
    assert_eq!(status.code(), Some(1), "{arguments:?}: {}", text(&stderr));
    text(&stderr)
}

/// Sends so many messages, all of which must arrive.
pub(crate) fn talk(from: &Node, to: &Node, count: &str) {
    let told = from.json(&["send", &to.peer, "--count", count, "--size", "500", "--json"]);
    assert_eq!(told["delivered"], told["sent"], "{told}");
}
