//! Files that are cut off, bent, or larger than anything honest: refused, or loaded and struck,
//! and soon.

use std::time::{Duration, Instant};

use crate::by_role::{guest, least, policy, question_for, with};
use crate::guests::{BUDGET_US, Guest, SELECTOR, WIT, engine};
use pointsman_core::policy::Role;
use pointsman_engine::Engine;
use wasmparser::Parser;

/// A minute is long, and still no hang: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn refusal(engine: &Engine, bytes: &[u8]) -> String {
    let began = Instant::now();
    let said = engine.open(bytes).expect_err("it must be refused").to_string();
    assert!(began.elapsed() < PATIENCE, "{:?}: {said}", began.elapsed());
    said
}

fn component(module: &[u8]) -> Vec<u8> {
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(module).expect("it has metadata").encode().expect("it is complete")
}

#[test]
fn a_file_that_is_cut_off_in_any_section_is_refused() {
    let engine = engine();
    for role in Role::ALL {
        let module = guest(role, least(role)).bytes();
        for whole in [component(&module), module] {
            let sections = Parser::new(0).parse_all(&whole);
            let ranges = sections.filter_map(|payload| payload.expect("it is sound").as_section());
            let mut cuts: Vec<_> = ranges
                .flat_map(|(_, range)| [range.start, (range.start + range.end) / 2, range.end - 1])
                .collect();
            cuts.extend([0, 3, 4, 7, 8]);
            assert!(cuts.len() > 20, "{}", cuts.len());
            let cuts = cuts.into_iter().filter_map(|cut| usize::try_from(cut).ok());
            for cut in cuts.filter(|cut| *cut < whole.len()) {
                let said = refusal(&engine, &whole[..cut]);
                let known = ["damaged", "not a WebAssembly binary", "WIT metadata", "no role"];
                assert!(known.iter().any(|known| said.contains(known)), "{cut}: {said}");
            }
        }
    }
}

#[test]
fn a_file_with_any_byte_changed_is_refused_or_struck_and_never_our_end() {
    let engine = engine();
    let whole = guest(Role::Selector, least(Role::Selector)).bytes();
    for at in (0..whole.len()).step_by(23) {
        let mut bent = whole.clone();
        bent[at] ^= 0xff;
        let began = Instant::now();
        if let Ok(mut policy) = policy(&engine, &bent, BUDGET_US) {
            // Whatever it says, it says it in time.
            let _ = policy.answer(&question_for(Role::Selector));
        }
        assert!(began.elapsed() < PATIENCE, "byte {at}: {:?}", began.elapsed());
    }
}

#[test]
fn other_kinds_of_files_are_told_what_they_are_not() {
    let engine = engine();
    let zipped = b"\x1f\x8b\x08\0\0\0\0\0";
    let archive = b"PK\x03\x04";
    let script = b"#!/bin/sh\nexit 0\n";
    for bytes in [&zipped[..], archive, script, b"\0asm\x02\0\0\0", b"\0asm\x0e\0\x01\0", &[0; 64]]
    {
        let said = refusal(&engine, bytes);
        let known = ["not a WebAssembly binary", "damaged"];
        assert!(known.iter().any(|known| said.contains(known)), "{bytes:?}: {said}");
    }
}

