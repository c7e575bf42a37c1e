//! Other policies from the next question on, and back.

use std::process::Stdio;

use crate::guests::{Guest, SELECTOR};
use crate::process::{Node, PATIENCE};
use crate::scene::{failed, modest, place, selector, staying, story, talk};

#[test]
fn a_swap_tells_its_steps_and_what_stays_warm() {
    let node = Node::start("");
    let file = place(&node, "mine.wasm", &modest(1));
    let told = node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    assert_eq!((&told["changed"], &told["live"]["name"]), (&true.into(), &"by-hand".into()));
    assert_eq!(told["before"]["name"], "fastest-first");
    assert_eq!(told["probation_ms"], 10_000);
    let steps: Vec<_> = told["steps"].as_array().unwrap().iter().map(|one| &one["step"]).collect();
    assert_eq!(steps, ["read", "trust", "compile", "configure", "trial", "swap"]);

    let slot = selector(&node);
    assert_eq!(slot["module"], file.to_str().unwrap());
    assert_eq!((&slot["kind"], &slot["from"]), (&"file".into(), &"command".into()));
    assert_eq!((&slot["on_probation"], &slot["generation"]), (&true.into(), &2.into()));
    assert_eq!(slot["warm"]["generation"], 1);
    assert!(slot["note"].as_str().unwrap().contains("config.toml names"), "{slot}");
    let event = node.event("policy-swapped", |event| event["details"]["generation"] == 2);
    assert_eq!(event["details"]["role"], "selector");
}

#[test]
fn what_is_live_already_is_said_and_left_alone() {
    let node = Node::start("");
    place(&node, "mine.wasm", &modest(1));
    place(&node, "copy.wasm", &modest(1));
    node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    let told = node.json(&["policy", "swap", "selector", "copy.wasm", "--json"]);
    assert_eq!((&told["changed"], &told["live"]["generation"]), (&false.into(), &2.into()));
    assert_eq!(story(&node).len(), 2, "the start and one swap");
}

#[test]
fn builtins_and_every_role_can_be_swapped() {
    let node = Node::start("");
    place(&node, "stay.wasm", &staying());
    let told = node.json(&["policy", "swap", "failover", "stay.wasm", "--json"]);
    assert_eq!(told["live"]["name"], "by-hand");
    for (slot, name) in [
        ("selector", "thrifty"),
        ("failover", "standby"),
        ("reputation", "beta"),
        ("anomaly", "thresholds"),
    ] {
        let module = format!("builtin:{name}");
        let told = node.json(&["policy", "swap", slot, &module, "--json"]);
        assert_eq!((&told["role"], &told["live"]["name"]), (&slot.into(), &name.into()), "{told}");
        assert_eq!(told["live"]["digest"], serde_json::Value::Null);
    }
}

#[test]
fn fifty_swaps_while_messages_travel_lose_none() {
    let there = Node::start("");
    // A budget that a busy machine does not use up by taking the processor away.
    let peer = there.as_peer();
    let here = Node::start(&format!("{peer}[policy.selector]\nbudget_us = 100000\n"));
    talk(&here, &there, "100");
    place(&here, "odd.wasm", &modest(1));
    place(&here, "even.wasm", &modest(2));
    let load = ["send", &there.peer, "--count", "30000", "--size", "700", "--json"];
    let mut load = here.follow(&load);
    for number in 0..50 {
        let file = if number % 2 == 0 { "even.wasm" } else { "odd.wasm" };
        let told = here.json(&["policy", "swap", "selector", file, "--json"]);
        assert_eq!(told["changed"], true, "{told}");
    }
    let told = load.next();
    assert_eq!((&told["delivered"], &told["sent"]), (&30_000.into(), &30_000.into()), "{told}");
    assert_eq!(here.json(&["status", "--json"])["counters"]["frames_unqueued"], 0);
    assert_eq!(selector(&here)["generation"], 51);
    assert_eq!(selector(&here)["strikes"], 0);
}

#[test]
fn a_rollback_brings_back_what_is_warm_and_what_was_let_go() {
    let node = Node::start("");
    assert!(failed(&node, &["policy", "rollback", "selector"]).contains("nothing else was in"));
    place(&node, "mine.wasm", &modest(1));
    node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    let told = node.json(&["policy", "rollback", "selector", "--json"]);
    assert_eq!(told["live"]["name"], "fastest-first");
    assert_eq!(told["before"]["name"], "by-hand");
    assert_eq!(selector(&node)["generation"], 1);
    let told = node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    assert_eq!(told["changed"], true, "an operator's rollback is no quarantine");
}

