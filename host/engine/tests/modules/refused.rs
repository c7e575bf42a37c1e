//! Files that are no policy, or not the one that is wanted: each gets an error that names the
//! thing and the remedy, before any of its code runs.

use crate::guests::{BUDGET_US, FAILOVER, Guest, SELECTOR, WIT, failover_of, open, selector_of};
use pointsman_core::limits::MODULE_BYTES_MAX;
use pointsman_core::policy::Role;

fn refusal(bytes: &[u8]) -> String {
    open(bytes).expect_err("it must be refused").to_string()
}

/// The text with one piece replaced, leaked because it lives as long as the test.
fn edited(text: &str, from: &str, to: &str) -> &'static str {
    assert!(text.contains(from), "{from} is in the text");
    text.replace(from, to).leak()
}

#[test]
fn a_sound_module_is_told_what_it_is() {
    let bytes = SELECTOR.bytes();
    let module = open(&bytes).expect("it is sound");
    let seen = module.inspection();
    assert_eq!((seen.role, seen.version.as_str()), (Role::Selector, "0.1.0"));
    assert_eq!((seen.manifest.name.as_str(), seen.manifest.version.as_str()), ("by-hand", "1.0.0"));
    assert_eq!((seen.size, seen.digest.len()), (bytes.len(), 64));
}

#[test]
fn the_digest_is_the_sha_256_of_the_file() {
    let component = component(&SELECTOR.bytes());
    let digest = |bytes: &[u8]| open(bytes).expect("it is sound").inspection().digest.clone();
    let one = digest(&component);
    let other = digest(&SELECTOR.bytes());
    assert_ne!(one, other, "of the file as it is, not of what it is made into");
}

fn component(module: &[u8]) -> Vec<u8> {
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(module).expect("it has metadata").encode().expect("it is complete")
}

#[test]
fn text_and_pictures_are_not_wasm() {
    for bytes in [&b""[..], b"(module)", b"\x89PNG\r\n\x1a\n", b"\0asm"] {
        assert!(refusal(bytes).starts_with("this is not a WebAssembly binary"), "{bytes:?}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_even_parsed() {
    let said = refusal(&vec![0; MODULE_BYTES_MAX + 1]);
    let size = MODULE_BYTES_MAX + 1;
    let wanted = format!("the module has {size} bytes, and at most {MODULE_BYTES_MAX} are taken");
    assert!(said.starts_with(&wanted), "{said}");
}

#[test]
fn machine_code_is_refused_by_name() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&component(&SELECTOR.bytes())).expect("it compiles");
    assert!(refusal(&code).starts_with("this is a precompiled module (.cwasm)"));
}

#[test]
fn a_file_that_is_cut_off_is_damaged() {
    for whole in [SELECTOR.bytes(), component(&SELECTOR.bytes())] {
        let said = refusal(&whole[..whole.len() / 2]);
        assert!(said.starts_with("the module is damaged"), "{said}");
    }
}

#[test]
fn a_core_module_without_metadata_is_told_how_to_get_it() {
    let plain = wat::parse_str(SELECTOR.text()).expect("the text is WebAssembly");
    assert!(refusal(&plain).contains("without WIT metadata; build it with the SDK"));
}

#[test]
fn a_component_without_a_role_is_told_the_roles() {
    let empty = wat::parse_str("(component)").expect("the text is WebAssembly");
    assert!(
        refusal(&empty)
            .starts_with("the module has no role: it must export pointsman:policy/selector@0.1.0")
    );
}

#[test]
fn a_module_for_another_slot_is_told_which() {
    let said = selector_of(&FAILOVER.bytes(), BUDGET_US).expect_err("a wrong slot");
    assert_eq!(
        said.to_string(),
        "this is a failover policy, the slot wants a selector policy; name it under [policy.failover]"
    );
    let said = failover_of(&SELECTOR.bytes(), BUDGET_US).expect_err("a wrong slot");
    assert!(said.to_string().starts_with("this is a selector policy, the slot wants a failover"));
}

