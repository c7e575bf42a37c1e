//! The guest's root: a small system of the machine's own distribution, made once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::digest::Fnv;
use crate::step::{Failure, run, say};
use crate::{apt, place};

/// What it is made of, in the lab's folder.
const SOURCES: [&str; 2] = ["root.sh", "init"];

/// A root that is here and up to date.
pub fn find() -> Option<PathBuf> {
    kept().ok().filter(|root| root.is_dir())
}

/// The root, made if it must be.
pub fn find_or_make() -> Result<PathBuf, Failure> {
    let root = kept()?;
    if root.is_dir() {
        return Ok(root);
    }
    if place::program("mmdebstrap").is_none() {
        apt::install(&["mmdebstrap"]);
    }
    if place::program("mmdebstrap").is_none() {
        return Err(Failure::new(
            "the guest's root is made by mmdebstrap, which is not here and could not be \
             installed: sudo apt-get install mmdebstrap. Other systems than Debian and Ubuntu \
             can't run the lab",
        ));
    }
    say("the guest's root: made once, in half a minute, 240 MB");
    // Whole or not at all: it gets its name when it is done.
    let new = root.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(place::cache("lab")).map_err(|error| Failure::new(error.to_string()))?;
    let mut script = Command::new("bash");
    script.arg(place::radio().join("root.sh")).arg(suite()?).arg(&new);
    let made = run("making the guest's root", &mut script, "What is wrong is said above.");
    let made = made.and_then(|()| {
        fs::rename(&new, &root)
            .map_err(|error| Failure::new(format!("{}: {error}", root.display())))
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&new);
    }
    made.map(|()| root)
}

/// Where a root of this suite and these scripts is kept.
fn kept() -> Result<PathBuf, Failure> {
    let mut hash = Fnv::default();
    hash.bytes(suite()?.as_bytes());
    for name in SOURCES {
        let path = place::radio().join(name);
        let bytes = fs::read(&path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        hash.bytes(&bytes);
    }
    Ok(place::cache("lab").join(format!("root-{:016x}", hash.number())))
}

/// The name of this machine's release. Programs that are built here need its libc in the guest.
fn suite() -> Result<String, Failure> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    codename(&text).ok_or_else(|| {
        Failure::new(
            "the lab's guest is of the machine's own release, and /etc/os-release names none \
             (VERSION_CODENAME): the lab runs on releases of Debian and Ubuntu",
        )
    })
}

/// The codename in the text of an os-release file.
fn codename(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let value = value.trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_what_the_system_says_of_itself() {
        let debian = "ID=debian\nVERSION_CODENAME=bookworm\n";
        assert_eq!(codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(codename("VERSION_CODENAME=\"noble\"").as_deref(), Some("noble"));
        assert_eq!(codename("ID=arch\nVERSION_CODENAME=\n"), None);
    }
}
