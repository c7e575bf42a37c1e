//! Two nodes in one process, each with an adapter of its own.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use pointsman_core::bluetooth::RadioAddress;
use pointsman_radio::{
    Adapter, Bluetooth, Channel, Heard, Options, RadioFact, Scanning, Told, Why, start,
};

/// How long anything may take. Far more than it does, for machines that are busy.
const LIMIT: Duration = Duration::from_secs(40);

pub(crate) const ALWAYS: Scanning = Scanning::On { window_ms: 1000, interval_ms: 1000 };
pub(crate) const PAYLOAD: [u8; 6] = [1, 2, 3, 4, 5, 6];

/// A node, and what its radio is told.
pub(crate) struct Node {
    pub(crate) radio: Bluetooth,
    pub(crate) told: Told,
}

pub(crate) fn options(adapter: &str) -> Options {
    let uuid = |last| {
        let mut uuid = *b"pointsman-radio-";
        uuid[15] = last;
        uuid
    };
    Options { adapter: Some(adapter.to_owned()), ..Options::new(uuid(1), uuid(2)) }
}

pub(crate) fn node(adapter: &str) -> Node {
    let (radio, told) = start(options(adapter));
    Node { radio, told }
}

/// A node on `hci0` that scans, and one on `hci1` that advertises; both ready.
pub(crate) async fn pair() -> (Node, Node) {
    let (mut a, mut b) = (node("hci0"), node("hci1"));
    b.radio.advertise(Some(PAYLOAD));
    a.radio.scan(ALWAYS);
    a.usable().await;
    b.usable().await;
    (a, b)
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what}: nothing within {LIMIT:?}"))
}

impl Node {
    /// The next fact that is one of these.
    async fn fact<T>(&mut self, what: &str, pick: impl Fn(RadioFact) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let fact = self.told.facts.recv().await.expect("the radio runs");
                if let Some(picked) = pick(fact) {
                    return picked;
                }
            }
        })
        .await
    }

    pub(crate) async fn usable(&mut self) -> Adapter {
        let pick = |fact| match fact {
            RadioFact::Adapter(state @ Adapter::Usable { .. }) => Some(state),
            RadioFact::Adapter(_) | RadioFact::Heard(_) => None,
        };
        self.fact("a usable adapter", pick).await
    }

    /// Waits until the adapter can't be used for that reason; returns the remedy.
    pub(crate) async fn unusable(&mut self, reason: Why) -> String {
        let pick = move |fact| match fact {
            RadioFact::Adapter(Adapter::Unusable { why, text }) if why == reason => Some(text),
            RadioFact::Adapter(_) | RadioFact::Heard(_) => None,
        };
        self.fact(&format!("{reason:?}"), pick).await
    }

    pub(crate) async fn heard(&mut self) -> Heard {
        let pick = |fact| match fact {
            RadioFact::Heard(heard) => Some(heard),
            RadioFact::Adapter(_) => None,
        };
        self.fact("an advert", pick).await
    }
}

/// Both ends of a connection that `a` dials.
pub(crate) async fn connect(a: &Node, b: &mut Node, to: RadioAddress) -> (Channel, Channel) {
    let both = futures::future::join(a.radio.dial(to), b.told.arrived.recv());
    let (dialled, arrived) = soon("a connection", both).await;
    (dialled.expect("it connects"), arrived.expect("it arrives").1)
}

/// Hears, dials, and sends a little each way.
pub(crate) async fn meet(a: &mut Node, b: &mut Node) -> (Channel, Channel) {
    let address = a.heard().await.address;
    let (mut one, mut other) = connect(a, b, address).await;
    exchange(&mut one, &mut other, 2000).await;
    (one, other)
}

/// Sends so many bytes each way at once, and checks what comes.
pub(crate) async fn exchange(one: &mut Channel, other: &mut Channel, n: usize) {
    let there: Vec<u8> = (0..n).map(|i| (i * 7 % 251) as u8).collect();
    let back: Vec<u8> = (0..n).map(|i| (i * 11 % 241) as u8).collect();
    let (mut one_in, mut one_out) = one.split();
    let (mut other_in, mut other_out) = other.split();
    let (mut got_there, mut got_back) = (vec![0; n], vec![0; n]);
    let all = futures::future::join4(
        one_out.write_all(&there),
        other_out.write_all(&back),
        other_in.read_exact(&mut got_there),
        one_in.read_exact(&mut got_back),
    );
    let (w1, w2, r1, r2) = soon("bytes", all).await;
    for result in [w1, w2, r1, r2] {
        result.expect("bytes flow");
    }
    assert!(got_there == there && got_back == back, "bytes differ");
}

/// Waits until a channel has ended.
pub(crate) async fn ended(channel: &mut Channel) {
    let read = soon("an end", channel.read_to_end(&mut Vec::new())).await;
    assert!(read.is_err(), "it must not look complete");
}
