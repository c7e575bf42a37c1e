//! Modules written by hand, most of them hostile, and questions to ask them.

use pointsman_core::policy::{FailoverQuestion, SelectorQuestion};
use pointsman_engine::{Engine, InspectError, Limits, LoadError, Module, Setup, Terms};
use pointsman_engine::{WasmFailover, WasmSelector};
use pointsman_sdk::failover::Event;
use pointsman_sdk::path::flags::UP;
use pointsman_sdk::{PathRow, Settings, UNKNOWN};

/// The contract, as policies are built against it.
pub(crate) const WIT: &str = include_str!("../../../../sdk/wit/policy.wit");

/// A core module in parts; each is WebAssembly text.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    /// The contract that its metadata is made of.
    pub(crate) wit: &'static str,
    /// The world in it.
    pub(crate) world: &'static str,
    /// The version in the names of its exports.
    pub(crate) version: &'static str,
    /// Imports.
    pub(crate) imports: &'static str,
    /// Further functions, globals and a start section.
    pub(crate) extra: &'static str,
    /// Body of `configure`, before it succeeds.
    pub(crate) configure: &'static str,
    /// Body of `choose`: leaves an i64.
    pub(crate) choose: &'static str,
    /// Body of `decide`: leaves the address of a verdict.
    pub(crate) decide: &'static str,
    /// Body of `fold`: leaves the address of a standing.
    pub(crate) fold: &'static str,
    /// Body of `inspect`: leaves the address of a list of findings.
    pub(crate) inspect: &'static str,
    /// Body of `learn`: leaves the address of a state, or of none.
    pub(crate) learn: &'static str,
}

/// Sends on the first path.
pub(crate) const SELECTOR: Guest = Guest {
    wit: WIT,
    world: "selector-policy",
    version: "0.1.0",
    imports: "",
    extra: "",
    configure: "",
    choose: "i64.const 0x11",
    decide: "",
    fold: "",
    inspect: "",
    learn: "i32.const 1200",
};

/// Stays, for the reason 9.
pub(crate) const FAILOVER: Guest = Guest {
    world: "failover-policy",
    choose: "",
    decide: "(i32.store (i32.const 1304) (i32.const 9)) i32.const 1300",
    ..SELECTOR
};

/// Counts observations in the score, and keeps `a`.
pub(crate) const REPUTATION: Guest = Guest {
    world: "reputation-policy",
    choose: "",
    fold: "(i32.store (i32.const 1304) (i32.add (local.get 1) (local.get 7)))
        (i32.store (i32.const 1308) (local.get 2))
        (i64.store (i32.const 1320) (local.get 0)) i32.const 1304",
    ..SELECTOR
};

/// Finds the first sample of the first series, by rule 7.
pub(crate) const ANOMALY: Guest = Guest {
    world: "anomaly-policy",
    choose: "",
    inspect:
        "(i32.store (i32.const 1304) (i32.const 1320)) (i32.store (i32.const 1308) (i32.const 1))
        (i32.store (i32.const 1320) (i32.const 7)) (i32.store8 (i32.const 1324) (i32.const 1))
        (i32.store (i32.const 1328) (i32.load (local.get 1)))
        (i32.store (i32.const 1332) (i32.load offset=4 (local.get 1)))
        (i64.store (i32.const 1336) (i64.load (i32.load offset=12 (local.get 1))))
        (i32.store8 (i32.const 1344) (i32.const 4)) i32.const 1304",
    ..SELECTOR
};

