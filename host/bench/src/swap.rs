//! Messages at full load while the selector is exchanged, against the same without.
//!
//! Two nodes in this process, one link over loopback, as many 1 KiB messages as the window lets
//! through. Spells without and with swaps alternate. Every swap takes the whole way that an
//! operator's does: read, checked, compiled or taken from the cache, tried, put in; the two
//! modules that alternate are one policy with two digests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use pointsman::policies::Step;
use pointsman::{Filter, Message, Pointsman, SwapOrder, TrySendError};
use pointsman_core::config::Module;
use pointsman_core::output::Fate;
use pointsman_core::policy::Role;
use pointsman_sdk::selector::Class;
use serde::Serialize;
use tokio::sync::watch;

use crate::figures::quantile;
use crate::node::{Running, peer_config, start};
use crate::table::{Row, print};

/// What a message carries.
const MESSAGE_BYTES: usize = 1_024;
/// What a spell begins with and does not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// `swap`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Swaps in all
    #[arg(long, default_value_t = 1_000)]
    swaps: usize,
    /// Time between two swaps in milliseconds; 0: as fast as they go
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
    /// Spells with swaps; as many without are between them
    #[arg(long, default_value_t = 5)]
    spells: usize,
    /// Most messages that are not acknowledged
    #[arg(long, default_value_t = 512)]
    window: usize,
    /// The module, as `./x policies` builds it
    #[arg(long, default_value = "../../target/policies/fastest-first.wasm")]
    module: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured of some spells.
#[derive(Debug, Default)]
struct Measured {
    /// From hand-over to acknowledgement, in milliseconds.
    took_ms: Vec<f64>,
    lost: u64,
    swaps: usize,
    /// A whole swap, and its last step alone: the order to the loop and its answer.
    swap_ms: Vec<f64>,
    placed_ms: Vec<f64>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Line {
    spells: &'static str,
    messages: usize,
    lost: u64,
    messages_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    most_ms: f64,
    later_than_p99_and_1_ms_permille: f64,
    swaps: usize,
    swap_p50_ms: f64,
    swap_p99_ms: f64,
    placed_p99_ms: f64,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "spells",
        "messages",
        "lost",
        "msg/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "most ms",
        "permille later than p99 without + 1 ms",
        "swaps",
        "swap p50 ms",
        "swap p99 ms",
        "put in p99 ms",
    ];

    fn cells(&self) -> Vec<String> {
        let two = |number: f64| format!("{number:.2}");
        vec![
            self.spells.to_owned(),
            self.messages.to_string(),
            self.lost.to_string(),
            format!("{:.0}", self.messages_per_s),
            two(self.p50_ms),
            two(self.p99_ms),
            two(self.p999_ms),
            two(self.most_ms),
            two(self.later_than_p99_and_1_ms_permille),
            self.swaps.to_string(),
            two(self.swap_p50_ms),
            two(self.swap_p99_ms),
            two(self.placed_p99_ms),
        ]
    }
}

/// Runs all spells and prints the table.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let modules = modules(&arguments.module, folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (without, with) = runtime.block_on(spells(arguments, &modules))?;
    let bound_ms = quantile(&without.took_ms, 990) + 1.0;
    let lines = [line("without", &without, bound_ms), line("with swaps", &with, bound_ms)];
    print(&lines, arguments.json)
}

/// The module twice, under two digests: a custom section makes the difference.
fn modules(module: &Path, folder: &Path) -> anyhow::Result<[PathBuf; 2]> {
    let bytes = std::fs::read(module)
        .with_context(|| format!("{}: build it with ./x policies", module.display()))?;
    let mut files = Vec::new();
    for name in ["a", "b"] {
        let mut marked = bytes.clone();
        marked.extend([0, 2, 1]);
        marked.extend(name.bytes());
        let file = folder.join(name).with_extension("wasm");
        std::fs::write(&file, marked)?;
        files.push(file);
    }
    Ok([files[0].clone(), files[1].clone()])
}

async fn spells(
    arguments: &Arguments,
    modules: &[PathBuf; 2],
) -> anyhow::Result<(Measured, Measured)> {
    let common = "[network]\nname = \"pointsman-bench\"\n[mdns]\nenabled = false\n[bluetooth]\nenabled = false\n[nat]\nupnp = false\n\
         [peers]\nmax_links = 1\n[uplinks]\nothers = false\n\
         [[uplink]]\nname = \"lo\"\naddress = \"127.0.0.1\"\n\
         [listen]\nquic = false\ntcp = 0\n";
    let there = start(common).await?;
    let known = peer_config(&there.whereabouts().await?)?;
    let here = start(&format!("{common}{known}")).await?;
    here.linked(1).await?;
    let drain = tokio::spawn(drain(there.node.clone()));
    let (mut without, mut with) = (Measured::default(), Measured::default());
    let each = arguments.swaps.div_ceil(arguments.spells.max(1));
    for _ in 0..arguments.spells {
        let spell = swapping(&here, &there, arguments, modules, each).await?;
        let length = Duration::from_secs_f64(spell.seconds);
        with.add(spell);
        without.add(plain(&here, &there, arguments.window, length).await?);
    }
    drain.abort();
    Ok((without, with))
}

