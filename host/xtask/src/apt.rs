//! Packages of the system, on Debian and what is made of it: installed where that needs no
//! password, otherwise left to the person.

use std::process::Command;
use std::time::Duration;

use crate::place;
use crate::step::{self, say};

/// How long apt may take to read its lists and install: some 150 MB on a slow line.
const LIMIT: Duration = Duration::from_secs(900);

/// Tries to install the packages; says what it does, and why it could not.
pub fn install(packages: &[&str]) {
    if place::program("apt-get").is_none() {
        return;
    }
    let Some(apt) = as_root() else {
        return say("apt-get would need a password here, so it is left to you");
    };
    say(&format!("installing {} with apt-get", packages.join(", ")));
    let update = ["update", "-qq"];
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], packages];
    for arguments in [&update[..], &install.concat()] {
        let mut command = Command::new(apt[0]);
        command.args(&apt[1..]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if let Err(error) = step::within(LIMIT, &mut command) {
            return say(&format!("apt-get could not: {error}"));
        }
    }
}

/// How to call apt-get as root, where that needs no password.
fn as_root() -> Option<&'static [&'static str]> {
    if step::ask(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        return Some(&["apt-get"]);
    }
    step::ask(Command::new("sudo").args(["-n", "true"])).map(|_| &["sudo", "-n", "apt-get"][..])
}
