//! What it takes to build policies in other languages than Rust: found, or installed into the
//! tools' folder by `./x setup-ci`, and never needed to build pointsman itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{Failure, run};
use crate::{apt, place, wasm};

/// A language that policies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With the SDK.
    Rust,
    /// Without a libc, by clang.
    C,
    /// By componentize-js.
    Js,
    /// By componentize-py.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::C, Self::Js, Self::Python];

    /// Its name in folders and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    /// The language of a policy's folder, by what lies in it.
    pub fn of(folder: &Path) -> Option<Self> {
        let sign = |language: &Self| match language {
            Self::Rust => "Cargo.toml",
            Self::C => "policy.c",
            Self::Js => "package.json",
            Self::Python => "requirements.txt",
        };
        Self::ALL.into_iter().find(|language| folder.join(sign(language)).is_file())
    }

    /// What is missing here to build it, in words; `None` where nothing is.
    pub fn missing(self) -> Option<&'static str> {
        let is_there = match self {
            Self::Rust => wasm::installed().is_some(),
            Self::C => place::program("clang").is_some() && place::program("wasm-ld").is_some(),
            Self::Js => place::program("node").is_some() && node_modules().is_dir(),
            Self::Python => venv().join(COMPONENTIZE_PY).is_file(),
        };
        let what = match self {
            Self::Rust => "Rust's standard library for WebAssembly",
            Self::C => "clang or wasm-ld",
            Self::Js => "componentize-js",
            Self::Python => "componentize-py",
        };
        (!is_there).then_some(what)
    }
}

const COMPONENTIZE_PY: &str = "bin/componentize-py";

/// The packages for JavaScript, as a policy's folder wants them.
pub fn node_modules() -> PathBuf {
    place::tools().join("js").join("node_modules")
}

/// The environment for Python, as a policy's folder wants it.
pub fn venv() -> PathBuf {
    place::tools().join("python").join("venv")
}

/// Installs all of them.
pub fn install() -> Result<(), Failure> {
    wasm::prepare()?;
    if Language::C.missing().is_some() {
        apt::install(&["clang", "lld"]);
    }
    if place::program("npm").is_none() {
        apt::install(&["nodejs", "npm"]);
    }
    install_js()?;
    install_python()?;
    match Language::ALL.iter().find_map(|language| language.missing()) {
        None => Ok(()),
        Some(what) => Err(Failure::new(format!(
            "{what} is not here and could not be installed. On Debian: sudo apt-get install clang lld nodejs npm python3-venv"
        ))),
    }
}

/// What the example's lock file names, unless that is here.
fn install_js() -> Result<(), Failure> {
    let from = place::root().join("examples/selector-js");
    npm(&from, &place::tools().join("js"), "componentize-js")
}

fn install_python() -> Result<(), Failure> {
    let from = place::root().join("sdk/templates/python");
    pip(&from, &place::tools().join("python"), "componentize-py")
}

/// Installs into `folder/node_modules` what the lock file in `from` names, unless that is here.
pub fn npm(from: &Path, folder: &Path, what: &str) -> Result<(), Failure> {
    let lock = "package-lock.json";
    if same(&from.join(lock), &folder.join(lock)) && folder.join("node_modules").is_dir() {
        return Ok(());
    }
    copy(from, folder, &["package.json", lock]).map_err(|error| failed(folder, &error))?;
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    let done = run(&format!("installing {what}"), &mut npm, "It comes from npmjs.com.");
    if done.is_err() {
        // So that the next run does not take it for whole.
        let _ = fs::remove_file(folder.join(lock));
    }
    done
}

/// Installs into `folder/venv` what the requirements in `from` name, unless that is here.
pub fn pip(from: &Path, folder: &Path, what: &str) -> Result<(), Failure> {
    let (wanted, venv) = ("requirements.txt", folder.join("venv"));
    if same(&from.join(wanted), &folder.join(wanted)) && venv.join("bin/python").is_file() {
        return Ok(());
    }
    make_venv(&venv)?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]);
    pip.arg(from.join(wanted));
    run(&format!("installing {what}"), &mut pip, "It comes from pypi.org.")?;
    copy(from, folder, &[wanted]).map_err(|error| failed(folder, &error))
}

fn make_venv(venv: &Path) -> Result<(), Failure> {
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(venv);
        run("making a place for Python's packages", &mut python, "It needs python3 with venv.")
    };
    make().or_else(|_| {
        apt::install(&["python3", "python3-venv"]);
        make()
    })
}

/// Lets a folder use what is installed for all; its author's own goes first.
pub fn lend(installed: &Path, place: &Path) -> io::Result<()> {
    if place.exists() {
        return Ok(());
    }
    // A link to tools that were there once is in the way.
    let _ = fs::remove_file(place);
    #[cfg(unix)]
    std::os::unix::fs::symlink(installed, place)?;
    #[cfg(not(unix))]
    let _ = installed;
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

fn copy(from: &Path, to: &Path, names: &[&str]) -> io::Result<()> {
    fs::create_dir_all(to)?;
    names.iter().try_for_each(|name| fs::copy(from.join(name), to.join(name)).map(drop))
}

fn failed(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_an_example_is_seen_by_its_files() {
        let of = |folder: &str| Language::of(&place::root().join(folder));
        assert_eq!(of("examples/my-failover"), Some(Language::Rust));
        assert_eq!(of("examples/selector-c"), Some(Language::C));
        assert_eq!(of("examples/selector-js"), Some(Language::Js));
        assert_eq!(of("examples/selector-python"), Some(Language::Python));
        assert_eq!(of("docs"), None);
    }
}
