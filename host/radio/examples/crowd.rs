//! How late the Node's loop is while a crowd advertises, against a quiet air.
//!
//! A radio that is a script hears so many adverts of the network a second, nearly each from an
//! address that was never heard before; the hub takes them, and a Node makes of them what it
//! makes of any. Beside it a metronome ticks every millisecond in the same loop: how late a tick
//! is handled, after the time for which it was set, is what anything else there waits.
//!
//! Run alone, on a machine with nothing else to do:
//! `cargo run --release -p pointsman-radio --example crowd -- 10000 20`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints")]

use std::time::{Duration, Instant};

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::advert::{Advert, Capabilities};
use pointsman_core::bluetooth::neighbours::RadioTraits;
use pointsman_core::config::Config;
use pointsman_core::id::{PeerId, Time, UplinkId};
use pointsman_core::input::{DialFailure, Input, Uplink};
use pointsman_core::node::Node;
use pointsman_core::output::Output;
use pointsman_radio::{Adapter, Fact, Heard, Options, Order, Radio, RadioFact, Told};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

const RADIO: UplinkId = UplinkId(1);
const TICK: Duration = Duration::from_millis(1);
/// Facts that may wait between the radio and its hub.
const FACTS_MAX: usize = 64;
/// Each so many adverts one comes from an address that was heard before.
const KNOWN_EVERY: u64 = 8;

/// Takes every order, and does nothing.
struct Deaf;

impl Radio for Deaf {
    fn order(&self, _: Order) {}
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |usual| match arguments.next() {
        None => usual,
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            eprintln!("usage: crowd [ADVERTS_PER_SECOND [SECONDS]]");
            std::process::exit(2);
        }
    };
    let (rate, seconds) = (next(10_000), next(20));
    println!(
        "{:>10}  {:>9}  {:>9}  {:>9}  {:>9}  {:>10}  {:>10}  {:>8}",
        "adverts/s", "p50 us", "p99 us", "p99.9 us", "worst us", "heard", "neighbours", "RSS kB"
    );
    for rate in [0, rate, 0, rate] {
        let figures = tokio::spawn(run(rate, Duration::from_secs(seconds)));
        println!("{}", figures.await.expect("the loop runs"));
    }
}

/// One run, as a row of the table.
async fn run(rate: u64, length: Duration) -> String {
    let (facts_in, facts) = mpsc::channel(FACTS_MAX);
    let options = Options::new([1; 16], [2; 16]);
    let (bluetooth, told) = pointsman_radio::start_with(Deaf, facts, options);
    let air = tokio::spawn(crowd(facts_in, rate));
    let mut lateness = Loop::new(told).run(length).await;
    air.abort();
    lateness.late_us.sort_unstable();
    let at = |permille: usize| {
        lateness.late_us[(lateness.late_us.len() * permille / 1000).min(lateness.late_us.len() - 1)]
    };
    let (heard, neighbours, rss) =
        (lateness.heard, lateness.node.snapshot().neighbours.len(), rss_kb());
    let dropped = bluetooth.counters().adverts_dropped;
    format!(
        "{rate:>10}  {:>9}  {:>9}  {:>9}  {:>9}  {heard:>10}  {neighbours:>10}  {rss:>8}  ({dropped} dropped)",
        at(500),
        at(990),
        at(999),
        at(1000)
    )
}

/// Says so many adverts a second, those of each millisecond together.
async fn crowd(facts: mpsc::Sender<Fact>, rate: u64) {
    let usable = Adapter::Usable {
        name: "script".to_owned(),
        address: None,
        central: true,
        peripheral: true,
        l2cap: false,
        bluez: None,
    };
    if facts.send(Fact::Adapter(usable)).await.is_err() || rate == 0 {
        return std::future::pending().await;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut said = 0;
    loop {
        ticks.tick().await;
        let due = (began.elapsed().as_micros() * u128::from(rate) / 1_000_000) as u64;
        while said < due {
            if facts.send(advert(said)).await.is_err() {
                return;
            }
            said += 1;
        }
    }
}

fn advert(number: u64) -> Fact {
    let who = if number.is_multiple_of(KNOWN_EVERY) { number % 64 } else { number };
    let [.., a, b, c, d] = who.to_be_bytes();
    // The token rotates with the address; 0 is none.
    let advert = Advert::new(Capabilities::CENTRAL, (who as u32).wrapping_mul(2_654_435_761) | 1);
    Fact::Heard {
        address: RadioAddress([0x40, 0xC0, a, b, c, d]),
        payload: advert.to_bytes().to_vec(),
        rssi: Some(-50 - (number % 45) as i16),
    }
}

/// The Node, and what drives it.
struct Loop {
    node: Node,
    told: Told,
    began: Instant,
    late_us: Vec<u64>,
    heard: u64,
}

impl Loop {
    fn new(told: Told) -> Self {
        let node = Node::new(PeerId([1; 32]), Config::default().node, 42);
        let mut this = Self { node, told, began: Instant::now(), late_us: Vec::new(), heard: 0 };
        this.handle(Input::UplinkChanged(Uplink {
            id: RADIO,
            name: "script".to_owned(),
            radio: Some(RadioTraits { central: true, peripheral: true, l2cap: false }),
            has_default_route: false,
            addresses: Vec::new(),
            risk_group: 1,
            metered: false,
            price_per_mib: 0,
            quota_left_kib: u32::MAX,
            wake_uj: 60,
            nj_per_byte: 250,
        }));
        this
    }

    async fn run(mut self, length: Duration) -> Self {
        let mut metronome = tokio::time::interval(TICK);
        metronome.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.began.elapsed() < length {
            let wake = self.node.deadline().map(|at| self.began + Duration::from_micros(at.0));
            let sleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                due = metronome.tick() => {
                    self.late_us.push(due.elapsed().as_micros() as u64);
                }
                Some(fact) = self.told.facts.recv() => {
                    if let RadioFact::Heard(Heard { address, payload, rssi }) = fact {
                        self.heard += 1;
                        self.handle(Input::Overheard { uplink: RADIO, address, payload, rssi });
                    }
                }
                () = sleep => self.handle(Input::Tick { lag_us: 0 }),
            }
        }
        self
    }

    /// Tells the Node. Nobody who is dialled is there.
    fn handle(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.node.handle(Time(self.began.elapsed().as_micros() as u64), input);
            while let Some(order) = self.node.poll() {
                if let Output::Approach { dial, .. } = order {
                    let failure = DialFailure::Unreachable;
                    inputs.push(Input::DialFailed { dial, failure });
                }
            }
        }
    }
}

/// Memory of this process, where the system tells.
fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
