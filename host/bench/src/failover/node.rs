//! pointsman between the client and the server: a node in a process of its own in each
//! namespace, one peer address, a link over each uplink of the client.
//!
//! The processes are this program again ([`run_end`]). They tell what they do as lines of a
//! number and a time of the monotonic clock, which all processes of a machine share.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use pointsman::{Filter, Message, Sender, TrySendError};
use pointsman_core::output::Fate;
use pointsman_lab::{Namespace, TwoWays};
use pointsman_sdk::selector::Class;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::AsyncReadExt;

use super::flow::{DRAIN, Flow, MESSAGE_BYTES, Pace, Report};
use crate::node::{Running as Node, peer_config, peer_of, start as start_node};

/// Links over both uplinks are there within this.
const LINKED_WITHIN: Duration = Duration::from_secs(20);
/// Messages under way at most.
const WINDOW: usize = 512;

/// One end of a trial; started by it.
#[derive(Debug, clap::Args)]
pub(crate) struct EndArguments {
    /// Who and where the server is; without it, this is the server.
    #[arg(long)]
    to: Option<String>,
    /// Messages per second; 0 for as many as it goes.
    #[arg(long, default_value_t = 0)]
    rate: u32,
}

struct Running {
    client: Child,
    server: Child,
    client_in: ChildStdin,
    arrived: Arc<AtomicU64>,
    sent: JoinHandle<Vec<(u64, Instant)>>,
    arrivals: JoinHandle<Vec<(u64, Instant)>>,
}

/// Starts both nodes and returns when they are linked over both uplinks and messages flow.
pub(crate) fn start(net: &TwoWays, pace: Pace) -> anyhow::Result<Box<dyn Flow>> {
    let mut server = child(&net.server.namespace, &[])?;
    let mut server_out = BufReader::new(server.stdout.take().context("a pipe")?);
    let to = line(&mut server_out).context("the server's address")?;
    let rate = match pace {
        Pace::Steady { per_second } => per_second,
        Pace::Full => 0,
    };
    let arguments = [format!("--to={to}"), format!("--rate={rate}")];
    let mut client = child(&net.client.namespace, &arguments)?;
    let mut client_out = BufReader::new(client.stdout.take().context("a pipe")?);
    let client_in = client.stdin.take().context("a pipe")?;
    anyhow::ensure!(line(&mut client_out)? == "linked", "the client did not link");
    let arrived = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&arrived);
    let sent = std::thread::spawn(move || stamps(client_out, &AtomicU64::new(0)));
    let arrivals = std::thread::spawn(move || stamps(server_out, &counter));
    Ok(Box::new(Running { client, server, client_in, arrived, sent, arrivals }))
}

impl Flow for Running {
    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    fn stop(mut self: Box<Self>) -> anyhow::Result<Report> {
        drop(self.client_in);
        let panicked = |panic| anyhow::anyhow!("a thread of the flow panicked: {panic:?}");
        let sent = self.sent.join().map_err(panicked)?;
        anyhow::ensure!(self.client.wait()?.success(), "the client failed");
        drop(self.server.stdin.take());
        let heard = self.arrivals.join().map_err(panicked)?;
        self.server.wait()?;
        let mut seen = std::collections::HashSet::new();
        let (arrivals, again): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|(number, _)| seen.insert(*number));
        let sent = sent.into_iter().map(|(_, at)| at).collect();
        Ok(Report { sent, arrivals, duplicates: again.len() as u64 })
    }
}

fn child(namespace: &Namespace, arguments: &[String]) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("failover-end").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(namespace.spawn(command)?)
}

fn line(from: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    anyhow::ensure!(from.read_line(&mut line)? > 0, "the process ended early");
    Ok(line.trim().to_owned())
}

