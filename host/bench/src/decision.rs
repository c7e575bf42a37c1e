//! What one decision costs: the same small policy natively and behind every way to exchange a
//! policy on a running program, and the shipped `fastest-first` in both of its forms.
//!
//! Before anything is measured, all contenders must give the same answers. They alternate round
//! by round; a question is one of a few hundred that differ, over the same number of paths.

mod contenders;
mod modules;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use pointsman_core::policy::{SelectorQuestion, builtin};
use pointsman_sdk::path::flags::{MASKED, SUSPECT, UP};
use pointsman_sdk::{PathRow, Settings};
use serde::Serialize;

use crate::figures::median;
use crate::table::{Row, print};
use contenders::Asked;

/// Questions that are asked in turn.
const QUESTIONS: usize = 256;

/// `decision`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Paths in a question
    #[arg(long, default_value_t = 4)]
    paths: usize,
    /// Rounds of each contender
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How long a round lasts at least, in milliseconds
    #[arg(long, default_value_t = 100)]
    round_ms: u64,
    /// The module of fastest-first, as `./x policies` builds it
    #[arg(long, default_value = "../../target/policies/fastest-first.wasm")]
    module: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    policy: &'static str,
    contender: &'static str,
    rounds: usize,
    ns_median: f64,
    ns_least: f64,
    ns_most: f64,
    to_native: f64,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] =
        &["policy", "contender", "rounds", "ns/question median", "least", "most", "to native"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.policy.to_owned(),
            self.contender.to_owned(),
            self.rounds.to_string(),
            format!("{:.0}", self.ns_median),
            format!("{:.0}", self.ns_least),
            format!("{:.0}", self.ns_most),
            format!("{:.1}", self.to_native),
        ]
    }
}

/// A contender with what was measured of it.
struct Contender {
    policy: &'static str,
    name: &'static str,
    asked: Asked,
    ns: Vec<f64>,
}

/// Runs all rounds and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let questions = questions(arguments.paths);
    let mut contenders = all(arguments)?;
    agree(&mut contenders, &questions)?;
    for _ in 0..arguments.rounds {
        for contender in &mut contenders {
            let ns = round(&mut contender.asked, &questions, arguments.round_ms)?;
            contender.ns.push(ns);
        }
    }
    let native = |policy: &str| {
        let native = contenders.iter().find(|one| one.policy == policy && one.name == "native");
        native.map_or(f64::NAN, |one| median(&one.ns))
    };
    let line = |one: &Contender| Line {
        policy: one.policy,
        contender: one.name,
        rounds: arguments.rounds,
        ns_median: median(&one.ns),
        ns_least: one.ns.iter().copied().fold(f64::INFINITY, f64::min),
        ns_most: one.ns.iter().copied().fold(0.0, f64::max),
        to_native: median(&one.ns) / native(one.policy),
    };
    print(&contenders.iter().map(line).collect::<Vec<_>>(), arguments.json)
}

fn all(arguments: &Arguments) -> anyhow::Result<Vec<Contender>> {
    let file = &arguments.module;
    let module = std::fs::read(file)
        .with_context(|| format!("{}: build it with ./x policies", file.display()))?;
    let mut shipped = builtin::selector("fastest-first", &Settings::default())?;
    let shipped: Asked = Box::new(move |question| {
        shipped.choose(question).map_err(|strike| anyhow::anyhow!("{strike}"))
    });
    let contenders = [
        ("shortest", "native", contenders::native()),
        ("shortest", "component", contenders::shortest_component()?),
        ("shortest", "extism", contenders::extism()?),
        ("shortest", "mlua", contenders::lua()?),
        ("shortest", "rhai", contenders::rhai()?),
        ("shortest", "regorus", contenders::rego()?),
        ("fastest-first", "native", shipped),
        ("fastest-first", "component", contenders::component(&module)?),
    ];
    let contender = |(policy, name, asked)| Contender { policy, name, asked, ns: Vec::new() };
    Ok(contenders.map(contender).into())
}

/// Fails where two contenders of one policy answer a question differently.
fn agree(contenders: &mut [Contender], questions: &[SelectorQuestion]) -> anyhow::Result<()> {
    for question in questions {
        let mut given: Vec<(&str, u64)> = Vec::new();
        for contender in &mut *contenders {
            let answer = (contender.asked)(question).with_context(|| contender.name.to_owned())?;
            let first = given.iter().find(|(policy, _)| *policy == contender.policy);
            let expected = first.map_or(answer, |&(_, answer)| answer);
            let name = contender.name;
            ensure!(answer == expected, "{name} answers {answer:#x}, and native {expected:#x}");
            given.push((contender.policy, answer));
        }
    }
    Ok(())
}

/// Nanoseconds a question.
fn round(asked: &mut Asked, questions: &[SelectorQuestion], ms: u64) -> anyhow::Result<f64> {
    let (begun, mut count) = (Instant::now(), 0_u64);
    while begun.elapsed().as_millis() < u128::from(ms) {
        for question in questions {
            black_box(asked(black_box(question))?);
        }
        count += questions.len() as u64;
    }
    Ok(begun.elapsed().as_nanos() as f64 / count as f64)
}

/// Questions that differ in what paths there are and how good they are.
fn questions(paths: usize) -> Vec<SelectorQuestion> {
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        // Knuth's MMIX generator; the high bits are the good ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut question = |number: usize| {
        let mut list = vec![PathRow::STRIDE as u32];
        for id in 0..paths as u32 {
            let extra = [0, 0, 0, SUSPECT, MASKED][draw(5) as usize];
            let (srtt_us, room_bytes) = (1_000 + draw(200_000) as u32, draw(60_000) as u32);
            let (inflight_bytes, queued_bytes) = (draw(50_000) as u32, 0);
            let flags = UP | extra;
            PathRow {
                id,
                flags,
                srtt_us,
                room_bytes,
                inflight_bytes,
                queued_bytes,
                rate_kbps: 1_000 + draw(100_000) as u32,
                ..PathRow::default()
            }
            .write(&mut list);
        }
        SelectorQuestion {
            now_us: number as u64,
            head_bytes: 1_200,
            backlog_bytes: 1_200,
            paths: list,
            ..SelectorQuestion::default()
        }
    };
    (0..QUESTIONS).map(&mut question).collect()
}
