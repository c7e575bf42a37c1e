//! Goodput over two uplinks at once against each of them alone.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use pointsman_lab::{Conditions, Direction, Lab, TwoWays};
use serde::Serialize;

use crate::failover::fault::name;
use crate::failover::flow::{MESSAGE_BYTES, Pace};
use crate::failover::{Contender, start};
use crate::figures::median;
use crate::table::{Row, print};

/// Slow start is over by then on the links of these programs.
const WARM_UP: Duration = Duration::from_secs(2);

/// `uplinks`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Rates of the two uplinks in Mbit/s
    #[arg(long, value_delimiter = ',', num_args = 2, default_values_t = [20, 10])]
    mbps: Vec<u32>,
    /// Round-trip time of both in milliseconds
    #[arg(long, default_value_t = 20)]
    rtt_ms: u32,
    /// How long each round measures, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each contender
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    contender: String,
    rounds: usize,
    first_mbps: f64,
    second_mbps: f64,
    both_mbps: f64,
    both_to_sum: f64,
    both_to_best: f64,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "contender",
        "rounds",
        "first alone Mbit/s",
        "second alone",
        "both",
        "both / sum",
        "both / best",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.contender.clone(),
            self.rounds.to_string(),
            format!("{:.2}", self.first_mbps),
            format!("{:.2}", self.second_mbps),
            format!("{:.2}", self.both_mbps),
            format!("{:.2}", self.both_to_sum),
            format!("{:.2}", self.both_to_best),
        ]
    }
}

/// Runs all rounds and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = |one: &&Contender| arguments.only.is_empty() || arguments.only.contains(one);
    let mut lines = Vec::new();
    for contender in Contender::value_variants().iter().filter(wanted) {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..arguments.rounds {
            for (open, rates) in [&[0][..], &[1], &[0, 1]].into_iter().zip(&mut rates) {
                rates.push(round(*contender, open, arguments)?);
            }
        }
        let [first, second, both] = rates.map(|rates| median(&rates));
        lines.push(Line {
            contender: name(*contender),
            rounds: arguments.rounds,
            first_mbps: first,
            second_mbps: second,
            both_mbps: both,
            both_to_sum: both / (first + second),
            both_to_best: both / first.max(second),
        });
    }
    print(&lines, arguments.json)
}

/// Goodput in Mbit/s where only the uplinks `open` carry; the others are cut after the start.
fn round(contender: Contender, open: &[usize], arguments: &Arguments) -> anyhow::Result<f64> {
    let mut lab = Lab::new(1)?;
    let net = TwoWays::new(&mut lab)?;
    for (uplink, mbps) in net.client.uplinks.iter().zip(&arguments.mbps) {
        let conditions = Conditions {
            delay: Duration::from_millis(arguments.rtt_ms.into()) / 2,
            rate_kbps: mbps * 1_000,
            // One bandwidth-delay product or 100 ms, whatever is more.
            queue_bytes: mbps * 125 * arguments.rtt_ms.max(100),
            ..Conditions::default()
        };
        uplink.port.change(&Direction::BOTH, |now| *now = conditions);
    }
    let flow = start(contender, &net, Pace::Full)?;
    for (index, uplink) in net.client.uplinks.iter().enumerate() {
        if !open.contains(&index) {
            uplink.port.cut(&Direction::BOTH);
        }
    }
    std::thread::sleep(WARM_UP);
    let (before, start) = (flow.arrived(), Instant::now());
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (messages, took) = (flow.arrived() - before, start.elapsed());
    for uplink in &net.client.uplinks {
        uplink.port.heal(&Direction::BOTH);
    }
    flow.stop()?;
    Ok(messages as f64 * MESSAGE_BYTES as f64 * 8.0 / took.as_secs_f64() / 1e6)
}
