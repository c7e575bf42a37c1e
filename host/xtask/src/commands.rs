//! What each command does, step by step. Each step fails with a remedy.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::step::{Failure, run, say};
use crate::{apt, deny, examples, interop, lab, place, tools, wasm};

/// Tells tests of policies in other languages, and of other libp2ps, that none may be missing.
const REQUIRED: &str = "POINTSMAN_EXAMPLES";

/// `./x demo`.
pub fn demo(arguments: &[String]) -> Result<(), Failure> {
    if let Err(failure) = policies(&[]) {
        say(&failure.message);
        say("going on without Wasm: the native builtin policies will answer");
    }
    let mut command = cargo();
    command.args(["run", "-p", "pointsman", "--", "demo"]).args(arguments);
    run("the demo", &mut command, "What went wrong is said above.")
}

/// `./x test`.
pub fn test(arguments: &[String]) -> Result<(), Failure> {
    policies(&[])?;
    examples(&[])?;
    run_tests(arguments, "")
}

fn run_tests(arguments: &[String], required: &str) -> Result<(), Failure> {
    message_bus();
    firewall();
    interop::lend()?;
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).args(arguments).env(REQUIRED, required);
    run("the tests", &mut command, "The failing tests are listed above.")
}

/// The program that the tests of Bluetooth run their BlueZ on, which is for Linux alone.
fn message_bus() {
    let missing = || cfg!(target_os = "linux") && place::program("dbus-daemon").is_none();
    if missing() {
        apt::install(&["dbus-daemon"]);
    }
    if missing() {
        say(
            "without dbus-daemon tests of Bluetooth fail. On Debian: sudo apt-get install dbus-daemon",
        );
    }
}

/// The programs that the tests of NATs are made of, which are for Linux alone. Of the router's
/// daemon it is the program alone: nothing of it starts by itself.
fn firewall() {
    for (program, package, without) in [
        ("nft", "nftables", "tests of NATs are skipped"),
        ("miniupnpd", "miniupnpd-nftables", "tests of routers that forward ports are skipped"),
    ] {
        let missing = || {
            let is_in = |folder: &str| Path::new(folder).join(program).exists();
            let is_there = ["/usr/sbin", "/sbin"].into_iter().any(is_in);
            cfg!(target_os = "linux") && !is_there && place::program(program).is_none()
        };
        if missing() {
            apt::install(&[package]);
        }
        if missing() {
            say(&format!("without {program} {without}. On Debian: sudo apt-get install {package}"));
        }
    }
}

/// `./x policies`.
pub fn policies(_: &[String]) -> Result<(), Failure> {
    let toolchain = wasm::prepare()?;
    wasm::policies::build(&toolchain)
}

/// `./x examples`.
pub fn examples(_: &[String]) -> Result<(), Failure> {
    examples::build()
}

/// `./x lab`.
pub fn lab(arguments: &[String]) -> Result<(), Failure> {
    lab::run(arguments)
}

/// `./x lint`.
pub fn lint(_: &[String]) -> Result<(), Failure> {
    format()?;
    clippy()?;
    documentation()?;
    deny::check()
}

/// `./x ci`: the quickest first, and the tests before what shares nothing with them.
pub fn ci(_: &[String]) -> Result<(), Failure> {
    format()?;
    policies(&[])?;
    examples(&[])?;
    run_tests(&[], "all")?;
    lab::run_for_ci()?;
    clippy()?;
    documentation()?;
    deny::check()?;
    say("all checks passed");
    Ok(())
}

/// `./x setup-ci`.
pub fn setup_ci(_: &[String]) -> Result<(), Failure> {
    for component in ["fmt", "clippy"] {
        let installed = cargo().args([component, "--version"]).output();
        if !installed.is_ok_and(|output| output.status.success()) {
            let package = if component == "fmt" { "rustfmt" } else { component };
            run(
                &format!("installing {package}"),
                Command::new("rustup").args(["component", "add", package]),
                "It is a component of Rust's toolchain.",
            )?;
        }
    }
    tools::install()?;
    interop::install()?;
    deny::install()
}

fn format() -> Result<(), Failure> {
    run("the format", cargo().args(["fmt", "--check"]), "`cargo fmt` repairs it.")
}

fn clippy() -> Result<(), Failure> {
    let mut command = cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    run("the lints", &mut command, "Warnings count; each is listed above.")
}

fn documentation() -> Result<(), Failure> {
    let mut command = cargo();
    command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run("the documentation", &mut command, "Warnings count; each is listed above.")
}

/// Cargo at the root of the repository, as a person there would run it: without what the
/// cargo that runs this tool set for it.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(place::root());
    for name in inherited(std::env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
    command
}

/// The variables that cargo sets for a program that it runs.
fn inherited(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    names
        .filter(|name| {
            let name = name.to_string_lossy();
            let package = name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
            package || matches!(&*name, "CARGO" | "CARGO_BIN_NAME" | "CARGO_CRATE_NAME")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_person_set_is_kept_and_what_cargo_set_is_not() {
        let names = ["CARGO", "CARGO_PKG_NAME", "CARGO_HOME", "CARGO_TARGET_DIR", "RUSTFLAGS"];
        let removed = inherited(names.into_iter().map(OsString::from));
        assert_eq!(removed, ["CARGO", "CARGO_PKG_NAME"]);
    }
}
