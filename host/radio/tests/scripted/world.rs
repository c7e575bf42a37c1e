//! Two nodes on one air, and how tests wait for them.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use pointsman_core::bluetooth::RadioAddress;
use pointsman_radio::scripted::{Channels, Medium};
use pointsman_radio::{Bluetooth, Channel, Options, Told, start_with};

pub(crate) const A: RadioAddress = RadioAddress([0xA; 6]);
pub(crate) const B: RadioAddress = RadioAddress([0xB; 6]);
pub(crate) const C: RadioAddress = RadioAddress([0xC; 6]);

/// A node: its handle and what it is told.
pub(crate) struct Node {
    pub(crate) radio: Bluetooth,
    pub(crate) told: Told,
}

pub(crate) fn options() -> Options {
    Options::new([1; 16], [2; 16])
}

pub(crate) fn node(medium: &Medium, address: RadioAddress, channels: Channels) -> Node {
    node_with(medium, address, channels, options())
}

pub(crate) fn node_with(
    medium: &Medium,
    address: RadioAddress,
    channels: Channels,
    options: Options,
) -> Node {
    let (scripted, facts) = medium.radio(address, channels);
    let (radio, told) = start_with(scripted, facts, options);
    Node { radio, told }
}

impl Node {
    /// Waits until its adapter was told to be usable.
    pub(crate) async fn ready(&mut self) {
        use pointsman_radio::{Adapter, RadioFact};
        loop {
            match soon(self.told.facts.recv()).await {
                Some(RadioFact::Adapter(Adapter::Usable { .. })) => return,
                Some(_) => {}
                None => panic!("the radio stopped"),
            }
        }
    }
}

/// Two nodes that are ready.
pub(crate) async fn pair(medium: &Medium, channels: Channels) -> (Node, Node) {
    let (mut a, mut b) = (node(medium, A, channels), node(medium, B, channels));
    a.ready().await;
    b.ready().await;
    (a, b)
}

/// What comes within a time that is long, but no for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

/// Both ends of a connection that `a` dials.
pub(crate) async fn connect(a: &Node, b: &mut Node, to: RadioAddress) -> (Channel, Channel) {
    let (dialled, arrived) =
        soon(futures::future::join(a.radio.dial(to), b.told.arrived.recv())).await;
    (dialled.expect("it connects"), arrived.expect("it arrives").1)
}

/// Bytes that differ from place to place.
pub(crate) fn bytes(n: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// Sends so many bytes each way at once, and checks what comes.
pub(crate) async fn exchange(one: &mut Channel, other: &mut Channel, n: usize) {
    let (there, back) = (bytes(n, 1), bytes(n, 2));
    let (mut one_in, mut one_out) = one.split();
    let (mut other_in, mut other_out) = other.split();
    let (mut got_there, mut got_back) = (vec![0; n], vec![0; n]);
    let (w1, w2, r1, r2) = soon(futures::future::join4(
        one_out.write_all(&there),
        other_out.write_all(&back),
        other_in.read_exact(&mut got_there),
        one_in.read_exact(&mut got_back),
    ))
    .await;
    for result in [w1, w2, r1, r2] {
        result.expect("bytes flow");
    }
    assert!(got_there == there && got_back == back, "bytes differ");
}
