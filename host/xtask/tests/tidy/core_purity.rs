//! The Node touches nothing: not by its dependencies, not in its sources, not when it is
//! linked for a machine that has no operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use wasmparser::{Parser, Payload};
use xtask::{place, wasm};

use crate::arrows::manifests;
use crate::tree::{file, files_ending, none};

/// Libraries that wait, draw, dial or run code.
const IMPURE: [&str; 16] = [
    "async-std",
    "btleplug",
    "fastrand",
    "getrandom",
    "libc",
    "libp2p",
    "mio",
    "nix",
    "quinn",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "tracing",
    "wasmtime",
];

/// What has no place in the core's sources, and why.
const FORBIDDEN: [(&str, &str); 13] = [
    ("std::env", "the environment is the shell's"),
    ("std::fs", "files are the shell's"),
    ("std::io", "IO is the shell's"),
    ("std::net", "sockets are the shell's; addresses are in core::net"),
    ("std::process", "processes are the shell's"),
    ("std::thread", "the Node never waits, and is alone"),
    ("std::time", "time is a fact; durations are numbers with a unit"),
    ("Instant", "time is a fact that comes with every input"),
    ("SystemTime", "time is a fact that comes with every input"),
    ("HashMap", "its order differs from run to run: BTreeMap"),
    ("HashSet", "its order differs from run to run: BTreeSet"),
    ("RandomState", "it draws randomness"),
    ("thread_local!", "state is in the Node"),
];

/// Packages by name, with the names that each depends on, of all versions together.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let lock = file("Cargo.lock").text;
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        let mut lines = package.lines();
        let name = quoted(lines.find(|line| line.starts_with("name = ")).expect("a name"));
        let names = package.lines().filter(|line| line.starts_with(" \"")).map(quoted);
        let names = names.filter_map(|entry| entry.split(' ').next().map(str::to_owned));
        packages.entry(name).or_default().extend(names);
    }
    packages
}

#[test]
fn the_core_depends_on_nothing_that_waits_or_draws_or_dials() {
    let locked = locked();
    let (_, core) = manifests().remove("pointsman-core").expect("it is a member");
    // Bindings for WebAssembly are made by a macro, and what that runs on is not in the core.
    // SHA-256 asks the processor which instructions it has, which on some systems takes libc.
    let mut seen = BTreeSet::from(["wit-bindgen", "cpufeatures"].map(str::to_owned));
    let mut open: Vec<String> = core.normal.into_iter().collect();
    while let Some(name) = open.pop() {
        if seen.insert(name.clone()) {
            open.extend(locked.get(&name).into_iter().flatten().cloned());
        }
    }
    assert!(seen.contains("bytes"), "the lock file was not understood: {seen:?}");
    let impure: Vec<String> =
        seen.into_iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
    none(&impure, "pointsman-core reaches these");
}

#[test]
fn the_core_names_no_clock_file_socket_thread_or_hash_map() {
    let mut findings = Vec::new();
    for source in files_ending(".rs").iter().filter(|file| file.path.starts_with("host/core/src/"))
    {
        for (number, line) in source.code() {
            for (word, why) in FORBIDDEN.iter().filter(|(word, _)| has_word(line, word)) {
                findings.push(format!("{}:{number}: {word}: {why}", source.path));
            }
        }
    }
    none(&findings, "the core is pure");
}

/// Whether the line has the text as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let longer = inside(after) && word.ends_with(char::is_alphanumeric);
        !(inside(before) || longer)
    })
}

#[test]
fn a_forbidden_word_is_found_and_a_longer_one_is_not() {
    assert!(has_word("use std::collections::HashMap;", "HashMap"));
    assert!(has_word("let now = Instant::now();", "Instant"));
    assert!(!has_word("struct Instantiated;", "Instant"));
}

/// How the Node is compiled here: its imports are the same at any level, and this is the
/// quickest. The toolchain asks for the policies' profile by name, so it stands under that.
const QUICK: &str = "inherits = \"dev\"\nopt-level = 0\ndebug = false\npanic = \"abort\"\n";

/// Writes a file unless it says this already: cargo builds again what is newer. True where it
/// wrote.
fn keep(file: &Path, text: &str) -> bool {
    let changed = fs::read_to_string(file).ok().as_deref() != Some(text);
    if changed {
        fs::write(file, text).expect("the build folder can be written");
    }
    changed
}

/// A library that makes a Node and runs it, as a crate of its own beside the build results.
fn crate_with_a_node() -> PathBuf {
    let folder = place::root().join("target").join("node-alone");
    fs::create_dir_all(&folder).expect("the build folder can be written");
    let core = place::root().join("host").join("core");
    let manifest = format!(
        "[package]\nname = \"node-alone\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = \"lib.rs\"\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\npointsman-core = {{ path = {:?} }}\n\n\
         [profile.{}]\n{QUICK}\n[workspace]\n",
        core.display().to_string(),
        wasm::PROFILE,
    );
    keep(&folder.join("Cargo.toml"), &manifest);
    keep(&folder.join("lib.rs"), include_str!("node_alone.rs"));
    // The versions that everything else is built with, as they were; cargo leaves out of it
    // what a Node does not need, so another copy keeps what was copied last.
    let versions = file("Cargo.lock").text;
    if keep(&folder.join("workspace.lock"), &versions) {
        fs::write(folder.join("Cargo.lock"), versions).expect("written");
    }
    folder
}

/// What a module imports and what it exports, by name.
fn interface(module: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.expect("the compiler makes valid modules");
        if let Payload::ImportSection(reader) = payload {
            for import in reader.into_imports() {
                let import = import.expect("a valid import");
                imports.push(format!("{}.{}", import.module, import.name));
            }
        } else if let Payload::ExportSection(reader) = payload {
            exports.extend(reader.into_iter().flatten().map(|export| export.name.to_owned()));
        }
    }
    (imports, exports)
}

#[test]
fn an_import_is_found_where_there_is_one() {
    // One type `() -> ()`, and one imported function `env.now` of it.
    let header = b"\0asm\x01\0\0\0";
    let types = b"\x01\x04\x01\x60\0\0";
    let import = b"\x02\x0b\x01\x03env\x03now\0\0";
    let module = [&header[..], types, import].concat();
    assert_eq!(interface(&module).0, ["env.now"]);
}

#[test]
fn a_node_linked_for_a_machine_without_an_operating_system_asks_it_for_nothing() {
    let toolchain =
        wasm::installed().expect("no toolchain for WebAssembly: `./x policies` prepares one");
    let folder = crate_with_a_node();
    let mut command = toolchain.cargo_build();
    command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    // Not the folder of the policies: linked into a Node they are built in another way, and
    // cargo would put both results under one name.
    let target = folder.join("target");
    command.env("CARGO_TARGET_DIR", &target);
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = target.join(wasm::TARGET).join(wasm::PROFILE);
    let module = fs::read(built.join("node_alone.wasm")).expect("it was just built");
    let (imports, exports) = interface(&module);
    assert!(
        exports.iter().any(|name| name == "run"),
        "not the library that was meant: {exports:?}"
    );
    none(&imports, "the core asks its host for these");
}
