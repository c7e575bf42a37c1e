//! Building the shipped policies: every crate in `policies/` becomes
//! `target/policies/NAME.wasm`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{PROFILE, TARGET, Toolchain};
use crate::place;
use crate::step::{self, Failure, say};

/// A crate in `policies/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its folder's name, which is the policy's: `fastest-first`.
    pub name: String,
    /// Its package: `pointsman-fastest-first`.
    pub package: String,
}

impl Policy {
    /// The name that the compiler gives its module.
    fn artifact(&self) -> String {
        format!("{}.wasm", self.package.replace('-', "_"))
    }
}

/// The shipped policies, in the order of their names.
pub fn all() -> io::Result<Vec<Policy>> {
    let mut found = Vec::new();
    for entry in place::root().join("policies").read_dir()? {
        let folder = entry?.path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let package = package_name(&manifest).ok_or_else(|| {
            io::Error::other(format!("policies/{name}/Cargo.toml has no package name"))
        })?;
        found.push(Policy { name, package });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn package_name(manifest: &str) -> Option<String> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    line.split('"').next().map(str::to_owned)
}

/// Builds them all. A module whose bytes did not change is not written again, so that what
/// embeds it is not built again either.
pub fn build(toolchain: &Toolchain) -> Result<(), Failure> {
    let policies = all().map_err(|error| Failure::new(format!("policies/: {error}")))?;
    let mut command = toolchain.cargo_build();
    command.arg("--lib");
    for policy in &policies {
        command.args(["-p", &policy.package]);
    }
    step::run("building the policies", &mut command, "What is wrong is said above.")?;
    let built = place::wasm_target().join(TARGET).join(PROFILE);
    let out = place::policies_out();
    collect(&policies, &built, &out)
        .map_err(|error| Failure::new(format!("{}: {error}", out.display())))
}

fn collect(policies: &[Policy], built: &Path, out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let mut kept = Vec::new();
    for policy in policies {
        let bytes = fs::read(built.join(policy.artifact()))?;
        let file = out.join(format!("{}.wasm", policy.name));
        let changed = fs::read(&file).ok().as_ref() != Some(&bytes);
        if changed {
            fs::write(&file, &bytes)?;
        }
        let note = if changed { "" } else { ", unchanged" };
        say(&format!("target/policies/{}.wasm: {} bytes{note}", policy.name, bytes.len()));
        kept.push(file);
    }
    remove_others(out, &kept)
}

/// Removes the modules of policies that are no more.
fn remove_others(out: &Path, kept: &[PathBuf]) -> io::Result<()> {
    for entry in out.read_dir()? {
        let file = entry?.path();
        let module = file.extension().is_some_and(|extension| extension == "wasm");
        if module && !kept.contains(&file) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policies_are_found_with_their_packages() {
        let policies = all().expect("the folder is there");
        let expected =
            Policy { name: "fastest-first".into(), package: "pointsman-fastest-first".into() };
        assert!(policies.contains(&expected), "{policies:?}");
        assert_eq!(expected.artifact(), "pointsman_fastest_first.wasm");
    }

    #[test]
    fn a_module_of_a_policy_that_is_gone_is_removed_and_an_unchanged_one_is_not_rewritten() {
        let folder = place::target().join(format!("xtask-collect-{}", std::process::id()));
        let (built, out) = (folder.join("built"), folder.join("out"));
        fs::create_dir_all(&built).expect("a folder");
        fs::create_dir_all(&out).expect("a folder");
        fs::write(built.join("pointsman_one.wasm"), b"one").expect("a file");
        fs::write(out.join("gone.wasm"), b"gone").expect("a file");
        let one = Policy { name: "one".into(), package: "pointsman-one".into() };
        let modified = || fs::metadata(out.join("one.wasm")).and_then(|data| data.modified());

        collect(std::slice::from_ref(&one), &built, &out).expect("collected");
        let first = modified().expect("written");
        collect(&[one], &built, &out).expect("collected again");

        assert_eq!(modified().expect("still there"), first);
        assert!(!out.join("gone.wasm").exists());
        fs::remove_dir_all(folder).expect("cleaned up");
    }
}
