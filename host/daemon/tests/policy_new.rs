//! `pointsman policy new`: what it makes builds as it is, and is what lies in `examples/`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use process::{pointsman, text};
use serde_json::Value;
use tempfile::tempdir;

const ROLES: [&str; 4] = ["selector", "failover", "reputation", "anomaly"];
const LANGUAGES: [&str; 4] = ["rust", "c", "js", "python"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn new(home: &Path, arguments: &[&str]) -> Output {
    pointsman(home).args(["policy", "new"]).args(arguments).output().unwrap()
}

fn made(home: &Path, arguments: &[&str]) {
    let output = new(home, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
}

/// The files of a folder by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], BTreeMap::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// Whether the programs are here; says so where they are not.
fn has(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |name: &&&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let Some(missing) = programs.iter().find(|name| !is_here(name)) else { return true };
    let required = std::env::var("POINTSMAN_EXAMPLES").is_ok_and(|value| value == "all");
    assert!(!required, "{missing} is not here: `./x setup-ci` installs it");
    process::note(&format!("left out: {missing} is not here (`./x setup-ci` installs it)"));
    false
}

/// Runs the program in the folder, as a person would there, and gives what it said.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments);
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO") && ours != "CARGO_HOME" || ours.starts_with("RUSTC") {
            command.env_remove(name);
        }
    }
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy-new"));
    let output = command.output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

#[test]
fn every_language_and_role_makes_a_folder_that_says_how_to_go_on() {
    let home = tempdir().unwrap();
    for language in LANGUAGES {
        for role in ROLES {
            let name = format!("{role}-in-{language}");
            let output = new(home.path(), &[&name, "--role", role, "--lang", language, "--json"]);
            assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            let files = files(&home.path().join(&name));
            let listed: Vec<_> = told["files"].as_array().unwrap().iter().collect();
            assert_eq!(listed.len(), files.len(), "{name}");
            let readme = &files[Path::new("README.md")];
            for line in ["./build.sh", &format!("pointsman policy swap {role} {name}.wasm")] {
                assert!(readme.contains(line), "{name}: {line}");
            }
            assert!(files[Path::new("cases.toml")].contains(&format!("role = \"{role}\"")));
            assert!(files.contains_key(Path::new("sdk/wit/policy.wit")), "{name}");
        }
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let home = tempdir().unwrap();
    made(home.path(), &["mine", "--role", "selector", "--lang", "c"]);
    let before = files(&home.path().join("mine"));
    let again = new(home.path(), &["mine", "--role", "failover"]);
    assert_eq!(again.status.code(), Some(64));
    assert!(text(&again.stderr).contains("new or empty"), "{}", text(&again.stderr));
    assert_eq!(files(&home.path().join("mine")), before);
    fs::create_dir_all(home.path().join("fresh/.git")).unwrap();
    made(home.path(), &["fresh", "--role", "failover"]);
}

#[test]
fn what_cannot_be_made_is_refused_with_the_remedy() {
    let home = tempdir().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["Mine", "--role", "selector"], "small letters"),
        (&["9lives", "--role", "selector"], "--name"),
        (&["std", "--role", "selector"], "--name"),
        (&["mine", "--role", "king"], "selector"),
        (&["mine", "--role", "selector", "--lang", "cobol"], "python"),
        (&["mine", "--role", "selector", "--sdk", "."], "wit/policy.wit"),
    ];
    for (arguments, remedy) in cases {
        let output = new(home.path(), arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(text(&output.stderr).contains(remedy), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn the_examples_are_what_it_makes() {
    let examples = [
        ("my-failover", "failover", "rust"),
        ("selector-c", "selector", "c"),
        ("selector-js", "selector", "js"),
        ("selector-python", "selector", "python"),
    ];
    let home = tempdir().unwrap();
    for (name, role, language) in examples {
        let folder = format!("examples/{name}");
        let sdk = root().join("sdk").display().to_string();
        made(home.path(), &[&folder, "--role", role, "--lang", language, "--sdk", &sdk]);
        for (path, made) in files(&home.path().join(&folder)) {
            let found = fs::read_to_string(root().join(&folder).join(&path)).unwrap_or_default();
            let made = made.replace(&sdk, "../../sdk");
            assert!(
                found == made,
                "{folder}/{} is not what `pointsman policy new {folder} --role {role} --lang {language} --sdk sdk` makes",
                path.display()
            );
        }
    }
}

#[test]
fn the_way_to_an_sdk_that_is_there_is_found_from_the_new_folder() {
    let home = tempdir().unwrap();
    fs::create_dir_all(home.path().join("sdk/wit")).unwrap();
    fs::write(home.path().join("sdk/wit/policy.wit"), "").unwrap();
    made(home.path(), &["deep/down/mine", "--role", "failover", "--sdk", "sdk"]);
    let made = files(&home.path().join("deep/down/mine"));
    assert!(made[Path::new("Cargo.toml")].contains("path = \"../../../sdk\""));
    assert!(!made.contains_key(Path::new("sdk/Cargo.toml")));
}

#[test]
fn a_policy_in_rust_builds_and_passes_its_own_tests_without_a_network() {
    let home = tempdir().unwrap();
    for role in ROLES {
        let name = format!("new-{role}");
        made(home.path(), &[&name, "--role", role]);
        let said = run(&home.path().join(&name), "cargo", &["test", "--offline", "--lib"]);
        assert!(said.contains("test result: ok"), "{said}");
    }
}

#[test]
fn a_policy_in_c_builds_without_a_warning_and_answers_its_cases() {
    if !has(&["clang", "wasm-ld"]) {
        return;
    }
    let home = tempdir().unwrap();
    for role in ROLES {
        let name = format!("new-{role}");
        made(home.path(), &[&name, "--role", role, "--lang", "c"]);
        let folder = home.path().join(&name);
        assert_eq!(run(&folder, "./build.sh", &[]).trim(), format!("{name}.wasm"));
        let module = folder.join(&name).with_extension("wasm").display().to_string();
        let told = ask(home.path(), &["policy", "check", &module, "--json"]);
        assert_eq!((&told["role"], &told["name"]), (&Value::from(role), &Value::from(name)));
        let cases = folder.join("cases.toml").display().to_string();
        let told = ask(home.path(), &["policy", "test", &module, "--cases", &cases, "--json"]);
        assert_eq!(told["failed"], 0, "{told}");
    }
}

/// What a command tells as JSON.
fn ask(home: &Path, arguments: &[&str]) -> Value {
    let output = pointsman(home).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
