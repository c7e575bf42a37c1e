//! One policy of each role in four languages, and the one of the documentation: the same cases,
//! the same answers. The modules are those that `./x examples` built.

use std::path::{Path, PathBuf};

use pointsman_core::policy::Policy;
use pointsman_core::policy::builtin::Native;
use pointsman_engine::cases::Cases;
use pointsman_engine::{Engine, Limits, Module, Setup, Terms};
use pointsman_sdk::failover::Failover as _;
use pointsman_sdk::{Settings, Value};

use crate::documented::Mine;

const SELECTOR: &str = include_str!("../../../../sdk/templates/cases/selector.toml");
const FAILOVER: &str = include_str!("../../../../sdk/templates/cases/failover.toml");
const DOCUMENT: &str = include_str!("../../../../docs/policies.md");

/// What the examples tell people to give to an interpreter.
const MEMORY_BYTES: usize = 64 << 20;
/// More than any answer takes on a busy machine.
const CALL_US: u32 = 5_000_000;

/// The module of that name, where it was built; says so where it was not.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn module(name: &str) -> Option<Vec<u8>> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/examples");
    let file = built.join(name).with_extension("wasm");
    let error = match std::fs::read(&file) {
        Ok(bytes) => return Some(bytes),
        Err(error) => error,
    };
    let required = std::env::var("POINTSMAN_EXAMPLES").is_ok_and(|value| value == "all");
    assert!(!required, "{}: {error}; `./x setup-ci` installs what builds it", file.display());
    eprintln!("left out: no target/examples/{name}.wasm here (`./x examples` builds it)");
    None
}

/// Interpreters take long to compile, and their modules seldom change.
fn engine() -> Engine {
    let cache = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
    let limits = Limits { load_us: CALL_US, ..Limits::default() };
    Engine::new(Setup { limits, cache, ..Setup::default() }).expect("this machine runs WebAssembly")
}

fn cases(text: &str) -> Cases {
    Cases::parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Asks every case; `make` gives the policy with settings.
fn ask(name: &str, cases: &Cases, make: impl Fn(&Settings) -> Policy) {
    for case in &cases.cases {
        let answer = make(&case.settings).answer(&case.question);
        if let Err(mismatch) = case.judge(&answer) {
            panic!("{name}: {}: {mismatch}", case.name);
        }
    }
}

fn terms(settings: &Settings) -> Terms<'_> {
    Terms { settings, learned: None, call_us: CALL_US, memory_bytes: MEMORY_BYTES }
}

fn configured(module: &Module, settings: &Settings) -> Result<Policy, String> {
    module.policy(&terms(settings)).map_err(|error| error.to_string())
}

/// Asks the modules of both roles all cases, has them stand the trial that a node holds, and
/// hands them what they must refuse.
fn conforms(selector: &str, failover: &str) {
    let engine = engine();
    for (name, text) in [(selector, SELECTOR), (failover, FAILOVER)] {
        let (Some(bytes), cases) = (module(name), cases(text)) else { continue };
        let module = engine.open(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let inspection = module.inspection();
        assert_eq!((inspection.role, inspection.manifest.name.as_str()), (cases.role, name));
        ask(name, &cases, |settings| configured(&module, settings).expect(name));
        let recorded: Vec<_> = cases.cases.iter().map(|case| case.question.clone()).collect();
        let settings = Settings::default();
        if let Err(error) = module.trial(&terms(&settings), &recorded) {
            panic!("{name}: {error}");
        }
        for (key, value) in [("colour", Value::Integer(1)), ("hold_ms", Value::Boolean(true))] {
            let settings = Settings::new(vec![(key.to_owned(), value)]);
            let why = configured(&module, &settings).expect_err(name);
            assert!(why.contains(key), "{name}: {why}");
        }
    }
}

#[test]
fn policies_in_rust_answer_the_cases_of_all_languages() {
    conforms("selector-rust", "my-failover");
}

#[test]
fn policies_in_c_answer_the_cases_of_all_languages() {
    conforms("selector-c", "failover-c");
}

#[test]
fn policies_in_javascript_answer_the_cases_of_all_languages() {
    conforms("selector-js", "failover-js");
}

#[test]
fn policies_in_python_answer_the_cases_of_all_languages() {
    conforms("selector-python", "failover-python");
}

#[test]
fn the_policy_in_the_documentation_answers_them_as_well() {
    ask("docs/policies.md", &cases(FAILOVER), |settings| {
        let mut policy = Mine::default();
        policy.configure(settings).expect("the settings of a case are fine");
        Policy::Failover(Box::new(Native(policy)))
    });
}

#[test]
fn the_policy_in_the_documentation_is_the_one_that_is_tested_and_fits_on_a_screen() {
    let after = DOCUMENT.split("```rust\n").nth(1).expect("a policy in Rust");
    let code = after.split("```").next().unwrap_or_default();
    assert_eq!(code, include_str!("documented.rs"), "copy it from docs/policies.md");
    assert!(code.lines().count() < 40);
}
