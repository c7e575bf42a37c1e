//! What loading a policy and asking it costs, beside the same policy compiled natively.
//!
//! Needs the modules that `./x policies` builds. Run it with
//! `cargo run --release -p pointsman-engine --example question`: without `--release` it measures
//! the debug build. The best of several rounds is told, as what else runs here only adds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pointsman_core::policy::{Selector, SelectorQuestion, builtin};
use pointsman_engine::{Engine, Setup, Terms};
use pointsman_sdk::path::flags::UP;
use pointsman_sdk::selector::Class;
use pointsman_sdk::{PathRow, Settings};

const ROUNDS: usize = 7;
const QUESTIONS: u32 = 300_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    let bytes = module("fastest-first")?;
    let folder = tempfile::tempdir()?;
    let cold = || -> Outcome<Duration> {
        let engine = Engine::new(Setup::default())?;
        timed(|| load(&engine, &bytes).map(drop))
    };
    writeln!(out, "load, compiled      {:8.2} ms", best(cold)?.as_secs_f64() * 1e3)?;
    let setup = Setup { cache: Some(folder.path().join("compiled")), ..Setup::default() };
    load(&Engine::new(setup.clone())?, &bytes)?;
    let warm = || -> Outcome<Duration> {
        let engine = Engine::new(setup.clone())?;
        timed(|| load(&engine, &bytes).map(drop))
    };
    writeln!(out, "load, from the cache{:8.2} ms", best(warm)?.as_secs_f64() * 1e3)?;
    for paths in [1, 2, 4, 8, 16] {
        for class in [Class::Realtime, Class::Bulk] {
            let question = question(paths, class);
            let mut wasm = load(&Engine::new(setup.clone())?, &bytes)?;
            let mut native = builtin::selector("fastest-first", &Settings::default())
                .map_err(|error| error.to_string())?;
            let component = best(|| ask(wasm.as_mut(), &question))?;
            let native = best(|| ask(native.as_mut(), &question))?;
            let each = |took: Duration| took.as_secs_f64() * 1e9 / f64::from(QUESTIONS);
            writeln!(
                out,
                "{paths:2} paths, {class:<10?} component {:6.1} ns, native {:6.1} ns, own measure {:?} ns",
                each(component),
                each(native),
                wasm.mean_cost_ns(),
            )?;
        }
    }
    Ok(())
}

/// A module that `./x policies` built.
fn module(name: &str) -> Outcome<Vec<u8>> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("POINTSMAN_POLICIES").map_or(built, PathBuf::from);
    let file = folder.join(name).with_extension("wasm");
    std::fs::read(&file)
        .map_err(|error| format!("{}: {error}; run `./x policies` first", file.display()).into())
}

/// All that the daemon does with a module before the Node asks it.
fn load(engine: &Engine, bytes: &[u8]) -> Outcome<Box<dyn Selector>> {
    let settings = Settings::default();
    let terms =
        Terms { settings: &settings, learned: None, call_us: 5_000, memory_bytes: 16 << 20 };
    Ok(Box::new(engine.open(bytes)?.selector(&terms)?))
}

fn question(paths: u32, class: Class) -> SelectorQuestion {
    let mut list = vec![PathRow::STRIDE as u32];
    for number in 0..paths {
        let row = PathRow {
            id: number,
            flags: UP,
            risk_group: number,
            srtt_us: 20_000 - number * 1_000,
            rate_kbps: 20_000,
            room_bytes: 64_000,
            inflight_bytes: 10_000,
            queued_bytes: 0,
            ..PathRow::default()
        };
        row.write(&mut list);
    }
    let class = class as u32;
    let (head_bytes, backlog_bytes) = (1_200, 100_000);
    SelectorQuestion { class, head_bytes, backlog_bytes, paths: list, ..Default::default() }
}

fn ask(policy: &mut dyn Selector, question: &SelectorQuestion) -> Outcome<Duration> {
    let mut question = question.clone();
    timed(|| {
        for now_us in 0..u64::from(QUESTIONS) {
            question.now_us = now_us;
            policy.choose(&question).map_err(|strike| strike.to_string())?;
        }
        Ok(())
    })
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn best(mut round: impl FnMut() -> Outcome<Duration>) -> Outcome<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        best = best.min(round()?);
    }
    Ok(best)
}
