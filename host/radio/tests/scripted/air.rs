//! Adverts.

use pointsman_radio::scripted::{Channels, Medium};
use pointsman_radio::{Heard, Options, RadioFact, Scanning};

use crate::world::{A, B, Node, node, node_with, options, pair, soon};

const ALWAYS: Scanning = Scanning::On { window_ms: 100, interval_ms: 100 };

async fn heard(node: &mut Node) -> Heard {
    loop {
        match soon(node.told.facts.recv()).await {
            Some(RadioFact::Heard(heard)) => return heard,
            Some(RadioFact::Adapter(_)) => {}
            None => panic!("the radio stopped"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_advert_is_heard_with_its_strength() {
    let medium = Medium::new();
    let (mut a, b) = pair(&medium, Channels::None).await;
    medium.rssi(B, A, [-50, -70]);
    b.radio.advertise(Some([1, 2, 3, 4, 5, 6]));
    a.radio.scan(ALWAYS);
    let payload = vec![1, 2, 3, 4, 5, 6];
    for dbm in [-50, -70, -70] {
        let expected = Heard { address: B, payload: payload.clone(), rssi: Some(dbm) };
        assert_eq!(heard(&mut a).await, expected);
    }
    b.radio.advertise(Some([9; 6]));
    while heard(&mut a).await.payload != [9; 6] {}
}

#[tokio::test(start_paused = true)]
async fn adverts_that_nobody_takes_are_dropped_and_counted() {
    let medium = Medium::new();
    let few = Options { facts_max: 2, ..options() };
    let mut a = node_with(&medium, A, Channels::None, few);
    let mut b = node(&medium, B, Channels::None);
    a.ready().await;
    b.ready().await;
    b.radio.advertise(Some([0; 6]));
    a.radio.scan(ALWAYS);
    soon(async {
        while a.radio.counters().adverts_dropped < 3 {
            tokio::time::advance(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    // The rest works while the queue is full.
    let dialled = soon(futures::future::join(a.radio.dial(B), b.told.arrived.recv())).await;
    assert!(dialled.0.is_ok() && dialled.1.is_some());
    heard(&mut a).await;
}
