//! The policy as modules: for pointsman's own interface, and for Extism's.

use anyhow::Context;

/// The contract, as policies are built against it.
const WIT: &str = include_str!("../../../../sdk/wit/policy.wit");
/// The function that both modules share.
const SHORTEST: &str = include_str!("shortest.wat");

/// A core module with the metadata of `selector-policy`.
pub(super) fn selector() -> anyhow::Result<Vec<u8>> {
    let text = format!(
        r#"(module
        (memory (export "memory") 2)
        (global $heap (mut i32) (i32.const 8192))
        (data (i32.const 1024) "shortest") (data (i32.const 1040) "1.0.0")
        (data (i32.const 1100) "\00\04\00\00\08\00\00\00\10\04\00\00\05\00\00\00")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
          (if (i32.gt_u (global.get $heap) (i32.const 100000))
            (then (global.set $heap (i32.const 8192))))
          (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
          (global.set $heap (i32.add (local.get $at) (local.get 3)))
          (local.get $at))
        (func (export "pointsman:policy/lifecycle@0.1.0#describe") (result i32) i32.const 1100)
        (func (export "pointsman:policy/lifecycle@0.1.0#configure")
          (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 1200)
        (func (export "pointsman:policy/learner@0.1.0#learn")
          (param i32 i32 i32 i32 i32 i32) (result i32) i32.const 1200)
        (func (export "pointsman:policy/selector@0.1.0#choose")
          (param i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i64)
          (call $shortest (local.get 5) (local.get 14) (local.get 15)))
        {SHORTEST})"#
    );
    let mut module = wat::parse_str(text)?;
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", WIT)?;
    let world = resolve.select_world(&[package], Some("selector-policy"))?;
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
        .context("the module takes its metadata")?;
    Ok(module)
}

/// A plug-in whose input is the head's size and the list of paths, as little-endian `u32`s, and
/// whose output is the packed verdict.
pub(super) fn plug_in() -> anyhow::Result<Vec<u8>> {
    let text = format!(
        r#"(module
        (import "extism:host/env" "input_length" (func $input_length (result i64)))
        (import "extism:host/env" "input_load_u64" (func $input_load (param i64) (result i64)))
        (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
        (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
        (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
        (memory (export "memory") 2)
        (func (export "choose") (result i32) (local $length i64) (local $at i64) (local $to i64)
          (local.set $length (call $input_length))
          (block $done
            (loop $words
              (br_if $done (i64.ge_u (local.get $at) (local.get $length)))
              (i64.store offset=1024 (i32.wrap_i64 (local.get $at))
                (call $input_load (local.get $at)))
              (local.set $at (i64.add (local.get $at) (i64.const 8)))
              (br $words)))
          (local.set $to (call $alloc (i64.const 8)))
          (call $store (local.get $to)
            (call $shortest (i32.load (i32.const 1024)) (i32.const 1028)
              (i32.sub (i32.shr_u (i32.wrap_i64 (local.get $length)) (i32.const 2))
                (i32.const 1))))
          (call $output_set (local.get $to) (i64.const 8))
          i32.const 0)
        {SHORTEST})"#
    );
    Ok(wat::parse_str(text)?)
}