/// Reads lines until the process ends.
fn stamps(from: impl BufRead, count: &AtomicU64) -> Vec<(u64, Instant)> {
    let (instant, ns) = (Instant::now(), monotonic_ns());
    let stamp = |line: String| {
        let (number, at) = line.split_once(' ')?;
        let at: u64 = at.parse().ok()?;
        let at = if at >= ns {
            instant + Duration::from_nanos(at - ns)
        } else {
            instant.checked_sub(Duration::from_nanos(ns - at))?
        };
        count.fetch_add(1, Ordering::Relaxed);
        Some((number.parse().ok()?, at))
    };
    from.lines().map_while(Result::ok).filter_map(stamp).collect()
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

fn tell(number: u64) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{number} {}", monotonic_ns())?;
    out.flush()
}

/// Runs until standard input ends: the parent holds its other end.
pub(crate) fn run_end(arguments: &EndArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments.to {
            None => serve().await,
            Some(to) => send(to, arguments.rate).await,
        }
    })?;
    // Reading standard input occupies a thread that nothing can end.
    runtime.shutdown_background();
    Ok(())
}

const COMMON: &str = "[network]\nname = \"pointsman-bench\"\n[mdns]\nenabled = false\n[bluetooth]\nenabled = false\n[nat]\nupnp = false\n\
                      [listen]\nquic = 4001\ntcp = false\n";

async fn serve() -> anyhow::Result<()> {
    let running = start_node(COMMON).await?;
    let mut arrivals = running.node.listen(Filter::default());
    println!("{}", running.whereabouts().await?);
    let mut end = tokio::spawn(stdin_ended());
    loop {
        tokio::select! {
            biased;
            next = arrivals.recv() => {
                let payload = next.context("the node stopped")?.payload;
                let number: [u8; 8] = payload[..8].try_into().context("a number")?;
                tell(u64::from_le_bytes(number))?;
            }
            _ = &mut end => return Ok(()),
        }
    }
}

async fn send(to: &str, rate: u32) -> anyhow::Result<()> {
    let running: Node = start_node(&format!("{COMMON}{}", peer_config(to)?)).await?;
    tokio::time::timeout(LINKED_WITHIN, running.linked(2)).await.context("two links")??;
    println!("linked");
    let peer = peer_of(to)?;
    let mut sender = running.node.sender(WINDOW);
    let mut end = tokio::spawn(stdin_ended());
    let start = tokio::time::Instant::now();
    let (mut sent, mut met) = (0u64, 0u64);
    let mut fates: Vec<(u64, Fate)> = Vec::new();
    loop {
        let due = match rate {
            0 => start,
            rate => start + Duration::from_secs(1) * sent as u32 / rate,
        };
        tokio::select! {
            _ = &mut end => break,
            _ = sender.fates(&mut fates), if sent > met => met += take(&mut fates),
            () = tokio::time::sleep_until(due), if sender.room() > 0 => {
                let mut payload = vec![0x5a; MESSAGE_BYTES];
                payload[..8].copy_from_slice(&sent.to_le_bytes());
                let message = Message::new(peer, Class::Interactive, Bytes::from(payload));
                sent += hand_over(&mut sender, message, sent)?;
            }
        }
    }
    let drain = async {
        while met < sent {
            sender.fates(&mut fates).await?;
            met += take(&mut fates);
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(DRAIN, drain).await {
        Ok(result) => result,
        Err(_) => Ok(()),
    }
}

fn take(fates: &mut Vec<(u64, Fate)>) -> u64 {
    fates.drain(..).count() as u64
}

/// How many were handed over: one, or none while the node is busy.
fn hand_over(sender: &mut Sender, message: Message, number: u64) -> anyhow::Result<u64> {
    match sender.try_send(message) {
        Ok(_) => {
            tell(number)?;
            Ok(1)
        }
        Err(TrySendError::Busy(_) | TrySendError::WindowFull(_)) => Ok(0),
        Err(error @ TrySendError::Stopped(_)) => Err(error.into()),
    }
}

async fn stdin_ended() {
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}