/// A selector with so much code that compiling it takes a while.
fn bulky() -> Vec<u8> {
    let body = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (local.get 1)))";
    let body = body.repeat(60);
    let one =
        |n: u32| format!("(func $bulk{n} (param i32 i32) (result i32) {body} (local.get 0))\n");
    let extra: String = (0..3_000).map(one).collect();
    Guest { choose: "i64.const 0", extra: extra.leak(), ..SELECTOR }.bytes()
}

#[test]
fn a_rollback_does_not_wait_for_a_module_that_is_being_compiled() {
    let node = Node::start("");
    place(&node, "mine.wasm", &modest(1));
    node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    place(&node, "bulky.wasm", &bulky());
    let mut next = node.follow(&["policy", "swap", "selector", "bulky.wasm", "--json"]);
    let began = std::time::Instant::now();
    while !node.is_compiling() {
        assert!(began.elapsed() < PATIENCE, "it never begins to compile");
    }
    let roll_back = ["policy", "rollback", "selector", "--json"];
    let rollback = node.command(&roll_back).stdout(Stdio::piped()).spawn().unwrap();
    let back = node.event("policy-rolled-back", |event| event["details"]["generation"] == 2);
    assert!(node.is_compiling(), "it came back before the other one was ready");
    assert_eq!(back["details"]["to"], 1);
    let output = rollback.wait_with_output().unwrap();
    assert!(output.status.success());
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["live"]["generation"], &told["before"]["generation"]),
        (&1.into(), &2.into())
    );
    assert_eq!(next.next()["live"]["generation"], 3, "what was ordered before still comes");
    let outcomes: Vec<_> = story(&node);
    assert!(outcomes.contains(&("rolled-back".to_owned(), Some(2))), "{outcomes:?}");
    assert_eq!(selector(&node)["warm"]["generation"], 1);
}

#[test]
fn a_rollback_after_the_probation_loads_what_was_there_as_it_was_then() {
    let node = Node::start("[policy]\nprobation_ms = 100\n");
    for number in 1..3 {
        place(&node, "mine.wasm", &modest(number));
        node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
        let generation = number + 1;
        node.event("policy-proven", |event| event["details"]["generation"] == generation);
    }
    let newest = selector(&node)["digest"].clone();
    let told = node.json(&["policy", "rollback", "selector", "--json"]);
    assert_eq!(told["live"]["name"], "by-hand");
    assert_ne!(told["live"]["digest"], newest, "the file has other bytes by now");
    assert_eq!(selector(&node)["from"], "rollback");
}

#[test]
fn two_operators_at_once_get_one_after_the_other() {
    let node = Node::start("");
    place(&node, "one.wasm", &modest(1));
    place(&node, "two.wasm", &modest(2));
    let swap = |file: &str| {
        let mut command = node.command(&["policy", "swap", "selector", file, "--json"]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let both = [swap("one.wasm"), swap("two.wasm")];
    let told = both.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    });
    let mut generations = told.map(|one| one["live"]["generation"].as_u64().unwrap());
    generations.sort_unstable();
    assert_eq!(generations, [2, 3]);
    assert_eq!(selector(&node)["generation"], 3);
}

#[test]
fn the_config_counts_again_when_its_keys_are_edited() {
    let node = Node::start("");
    let file = node.folder.path().join("config.toml");
    let edit = |more: &str| {
        std::fs::write(&file, format!("{}{more}", crate::process::CONFIG)).unwrap();
        node.json(&["reload", "--json"])
    };
    place(&node, "mine.wasm", &modest(1));
    node.json(&["policy", "swap", "selector", "mine.wasm", "--json"]);
    edit("[link]\nheartbeat_ms = 700\n");
    assert_eq!(selector(&node)["name"], "by-hand", "another key is none of its business");
    edit("[policy.selector]\nmodule = \"builtin:thrifty\"\n");
    let slot = selector(&node);
    assert_eq!((&slot["name"], &slot["from"]), (&"thrifty".into(), &"config".into()));
    assert_eq!(slot["note"], serde_json::Value::Null);
}

#[test]
fn settings_can_come_with_a_swap_and_mistakes_are_named() {
    let node = Node::start("");
    let file = node.folder.path().join("own.toml");
    let swap = ["policy", "swap", "selector", "builtin:fastest-first", "--settings", "own.toml"];
    std::fs::write(&file, "stickiness_percent = 50\n").unwrap();
    assert!(node.run(&swap).status.success());
    std::fs::write(&file, "stickiness_percent = 5000\n").unwrap();
    let told = failed(&node, &swap);
    assert!(told.contains("configure") && told.contains("stickiness_percent"), "{told}");
    std::fs::write(&file, "\nstickiness_percent = { }\n").unwrap();
    let told = failed(&node, &swap);
    assert!(told.contains("line 2"), "{told}");
}
