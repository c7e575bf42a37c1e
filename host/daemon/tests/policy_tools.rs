//! `pointsman policy test`, `bench` and `replay`: a policy on its own, without a node.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::fs;
use std::path::Path;
use std::process::Output;

use pointsman_core::policy::{
    Answerer, Decision, Question, Role, SelectorQuestion, builtin, question::empty_paths,
};
use pointsman_engine::record::{Record, Run, line};
use pointsman_sdk::path::flags;
use pointsman_sdk::{PathRow, Settings};
use process::{pointsman, text};
use serde_json::Value;
use tempfile::tempdir;

const CASES: &str = r#"
role = "selector"
[default]
question = { head_bytes = 1200 }
path = { flags = ["up"], room_bytes = 50000, inflight_bytes = 0, queued_bytes = 0, rate_kbps = 20000 }
[[case]]
name = "the faster path carries the packet"
paths = [{ srtt_us = 80000 }, { srtt_us = 5000 }]
verdict = { mode = "send", paths = [1] }
[[case]]
name = "the slower one, says who errs"
paths = [{ srtt_us = 80000 }, { srtt_us = 5000 }]
verdict = { mode = "send", paths = [0] }
[[case]]
name = "no such setting"
settings = { colour = "blue" }
verdict = { mode = "store" }
"#;

