//! The same small policy behind six ways to exchange one on a running program.

use anyhow::{Context, anyhow};
use pointsman_core::policy::builtin::Native;
use pointsman_core::policy::{Selector, SelectorQuestion};
use pointsman_engine::{Engine, Setup, Terms};
use pointsman_sdk::path::flags::{MASKED, SUSPECT, UP};
use pointsman_sdk::selector::{self, Question, Verdict};
use pointsman_sdk::{Manifest, Settings};

use super::modules;

/// Asks one question; the packed verdict.
pub(super) type Asked = Box<dyn FnMut(&SelectorQuestion) -> anyhow::Result<u64>>;

/// What a verdict of these policies is, given the position or -1.
fn packed(position: i64) -> u64 {
    usize::try_from(position).map_or(Verdict::hold(10_000), Verdict::send).pack()
}

/// The policy as plain Rust.
#[derive(Debug, Default)]
struct Shortest;

impl selector::Selector for Shortest {
    fn manifest() -> Manifest {
        Manifest::new("shortest", "1.0.0")
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let usable = question.paths.iter().enumerate().filter(|(_, path)| {
            path.flags() & (UP | SUSPECT | MASKED) == UP
                && path.room_bytes() >= question.head_bytes
                && path.srtt_us() < u32::MAX
        });
        let best = usable.min_by_key(|(position, path)| (path.srtt_us(), *position));
        best.map_or(Verdict::hold(10_000), |(position, _)| Verdict::send(position))
    }
}

/// Through the trait object that the slot asks.
pub(super) fn native() -> Asked {
    let mut policy: Box<dyn Selector> = Box::new(Native(Shortest));
    Box::new(move |question| policy.choose(question).map_err(|strike| anyhow!("{strike}")))
}

/// As a component in pointsman's engine, with its budgets.
pub(super) fn component(module: &[u8]) -> anyhow::Result<Asked> {
    let engine = Engine::new(Setup::default())?;
    let settings = Settings::default();
    let terms =
        Terms { settings: &settings, learned: None, call_us: 100_000, memory_bytes: 16 << 20 };
    let mut policy: Box<dyn Selector> = Box::new(engine.open(module)?.selector(&terms)?);
    Ok(Box::new(move |question| policy.choose(question).map_err(|strike| anyhow!("{strike}"))))
}

/// The module of the small policy.
pub(super) fn shortest_component() -> anyhow::Result<Asked> {
    component(&modules::selector()?)
}

/// As an Extism plug-in: bytes in, bytes out.
pub(super) fn extism() -> anyhow::Result<Asked> {
    let manifest = extism::Manifest::new([extism::Wasm::data(modules::plug_in()?)]);
    let mut plug_in = extism::Plugin::new(manifest, [], false)?;
    let mut input = Vec::new();
    Ok(Box::new(move |question| {
        input.clear();
        input.extend_from_slice(&question.head_bytes.to_le_bytes());
        question.paths.iter().for_each(|field| input.extend_from_slice(&field.to_le_bytes()));
        let output: &[u8] = plug_in.call("choose", input.as_slice())?;
        Ok(u64::from_le_bytes(output.try_into().context("eight bytes")?))
    }))
}

/// As a Rhai script: the list as an array of integers.
pub(super) fn rhai() -> anyhow::Result<Asked> {
    let engine = rhai::Engine::new();
    let script = engine.compile(include_str!("shortest.rhai"))?;
    Ok(Box::new(move |question| {
        let paths: rhai::Array =
            question.paths.iter().map(|&field| rhai::Dynamic::from(i64::from(field))).collect();
        let arguments = (i64::from(question.head_bytes), paths);
        let mut scope = rhai::Scope::new();
        let position: i64 = engine
            .call_fn(&mut scope, &script, "choose", arguments)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(packed(position))
    }))
}

/// As a Lua 5.4 function: the list as a table.
pub(super) fn lua() -> anyhow::Result<Asked> {
    let told = |error: mlua::Error| anyhow!("{error}");
    let lua = mlua::Lua::new();
    lua.load(include_str!("shortest.lua")).exec().map_err(told)?;
    let choose: mlua::Function = lua.globals().get("choose").map_err(told)?;
    Ok(Box::new(move |question| {
        let paths = lua.create_sequence_from(question.paths.iter().copied()).map_err(told)?;
        let position: i64 = choose.call((question.head_bytes, paths)).map_err(told)?;
        Ok(packed(position))
    }))
}

/// As a Rego rule: the three fields that it needs of each path, as a document.
pub(super) fn rego() -> anyhow::Result<Asked> {
    let mut engine = regorus::Engine::new();
    engine
        .add_policy("shortest.rego".into(), include_str!("shortest.rego").into())
        .map_err(|error| anyhow!("{error}"))?;
    Ok(Box::new(move |question| {
        let stride = question.paths.first().map_or(1, |&stride| stride as usize);
        let row = |row: &[u32]| {
            let flags = u64::from(row[2] & (UP | SUSPECT | MASKED));
            let fields = [flags, u64::from(row[5]), u64::from(row[11])];
            regorus::Value::from(fields.map(regorus::Value::from).to_vec())
        };
        let rows: Vec<_> = question.paths[1..].chunks_exact(stride).map(row).collect();
        let input = [
            ("head".into(), u64::from(question.head_bytes).into()),
            ("paths".into(), regorus::Value::from(rows)),
        ];
        engine.set_input(regorus::Value::from(std::collections::BTreeMap::from(input)));
        let answer =
            engine.eval_rule("data.pointsman.choose".into()).map_err(|error| anyhow!("{error}"))?;
        Ok(packed(answer.as_i64().map_err(|error| anyhow!("{error}"))?))
    }))
}
