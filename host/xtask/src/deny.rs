//! cargo-deny: licences, sources and bans of what we depend on, and known vulnerabilities
//! where their database can be fetched. What is allowed stands in `deny.toml`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::commands::cargo;
use crate::place;
use crate::step::{self, Failure, run, say};

/// The version that CI uses, so that its judgement changes only by a commit.
const VERSION: &str = "0.20.2";

/// How long fetching the database of advisories may take.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// Checks the dependencies where cargo-deny is installed, and says so where it is not.
pub fn check() -> Result<(), Failure> {
    let Some(program) = find() else {
        say("the dependencies: not checked, cargo-deny is not here (`./x setup-ci` installs it)");
        return Ok(());
    };
    let mut command = deny(&program);
    command.args(["--log-level", "error", "check", "bans", "licenses", "sources"]);
    run("the dependencies", &mut command, "deny.toml says what is allowed, and why.")?;
    advisories(&program)
}

fn advisories(program: &PathBuf) -> Result<(), Failure> {
    if let Err(error) = step::within(FETCH_LIMIT, deny(program).args(["fetch", "db"])) {
        let why = error.lines().last().unwrap_or_default();
        say(&format!("the advisories: not checked, their database can't be fetched ({why})"));
        return Ok(());
    }
    let mut command = deny(program);
    command.args(["--log-level", "error", "check", "--disable-fetch", "advisories"]);
    run("the advisories", &mut command, "`cargo update -p CRATE` often helps.")
}

/// Installs cargo-deny into the tools' folder, unless it is here.
pub fn install() -> Result<(), Failure> {
    if find().is_some() {
        return Ok(());
    }
    let tools = place::tools();
    let mut command = cargo();
    // Without full optimisation it is built twice as fast and still checks in seconds.
    command.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--root"]);
    command.arg(&tools).env("CARGO_TARGET_DIR", tools.join("build"));
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    run("installing cargo-deny", &mut command, "It comes from crates.io.")?;
    // Only the program is wanted, and the build takes half a gigabyte.
    let _ = std::fs::remove_dir_all(tools.join("build"));
    Ok(())
}

fn find() -> Option<PathBuf> {
    let own = place::tools().join("bin").join("cargo-deny");
    if own.is_file() { Some(own) } else { place::program("cargo-deny") }
}

fn deny(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place::root());
    command
}