fn run(home: &Path, arguments: &[&str]) -> Output {
    pointsman(home).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

/// A log of what fastest-first answered to so many questions, with a torn last line.
fn log(questions: u32) -> String {
    let mut policy =
        builtin::policy(Role::Selector, "fastest-first", &Settings::default()).unwrap();
    let mut lines = vec![line(&Record::Run(Run::default())), "not a record".to_owned()];
    for number in 1..=questions {
        let mut paths = empty_paths();
        for srtt_us in [20_000, 80_000] {
            let flags = flags::UP;
            PathRow { flags, srtt_us, room_bytes: 9_000, ..PathRow::default() }.write(&mut paths);
        }
        let asked = SelectorQuestion { head_bytes: number, paths, ..SelectorQuestion::default() };
        let question = Question::Selector(asked);
        let verdict = policy.answer(&question).unwrap().unwrap();
        let (number, by) = (number.into(), Answerer::Module);
        let decision = Decision { number, generation: 1, question, verdict, by };
        lines.push(line(&Record::Decision(Box::new(decision))));
    }
    lines.push("{\"v\":1,\"outc".to_owned());
    lines.join("\n")
}

#[test]
fn cases_that_hold_and_cases_that_do_not_are_told_apart() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("c.toml"), CASES).unwrap();
    let arguments = ["policy", "test", "builtin:fastest-first", "--cases", "c.toml"];
    let output = run(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("✓ the faster path carries the packet"), "{told}");
    assert!(told.contains("✗ the slower one, says who errs (line 10)"), "{told}");
    assert!(told.contains(r#"expected  { mode = "send", paths = [0] }"#), "{told}");
    assert!(told.contains("differs   in paths"), "{told}");
    assert!(told.contains("colour"), "{told}");
    assert!(text(&output.stderr).contains("2 of 3 cases do not hold"), "{}", text(&output.stderr));
    let output = run(home.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let seen = json(&output);
    assert_eq!((&seen["held"], &seen["failed"]), (&1.into(), &2.into()));
    assert_eq!(seen["cases"][1]["differs"], serde_json::json!(["paths"]));
    let good = CASES.split("[[case]]\nname = \"the slower").next().unwrap();
    fs::write(home.path().join("c.toml"), good).unwrap();
    let output = run(home.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("1 case holds"), "{}", text(&output.stdout));
}

#[test]
fn a_bad_case_file_is_told_whole_and_exits_with_64() {
    let home = tempdir().unwrap();
    let bad = "role = \"selector\"\n[[case]]\nnmae = \"x\"\nverdict = { mode = \"sned\" }\n";
    fs::write(home.path().join("bad.toml"), bad).unwrap();
    fs::write(home.path().join("good.toml"), CASES).unwrap();
    let output =
        run(home.path(), &["policy", "test", "builtin:fastest-first", "--cases", "bad.toml"]);
    assert_eq!(output.status.code(), Some(64));
    let told = text(&output.stderr);
    assert!(told.contains("bad.toml:3:1: case[0].nmae"), "{told}");
    assert!(told.contains("did you mean `name`?") && told.contains("bad.toml:4:"), "{told}");
    for (what, cases, word) in [
        ("builtin:standby", "good.toml", "failover"),
        ("builtin:nobody", "good.toml", "builtin:standby"),
        ("embedded:nobody", "good.toml", "no such policy"),
        ("nowhere.wasm", "good.toml", "nowhere.wasm"),
        ("good.toml", "good.toml", "good.toml"),
        ("builtin:fastest-first", "nowhere.toml", "nowhere.toml"),
    ] {
        let output = run(home.path(), &["policy", "test", what, "--cases", cases]);
        assert_eq!(output.status.code(), Some(64), "{what} {cases}");
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
}

#[test]
fn a_replay_tells_what_differs_and_what_of_the_log_is_no_use() {
    let home = tempdir().unwrap();
    fs::create_dir(home.path().join("decisions")).unwrap();
    fs::write(home.path().join("decisions/00000002.jsonl"), log(5)).unwrap();
    fs::write(home.path().join("decisions/00000001.jsonl"), log(3)).unwrap();
    let arguments = ["policy", "replay", "builtin:fastest-first", "--log", "decisions"];
    let output = run(home.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let seen = json(&output);
    assert_eq!(
        (&seen["questions"], &seen["equal"], &seen["different"]),
        (&8.into(), &8.into(), &0.into())
    );
    assert_eq!((&seen["bad_lines"], &seen["torn_files"]), (&2.into(), &2.into()));
    assert!(seen["bad"][0].as_str().unwrap().contains("00000001.jsonl: line 2"), "{seen}");
    let told = text(&run(home.path(), &arguments).stdout);
    assert!(told.contains("8 selector questions, 8 answered alike, 0 decided otherwise"), "{told}");

    let file = ["--log", "decisions/00000002.jsonl"];
    let other = ["policy", "replay", "builtin:thrifty"];
    let output = run(home.path(), &[&other[..], &file, &["--json"]].concat());
    assert_eq!(json(&output)["questions"], 5, "{}", text(&output.stderr));
    let role = ["policy", "replay", "builtin:standby"];
    let output = run(home.path(), &[&role[..], &file, &["--json"]].concat());
    let seen = json(&output);
    assert_eq!((&seen["questions"], &seen["skipped"]), (&0.into(), &5.into()));
    let output = run(home.path(), &[&role[..], &["--log", "nowhere"]].concat());
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_bench_measures_the_policy_beside_its_builtin() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("log.jsonl"), log(5)).unwrap();
    fs::write(home.path().join("c.toml"), CASES).unwrap();
    let more: [&[&str]; 3] = [&[], &["--log", "log.jsonl"], &["--cases", "c.toml"]];
    for more in more {
        let arguments = ["policy", "bench", "builtin:fastest-first", "--seconds", "1", "--json"];
        let output = run(home.path(), &[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let seen = json(&output);
        for one in ["policy", "builtin"] {
            assert!(seen[one]["per_second"].as_u64().unwrap() > 0, "{seen}");
            assert_eq!(seen[one]["failed"], 0, "{seen}");
        }
        assert!(seen["ratio"].as_f64().unwrap() > 0.0, "{seen}");
    }
    let both = ["policy", "bench", "builtin:standby", "--log", "log.jsonl"];
    let output = run(home.path(), &both);
    assert_eq!(output.status.code(), Some(64), "no failover policy was asked there");
    assert!(text(&output.stderr).contains("no failover was asked there"));
}

#[test]
fn each_of_these_commands_explains_itself_with_examples() {
    let home = tempdir().unwrap();
    for command in ["test", "bench", "replay"] {
        let help = text(&run(home.path(), &["policy", command, "--help"]).stdout);
        assert!(help.contains(&format!("pointsman policy {command} ")), "{help}");
        assert!(help.lines().count() > 20, "{help}");
    }
}