#[test]
fn another_version_of_the_interface_is_refused_by_number() {
    let wit = edited(WIT, "pointsman:policy@0.1.0", "pointsman:policy@0.7.0");
    let said = refusal(&Guest { wit, version: "0.7.0", ..SELECTOR }.bytes());
    assert!(said.starts_with("the module speaks version 0.7.0"), "{said}");
}

#[test]
fn a_later_patch_of_the_interface_is_taken() {
    let wit = edited(WIT, "pointsman:policy@0.1.0", "pointsman:policy@0.1.7");
    let bytes = Guest { wit, version: "0.1.7", ..SELECTOR }.bytes();
    let module = open(&bytes).expect("it is compatible");
    assert_eq!(module.inspection().version, "0.1.7");
    selector_of(&bytes, BUDGET_US).expect("it can be asked");
}

#[test]
fn an_interface_that_is_missing_is_named() {
    let wit = edited(WIT, "  export learner;\n", "");
    let text = Guest { wit, ..SELECTOR };
    assert!(refusal(&text.bytes()).contains("does not export pointsman:policy/learner@0.1.0"));
}

#[test]
fn a_function_that_is_missing_is_named() {
    let said = refusal(&Guest { choose: "", ..SELECTOR }.bytes());
    assert!(said.starts_with("the core module does not fit the world"), "{said}");
    assert!(said.contains("choose"), "{said}");
}

#[test]
fn a_function_of_another_type_is_refused() {
    let wit = edited(
        WIT,
        "decide: func(q: question) -> verdict;",
        "decide: func(q: question) -> resend;",
    );
    let said = refusal(&Guest { wit, decide: "i32.const 0", ..FAILOVER }.bytes());
    assert!(
        said.starts_with("the module's interface has the right name and the wrong types"),
        "{said}"
    );
}

#[test]
fn an_import_that_no_policy_may_have_is_named() {
    let wit =
        edited(WIT, "  import host-log;\n", "  import clock: interface { now: func() -> u64; }\n");
    let imports = r#"(import "clock" "now" (func (result i64)))"#;
    let said = refusal(&Guest { wit, imports, ..SELECTOR }.bytes());
    assert!(
        said.starts_with("the module imports clock; a policy may import nothing but"),
        "{said}"
    );
}

#[test]
fn the_log_may_be_imported() {
    let imports =
        r#"(import "pointsman:policy/host-log@0.1.0" "emit" (func $emit (param i32 i32 i32)))"#;
    let choose = "(call $emit (i32.const 0) (i32.const 1024) (i32.const 7)) i64.const 0x11";
    let bytes = Guest { imports, choose, ..SELECTOR }.bytes();
    let mut policy = selector_of(&bytes, BUDGET_US).expect("it may");
    use pointsman_core::policy::Selector as _;
    assert_eq!(policy.choose(&crate::guests::question(1)), Ok(0x11));
    assert_eq!(
        open(&bytes).expect("it may").inspection().imports,
        ["pointsman:policy/host-log@0.1.0"]
    );
}

#[test]
fn a_manifest_with_an_unprintable_name_is_refused() {
    let extra = r#"(data (i32.const 1024) "\1b[2J...")"#;
    let said = refusal(&Guest { extra, ..SELECTOR }.bytes());
    assert!(said.starts_with("the module's manifest is unusable: the name"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn settings_that_a_policy_refuses_are_named_with_the_policy() {
    // An error of the third kind, `other`, with the text at 1024.
    let configure = "(i32.store8 (i32.const 1200) (i32.const 1))
        (i32.store8 (i32.const 1204) (i32.const 2))
        (i32.store (i32.const 1208) (i32.const 1024)) (i32.store (i32.const 1212) (i32.const 7))";
    let bytes = Guest { configure, ..SELECTOR }.bytes();
    let said = selector_of(&bytes, BUDGET_US).expect_err("it refuses");
    assert_eq!(said.to_string(), "the policy by-hand refuses its settings: by-hand");
}
