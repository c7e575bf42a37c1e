//! Modules that do not come in, and what their authors are told.

use pointsman_sdk::selector::Verdict;

use crate::process::{Node, text};
use crate::scene::{always, failed, modest, place, selector, staying, story};

#[test]
fn a_module_that_is_refused_leaves_the_live_one() {
    let node = Node::start("");
    place(&node, "text.wasm", b"not a module");
    place(&node, "empty.wasm", b"");
    place(&node, "other.wasm", &staying());
    let fifth = Verdict::send(15);
    place(&node, "absurd.wasm", &always(fifth, 0));
    for (file, said) in [
        ("text.wasm", "this is not a WebAssembly binary"),
        ("empty.wasm", "the file is empty"),
        ("other.wasm", "name it under [policy.failover]"),
        ("absurd.wasm", "trial"),
        (".", "no regular file"),
        ("builtin:nobody", "no builtin selector is called"),
        ("embedded:nobody", "no module \"nobody\" is in this binary"),
    ] {
        let told = failed(&node, &["policy", "swap", "selector", file]);
        assert!(told.contains(said), "{file}: {told}");
        assert!(told.contains("goes on as it was"), "{file}: {told}");
    }
    let slot = selector(&node);
    assert_eq!((&slot["name"], &slot["generation"]), (&"fastest-first".into(), &1.into()));
    assert_eq!(story(&node).iter().filter(|(outcome, _)| outcome == "refused").count(), 7);
    let gone = node.run(&["policy", "swap", "selector", "gone.wasm"]);
    assert_eq!(gone.status.code(), Some(64), "a typing error is told before the node is asked");
}

#[test]
fn a_pinned_slot_takes_the_pinned_module_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let module = modest(1);
    std::fs::write(folder.path().join("mine.wasm"), &module).unwrap();
    let check = crate::process::pointsman(folder.path())
        .args(["policy", "check", "mine.wasm", "--json"])
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", text(&check.stderr));
    let view: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    let digest = view["digest"].as_str().unwrap();
    let policy = format!("[policy.selector]\nmodule = \"mine.wasm\"\ndigest = \"{digest}\"\n");
    let config = format!("{}{policy}", crate::process::CONFIG);
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let node = Node::start_in(folder);
    assert_eq!(selector(&node)["digest"], digest);
    place(&node, "other.wasm", &modest(2));
    let told = failed(&node, &["policy", "swap", "selector", "other.wasm"]);
    assert!(told.contains("trust") && told.contains("policy.selector.digest"), "{told}");
    let told = failed(&node, &["policy", "swap", "selector", "builtin:thrifty"]);
    assert!(told.contains("has no digest"), "{told}");
    assert_eq!(selector(&node)["digest"], digest);
}

#[test]
fn where_keys_are_configured_an_unsigned_module_is_refused_and_a_signed_one_taken() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = pair.pk.to_base64();
    let node = Node::start(&format!("[policy]\nkeys = [\"{key}\"]\n"));
    let module = modest(1);
    let file = place(&node, "mine.wasm", &module);
    let told = failed(&node, &["policy", "swap", "selector", "mine.wasm"]);
    assert!(told.contains("is not signed") && told.contains("minisign -Sm"), "{told}");
    let signature = minisign::sign(None, &pair.sk, module.as_slice(), None, None).unwrap();
    std::fs::write(file.with_extension("wasm.minisig"), signature.into_string()).unwrap();
    let told = node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    assert_eq!(told["changed"], true);
}

#[test]
fn a_check_without_a_node_says_what_a_swap_would() {
    let node = Node::start("");
    place(&node, "good.wasm", &modest(1));
    place(&node, "absurd.wasm", &always(Verdict::send(15), 0));
    let good = node.run(&["policy", "check", "good.wasm"]);
    let told = text(&good.stdout);
    assert!(told.contains("by-hand 1.0.0, a selector policy, ready for its slot"), "{told}");
    assert!(told.contains("pointsman policy swap selector good.wasm"), "{told}");
    let absurd = node.run(&["policy", "check", "absurd.wasm"]);
    assert_eq!(absurd.status.code(), Some(64));
    let told = text(&absurd.stderr);
    assert!(told.contains("absurd.wasm: trial:"), "{told}");
    assert_eq!(told.matches("absurd.wasm").count(), 1, "{told}");
}
