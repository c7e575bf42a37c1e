//! The gap at the receiver when the uplink in use fails, with two uplinks to one address.
//!
//! Every trial builds a lab of its own: a client with `wifi0` and `lan0`, a router, a server
//! with one address. The client sends numbered messages at a steady rate; the uplink that
//! carries them (the one whose port counts more bytes) gets the fault at a random phase of the
//! sending; the longest time between two new messages at the receiver, from the fault on, is
//! the gap. It contains the interval between two messages. Afterwards the fault is taken back
//! and the sender stops; what never arrived by then is lost.

pub(crate) mod fault;
pub(crate) mod flow;
mod mptcp;
pub(crate) mod node;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use pointsman_lab::dice::Dice;
use pointsman_lab::{Direction, Lab, Port, TwoWays};
use serde::Serialize;

use crate::figures::{median, quantile};
use crate::table::{Row, print};
use fault::Fault;
use flow::{Flow, MESSAGE_BYTES, Pace, Report};

/// A round-trip time that no fault here should hide, before the fault comes.
const WARM_UP: Duration = Duration::from_millis(600);
/// How long the active uplink is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// `failover`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Trials of each contender, fault and round-trip time
    #[arg(long, default_value_t = 10)]
    trials: usize,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Only these faults
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Round-trip times in milliseconds
    #[arg(long, value_delimiter = ',', default_values_t = [5, 50, 150])]
    rtt_ms: Vec<u32>,
    /// Messages of 1 KiB per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long the fault stays, in milliseconds
    #[arg(long, default_value_t = 3_000)]
    fault_ms: u64,
    /// Seed of the losses and phases
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Two nodes with a QUIC link over each uplink
    Pointsman,
    /// The kernel's MPTCP with two subflows
    Mptcp,
}

#[derive(Debug, Serialize)]
struct Line {
    contender: String,
    fault: String,
    rtt_ms: u32,
    trials: usize,
    gap_ms_p50: f64,
    gap_ms_p99: f64,
    gap_ms_max: f64,
    latency_ms_p99: f64,
    lost: u64,
    duplicates: u64,
    wire_per_payload: f64,
    switch_late_ms_max: f64,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "contender",
        "fault",
        "RTT ms",
        "trials",
        "gap ms p50",
        "p99",
        "max",
        "latency ms p99",
        "lost",
        "duplicates",
        "wire/payload",
        "switch late ms",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.contender.clone(),
            self.fault.clone(),
            self.rtt_ms.to_string(),
            self.trials.to_string(),
            format!("{:.0}", self.gap_ms_p50),
            format!("{:.0}", self.gap_ms_p99),
            format!("{:.0}", self.gap_ms_max),
            format!("{:.0}", self.latency_ms_p99),
            self.lost.to_string(),
            self.duplicates.to_string(),
            format!("{:.2}", self.wire_per_payload),
            format!("{:.1}", self.switch_late_ms_max),
        ]
    }
}

/// What one trial showed.
#[derive(Clone, Debug)]
struct Trial {
    gap_ms: f64,
    latencies_ms: Vec<f64>,
    lost: u64,
    duplicates: u64,
    wire_per_payload: f64,
    switch_late_ms: f64,
}

/// Runs all trials, in turns, and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chosen = |all: &'static [Contender]| {
        let wanted = |one: &&Contender| arguments.only.is_empty() || arguments.only.contains(one);
        all.iter().filter(wanted).copied().collect::<Vec<_>>()
    };
    let faults = match arguments.faults.as_slice() {
        [] => Fault::value_variants(),
        some => some,
    };
    let mut dice = Dice::new(arguments.seed);
    let mut lines = Vec::new();
    for &rtt_ms in &arguments.rtt_ms {
        for &fault in faults {
            for contender in chosen(Contender::value_variants()) {
                let trials = (0..arguments.trials)
                    .map(|_| trial(contender, fault, rtt_ms, arguments, &mut dice))
                    .collect::<anyhow::Result<Vec<_>>>()?;
                lines.push(line(contender, fault, rtt_ms, &trials));
            }
        }
    }
    print(&lines, arguments.json)
}