/// A number as WebAssembly writes it.
fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// A core module of such sections; each with the size that it claims.
fn raw(sections: &[(u8, u64, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (kind, size, content) in sections {
        bytes.push(*kind);
        bytes.extend(number(*size));
        bytes.extend_from_slice(content);
    }
    bytes
}

fn whole(kind: u8, content: &[u8]) -> (u8, u64, &[u8]) {
    (kind, content.len() as u64, content)
}

#[test]
fn a_million_types_are_refused() {
    let engine = engine();
    for count in [1_000_000_u64, 1_000_001, u64::from(u32::MAX)] {
        let mut content = number(count);
        content.extend([0x60, 0, 0].repeat(count.min(1_000_001) as usize));
        let said = refusal(&engine, &raw(&[whole(1, &content)]));
        let known = ["damaged", "WIT metadata"];
        assert!(known.iter().any(|known| said.contains(known)), "{count}: {said}");
    }
}

#[test]
fn data_that_is_only_claimed_is_refused_without_room_being_made_for_it() {
    let engine = engine();
    let size = 300 << 20;
    let memory = [1, 0, 1];
    let short = raw(&[whole(5, &memory), (11, size, &[1, 0, 0x41, 0, 0x0b, 4, 1, 2, 3, 4])]);
    assert!(refusal(&engine, &short).contains("damaged"));
    let mut content = vec![1, 0, 0x41, 0, 0x0b];
    content.extend(number(size));
    content.extend([7; 32]);
    let lying = raw(&[whole(5, &memory), whole(11, &content)]);
    assert!(refusal(&engine, &lying).contains("damaged"));
    let many = raw(&[whole(5, &memory), whole(11, &number(u64::from(u32::MAX)))]);
    assert!(refusal(&engine, &many).contains("damaged"));
}

#[test]
fn a_function_larger_than_any_engine_takes_is_refused() {
    let mut body = vec![0];
    body.extend(vec![1; 8_000_000]);
    body.push(0x0b);
    let mut code = vec![1];
    code.extend(number(body.len() as u64));
    code.extend(body);
    let huge = raw(&[whole(1, &[1, 0x60, 0, 0]), whole(3, &[1, 0]), whole(10, &code)]);
    assert!(refusal(&engine(), &huge).contains("damaged"));
}

#[test]
fn a_function_of_7_mb_is_compiled_or_refused_in_time() {
    let long = "i64.const -9223372036854775808 drop ".repeat(580_000);
    let bytes = with(guest(Role::Selector, "i64.const 0"), &format!("(func {long})")).bytes();
    assert!(bytes.len() > 6_900_000, "{}", bytes.len());
    let began = Instant::now();
    let opened = engine().open(&bytes).map(drop);
    assert!(began.elapsed() < PATIENCE, "{:?}: {opened:?}", began.elapsed());
}

#[test]
fn ten_thousand_functions_and_exports_are_no_hang() {
    let many: String = (0..10_000).map(|n| format!("(func (export \"f{n}\"))")).collect();
    let bytes = with(guest(Role::Selector, "i64.const 0"), &many).bytes();
    let began = Instant::now();
    let opened = engine().open(&bytes).map(drop);
    assert!(began.elapsed() < PATIENCE, "{:?}: {opened:?}", began.elapsed());
}

/// The contract with one piece replaced, leaked because it lives as long as the test.
fn edited(from: &str, to: &str) -> &'static str {
    assert!(WIT.contains(from), "{from} is in the contract");
    WIT.replace(from, to).leak()
}

#[test]
fn every_role_of_another_version_or_with_more_imports_is_refused_by_name() {
    let engine = engine();
    let clock =
        edited("  import host-log;\n", "  import clock: interface { now: func() -> u64; }\n");
    let imports = r#"(import "clock" "now" (func (result i64)))"#;
    let newer = edited("pointsman:policy@0.1.0", "pointsman:policy@0.7.0");
    for role in Role::ALL {
        let sound = guest(role, least(role));
        let said = refusal(&engine, &Guest { wit: clock, imports, ..sound }.bytes());
        assert!(said.starts_with("the module imports clock; a policy may import"), "{said}");
        let extra = sound.extra.replace("@0.1.0", "@0.7.0").leak();
        let other = Guest { wit: newer, version: "0.7.0", extra, ..sound };
        let said = refusal(&engine, &other.bytes());
        assert!(said.starts_with("the module speaks version 0.7.0"), "{said}");
    }
}

#[test]
fn every_role_without_its_function_or_with_another_type_is_refused() {
    let engine = engine();
    for role in Role::ALL {
        let empty = Guest { choose: "", decide: "", extra: "", ..guest(role, least(role)) };
        let said = refusal(&engine, &empty.bytes());
        assert!(said.starts_with("the core module does not fit the world"), "{said}");
    }
    for (role, from, to) in [
        (Role::Reputation, "score: s32,", "score: u32,"),
        (Role::Anomaly, "evidence: s64,", "evidence: u64,"),
    ] {
        let other = Guest { wit: edited(from, to), ..guest(role, least(role)) };
        let said = refusal(&engine, &other.bytes());
        assert!(said.contains("the right name and the wrong types"), "{said}");
    }
    let no_selector = Guest { world: "policy", choose: "", ..SELECTOR };
    assert!(refusal(&engine, &no_selector.bytes()).starts_with("the module has no role"));
}
