//! Every shipped policy answers its cases, natively and as a module.

use std::path::{Path, PathBuf};

use pointsman_core::policy::{Policy, builtin};
use pointsman_engine::cases::{Case, Cases};
use pointsman_engine::{Engine, Module, Setup, Terms};
use pointsman_sdk::{Settings, State};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shipped policies, by name, with the text of their cases.
fn shipped() -> Vec<(String, String)> {
    let folders = std::fs::read_dir(root().join("policies")).expect("the shipped policies");
    let mut shipped: Vec<_> = folders
        .map(|folder| folder.expect("a folder").path())
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| {
            let file = folder.join("cases.toml");
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
            (name, text)
        })
        .collect();
    shipped.sort();
    assert!(!shipped.is_empty(), "there are shipped policies");
    shipped
}

/// The module that `cargo xtask policies` built.
fn module(engine: &Engine, name: &str) -> Module {
    let built = root().join("target/policies");
    let folder = std::env::var_os("POINTSMAN_POLICIES").map_or(built, PathBuf::from);
    let file = folder.join(name).with_extension("wasm");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask policies` first", file.display())
    });
    engine.open(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a policy is configured with, and the policy: one for all cases that share it.
type Made = (Settings, Option<State>, Policy);

/// Asks each case, and tells those that do not hold.
fn broken(
    name: &str,
    cases: &[Case],
    mut make: impl FnMut(&Settings, Option<&State>) -> Policy,
) -> Vec<String> {
    let (mut made, mut broken): (Vec<Made>, Vec<String>) = (Vec::new(), Vec::new());
    for case in cases {
        let is_same =
            |(settings, learned, _): &Made| (settings, learned) == (&case.settings, &case.learned);
        let index = made.iter().position(is_same).unwrap_or_else(|| {
            let policy = make(&case.settings, case.learned.as_ref());
            made.push((case.settings.clone(), case.learned.clone(), policy));
            made.len() - 1
        });
        if let Err(mismatch) = case.judge(&made[index].2.answer(&case.question)) {
            broken.push(format!("{name}:{}: {}: {mismatch}", case.line, case.name));
        }
    }
    broken
}

fn parsed(name: &str, text: &str) -> Cases {
    Cases::parse(text).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"))
}

#[test]
fn every_shipped_policy_answers_its_cases_natively() {
    let mut all = Vec::new();
    for (name, text) in shipped() {
        let cases = parsed(&name, &text);
        all.extend(broken(&name, &cases.cases, |settings, learned| {
            builtin::learned_policy(cases.role, &name, settings, learned)
                .unwrap_or_else(|error| panic!("{error}"))
        }));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn every_shipped_policy_answers_its_cases_as_a_module() {
    let engine = Engine::new(Setup::default()).expect("an engine");
    let mut all = Vec::new();
    for (name, text) in shipped() {
        let cases = parsed(&name, &text);
        let module = module(&engine, &name);
        assert_eq!(module.inspection().role, cases.role, "{name}");
        all.extend(broken(&name, &cases.cases, |settings, learned| {
            // Long enough for a machine that is busy with other tests.
            let terms = Terms { settings, learned, call_us: 1_000_000, memory_bytes: 16 << 20 };
            module.policy(&terms).unwrap_or_else(|error| panic!("{name}: {error}"))
        }));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
