//! A selector that is run without the component around it answers as with it.

use crate::guests::{BUDGET_US, Guest, SELECTOR, engine, question, terms};
use crate::shipped;
use pointsman_core::policy::{Selector as _, SelectorQuestion, Strike};
use pointsman_engine::{Terms, WasmSelector};
use pointsman_sdk::path::flags::{MASKED, SUSPECT, UP};
use pointsman_sdk::{PathRow, Settings, State, Value};

/// Mixes all that `configure` gets into a number, which is its verdict.
const MIXING: Guest = Guest {
    extra: r#"(global $sum (mut i64) (i64.const 0))
        (func $mix (param $at i32) (param $bytes i32)
            (block $end (loop $next
                (br_if $end (i32.eqz (local.get $bytes)))
                (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31))
                    (i64.load8_u (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
                (br $next))))
        (func $list (param $at i32) (param $each i32)
            (call $mix (i32.load (local.get $at))
                (i32.mul (local.get $each) (i32.load offset=4 (local.get $at)))))
        (func $texts (param $at i32) (local $left i32)
            (local.set $left (i32.load offset=4 (local.get $at)))
            (local.set $at (i32.load (local.get $at)))
            (block $end (loop $next
                (br_if $end (i32.eqz (local.get $left)))
                (call $list (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br $next))))
        (func $setting (param $at i32) (local $case i32)
            (call $list (local.get $at) (i32.const 1))
            (call $mix (i32.add (local.get $at) (i32.const 8)) (i32.const 1))
            (local.set $case (i32.load8_u offset=8 (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
                (br_table $0 $1 $2 $3 $4 $5 (local.get $case)))
                (call $mix (local.get $at) (i32.const 1)) (return))
                (call $mix (local.get $at) (i32.const 8)) (return))
                (call $list (local.get $at) (i32.const 1)) (return))
                (call $list (local.get $at) (i32.const 8)) (return))
                (call $texts (local.get $at)) (return))
            unreachable)
        (data (i32.const 1116) "\03\00\00\00\00\00\00\00\00\00\00\00\40\00\00\00")
        (data (i32.const 1132) "\a4\06\00\00\8a\00\00\00") (data (i32.const 1700)
        "on: boolean = true  a\nsize: integer -9..=9 = 5  b\nname: text = \"\"  c\nlist: integers -9..=9223372036854775807 = []  d\nnames: texts = []  e\n")"#,
    configure: "(block $end (loop $next
            (br_if $end (i32.eqz (local.get 1)))
            (call $setting (local.get 0))
            (local.set 0 (i32.add (local.get 0) (i32.const 24)))
            (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
            (br $next)))
        (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31))
            (i64.extend_i32_u (local.get 3))))
        (if (local.get 2) (then (call $mix (local.get 4) (local.get 5))))",
    choose: "global.get $sum",
    ..SELECTOR
};

/// The policy of a core module, and of the same module as a component.
fn both(core: &[u8], terms: &Terms<'_>) -> [WasmSelector; 2] {
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder.module(core).expect("a module");
    let component = encoder.encode().expect("it has metadata");
    [core, &component].map(|bytes| {
        engine().open(bytes).expect("it is sound").selector(terms).expect("it is ready")
    })
}

fn answers(policies: &mut [WasmSelector; 2], question: &SelectorQuestion) -> Result<u64, Strike> {
    let [bare, component] = policies;
    let answer = bare.choose(question);
    assert_eq!(answer, component.choose(question), "{question:?}");
    answer
}

/// Questions that differ in everything.
fn questions() -> impl Iterator<Item = SelectorQuestion> {
    let mut state = 1_u64;
    let mut draw = move |below: u64| {
        // Knuth's MMIX generator; the high bits are the good ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..500).map(move |number| {
        let mut paths = vec![PathRow::STRIDE as u32];
        for id in 0..draw(20) as u32 {
            let flags = UP | [0, 0, 0, SUSPECT, MASKED][draw(5) as usize];
            let [srtt_us, room_bytes, inflight_bytes] =
                [200_000, 60_000, 50_000].map(|below| draw(below) as u32);
            let row =
                PathRow { id, flags, srtt_us, room_bytes, inflight_bytes, ..PathRow::default() };
            row.write(&mut paths);
        }
        SelectorQuestion {
            class: draw(3) as u32,
            seed: draw(1 << 31),
            head_bytes: draw(20_000) as u32,
            standing: draw(2_000) as i32 - 1_000,
            paths,
            ..question(number)
        }
    })
}

