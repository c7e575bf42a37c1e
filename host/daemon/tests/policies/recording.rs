//! What policies of every role decided is recorded, and can be asked of another policy again.

use std::time::Instant;

use serde_json::Value;

use crate::process::{Node, PATIENCE, text};
use crate::scene::talk;

/// What a policy would have answered to what was recorded of its role so far, if anything was.
fn replayed(node: &Node, policy: &str) -> Result<Value, String> {
    let log = ["--log", "identity.state/decisions", "--json"];
    let output = node.run(&[["policy", "replay", policy].as_slice(), &log].concat());
    if !output.status.success() {
        return Err(text(&output.stderr));
    }
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    if told["questions"] == 0 { Err(told.to_string()) } else { Ok(told) }
}

#[test]
fn decisions_of_all_roles_are_recorded_and_answered_alike_by_the_same_policy() {
    let there = Node::start("");
    let here = Node::start(&format!("{}[policy]\nsample = 1\n", there.as_peer()));
    let began = Instant::now();
    for name in ["fastest-first", "standby", "beta", "thresholds"] {
        let policy = format!("builtin:{name}");
        let told = loop {
            talk(&here, &there, "100");
            match replayed(&here, &policy) {
                Ok(told) => break told,
                Err(why) => assert!(began.elapsed() < PATIENCE, "{name}: {why}"),
            }
        };
        assert_eq!(told["equal"], told["questions"], "{told}");
        assert_eq!(told["bad_lines"], 0, "{told}");
    }
}
