//! Policies that no operator should load, in the config of a real node.

use std::fs;

use pointsman_sdk::selector::Verdict;

use crate::guests::{FAILOVER, Guest, SELECTOR, WIT};
use crate::process::{CONFIG, Node, pointsman, text};
use crate::siege::until;

const ENDLESS: &str = "(loop $again (br $again)) unreachable";
const BOMB: &str =
    "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
const CALLS: &str = "(global $calls (mut i32) (i32.const 0))";
const THIRD: &str = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))";

/// Behaves in the trial, whose seeds are small or the largest, and shows its face to a node.
fn sly(seed: &str, face: &str, mask: &str) -> &'static str {
    format!(
        "(if (i32.and (i64.gt_u {seed} (i64.const 0xffff)) (i64.ne {seed} (i64.const -1)))
            (then {face})) {mask}"
    )
    .leak()
}

#[test]
fn modules_that_misbehave_cost_strikes_and_no_message() {
    let there = Node::start("");
    let peer = there.as_peer();
    let absurd = "(i32.store8 (i32.const 1300) (i32.const 2))
        (i32.store16 (i32.const 1304) (i32.const 0x8000)) (return (i32.const 1300))";
    let faces = [
        ("endless", ENDLESS, ENDLESS),
        ("bomb", BOMB, BOMB),
        ("third", THIRD, THIRD),
        ("absurd", "(return (i64.const -1))", absurd),
    ];
    let abstain = format!("i64.const {}", Verdict::abstain().pack().cast_signed());
    let pairs = faces.map(|(name, choose, decide)| {
        let choose = sly("(local.get 1)", choose, &abstain);
        let decide = sly("(i64.load offset=8 (local.get 0))", decide, FAILOVER.decide);
        (name, choose, decide)
    });
    for (name, choose, decide) in pairs {
        let folder = tempfile::tempdir().unwrap();
        let selector = Guest { extra: CALLS, choose, ..SELECTOR };
        let failover = Guest { extra: CALLS, decide, ..FAILOVER };
        fs::write(folder.path().join("s.wasm"), selector.bytes()).unwrap();
        fs::write(folder.path().join("f.wasm"), failover.bytes()).unwrap();
        let policies =
            "[policy.selector]\nmodule = \"s.wasm\"\n[policy.failover]\nmodule = \"f.wasm\"\n";
        let config = format!("{CONFIG}{peer}{policies}");
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let here = Node::start_in(folder);
        let told = here.json(&["send", &there.peer, "--count", "200", "--size", "900", "--json"]);
        assert_eq!(told["delivered"], 200, "{name}: {told}");
        until(&here, name, |status| {
            let mut policies = status["policies"].as_array().unwrap().iter().take(2);
            policies.all(|one| one["strikes"].as_u64() > Some(0) && one["last_strike"].is_string())
        });
    }
}

/// Asserts that both `check` and `run` refuse such a file in a slot, and say this.
fn refused(role: &str, bytes: &[u8], said: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.wasm"), bytes).unwrap();
    let config = format!("{CONFIG}[policy.{role}]\nmodule = \"bad.wasm\"\n");
    fs::write(folder.path().join("config.toml"), config).unwrap();
    for command in ["check", "run"] {
        let arguments = ["--socket", "s", command, "--config", "config.toml"];
        let output = pointsman(folder.path()).args(arguments).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{command} {role}: {told}");
        assert!(told.contains(said) && told.contains(&format!("policy.{role}")), "{said}: {told}");
    }
}

#[test]
fn files_that_are_no_such_policy_are_refused_by_check_and_by_run() {
    let clock =
        WIT.replace("  import host-log;\n", "  import clock: interface { now: func() -> u64; }\n");
    let clock: &'static str = clock.leak();
    let imports = r#"(import "clock" "now" (func (result i64)))"#;
    for (role, sound, other) in [("selector", SELECTOR, FAILOVER), ("failover", FAILOVER, SELECTOR)]
    {
        refused(role, b"not wasm", "this is not a WebAssembly binary");
        refused(role, &other.bytes(), "name it under [policy.");
        refused(role, &Guest { wit: clock, imports, ..sound }.bytes(), "imports clock");
        let empty = Guest { choose: "", decide: "", ..sound };
        refused(role, &empty.bytes(), "does not fit the world");
    }
}
