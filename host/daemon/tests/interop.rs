//! js-libp2p and py-libp2p against a node as a real process: the checks of the scripts in
//! `interop/`, each over TCP and over QUIC.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::path::{Path, PathBuf};
use std::process::Command;

use process::{Node, text};
use serde_json::Value;

/// Both answer others, and believe addresses of this machine.
const DHT: &str = "[dht]\nmode = \"server\"\nprivate_addresses = true\n";

const REACH: &[&str] = &["connect", "identify", "ping"];
const FIND_NODE: &[&str] = &["connect", "find-node"];
const RECORDS: &[&str] = &[
    "connect",
    "documented record",
    "put and get",
    "newer record",
    "refuses a broken signature",
    "refuses the signature of another",
    "refuses the record of another under this name",
    "refuses a record for another network",
    "refuses an expired record",
    "refuses an older record",
];

/// Whose libp2p it is.
#[derive(Clone, Copy, Debug)]
enum Language {
    Js,
    Python,
}

impl Language {
    fn folder(self) -> PathBuf {
        let name = match self {
            Self::Js => "js",
            Self::Python => "python",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
    }

    /// What runs the scripts, unless that or what they want is not here.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Js => {
                let path = std::env::var_os("PATH")?;
                let node = std::env::split_paths(&path).map(|folder| folder.join("node"));
                let wanted = self.folder().join("node_modules/libp2p");
                node.filter(|_| wanted.is_dir()).find(|file| file.is_file())
            }
            Self::Python => {
                Some(self.folder().join(".venv/bin/python")).filter(|file| file.is_file())
            }
        }
    }

    /// The same; says so where it is not here.
    fn found(self) -> Option<PathBuf> {
        let program = self.program();
        if program.is_none() {
            let missing = format!("no libp2p for {self:?} here (`./x setup-ci` installs it)");
            let required = std::env::var("POINTSMAN_EXAMPLES").is_ok_and(|value| value == "all");
            assert!(!required, "{missing}");
            process::note(&format!("left out: {missing}"));
        }
        program
    }
}

/// Where the node listens on the first uplink, over TCP and over QUIC.
fn addresses(node: &Node) -> Vec<String> {
    let listening = node.event("listening", |event| {
        event["details"]["addresses"].as_array().is_some_and(|all| all.len() == 4)
    });
    let all = listening["details"]["addresses"].as_array().unwrap();
    let first = all.iter().filter_map(Value::as_str).filter(|one| one.contains("/127.0.0.1/"));
    first.map(|one| format!("{one}/p2p/{}", node.peer)).collect()
}

/// Runs the checks of a topic, which must be those that are expected, and go well.
fn check(language: Language, topic: &str, node: &Node, more: &[&str], expected: &[&str]) {
    let Some(program) = language.found() else { return };
    let script = match language {
        Language::Js => "check.mjs",
        Language::Python => "check.py",
    };
    let mut command = Command::new(program);
    command.current_dir(language.folder()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([script, topic, "--network", "pointsman-test"]).args(more);
    let output = command.args(addresses(node)).output().unwrap();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<&Value> = lines.iter().filter(|line| line["ok"] != true).collect();
    assert!(failed.is_empty() && output.status.success(), "{failed:#?}\n{said}{errors}");
    let mut names: Vec<&str> = lines.iter().filter_map(|line| line["check"].as_str()).collect();
    let over = |transport| expected.iter().map(move |name| format!("{transport} {name}"));
    let mut wanted: Vec<String> = ["tcp", "quic"].into_iter().flat_map(over).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

fn reach(language: Language) {
    let node = Node::start(DHT);
    check(language, "reach", &node, &[], REACH);
}

/// A node that began with another one is asked where that is.
fn find_node(language: Language) {
    let other = Node::start(DHT);
    let bootstrap = format!("{DHT}bootstrap = {:?}\n", addresses(&other));
    let node = Node::start(&bootstrap);
    check(language, "find-node", &node, &["--find", &other.peer], FIND_NODE);
}

fn records(language: Language) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peer-record.md");
    let node = Node::start(DHT);
    check(language, "records", &node, &["--page", &page.display().to_string()], RECORDS);
}

#[test]
fn js_libp2p_connects_identifies_and_pings() {
    reach(Language::Js);
}

#[test]
fn py_libp2p_connects_identifies_and_pings() {
    reach(Language::Python);
}

#[test]
fn js_libp2p_finds_a_node_that_this_one_knows() {
    find_node(Language::Js);
}

#[test]
fn py_libp2p_finds_a_node_that_this_one_knows() {
    find_node(Language::Python);
}

#[test]
fn js_libp2p_keeps_its_record_here_and_no_forged_one() {
    records(Language::Js);
}

#[test]
fn py_libp2p_keeps_its_record_here_and_no_forged_one() {
    records(Language::Python);
}
