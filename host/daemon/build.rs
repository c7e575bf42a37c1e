//! Embeds the policies that were compiled to `target/policies/*.wasm`, so that the binary runs
//! them without any file. Without them (no Wasm toolchain was at hand) it embeds none, and the
//! native builtins answer.
//!
//! Also embeds the SDK with its templates, of which `pointsman policy new` makes new policies.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets this")?);
    let workspace = here.ancestors().nth(2).ok_or("this crate is two folders down")?;
    let folder = workspace.join("target").join("policies");
    // A folder that is not there can't be watched. Where it can't be made, nothing is lost
    // but time: this runs with every build.
    let _ = fs::create_dir_all(&folder);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut table = String::from("&[\n");
    for file in modules(&folder)? {
        let name = file.file_stem().and_then(|name| name.to_str()).ok_or("a name in UTF-8")?;
        println!("cargo::rerun-if-changed={}", file.display());
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display())?;
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets this")?);
    fs::write(out.join("embedded.rs"), table)?;
    fs::write(out.join("sdk.rs"), sdk(workspace)?)?;
    Ok(())
}

/// What the example in JavaScript was built with: so are new policies.
const LOCK: (&str, &str) =
    ("templates/js/package-lock.json", "examples/selector-js/package-lock.json");

/// The text files of the SDK as a table, by their path in it.
fn sdk(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let root = &workspace.join("sdk");
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    folders.extend(["c", "src", "templates", "wit"].map(|name| root.join(name)));
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let lock = workspace.join(LOCK.1);
    println!("cargo::rerun-if-changed={}", lock.display());
    let mut table = String::from("&[\n");
    writeln!(table, "    ({:?}, include_str!({:?})),", LOCK.0, lock.display())?;
    for file in files {
        let name = file.strip_prefix(root)?.to_str().ok_or("a name in UTF-8")?.replace('\\', "/");
        println!("cargo::rerun-if-changed={}", file.display());
        writeln!(table, "    ({name:?}, include_str!({:?})),", file.display())?;
    }
    table.push_str("]\n");
    Ok(table)
}

/// The modules in a folder, in the order of their names; none where there is no folder.
fn modules(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "wasm"));
    files.sort();
    Ok(files)
}
