//! A Rust toolchain that compiles to WebAssembly: found, or installed, or asked for.
//!
//! There are two. Rustup's has the target as a component, built. Debian's `rustc-web` has no
//! built standard library for it, but its source, from which cargo builds it
//! (`-Zbuild-std`, for which a released compiler must be told that unstable options are
//! fine). What is there already is preferred over what would have to be installed.

pub mod policies;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::step::{self, Failure, say};
use crate::{apt, place};

/// The one target of policies: no operating system, so a module can do nothing but compute.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The profile that makes small modules; see the root manifest.
pub const PROFILE: &str = "policy";

/// How long rustup may try: a machine that does not reach its server finds out by then.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

/// What to say where nothing helps.
const REMEDY: &str = "no Rust toolchain for WebAssembly here, and none could be installed. \
    Policies are then not built, and pointsman answers with its native builtins. Type one of\n   \
    rustup target add wasm32-unknown-unknown\n   \
    sudo apt-get update && sudo apt-get install rustc-web cargo-web rust-web-src lld   (Debian)";

/// A toolchain that is ready to compile to [`TARGET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The one on the search path, with the target installed.
    OnPath,
    /// Debian's, which builds the standard library along.
    Debian,
}

impl Toolchain {
    /// `cargo build` for the target with [`PROFILE`], at the root of the repository; what to
    /// build is still to be said.
    pub fn cargo_build(self) -> Command {
        let mut command = match self {
            Self::OnPath => Command::new("cargo"),
            Self::Debian => Command::new(DEBIAN_CARGO),
        };
        command.current_dir(place::root()).args([
            "build",
            "--target",
            TARGET,
            "--profile",
            PROFILE,
        ]);
        clean(&mut command);
        if self == Self::Debian {
            // Set by rustup's cargo for its own compiler; Debian's would load from there.
            command.env_remove("LD_LIBRARY_PATH");
            command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
            command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
            // A module's host sees that it trapped, not what it printed: so no words for it.
            let flags = "-Zunstable-options -Cpanic=immediate-abort";
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        }
        command.env("CARGO_TARGET_DIR", place::wasm_target());
        command
    }
}

/// Takes away what the cargo around us, or a setting made for the host, would change.
pub(crate) fn clean(command: &mut Command) {
    for name in [
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(name);
    }
}

/// The toolchain that is there, without installing anything.
pub fn installed() -> Option<Toolchain> {
    if has_target() {
        return Some(Toolchain::OnPath);
    }
    has_debian().then_some(Toolchain::Debian)
}

/// The toolchain that is there; else tries to install one, and else says what to type.
pub fn prepare() -> Result<Toolchain, Failure> {
    if let Some(toolchain) = installed() {
        return Ok(toolchain);
    }
    add_target();
    if has_target() {
        return Ok(Toolchain::OnPath);
    }
    apt::install(&DEBIAN_PACKAGES);
    installed().ok_or_else(|| Failure::new(REMEDY))
}

/// Whether the compiler on the search path has the target's standard library.
fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    clean(&mut rustc);
    let folder = step::ask(rustc.args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| holds_std(Path::new(folder.trim())))
}

fn holds_std(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd"))
}

/// Whether Debian's compiler is new enough, and its sources and a linker are there.
fn has_debian() -> bool {
    let ask = |arguments: &[&str]| {
        let mut rustc = Command::new(DEBIAN_RUSTC);
        rustc.env_remove("LD_LIBRARY_PATH");
        step::ask(rustc.args(arguments))
    };
    let new_enough = ask(&["--version"])
        .and_then(|version| minor(version.strip_prefix("rustc ")?))
        .is_some_and(|minor| minor >= wanted_minor());
    let sources = ask(&["--print", "sysroot"]).is_some_and(|root| {
        PathBuf::from(root.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
    });
    let cargo = Path::new(DEBIAN_CARGO).is_file();
    new_enough && sources && cargo && place::program("wasm-ld").is_some()
}

/// The Rust version that the workspace asks for.
pub(crate) fn wanted_version() -> String {
    format!("1.{}", wanted_minor())
}

/// The minor of the Rust version that the workspace asks for.
fn wanted_minor() -> u32 {
    let manifest = std::fs::read_to_string(place::root().join("Cargo.toml")).unwrap_or_default();
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    line.and_then(minor).unwrap_or(0)
}

/// 95 of `1.95`, `1.95.0 (…)` and the like.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn add_target() {
    if place::program("rustup").is_none() {
        return;
    }
    say(&format!("adding Rust's target {TARGET} with rustup"));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
    if let Err(error) = step::within(RUSTUP_LIMIT, &mut rustup) {
        let first = error.lines().find(|line| line.starts_with("error")).unwrap_or(&error);
        say(&format!("rustup could not: {first}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_s_minor_is_read_from_a_manifest_and_from_the_compiler() {
        assert_eq!(minor("1.95\""), Some(95));
        assert_eq!(minor("1.96.0 (ac68faa20 2026-05-25)"), Some(96));
        assert_eq!(minor("2.0.0"), None);
        assert!(wanted_minor() >= 95);
    }

    #[test]
    fn nested_cargo_does_not_inherit_a_compiler() {
        let command = Toolchain::OnPath.cargo_build();
        let kept = command.get_envs().filter(|(_, value)| value.is_some());
        assert_eq!(kept.map(|(name, _)| name).collect::<Vec<_>>(), ["CARGO_TARGET_DIR"]);
    }
}
