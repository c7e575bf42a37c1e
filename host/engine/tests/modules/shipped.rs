//! The shipped policies as modules: who they say they are, and what they refuse. What they answer
//! is in their cases.

use std::path::{Path, PathBuf};

use crate::guests::{BUDGET_US, open, terms};
use pointsman_core::policy::{Role, builtin};
use pointsman_sdk::{Settings, Value};

/// The module that `cargo xtask policies` built.
pub(crate) fn module(name: &str) -> Vec<u8> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("POINTSMAN_POLICIES").map_or(built, PathBuf::from);
    let file = folder.join(name).with_extension("wasm");
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask policies` first", file.display())
    })
}

#[test]
fn the_shipped_modules_say_who_they_are_and_import_nothing_to_call() {
    let shipped = Role::ALL.into_iter().flat_map(|role| {
        let names = match role {
            Role::Selector => &builtin::SELECTORS[..],
            Role::Failover => &builtin::FAILOVERS[..],
            Role::Reputation => &builtin::REPUTATIONS[..],
            Role::Anomaly => &builtin::ANOMALIES[..],
        };
        names.iter().map(move |&name| (name, role))
    });
    for (name, role) in shipped {
        let module = open(&module(name)).expect(name);
        let seen = module.inspection();
        assert_eq!((seen.role, seen.manifest.name.as_str()), (role, name));
        assert_eq!(seen.manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.imports, [""; 0]);
        assert!(seen.size < 64 << 10, "{name} has {} bytes", seen.size);
    }
}

#[test]
fn a_setting_that_the_module_does_not_take_is_named() {
    let settings = Settings::new(vec![("stickiness_percent".into(), Value::Integer(101))]);
    let opened = open(&module("fastest-first")).expect("it is sound");
    let said = opened.selector(&terms(&settings, BUDGET_US));
    assert_eq!(
        said.expect_err("101 is too much").to_string(),
        "the policy fastest-first refuses its settings: stickiness_percent: takes a whole number from 0 to 100"
    );
}
