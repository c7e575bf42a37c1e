//! Connections that come about, that don't, and that end.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use pointsman_radio::scripted::{Channels, Medium};
use pointsman_radio::{Carrier, ConnectionId, DialError, Fact, Options, Order, Radio};

use crate::world::{A, B, C, Node, connect, exchange, node, node_with, options, pair, soon};

#[tokio::test]
async fn both_may_dial_at_once() {
    let (mut a, mut b) = pair(&Medium::new(), Channels::None).await;
    let dials = futures::future::join(a.radio.dial(B), b.radio.dial(A));
    let arrivals = futures::future::join(a.told.arrived.recv(), b.told.arrived.recv());
    let ((to_b, to_a), (at_a, at_b)) = soon(futures::future::join(dials, arrivals)).await;
    let (mut to_b, mut to_a) = (to_b.expect("connects"), to_a.expect("connects"));
    let ((from_b, mut at_a), (from_a, mut at_b)) = (at_a.expect("arrives"), at_b.expect("arrives"));
    assert_eq!((from_a, from_b), (A, B));
    exchange(&mut to_b, &mut at_b, 10_000).await;
    exchange(&mut to_a, &mut at_a, 10_000).await;
}

#[tokio::test]
async fn two_centrals_of_one_peripheral_hear_only_their_own() {
    let medium = Medium::new();
    let (a, mut b) = pair(&medium, Channels::None).await;
    let mut c = node(&medium, C, Channels::None);
    c.ready().await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    let (mut third, mut fourth) = connect(&c, &mut b, B).await;
    let exchanges = futures::future::join(
        exchange(&mut one, &mut other, 100_000),
        exchange(&mut third, &mut fourth, 100_000),
    );
    exchanges.await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_at_any_point_of_the_opening_ends_both_sides() {
    // A channel alone is opened with fewer words than one beside GATT.
    let beside = (0..6).map(|values| (Channels::Taken, values));
    for (channels, values) in beside.chain((0..3).map(|values| (Channels::Alone, values))) {
        let medium = Medium::new();
        let (a, mut b) = pair(&medium, channels).await;
        medium.cut_after(values);
        let dialled = soon(a.radio.dial(B)).await;
        if let Ok(mut channel) = dialled {
            let mut out = Vec::new();
            let _ = channel.write_all(b"is there anyone").await;
            assert!(soon(channel.read_to_end(&mut out)).await.is_err(), "cut after {values}");
            assert!(!channel.gauge().is_alive());
        }
        if let Ok(Some((_, mut channel))) =
            tokio::time::timeout(Duration::from_secs(1), b.told.arrived.recv()).await
        {
            let mut out = Vec::new();
            assert!(soon(channel.read_to_end(&mut out)).await.is_err(), "cut after {values}");
        }
        // And nothing is left behind that would be in the way.
        let (mut one, mut other) = connect(&a, &mut b, B).await;
        exchange(&mut one, &mut other, 1000).await;
    }
}

#[tokio::test]
async fn closing_lets_everything_arrive() {
    let (a, mut b) = pair(&Medium::new(), Channels::None).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    let writing = async {
        one.write_all(&[7; 50_000]).await.expect("it goes out");
        one.close().await.expect("it closes");
        assert!(one.write_all(b"more").await.is_err());
        one
    };
    let mut got = Vec::new();
    let (one, read) = soon(futures::future::join(writing, other.read_to_end(&mut got))).await;
    read.expect("it ends well");
    assert_eq!(got.len(), 50_000);
    drop(one);
    other.write_all(b"late").await.expect("the other direction is still open");
    let _ = soon(other.close()).await;
}

#[tokio::test]
async fn dropping_a_channel_ends_the_other_side() {
    let (a, mut b) = pair(&Medium::new(), Channels::None).await;
    let (one, mut other) = connect(&a, &mut b, B).await;
    let gauge = one.gauge();
    assert!(gauge.is_alive());
    drop(one);
    assert!(!gauge.is_alive());
    assert!(soon(other.read_to_end(&mut Vec::new())).await.is_err());
}

#[tokio::test]
async fn an_adapter_that_is_switched_off_ends_connections_and_comes_back() {
    let medium = Medium::new();
    let (mut a, mut b) = pair(&medium, Channels::None).await;
    let (mut one, _other) = connect(&a, &mut b, B).await;
    medium.switch(A, false);
    assert!(soon(one.read_to_end(&mut Vec::new())).await.is_err());
    assert_eq!(soon(a.radio.dial(B)).await.err(), Some(DialError::Unusable));
    medium.switch(A, true);
    a.ready().await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 1000).await;
}