impl Guest {
    /// The module as text. Manifest at 1100, results at 1200 and 1300, lists from 8192 on.
    pub(crate) fn text(&self) -> String {
        let Self { version, imports, extra, configure, learn, .. } = self;
        let role = self.role();
        format!(
            r#"(module {imports}
            (memory (export "memory") 2)
            (global $heap (mut i32) (i32.const 8192))
            (data (i32.const 1024) "by-hand") (data (i32.const 1040) "1.0.0")
            (data (i32.const 1100) "\00\04\00\00\07\00\00\00\10\04\00\00\05\00\00\00")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (if (i32.gt_u (global.get $heap) (i32.const 100000))
                    (then (global.set $heap (i32.const 8192))))
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "pointsman:policy/lifecycle@{version}#describe") (result i32)
                i32.const 1100)
            (func (export "pointsman:policy/lifecycle@{version}#configure")
                (param i32 i32 i32 i32 i32 i32) (result i32) {configure} i32.const 1200)
            (func (export "pointsman:policy/learner@{version}#learn")
                (param i32 i32 i32 i32 i32 i32) (result i32) {learn})
            {extra} {role})"#
        )
    }

    /// The function of the role whose body is there.
    fn role(&self) -> String {
        let Self { version, choose, decide, fold, inspect, .. } = self;
        let role = [
            (
                "selector",
                "choose",
                choose,
                "i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32",
                "i64",
            ),
            ("failover", "decide", decide, "i32", "i32"),
            ("reputation", "fold", fold, "i64 i32 i32 i32 i32 i64 i32 i32", "i32"),
            ("anomaly", "inspect", inspect, "i64 i32 i32", "i32"),
        ]
        .into_iter()
        .find(|(_, _, body, ..)| !body.is_empty());
        role.map_or(String::new(), |(role, name, body, takes, gives)| {
            format!(
                r#"(func ${name} (export "pointsman:policy/{role}@{version}#{name}")
                (param {takes}) (result {gives}) {body})"#
            )
        })
    }

    /// The module with its metadata, as a toolchain would leave it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("the text is WebAssembly");
        let mut resolve = wit_parser::Resolve::default();
        let package = resolve.push_str("policy.wit", self.wit).expect("the contract parses");
        let world = resolve.select_world(&[package], Some(self.world)).expect("the world exists");
        wit_component::embed_component_metadata(
            &mut module,
            &resolve,
            world,
            wit_component::StringEncoding::UTF8,
            false,
        )
        .expect("a core module takes metadata");
        module
    }
}

/// An engine with the limits that a node has.
pub(crate) fn engine() -> Engine {
    engine_with(Limits::default())
}

/// An engine with these limits, that compiles here and keeps nothing.
pub(crate) fn engine_with(limits: Limits) -> Engine {
    Engine::new(Setup { limits, ..Setup::default() }).expect("this machine runs WebAssembly")
}

/// More than any guest here needs on a busy machine, except those that never end.
pub(crate) const BUDGET_US: u32 = 100_000;

/// For guests that never end.
pub(crate) const TIGHT_US: u32 = 1_000;

/// Without state, and with memory for a policy in Rust.
pub(crate) fn terms(settings: &Settings, call_us: u32) -> Terms<'_> {
    Terms { settings, learned: None, call_us, memory_bytes: 16 << 20 }
}

/// Opens a module of these bytes.
pub(crate) fn open(bytes: &[u8]) -> Result<Module, InspectError> {
    engine().open(bytes)
}

/// A selector of these bytes, without settings.
pub(crate) fn selector_of(bytes: &[u8], call_us: u32) -> Result<WasmSelector, LoadError> {
    open(bytes)?.selector(&terms(&Settings::default(), call_us))
}

/// A failover policy of these bytes, without settings.
pub(crate) fn failover_of(bytes: &[u8], call_us: u32) -> Result<WasmFailover, LoadError> {
    open(bytes)?.failover(&terms(&Settings::default(), call_us))
}

/// Two paths that are up, the second one faster.
pub(crate) fn paths() -> Vec<u32> {
    let mut list = vec![PathRow::STRIDE as u32];
    for srtt_us in [50_000, 5_000] {
        let room_bytes = 64_000;
        PathRow { flags: UP, srtt_us, room_bytes, ..PathRow::default() }.write(&mut list);
    }
    list
}

/// A question at this time, over [`paths`].
pub(crate) fn question(now_us: u64) -> SelectorQuestion {
    SelectorQuestion { now_us, head_bytes: 1_200, paths: paths(), ..SelectorQuestion::default() }
}

/// A question about the first of [`paths`].
pub(crate) fn failover_question(now_us: u64) -> FailoverQuestion {
    FailoverQuestion {
        now_us,
        seed: 0,
        peer: 1,
        event: Event::Tick,
        at: 0,
        oldest_unacked_us: 0,
        unacked_bytes: [0; 3],
        misses: 0,
        others_progressed: 0,
        loop_lag_us: 0,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        deadline_min_us: UNKNOWN,
        hedge_budget_bytes: 0,
        store_left_kib: 0,
        paths: paths(),
        dialables: vec![6],
    }
}
