//! Children that are no compiler: whatever they do, the engine goes on, and says what happened.
//! The one that is a compiler is tested where its program is, in the daemon.

use std::time::{Duration, Instant};

use crate::guests::SELECTOR;
use pointsman_engine::{Compiler, Engine, Limits, Setup};

/// What is said of a module that such a child compiles.
fn said_of(program: &str, arguments: &[&str], compile_ms: u32) -> String {
    let arguments = arguments.iter().map(Into::into).collect();
    let compiler = Compiler::Child { program: program.into(), arguments };
    let limits = Limits { compile_ms, ..Limits::default() };
    let engine = Engine::new(Setup { limits, compiler, ..Setup::default() });
    let opened = engine.expect("it has not compiled yet").open(&SELECTOR.bytes());
    opened.expect_err("no code came").to_string()
}

fn shell(script: &str, compile_ms: u32) -> String {
    said_of("/bin/sh", &["-c", script], compile_ms)
}

/// No child here needs so long, however busy the machine is.
const PATIENT_MS: u32 = 60_000;

#[test]
fn a_program_that_is_not_there_is_named() {
    let said = said_of("/nowhere/pointsman", &[], PATIENT_MS);
    assert!(said.starts_with("cannot start the compiler of modules, /nowhere/pointsman"), "{said}");
}

#[test]
fn a_child_that_is_killed_is_told_by_its_signal() {
    let said = shell("cat >/dev/null; kill -9 $$", PATIENT_MS);
    assert!(said.contains("it was ended by signal 9"), "{said}");
}

#[test]
fn a_child_that_crashes_is_told_with_what_it_said() {
    let said = shell("cat >/dev/null; echo 'thread main panicked' >&2; exit 101", PATIENT_MS);
    assert!(said.contains("ended with exit code 101 and said: thread main panicked"), "{said}");
}

#[test]
fn a_child_that_runs_out_of_memory_is_told_with_the_remedy() {
    let words = "memory allocation of 12345678 bytes failed";
    let said = shell(&format!("cat >/dev/null; echo '{words}' >&2; kill -6 $$"), PATIENT_MS);
    assert!(said.contains("does not compile within 2048 MiB of memory"), "{said}");
    assert!(said.contains("opt-level"), "{said}");
}

#[test]
fn a_child_that_uses_up_its_time_is_told_with_the_remedy() {
    let said = shell("cat >/dev/null; kill -24 $$", PATIENT_MS);
    assert!(said.starts_with("the module does not compile within 60 s"), "{said}");
}

#[test]
fn a_child_that_answers_with_nonsense_is_no_compiler() {
    for script in ["cat >/dev/null; echo hello", "echo pmcode1; cat", "cat >/dev/null"] {
        let said = shell(script, PATIENT_MS);
        assert!(said.contains("something else than code"), "{script}: {said}");
    }
}

#[test]
fn a_child_that_hangs_is_ended_when_its_time_is_over() {
    // One reads and says nothing; one does not even read; one closes all and stays.
    for script in ["cat >/dev/null; while :; do :; done", "while :; do :; done"] {
        let began = Instant::now();
        let said = shell(script, 300);
        assert!(said.starts_with("the module does not compile within 0.3 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(30), "it was waited for");
    }
    let began = Instant::now();
    let said = shell("exec <&- >&- 2>&-; while :; do :; done", PATIENT_MS);
    assert!(said.contains("the compiler of modules failed"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "it was waited for");
}

#[test]
fn a_child_that_never_stops_talking_is_not_listened_to_for_ever() {
    let said = shell("cat >/dev/null; while :; do echo more and more; done", 2_000);
    assert!(
        said.starts_with("the module does not compile within") || said.contains("failed"),
        "{said}"
    );
}

#[test]
fn a_child_gets_nothing_of_our_environment() {
    // What the shell itself sets are three variables of its own.
    let said =
        shell("cat >/dev/null; echo \"$HOME.$USER.$CARGO_MANIFEST_DIR\" >&2; exit 3", 60_000);
    assert!(said.contains("exit code 3 and said: .."), "{said}");
}
