//! The other libp2ps that a test of the daemon has a node talk to: js-libp2p and py-libp2p at
//! pinned versions, installed into the tools' folder by `./x setup-ci`, and lent to the test's
//! scripts. Where they are not here the test says so and leaves them out.

use std::path::PathBuf;

use crate::step::Failure;
use crate::{apt, place, tools};

/// What it takes to build fastecdsa, which py-libp2p wants and PyPI has no wheel of.
const DEBIAN_PACKAGES: [&str; 3] = ["build-essential", "libgmp-dev", "python3-dev"];

/// Installs both.
pub fn install() -> Result<(), Failure> {
    tools::npm(&scripts("js"), &installed("js"), "js-libp2p")?;
    let python = || tools::pip(&scripts("python"), &installed("python"), "py-libp2p");
    python().or_else(|_| {
        apt::install(&DEBIAN_PACKAGES);
        python()
    })
}

/// Lets the scripts use what is installed.
pub fn lend() -> Result<(), Failure> {
    let parts = [("js", "node_modules", "node_modules"), ("python", "venv", ".venv")];
    for (language, from, to) in parts {
        let (from, to) = (installed(language).join(from), scripts(language).join(to));
        if from.is_dir() {
            tools::lend(&from, &to)
                .map_err(|error| Failure::new(format!("{}: {error}", to.display())))?;
        }
    }
    Ok(())
}

/// The folder of the scripts, and of the list of what they want.
fn scripts(language: &str) -> PathBuf {
    place::root().join("host/daemon/tests/interop").join(language)
}

fn installed(language: &str) -> PathBuf {
    place::tools().join(format!("interop-{language}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_pins_what_it_wants() {
        assert!(scripts("js").join("package-lock.json").is_file());
        let wanted = std::fs::read_to_string(scripts("python").join("requirements.txt"));
        let wanted = wanted.expect("the list is there");
        let mut packages = wanted.lines().filter(|line| !line.starts_with('#'));
        assert!(packages.all(|line| line.contains("==")), "{wanted}");
    }
}
