//! Modules on trial: those that are pure pass, and those that are not are told what gave them
//! away.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::by_role::{ENDLESS, guest, least, question_for, with, with_body};
use crate::guests::{BUDGET_US, TIGHT_US, engine, terms};
use pointsman_core::policy::Role;
use pointsman_engine::{Trial, TrialError};
use pointsman_sdk::Settings;

const CALLS: &str = "(global $calls (mut i32) (i32.const 0))";
const COUNT: &str = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";

fn tried(bytes: &[u8], call_us: u32) -> Result<Trial, TrialError> {
    let module = engine().open(bytes).expect("it is sound");
    module.trial(&terms(&Settings::default(), call_us), &[])
}

fn refused(bytes: &[u8]) -> String {
    tried(bytes, BUDGET_US).expect_err("it must not pass").to_string()
}

#[test]
fn a_pure_module_of_any_role_passes() {
    for role in Role::ALL {
        let passed = tried(&guest(role, least(role)).bytes(), BUDGET_US)
            .unwrap_or_else(|error| panic!("{}: {error}", role.name()));
        assert!(passed.questions >= 30 && passed.mean_ns > 0, "{passed:?}");
        assert!(passed.worst_ns >= passed.mean_ns, "{passed:?}");
    }
}

#[test]
fn the_shipped_modules_pass() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("POINTSMAN_POLICIES").map_or(built, PathBuf::from);
    let files = folder.read_dir().unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask policies` first", folder.display())
    });
    let mut names = Vec::new();
    for file in files.map(|entry| entry.expect("it can be listed").path()) {
        if file.extension().is_some_and(|ending| ending == "wasm") {
            let bytes = std::fs::read(&file).expect("it can be read");
            let passed = tried(&bytes, BUDGET_US);
            passed.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            names.push(file);
        }
    }
    assert!(names.len() >= 2, "{names:?}");
}

/// Bodies that give another answer with every call.
fn counts(role: Role) -> String {
    let body = match role {
        Role::Selector => {
            "(i64.or (i64.const 4) (i64.shl (i64.extend_i32_u (global.get $calls)) (i64.const 48)))"
        }
        Role::Failover => {
            "(i32.store8 (i32.const 1400) (i32.const 0))
            (i32.store (i32.const 1404) (global.get $calls)) i32.const 1400"
        }
        Role::Reputation => "(i32.store (i32.const 1404) (global.get $calls)) i32.const 1400",
        // A finding about the first series, where there is one that this host knows.
        Role::Anomaly => {
            "(if (i32.eqz (local.get 2)) (then (return (i32.const 1400))))
            (if (i32.gt_u (i32.load (local.get 1)) (i32.const 10))
                (then (return (i32.const 1400))))
            (i32.store (i32.const 2048) (global.get $calls))
            (i32.store (i32.const 2056) (i32.load (local.get 1)))
            (i32.store (i32.const 2060) (i32.load offset=4 (local.get 1)))
            (i32.store (i32.const 1408) (i32.const 2048))
            (i32.store (i32.const 1412) (i32.const 1)) i32.const 1408"
        }
    };
    format!("{COUNT} {body}")
}

#[test]
fn a_module_that_counts_its_questions_is_told_so_in_every_role() {
    for role in Role::ALL {
        let said = refused(&with(guest(role, &counts(role)), CALLS).bytes());
        assert!(said.contains("when it is asked again in another order"), "{said}");
        assert!(said.contains("probably in a global or a static"), "{said}");
    }
}

#[test]
fn a_module_that_keeps_its_first_question_is_given_away_by_a_fresh_instance() {
    let body = "(if (i32.eqz (global.get $calls))
            (then (global.set $calls (i32.add (i32.const 1) (local.get 5)))))
        (i64.or (i64.const 4) (i64.shl (i64.extend_i32_u (global.get $calls)) (i64.const 48)))";
    let said = refused(&with(guest(Role::Selector, body), CALLS).bytes());
    assert!(said.contains("when it is asked on a fresh instance"), "{said}");
}

#[test]
fn a_module_that_reads_past_the_end_of_its_paths_is_impure() {
    let body = "(i64.or (i64.const 4) (i64.shl (i64.load32_u
        (i32.add (local.get 14) (i32.shl (local.get 15) (i32.const 2)))) (i64.const 48)))";
    let said = refused(&guest(Role::Selector, body).bytes());
    assert!(said.contains("or uses memory that it never wrote"), "{said}");
}

#[test]
fn a_module_that_traps_on_every_third_call_does_not_pass() {
    for role in Role::ALL {
        let third = format!(
            "{COUNT} (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable)) {}",
            least(role)
        );
        let said = refused(&with(guest(role, &third), CALLS).bytes());
        assert!(said.contains("it fails: it trapped"), "{said}");
    }
}

#[test]
fn a_module_that_never_answers_some_question_does_not_pass_and_is_soon_out() {
    let began = Instant::now();
    let body = format!("(if (i32.eq (local.get 3) (i32.const 2)) (then {ENDLESS})) i64.const 0");
    let refused = tried(&guest(Role::Selector, &body).bytes(), TIGHT_US);
    let said = refused.expect_err("bulk is never answered").to_string();
    assert!(
        said.contains("a packet that is bulk (asked in order), it fails: it ran over"),
        "{said}"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_module_that_always_sends_on_the_first_path_is_told_the_question() {
    let said = refused(&guest(Role::Selector, "i64.const 0x11").bytes());
    assert!(said.starts_with("asked about no paths, a packet that is realtime"), "{said}");
}

#[test]
fn a_recorded_question_may_give_a_module_away() {
    let body = "(if (i32.eq (local.get 5) (i32.const 1200))
        (then (if (i64.eq (local.get 0) (i64.const 1)) (then unreachable)))) i64.const 0";
    let module = engine().open(&guest(Role::Selector, body).bytes()).expect("it is sound");
    let settings = Settings::default();
    let recorded = [question_for(Role::Failover), question_for(Role::Selector)];
    assert!(module.trial(&terms(&settings, BUDGET_US), &recorded[..1]).is_ok());
    let said = module.trial(&terms(&settings, BUDGET_US), &recorded).expect_err("it traps");
    assert!(said.to_string().starts_with("asked about recorded question 2"), "{said}");
}

/// A manifest that announces a state of schema 3, of at most 16 bytes, and reads it.
const LEARNS: &str = r#"(data (i32.const 1060) "\03\00\00\00")
    (data (i32.const 1116) "\03\00\00\00\24\04\00\00\01\00\00\00\10\00\00\00")"#;
/// The end of a `learn` that gives a state of schema 3 with the four bytes at 2048.
const STATE: &str = "(i32.store8 (i32.const 1400) (i32.const 1))
    (i32.store (i32.const 1404) (i32.const 3)) (i32.store (i32.const 1408) (i32.const 2048))
    (i32.store (i32.const 1412) (i32.const 4)) i32.const 1400";

#[test]
fn a_module_that_learns_must_learn_the_same_from_the_same() {
    let sound = || with(guest(Role::Selector, "i64.const 0"), &format!("{LEARNS} {CALLS}"));
    let passed = tried(&with_body(sound(), "learn", STATE), BUDGET_US).expect("it learns well");
    assert_eq!(passed.learned_bytes, Some(4));
    let counts = format!("{COUNT} (i32.store (i32.const 2048) (global.get $calls)) {STATE}");
    let said = refused(&with_body(sound(), "learn", &counts));
    assert!(said.contains("of the very same outcomes `learn` makes states that differ"), "{said}");
    let traps = refused(&with_body(sound(), "learn", "unreachable"));
    assert!(traps.contains("`learn` fails: it trapped"), "{traps}");
}
