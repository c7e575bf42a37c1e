//! Modules that are compiled in a child of this program, within its limits.

use std::io::Write as _;
use std::process::{Command, Stdio};

use pointsman_engine::{Compiler, Engine, InspectError, Limits, Setup, Terms};
use pointsman_sdk::Settings;

/// The contract, as policies are built against it.
const WIT: &str = include_str!("../../../sdk/wit/policy.wit");

/// A selector that sends on the first path, with more functions in it.
fn module(more: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 2)
        (data (i32.const 1024) "by-hand") (data (i32.const 1040) "1.0.0")
        (data (i32.const 1100) "\00\04\00\00\07\00\00\00\10\04\00\00\05\00\00\00")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8192)
        (func (export "pointsman:policy/lifecycle@0.1.0#describe") (result i32) i32.const 1100)
        (func (export "pointsman:policy/lifecycle@0.1.0#configure")
            (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 1200)
        (func (export "pointsman:policy/learner@0.1.0#learn")
            (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 1200)
        (func (export "pointsman:policy/selector@0.1.0#choose")
            (param i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i64)
            i64.const 0x11) {more})"#
    );
    let mut module = wat::parse_str(text).expect("the text is WebAssembly");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", WIT).expect("the contract parses");
    let world = resolve.select_world(&[package], Some("selector-policy")).expect("it is there");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
        .expect("a core module takes metadata");
    module
}

/// One function of so many additions: one block, in which the compiler keeps track of all.
fn large_function(additions: usize) -> String {
    let add = "(local.set 0 (i64.add (i64.mul (local.get 0) (local.get 1)) (local.get 0)))";
    format!(
        "(func (export \"large\") (param i64 i64) (result i64) {} local.get 0)",
        add.repeat(additions)
    )
}

/// An engine whose modules are compiled by `pointsman compile-policy`.
fn engine(limits: Limits) -> Engine {
    let compiler = Compiler::Child {
        program: env!("CARGO_BIN_EXE_pointsman").into(),
        arguments: vec!["compile-policy".into()],
    };
    let setup = Setup { limits, compiler, ..Setup::default() };
    Engine::new(setup).expect("this machine runs WebAssembly")
}

#[test]
fn a_module_compiled_by_the_child_runs_here() {
    let opened = engine(Limits::default()).open(&module("")).expect("it compiles");
    let settings = Settings::default();
    let terms =
        Terms { settings: &settings, learned: None, call_us: 100_000, memory_bytes: 1 << 20 };
    opened.selector(&terms).expect("it runs");
    assert_eq!(opened.inspection().manifest.name, "by-hand");
}

#[test]
fn a_module_that_takes_long_to_compile_is_given_up() {
    let limits = Limits { compile_ms: 300, ..Limits::default() };
    let refused = engine(limits).open(&module(&large_function(300_000)));
    let Err(InspectError::SlowToCompile { limit_ms: 300 }) = refused else {
        panic!("it must be given up: {refused:?}");
    };
}

#[test]
fn a_module_that_takes_much_memory_to_compile_is_refused_and_costs_us_none() {
    let engine = engine(Limits { compile_bytes: 256 << 20, ..Limits::default() });
    engine.open(&module("")).expect("it is enough for a policy of ordinary size");
    let refused = engine.open(&module(&large_function(300_000)));
    let Err(InspectError::LargeToCompile { limit_bytes }) = refused else {
        panic!("it must be refused: {refused:?}");
    };
    assert_eq!(limit_bytes, 256 << 20);
}

#[test]
fn the_command_refuses_what_is_no_job() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .arg("compile-policy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is there");
    let mut input = child.stdin.take().expect("it was asked for");
    // It may have ended before it read all.
    let _ = input.write_all(b"\0asm and so on, which is no job\n");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("this is no job of a pointsman engine"), "{said}");
}

#[test]
fn the_command_is_not_shown_to_people() {
    let help = Command::new(env!("CARGO_BIN_EXE_pointsman")).arg("--help").output();
    let help = String::from_utf8_lossy(&help.expect("the program is there").stdout).into_owned();
    assert!(help.contains("demo") && !help.contains("compile-policy"), "{help}");
}
