//! The policy's cases, and a whole game, with the module that `./x examples` built.

#![expect(clippy::print_stderr, reason = "says why it looked at nothing")]

use std::path::{Path, PathBuf};
use std::process::Command;

use pointsman_engine::{Engine, Setup, Terms, cases::Cases};

/// The module; `None`, with a word about it, where nobody built it.
fn module() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join("target/examples/craps-table.wasm");
    if !file.is_file() {
        let required = std::env::var("POINTSMAN_EXAMPLES").is_ok_and(|value| value == "all");
        assert!(!required, "{} is not there; ./x examples builds it", file.display());
        eprintln!("skipped: {} is not there; build it with ./x examples", file.display());
        return None;
    }
    Some(file)
}

#[test]
fn the_policy_of_the_table_answers_its_cases() {
    let Some(file) = module() else { return };
    let engine = Engine::new(Setup::default()).expect("this machine runs WebAssembly");
    let bytes = std::fs::read(file).expect("it can be read");
    let module = engine.open(&bytes).expect("it is a policy");
    let cases = Cases::parse(include_str!("../policy/cases.toml")).expect("the cases are sound");
    assert!(cases.cases.len() > 5);
    for case in &cases.cases {
        let (settings, learned) = (&case.settings, None);
        let terms = Terms { settings, learned, call_us: 100_000, memory_bytes: 16 << 20 };
        let mut policy = module.policy(&terms).expect(&case.name);
        let answer = policy.answer(&case.question);
        case.judge(&answer).unwrap_or_else(|mismatch| panic!("{}: {mismatch}", case.name));
    }
}

#[test]
fn a_game_ends_with_equal_books_though_an_uplink_fails_and_a_policy_is_exchanged() {
    let Some(file) = module() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_craps-table"))
        .args(["--rolls", "12", "--policy"])
        .arg(file)
        .output()
        .expect("it starts");
    let (said, complaint) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{said}{complaint}");
    assert!(said.contains("the books of all 3 seats agree"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("roll ")).count(), 12, "{said}");
    assert!(said.contains("goes silent") && said.contains("exchanged"), "{said}");
}
