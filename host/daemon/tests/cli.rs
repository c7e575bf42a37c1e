//! The command line without a node, and what `check` says of bad configs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../engine/tests/modules/guests.rs"]
#[allow(dead_code, reason = "the engine's own tests use all of it")]
mod guests;
mod process;

use std::fs;
use std::path::Path;
use std::process::Output;

use process::{pointsman, text};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn run(home: &Path, arguments: &[&str]) -> Output {
    pointsman(home).args(arguments).output().unwrap()
}

fn folder_with(config: &str) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

/// What `check` and `run` say of a config that both must refuse, as (line, key) and text.
fn refused(folder: &TempDir) -> (Vec<(u64, String)>, String) {
    let check = run(folder.path(), &["check", "--config", "config.toml"]);
    assert_eq!(check.status.code(), Some(64), "{}", text(&check.stdout));
    let started = run(folder.path(), &["--socket", "s", "run", "--config", "config.toml"]);
    assert_eq!(started.status.code(), Some(64), "{}", text(&started.stderr));
    let json = run(folder.path(), &["check", "--config", "config.toml", "--json"]);
    assert_eq!(json.status.code(), Some(64));
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    let errors = found["errors"].as_array().unwrap().iter();
    let place = |error: &Value| {
        (error["line"].as_u64().unwrap(), error["key"].as_str().unwrap().to_owned())
    };
    (errors.map(place).collect(), text(&check.stderr))
}

#[test]
fn usage_errors_exit_with_64_and_help_with_0() {
    let home = tempdir().unwrap();
    let wrong: [&[&str]; 6] = [
        &[],
        &["swim"],
        &["send"],
        &["send", "x", "y", "--ttl", "soon"],
        &["send", "x", "y", "--count", "3"],
        &["status", "--loud"],
    ];
    for arguments in wrong {
        let output = run(home.path(), arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    for arguments in [&["--help"][..], &["--version"], &["help", "send"]] {
        assert_eq!(run(home.path(), arguments).status.code(), Some(0), "{arguments:?}");
    }
    assert!(text(&run(home.path(), &["help", "send"]).stdout).contains("Examples:"));
}

#[test]
fn every_command_that_needs_a_node_exits_with_69_where_none_is() {
    let home = tempdir().unwrap();
    let commands: [&[&str]; 9] = [
        &["status"],
        &["peers"],
        &["links"],
        &["send", "x", "y"],
        &["listen"],
        &["events"],
        &["policy", "list"],
        &["reload"],
        &["stop"],
    ];
    for arguments in commands {
        let output = run(home.path(), arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{arguments:?}: {told}");
        let socket = home.path().join("pointsman/node.sock");
        assert!(told.contains(&socket.display().to_string()), "{told}");
        assert!(told.contains("pointsman run"), "{told}");
    }
    let named = pointsman(home.path()).env("POINTSMAN_SOCKET", "/nowhere/s").arg("status").output();
    assert!(text(&named.unwrap().stderr).contains("/nowhere/s"));
}

#[test]
fn without_any_config_the_defaults_hold_and_check_says_so() {
    let home = tempdir().unwrap();
    if Path::new("/etc/pointsman/config.toml").exists() {
        return;
    }
    let output = run(home.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["file"], Value::Null);
    assert_eq!(found["errors"], serde_json::json!([]));
    let roles: Vec<_> = found["policies"].as_array().unwrap().iter().map(|p| &p["role"]).collect();
    assert_eq!(roles, ["selector", "failover", "reputation", "anomaly"]);
}

#[test]
fn all_errors_of_a_config_are_told_at_once_with_their_places() {
    let folder = folder_with("[mdns]\nenabled = \"yes\"\n[listen]\nquick = 4001\n");
    let (errors, told) = refused(&folder);
    let places: Vec<_> = errors.iter().map(|(line, key)| (*line, key.as_str())).collect();
    assert_eq!(places, [(2, "mdns.enabled"), (4, "listen.quick")]);
    assert!(told.contains("config.toml:2:"), "{told}");
    assert!(told.contains("config.toml:4:"), "{told}");
}

#[test]
fn a_text_that_is_no_toml_is_told_with_its_place() {
    let (errors, told) = refused(&folder_with("[network]\nname = \n"));
    assert_eq!(errors.first().map(|(line, _)| *line), Some(2), "{told}");
}

#[test]
fn a_missing_module_is_an_error_at_its_key() {
    let folder = folder_with("[policy.selector]\nbudget_us = 500\nmodule = \"mine.wasm\"\n");
    let (errors, told) = refused(&folder);
    assert_eq!(errors, [(3, "policy.selector.module".to_owned())]);
    assert!(told.contains("mine.wasm"), "{told}");
}

#[test]
fn a_module_of_another_role_is_refused_with_the_remedy() {
    let folder = folder_with("[policy.selector]\nmodule = \"other.wasm\"\n");
    fs::write(folder.path().join("other.wasm"), guests::FAILOVER.bytes()).unwrap();
    let (errors, told) = refused(&folder);
    assert_eq!(errors, [(2, "policy.selector.module".to_owned())]);
    assert!(told.contains("[policy.failover]"), "{told}");
}

#[test]
fn a_file_that_is_no_policy_is_refused_by_policy_check() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("x.wasm"), "not wasm").unwrap();
    let output = run(home.path(), &["policy", "check", "x.wasm"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("x.wasm"), "{}", text(&output.stderr));
}

#[test]
fn a_config_that_cannot_be_read_exits_with_64() {
    let home = tempdir().unwrap();
    let output = run(home.path(), &["run", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("nowhere.toml"));
}

#[test]
fn a_new_identity_is_printed_and_never_overwrites_one() {
    let home = tempdir().unwrap();
    let new = run(home.path(), &["identity", "new", "key"]);
    assert_eq!(new.status.code(), Some(0), "{}", text(&new.stderr));
    assert!(text(&new.stdout).starts_with("12D3KooW"));
    assert_eq!(run(home.path(), &["identity", "new", "key"]).status.code(), Some(1));
    fs::write(home.path().join("c.toml"), "[node]\nidentity = \"key\"\n").unwrap();
    let shown = run(home.path(), &["identity", "--config", "c.toml", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["peer"], text(&new.stdout).trim());
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let home = tempdir().unwrap();
    let script = text(&run(home.path(), &["completions", "bash"]).stdout);
    assert_eq!(run(home.path(), &["man", "--to", "pages"]).status.code(), Some(0));
    for command in ["run", "check", "status", "peers", "links", "send", "listen", "events"] {
        assert!(script.contains(&format!("pointsman,{command})")), "{command}");
        let page = home.path().join(format!("pages/pointsman-{command}.1"));
        assert!(fs::read_to_string(page).unwrap().contains("Examples"), "{command}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // Closed before the command starts, so that its first write fails.
    drop(reader);
    let output = pointsman(home.path()).arg("man").stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}