async fn swapping(
    here: &Running,
    there: &Running,
    arguments: &Arguments,
    modules: &[PathBuf; 2],
    swaps: usize,
) -> anyhow::Result<Measured> {
    let (stop, stopped) = watch::channel(false);
    let (peer, window) = (there.node.about().peer, arguments.window);
    let load = tokio::spawn(load(here.node.clone(), peer, window, stopped));
    tokio::time::sleep(WARM_UP).await;
    let mut measured = Measured::default();
    for number in 0..swaps {
        let file = modules[number % 2].display().to_string();
        let order = SwapOrder {
            role: Role::Selector,
            module: Module::File(file),
            settings: None,
            force: false,
            allow_downgrade: false,
            who: "bench".to_owned(),
        };
        let begun = Instant::now();
        let swapped = here.node.swap_policy(order).await?;
        measured.swap_ms.push(ms(begun.elapsed()));
        let placed = swapped.steps.0.iter().find(|(step, _)| matches!(step, Step::Swap));
        measured.placed_ms.extend(placed.map(|(_, took)| ms(*took)));
        measured.swaps += usize::from(swapped.before.is_some());
        tokio::time::sleep(Duration::from_millis(arguments.pause_ms)).await;
    }
    stop.send_replace(true);
    measured.add(load.await??);
    Ok(measured)
}

async fn plain(
    here: &Running,
    there: &Running,
    window: usize,
    length: Duration,
) -> anyhow::Result<Measured> {
    let (stop, stopped) = watch::channel(false);
    let load = tokio::spawn(load(here.node.clone(), there.node.about().peer, window, stopped));
    tokio::time::sleep(WARM_UP + length).await;
    stop.send_replace(true);
    load.await?
}

/// Sends as fast as the window lets it until it is stopped, and sees every message to its end.
async fn load(
    node: Pointsman,
    peer: pointsman_core::id::PeerId,
    window: usize,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<Measured> {
    let payload = Bytes::from(vec![0x5a; MESSAGE_BYTES]);
    let mut sender = node.sender(window);
    let (mut fates, mut measured) = (Vec::new(), Measured::default());
    let (mut sent, mut ended) = (0_u64, 0_u64);
    let begun = Instant::now();
    let mut counted_from = None;
    while ended < sent || !*stopped.borrow() {
        while !*stopped.borrow() && sender.room() > 0 {
            match sender.try_send(Message::new(peer, Class::Interactive, payload.clone())) {
                Ok(_) => sent += 1,
                Err(TrySendError::Busy(_)) => sender.ready().await?,
                Err(error) => return Err(error.into()),
            }
        }
        if begun.elapsed() >= WARM_UP && counted_from.is_none() {
            counted_from = Some(Instant::now());
        }
        sender.fates(&mut fates).await?;
        for (_, fate) in fates.drain(..) {
            ended += u64::from(pointsman::is_final(fate));
            match fate {
                Fate::Delivered { took_us } if counted_from.is_some() => {
                    measured.took_ms.push(took_us as f64 / 1e3);
                }
                Fate::Delivered { .. } | Fate::Queued => {}
                Fate::Expired | Fate::Refused(_) => measured.lost += 1,
            }
        }
    }
    ensure!(!measured.took_ms.is_empty(), "the spell was too short to measure");
    measured.seconds = counted_from.map_or(0.0, |from| from.elapsed().as_secs_f64());
    Ok(measured)
}

async fn drain(node: Pointsman) {
    let mut arrivals = node.listen(Filter::default());
    let mut batch = Vec::new();
    while arrivals.recv_many(&mut batch, 256).await > 0 {
        batch.clear();
    }
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.took_ms.extend(other.took_ms);
        self.swap_ms.extend(other.swap_ms);
        self.placed_ms.extend(other.placed_ms);
        self.lost += other.lost;
        self.swaps += other.swaps;
        self.seconds += other.seconds;
    }
}

fn line(spells: &'static str, measured: &Measured, bound_ms: f64) -> Line {
    let took = &measured.took_ms;
    let later = took.iter().filter(|&&ms| ms > bound_ms).count();
    Line {
        spells,
        messages: took.len(),
        lost: measured.lost,
        messages_per_s: took.len() as f64 / measured.seconds,
        p50_ms: quantile(took, 500),
        p99_ms: quantile(took, 990),
        p999_ms: quantile(took, 999),
        most_ms: quantile(took, 1_000),
        later_than_p99_and_1_ms_permille: later as f64 * 1e3 / took.len().max(1) as f64,
        swaps: measured.swaps,
        swap_p50_ms: quantile(&measured.swap_ms, 500),
        swap_p99_ms: quantile(&measured.swap_ms, 990),
        placed_p99_ms: quantile(&measured.placed_ms, 990),
    }
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
