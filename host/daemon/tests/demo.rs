//! The demonstration as a person runs it: the real command, its real nodes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

use pointsman::demo::{DemoResult, NODES};

/// Runs it with a folder of its own for temporary files, which must be empty afterwards.
fn demo(arguments: &[&str]) -> (Output, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.arg("demo").args(arguments).env("TMPDIR", folder.path());
    let output = command.output().unwrap();
    let left_behind = std::fs::read_dir(folder.path()).unwrap().count();
    (output, left_behind)
}

fn loses_nothing(arguments: &[&str], stages: &[&str]) {
    let (output, left_behind) = demo(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let result: DemoResult = serde_json::from_slice(&output.stdout).unwrap();
    assert!(stages.contains(&result.stage.as_str()), "{result:?}");
    assert_eq!(result.sent, 3 * 200 * NODES as u64);
    assert_eq!((result.arrived, result.lost, result.duplicates), (result.sent, 0, 0));
    assert!(result.returned_after_ms.is_some(), "{result:?}");
    assert!(result.slowest_swap_ms > 0.0, "{result:?}");
    assert_eq!(left_behind, 0);
}

#[test]
fn nothing_is_lost_wherever_it_runs() {
    loses_nothing(&["--json", "--seconds", "3"], &["namespaces", "loopback"]);
}

#[test]
fn nothing_is_lost_on_loopback() {
    loses_nothing(&["--json", "--seconds", "3", "--loopback"], &["loopback"]);
}

#[test]
fn too_few_seconds_are_wrong_usage() {
    let (output, _) = demo(&["--seconds", "1"]);
    assert_eq!(output.status.code(), Some(64));
}