fn line(contender: Contender, fault: Fault, rtt_ms: u32, trials: &[Trial]) -> Line {
    let of = |figure: fn(&Trial) -> f64| trials.iter().map(figure).collect::<Vec<_>>();
    let gaps = of(|trial| trial.gap_ms);
    let latencies: Vec<_> =
        trials.iter().flat_map(|trial| trial.latencies_ms.iter().copied()).collect();
    Line {
        contender: fault::name(contender),
        fault: fault::name(fault),
        rtt_ms,
        trials: trials.len(),
        gap_ms_p50: median(&gaps),
        gap_ms_p99: quantile(&gaps, 990),
        gap_ms_max: quantile(&gaps, 1_000),
        latency_ms_p99: quantile(&latencies, 990),
        lost: trials.iter().map(|trial| trial.lost).sum(),
        duplicates: trials.iter().map(|trial| trial.duplicates).sum(),
        wire_per_payload: median(&of(|trial| trial.wire_per_payload)),
        switch_late_ms_max: quantile(&of(|trial| trial.switch_late_ms), 1_000),
    }
}

fn trial(
    contender: Contender,
    fault: Fault,
    rtt_ms: u32,
    arguments: &Arguments,
    dice: &mut Dice,
) -> anyhow::Result<Trial> {
    let mut lab = Lab::new(dice.bits())?;
    let net = TwoWays::new(&mut lab)?;
    let way = Duration::from_millis(rtt_ms.into()) / 2;
    let ports: Vec<Port> = net.client.uplinks.iter().map(|uplink| uplink.port.clone()).collect();
    ports.iter().for_each(|port| port.change(&Direction::BOTH, |now| now.delay = way));
    let flow = start(contender, &net, Pace::Steady { per_second: arguments.rate })?;
    std::thread::sleep(WARM_UP + Duration::from_micros(dice.below(100_000)));
    let active = &ports[busiest(&ports)];
    lab.switch().take_lateness();
    let wire_before = sent_bytes(&ports);
    let begin = Instant::now();
    fault.begin(active);
    std::thread::sleep(Duration::from_millis(arguments.fault_ms));
    fault.end(active);
    let report = flow.stop()?;
    let wire = sent_bytes(&ports) - wire_before;
    Ok(judge(&report, begin, wire, lab.switch().take_lateness()))
}

/// Starts a contender's flow from the client to the server; it returns when all of the
/// contender's ways are in use or on standby.
pub(crate) fn start(
    contender: Contender,
    net: &TwoWays,
    pace: Pace,
) -> anyhow::Result<Box<dyn Flow>> {
    match contender {
        Contender::Pointsman => node::start(net, pace),
        Contender::Mptcp => mptcp::start(net, pace),
    }
}

fn busiest(ports: &[Port]) -> usize {
    let before: Vec<_> = ports.iter().map(up_bytes).collect();
    std::thread::sleep(LOOK);
    let grown = |(index, before): (usize, &u64)| (up_bytes(&ports[index]) - before, index);
    before.iter().enumerate().map(grown).max().map_or(0, |(_, index)| index)
}

fn up_bytes(port: &Port) -> u64 {
    port.counters(Direction::Up).bytes
}

fn sent_bytes(ports: &[Port]) -> u64 {
    ports.iter().map(up_bytes).sum()
}

fn judge(report: &Report, begin: Instant, wire: u64, late: Duration) -> Trial {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let after = report.sent.iter().filter(|at| **at >= begin).count().max(1);
    let payload = (after * MESSAGE_BYTES) as f64;
    Trial {
        gap_ms: ms(report.longest_gap_since(begin)),
        latencies_ms: report.latencies_since(begin).map(ms).collect(),
        lost: report.lost(),
        duplicates: report.duplicates,
        wire_per_payload: wire as f64 / payload,
        switch_late_ms: ms(late),
    }
}
