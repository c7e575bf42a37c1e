//! Tests that need interfaces of their own run in a network namespace of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::process::{Command, Stdio};

const INSIDE: &str = "POINTSMAN_TEST_NAMESPACE";

/// Whether the test called `name` runs in a namespace already. Otherwise it is run in one,
/// and its success asserted; where the system permits no namespace, it says so and that is
/// all.
pub(crate) fn is_inside(name: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let may = unshare().arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        skip(name);
        return false;
    }
    let mut inner = unshare();
    inner.arg(env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]);
    assert!(inner.env(INSIDE, "1").status().unwrap().success(), "{name} failed in its namespace");
    false
}

/// A command that runs another one in a new network namespace: as root, or as root of a new
/// user namespace.
pub(crate) fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--net");
    command
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) {
    let status = Command::new("ip").args(words.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {words}");
}

#[expect(clippy::print_stderr, reason = "who runs the tests must know what was not tested")]
fn skip(name: &str) {
    eprintln!("skipped {name}: this system permits no network namespace (unshare --net)");
}
