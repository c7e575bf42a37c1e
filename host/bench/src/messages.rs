//! Acknowledged messages of 1 KiB between two processes over loopback, at most so many
//! unacknowledged at a time.
//!
//! Every round starts two fresh processes of this program: one receives and answers each
//! message with its number, the other sends and counts. Setting up the connection is not
//! measured.

mod node;
mod quic;
mod stream;
mod swarm;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::figures::median;
use crate::table::{Row, print};

/// What a message carries.
pub(crate) const MESSAGE_BYTES: usize = 1_024;

/// `messages`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Messages in a round
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// Most messages that are not acknowledged
    #[arg(long, default_value_t = 512)]
    window: u64,
    /// Rounds of each contender
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One end of a round.
#[derive(Debug, clap::Args)]
pub(crate) struct EndArguments {
    contender: Contender,
    /// Where the receiver listens; without it, this is the receiver.
    #[arg(long)]
    to: Option<String>,
    #[arg(long)]
    messages: u64,
    #[arg(long)]
    window: u64,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Contender {
    /// pointsman over one QUIC link
    PointsmanQuic,
    /// pointsman over one TCP link
    PointsmanTcp,
    /// One libp2p stream over TCP, Noise and yamux
    Libp2pTcp,
    /// One libp2p stream over QUIC
    Libp2pQuic,
    /// One QUIC stream of quinn
    Quinn,
}

/// What one end measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    seconds: f64,
    cpu_seconds: f64,
}

/// Work of a round, for both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// How many messages.
    pub(crate) messages: u64,
    /// Most unacknowledged ones.
    pub(crate) window: u64,
}

#[derive(Debug, Serialize)]
struct Line {
    contender: String,
    rounds: usize,
    messages_per_s: f64,
    slowest_per_s: f64,
    fastest_per_s: f64,
    ratio_to_best: f64,
    cpu_s_per_gb_sender: f64,
    cpu_s_per_gb_receiver: f64,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "contender",
        "rounds",
        "msg/s median",
        "slowest",
        "fastest",
        "ratio to best",
        "CPU s/GB sender",
        "receiver",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.contender.clone(),
            self.rounds.to_string(),
            format!("{:.0}", self.messages_per_s),
            format!("{:.0}", self.slowest_per_s),
            format!("{:.0}", self.fastest_per_s),
            format!("{:.2}", self.ratio_to_best),
            format!("{:.2}", self.cpu_s_per_gb_sender),
            format!("{:.2}", self.cpu_s_per_gb_receiver),
        ]
    }
}

/// Runs all rounds and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let wanted =
        |contender: &Contender| arguments.only.is_empty() || arguments.only.contains(contender);
    let contenders: Vec<_> = Contender::value_variants().iter().copied().filter(wanted).collect();
    let mut rounds = vec![Vec::new(); contenders.len()];
    for _ in 0..arguments.rounds {
        for (contender, rounds) in contenders.iter().zip(&mut rounds) {
            rounds.push(round(*contender, arguments)?);
        }
    }
    let mut lines: Vec<_> = contenders
        .iter()
        .zip(&rounds)
        .map(|(contender, rounds)| line(*contender, rounds, arguments.messages))
        .collect();
    let best = lines.iter().map(|line| line.messages_per_s).fold(0.0, f64::max);
    lines.iter_mut().for_each(|line| line.ratio_to_best = line.messages_per_s / best);
    print(&lines, arguments.json)
}

fn line(contender: Contender, rounds: &[(Measured, Measured)], messages: u64) -> Line {
    let rates: Vec<f64> =
        rounds.iter().map(|(sender, _)| messages as f64 / sender.seconds).collect();
    let gigabytes = messages as f64 * MESSAGE_BYTES as f64 / 1e9;
    let cpu = |of: fn(&(Measured, Measured)) -> Measured| {
        let each: Vec<f64> = rounds.iter().map(|round| of(round).cpu_seconds / gigabytes).collect();
        median(&each)
    };
    Line {
        contender: name(contender),
        rounds: rounds.len(),
        messages_per_s: median(&rates),
        slowest_per_s: rates.iter().copied().fold(f64::INFINITY, f64::min),
        fastest_per_s: rates.iter().copied().fold(0.0, f64::max),
        ratio_to_best: 0.0,
        cpu_s_per_gb_sender: cpu(|round| round.0),
        cpu_s_per_gb_receiver: cpu(|round| round.1),
    }
}

fn name(contender: Contender) -> String {
    contender.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What the sender and the receiver measured.
fn round(contender: Contender, arguments: &Arguments) -> anyhow::Result<(Measured, Measured)> {
    let mut receiver = End::start(contender, arguments, None)?;
    let address = receiver.line().context("the receiver's address")?;
    let mut sender = End::start(contender, arguments, Some(&address))?;
    let sent = sender.line().context("what the sender measured")?;
    let received = receiver.line().context("what the receiver measured")?;
    Ok((serde_json::from_str(&sent)?, serde_json::from_str(&received)?))
}

/// A child process; killed when dropped.
struct End {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl End {
    fn start(
        contender: Contender,
        arguments: &Arguments,
        to: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("messages-end").arg(name(contender));
        command.args(["--messages", &arguments.messages.to_string()]);
        command.args(["--window", &arguments.window.to_string()]);
        command.args(to.map(|to| format!("--to={to}")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        Ok(Self { child, lines })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.lines.read_line(&mut line)? > 0, "the process ended early");
        Ok(line.trim().to_owned())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One end of a round: says its address or nothing, does the work, says what it measured.
pub(crate) fn run_end(arguments: &EndArguments) -> anyhow::Result<()> {
    let work = Work { messages: arguments.messages, window: arguments.window };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let to = arguments.to.as_deref();
    let measured = runtime.block_on(async {
        match arguments.contender {
            Contender::PointsmanQuic => node::end("quic", to, work).await,
            Contender::PointsmanTcp => node::end("tcp", to, work).await,
            Contender::Libp2pTcp => swarm::end("/ip4/127.0.0.1/tcp/0", to, work).await,
            Contender::Libp2pQuic => swarm::end("/ip4/127.0.0.1/udp/0/quic-v1", to, work).await,
            Contender::Quinn => quic::end(to, work).await,
        }
    })?;
    println!("{}", serde_json::to_string(&measured)?);
    // The other end may still wait for what this one wrote last: stay until the parent, which
    // holds the pipe, has heard of both.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
