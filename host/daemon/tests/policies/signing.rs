//! Signed modules on a node that demands signatures: which come in, and which come back.

use std::fs;
use std::time::Instant;

use minisign::KeyPair;
use pointsman_sdk::selector::Verdict;
use serde_json::Value;

use crate::guests::{Guest, SELECTOR};
use crate::process::{CONFIG, Node, PATIENCE};
use crate::proving::until_told;
use crate::scene::{failed, modest, place, selector};

/// A selector that leaves everything to the builtin, and says that it is of this version.
fn version(version: &str) -> Vec<u8> {
    let choose = format!("i64.const {}", Verdict::abstain().pack());
    let extra = format!("(data (i32.const 1040) \"{version}\")");
    Guest { choose: choose.leak(), extra: extra.leak(), ..SELECTOR }.bytes()
}

fn key() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn keys(pair: &KeyPair) -> String {
    format!("keys = [\"{}\"]\n", pair.pk.to_base64())
}

fn signature(module: &[u8], pair: &KeyPair) -> String {
    minisign::sign(None, &pair.sk, module, None, None).unwrap().into_string()
}

/// Puts a module and its signature where another one may have been; gives the signature.
fn place_signed(node: &Node, name: &str, module: &[u8], pair: &KeyPair) -> String {
    let text = signature(module, pair);
    place(node, name, module);
    place(node, &format!("{name}.minisig"), text.as_bytes());
    text
}

fn swap(node: &Node, file: &str) -> Value {
    node.json(&["policy", "swap", "selector", file, "--json"])
}

/// Swaps, and waits until the policy has proven itself.
fn prove(node: &Node, file: &str) {
    let generation = swap(node, file)["live"]["generation"].clone();
    node.event("policy-proven", |event| event["details"]["generation"] == generation);
    until_told(node, "proven");
}

#[test]
fn another_key_a_stripped_signature_and_an_older_version_are_refused() {
    let pair = key();
    let node = Node::start(&format!("[policy]\nprobation_ms = 0\n{}", keys(&pair)));
    place_signed(&node, "second.wasm", &version("2.0.0"), &pair);
    swap(&node, "second.wasm");
    let first = version("1.0.0");
    let whole = place_signed(&node, "first.wasm", &first, &pair);
    let stripped: Vec<_> = whole.lines().take(2).collect();
    for (text, said) in [
        (signature(&first, &key()), "was made with the key"),
        (stripped.join("\n"), "holds no minisign signature"),
        (String::new(), "holds no minisign signature"),
        (signature(&version("3.0.0"), &pair), "does not fit"),
        (whole, "downgrade"),
    ] {
        place(&node, "first.wasm.minisig", text.as_bytes());
        let told = failed(&node, &["policy", "swap", "selector", "first.wasm"]);
        assert!(told.contains("trust") && told.contains(said), "{said}: {told}");
        assert_eq!(selector(&node)["version"], "2.0.0");
    }
    let allowed = ["policy", "swap", "selector", "first.wasm", "--allow-downgrade", "--json"];
    assert_eq!(node.json(&allowed)["live"]["version"], "1.0.0");
}

#[test]
fn a_signed_policy_comes_back_although_its_file_holds_a_newer_one() {
    let pair = key();
    let node = Node::start(&format!("[policy]\nprobation_ms = 100\n{}", keys(&pair)));
    let first = place_signed(&node, "mine.wasm", &version("1.0.0"), &pair);
    prove(&node, "mine.wasm");
    place_signed(&node, "mine.wasm", &version("2.0.0"), &pair);
    prove(&node, "mine.wasm");
    let told = node.json(&["policy", "rollback", "selector", "--json"]);
    assert_eq!(told["live"]["version"], "1.0.0", "{told}");
    let generation = told["live"]["generation"].clone();
    node.event("policy-proven", |event| event["details"]["generation"] == generation);
    let copy = node.folder.path().join("identity.state/policies/selector.wasm.minisig");
    let began = Instant::now();
    while fs::read_to_string(&copy).unwrap() != first {
        assert!(began.elapsed() < PATIENCE, "the copy has another signature than its module");
    }
}

#[test]
fn what_is_promoted_is_what_was_signed_when_it_began_to_answer() {
    let pair = key();
    let node = Node::start(&format!("[policy]\n{}", keys(&pair)));
    place_signed(&node, "mine.wasm", &version("1.0.0"), &pair);
    node.json(&["policy", "shadow", "selector", "mine.wasm", "--json"]);
    place_signed(&node, "mine.wasm", &version("2.0.0"), &pair);
    let told = node.json(&["policy", "promote", "selector", "--force", "--json"]);
    assert_eq!(told["live"]["version"], "1.0.0", "{told}");
}

#[test]
fn keys_are_refused_as_long_as_what_is_live_is_not_signed_by_one_of_them() {
    let pair = key();
    let node = Node::start("[policy]\nwatch = false\n");
    let module = modest(1);
    place(&node, "mine.wasm", &module);
    swap(&node, "mine.wasm");
    let file = node.folder.path().join("config.toml");
    fs::write(&file, format!("{CONFIG}[policy]\nwatch = false\n{}", keys(&pair))).unwrap();
    let told = failed(&node, &["reload"]);
    for said in ["by-hand 1.0.0", "would not be trusted", "is not signed", "minisign -Sm"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    place(&node, "other.wasm", &modest(2));
    assert_eq!(swap(&node, "other.wasm")["changed"], true, "the node is as it was");
    swap(&node, "mine.wasm");
    place(&node, "mine.wasm.minisig", signature(&module, &pair).as_bytes());
    let told = node.json(&["reload", "--json"]);
    assert_eq!(told["changed"], serde_json::json!(["policy.keys"]));
    assert_eq!(selector(&node)["name"], "by-hand");
    let told = failed(&node, &["policy", "swap", "selector", "other.wasm"]);
    assert!(told.contains("is not signed"), "{told}");
    let wrong = format!("{CONFIG}[policy]\nwatch = false\nkeys = [\"no key\"]\n");
    fs::write(&file, wrong).unwrap();
    let told = failed(&node, &["reload"]);
    assert!(told.contains("policy.keys[0]: ") && !told.contains("policy.selector"), "{told}");
}