#[test]
fn the_shipped_selectors_answer_alike() {
    let none = Settings::default();
    for name in pointsman_core::policy::builtin::SELECTORS {
        let mut policies = both(&shipped::module(name), &terms(&none, BUDGET_US));
        let ways =
            policies.each_ref().map(|policy| format!("{policy:?}").contains("is_bare: true"));
        assert_eq!(ways, [true, false], "{name}");
        for question in questions() {
            assert!(answers(&mut policies, &question).is_ok(), "{name}");
        }
    }
}

#[test]
fn settings_of_every_kind_and_what_was_learned_arrive_alike() {
    let entries = [
        ("on", Value::Boolean(true)),
        ("size", Value::Integer(-7)),
        ("name", Value::Text("größer".into())),
        ("list", Value::Integers(vec![1, -2, i64::MAX])),
        ("names", Value::Texts(vec!["a".into(), String::new(), "bc".into()])),
    ];
    let learned = State { schema: 3, bytes: (0..200).collect() };
    let mut seen = Vec::new();
    for taken in 0..=entries.len() {
        let some = entries[..taken].iter().map(|(key, value)| ((*key).into(), value.clone()));
        let settings = Settings::new(some.collect());
        for learned in [None, Some(&learned)] {
            let terms = Terms { learned, ..terms(&settings, BUDGET_US) };
            seen.push(answers(&mut both(&MIXING.bytes(), &terms), &question(1)));
        }
    }
    assert!(seen.iter().all(Result::is_ok), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 12, "each of them is another: {seen:?}");
}

#[test]
fn what_gives_room_may_not_call_the_host() {
    const GIVES: &str = "(local.set $at (i32.and";
    let guest = Guest {
        imports: r#"(import "pointsman:policy/host-log@0.1.0" "emit" (func $emit (param i32 i32 i32)))"#,
        ..SELECTOR
    };
    let calls = format!("(call $emit (i32.const 2) (i32.const 1024) (i32.const 7)) {GIVES}");
    let none = Settings::default();
    let mut sound = both(&guest.bytes(), &terms(&none, BUDGET_US));
    assert_eq!(answers(&mut sound, &question(1)), Ok(0x11));
    let text = guest.text().replace(GIVES, &calls);
    let opened = engine().open(&crate::by_role::assembled(&guest, &text)).expect("it is sound");
    assert!(opened.selector(&terms(&none, BUDGET_US)).is_err(), "its settings need room");
}

#[test]
fn a_list_is_lent_to_who_takes_it_so_and_given_to_all_others() {
    const TAKES: &str = "i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32";
    let lent = |takes: &str| {
        // Its verdict is the last number of the list.
        let extra = format!(
            r#"(func (export "pointsman:policy/selector@0.1.0#choose-lent") (param {takes})
                (result i64) (i64.load32_u (i32.sub (i32.add (local.get 14)
                    (i32.mul (local.get 15) (i32.const 4))) (i32.const 4))))"#
        );
        let guest = Guest { extra: Box::leak(extra.into_boxed_str()), ..SELECTOR };
        let none = Settings::default();
        engine().open(&guest.bytes()).expect("sound").selector(&terms(&none, BUDGET_US))
    };
    let with_paths = |paths: u32| {
        let mut list = vec![PathRow::STRIDE as u32];
        let row = |id| PathRow { id, confidence: 1_000 + id, ..PathRow::default() };
        (0..paths).for_each(|id| row(id).write(&mut list));
        SelectorQuestion { paths: list, ..question(1) }
    };
    let mut policy = lent(TAKES).expect("it is ready");
    for paths in [1, 4, 16] {
        let last = Ok(u64::from(1_000 + paths - 1));
        assert_eq!(policy.choose(&with_paths(paths)), last, "of what was lent");
    }
    assert_eq!(policy.choose(&with_paths(17)), Ok(0x11), "too long for what was lent");
    let mut other = lent(&format!("{TAKES} i32")).expect("it is ready");
    assert_eq!(other.choose(&with_paths(4)), Ok(0x11), "it is not the function that is known");
}
