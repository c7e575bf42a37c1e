//! The shipped policies as modules: each answers its table of cases as the native one does.

use std::path::{Path, PathBuf};

use crate::guests::{BUDGET_US, open, terms};
use pointsman_core::policy::{
    Failover as _, FailoverQuestion, Role, Selector as _, SelectorQuestion, builtin,
};
use pointsman_fastest_first::cases as fastest_first;
use pointsman_sdk::selector::Verdict;
use pointsman_sdk::{Settings, Value};
use pointsman_standby::cases as standby;

/// The module that `cargo xtask policies` built.
fn module(name: &str) -> Vec<u8> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("POINTSMAN_POLICIES").map_or(built, PathBuf::from);
    let file = folder.join(name).with_extension("wasm");
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask policies` first", file.display())
    })
}

fn asked(case: &fastest_first::Case) -> SelectorQuestion {
    let paths = case.list();
    let view = case.question(&paths);
    SelectorQuestion {
        now_us: view.now_us,
        seed: view.seed,
        peer: view.peer,
        class: view.class,
        flags: view.flags,
        head_bytes: view.head_bytes,
        head_age_us: view.head_age_us,
        deadline_left_us: view.deadline_left_us,
        backlog_bytes: view.backlog_bytes,
        backlog_above_bytes: view.backlog_above_bytes,
        duplicate_budget_bytes: view.duplicate_budget_bytes,
        tried_paths: view.tried_paths,
        standing: view.standing,
        battery_permille: view.battery_permille,
        paths,
    }
}

fn asked_failover(case: &standby::Case) -> FailoverQuestion {
    let (paths, dialables) = case.lists();
    let view = case.question(&paths, &dialables);
    FailoverQuestion {
        now_us: view.now_us,
        seed: view.seed,
        peer: view.peer,
        event: view.event,
        at: view.at,
        oldest_unacked_us: view.oldest_unacked_us,
        unacked_bytes: view.unacked_bytes,
        misses: view.misses,
        others_progressed: view.others_progressed,
        loop_lag_us: view.loop_lag_us,
        moves_last_60s: view.moves_last_60s,
        since_move_ms: view.since_move_ms,
        deadline_min_us: view.deadline_min_us,
        hedge_budget_bytes: view.hedge_budget_bytes,
        store_left_kib: view.store_left_kib,
        paths,
        dialables,
    }
}

/// The policy for these settings: made once for all cases that share them.
fn configured<'a, P>(
    made: &'a mut Vec<(Settings, P)>,
    settings: &Settings,
    make: impl FnOnce() -> P,
) -> &'a mut P {
    let known = made.iter().position(|(of, _)| of == settings);
    let index = known.unwrap_or_else(|| {
        made.push((settings.clone(), make()));
        made.len() - 1
    });
    &mut made[index].1
}

#[test]
fn fastest_first_answers_its_cases_as_module_and_natively() {
    let opened = open(&module("fastest-first")).expect("it is sound");
    let mut made = Vec::new();
    for case in fastest_first::all() {
        let module = configured(&mut made, &case.settings, || {
            opened.selector(&terms(&case.settings, BUDGET_US)).expect(case.name)
        });
        let mut native = builtin::selector("fastest-first", &case.settings).expect(case.name);
        let question = asked(&case);
        let verdict = module.choose(&question).map(Verdict::unpack);
        assert_eq!(verdict, Ok(Ok(case.verdict)), "{}", case.name);
        assert_eq!(module.choose(&question), native.choose(&question), "{}", case.name);
    }
}

#[test]
fn standby_answers_its_cases_as_module_and_natively() {
    let opened = open(&module("standby")).expect("it is sound");
    let mut made = Vec::new();
    for case in standby::all() {
        let module = configured(&mut made, &case.settings, || {
            opened.failover(&terms(&case.settings, BUDGET_US)).expect(case.name)
        });
        let mut native = builtin::failover("standby", &case.settings).expect(case.name);
        let question = asked_failover(&case);
        assert_eq!(module.decide(&question), Ok(case.verdict), "{}", case.name);
        assert_eq!(native.decide(&question), Ok(case.verdict), "{}", case.name);
    }
}

#[test]
fn the_shipped_modules_say_who_they_are_and_import_nothing_to_call() {
    for (name, role) in [("fastest-first", Role::Selector), ("standby", Role::Failover)] {
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