#[tokio::test]
async fn out_of_range_there_is_no_connection() {
    let medium = Medium::new();
    let (a, mut b) = pair(&medium, Channels::None).await;
    medium.part(A, B);
    let error = soon(a.radio.dial(B)).await.expect_err("nobody is there");
    assert!(matches!(error, DialError::Unreachable { address: B, .. }), "{error}");
    medium.meet(A, B);
    connect(&a, &mut b, B).await;
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let medium = Medium::new();
    let few = Options { connections_max: 1, ..options() };
    let (mut a, mut b) = (
        node_with(&medium, A, Channels::None, few.clone()),
        node_with(&medium, B, Channels::None, few),
    );
    let mut c = node(&medium, C, Channels::None);
    for node in [&mut a, &mut b, &mut c] {
        node.ready().await;
    }
    let (_one, _other) = connect(&a, &mut b, B).await;
    assert_eq!(soon(a.radio.dial(C)).await.err(), Some(DialError::Full(1)));
    let error = soon(c.radio.dial(B)).await.expect_err("it is full");
    assert!(matches!(error, DialError::Unopened { .. }), "{error}");
    assert_eq!(b.radio.counters().arrivals_refused, 1);
}

/// A stranger that connected to `b`, and the number of its connection.
async fn stranger(
    medium: &Medium,
    at: ConnectionId,
    carrier: Carrier,
) -> (impl Radio, tokio::sync::mpsc::Receiver<Fact>) {
    let (radio, mut facts) = medium.radio(C, Channels::None);
    radio.order(Order::Connect { connection: at, address: B, carrier });
    loop {
        if let Some(Fact::Connected { .. }) = soon(facts.recv()).await {
            return (radio, facts);
        }
    }
}

async fn counts_one_unopened(b: &Node) {
    soon(async {
        while b.radio.counters().arrivals_unopened == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_strangers_garbage_ends_its_connection() {
    for carrier in [Carrier::Gatt, Carrier::L2cap] {
        let medium = Medium::new();
        let (_a, b) = pair(&medium, Channels::Alone).await;
        let connection = ConnectionId(2);
        let (radio, mut facts) = stranger(&medium, connection, carrier).await;
        let bytes = b"GET / HTTP/1.1".to_vec();
        radio.order(Order::Write { connection, carrier, bytes });
        loop {
            match soon(facts.recv()).await {
                Some(Fact::Lost { .. }) => break,
                Some(Fact::Notified { bytes, .. }) => panic!("it was told {bytes:?}"),
                Some(_) => {}
                None => panic!("the radio stopped"),
            }
        }
        counts_one_unopened(&b).await;
    }
}

#[tokio::test]
async fn nothing_is_notified_to_a_subscriber_that_never_opens() {
    let medium = Medium::new();
    let (_a, mut b) = pair(&medium, Channels::None).await;
    let (_radio, mut facts) = stranger(&medium, ConnectionId(2), Carrier::Gatt).await;
    let before = medium.values();
    b.radio.advertise(Some([1; 6]));
    b.radio.scan(pointsman_radio::Scanning::On { window_ms: 100, interval_ms: 100 });
    assert!(facts.try_recv().is_err() && b.told.arrived.try_recv().is_err());
    assert_eq!(medium.values(), before);
}

#[tokio::test(start_paused = true)]
async fn a_central_that_opens_and_says_no_more_is_dropped_in_time() {
    let medium = Medium::new();
    let (a, mut b) = pair(&medium, Channels::None).await;
    // Its first word is heard, and nothing else of what it says.
    medium.lose(|number| number > 0);
    let error = soon(a.radio.dial(B)).await.expect_err("it can't open");
    assert!(matches!(error, DialError::Unopened { .. }), "{error}");
    counts_one_unopened(&b).await;
    assert!(b.told.arrived.try_recv().is_err());
}

#[tokio::test]
async fn a_dial_that_nobody_waits_for_leaves_nothing() {
    let medium = Medium::new();
    let few = Options { connections_max: 1, ..options() };
    let mut a = node_with(&medium, A, Channels::None, few);
    let mut b = node(&medium, B, Channels::None);
    a.ready().await;
    b.ready().await;
    medium.delay(Duration::from_millis(50));
    let dial = tokio::time::timeout(Duration::from_millis(75), a.radio.dial(B));
    assert!(dial.await.is_err(), "it can't be so fast");
    medium.delay(Duration::ZERO);
    soon(async {
        while let Err(error) = a.radio.dial(B).await {
            assert_eq!(error, DialError::Full(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
}
