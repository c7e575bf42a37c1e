//! Many frames: how fast, and what happens when one side does not take them.

use std::time::{Duration, Instant};

use pointsman::net::{LinkFact, SendError};
use pointsman_core::frame::{Ack, Channel, Frame};
use pointsman_core::limits;
use pointsman_sdk::selector::Class;

use crate::node::{BULK, Medium, Node, Side, connect, data, within};

const FRAMES: u64 = 200_000;
const WINDOW: u64 = 2048;
const BYTES: usize = 1024;

/// Frames per second of 1 KiB, each batch acknowledged, at most a window of them under way.
async fn rate(medium: Medium) -> f64 {
    let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
    let (left, right) = connect(&mut a, &mut b, medium).await;
    let started = Instant::now();
    let receiver = tokio::spawn(async move {
        let mut next = 1;
        while next <= FRAMES {
            for (channel, frame) in b.receive(1).await {
                let Frame::Data(data) = frame else { panic!("{frame:?}") };
                assert_eq!((channel, data.sequence, data.piece.len()), (BULK, next, BYTES));
                next += 1;
            }
            let ack = Ack { link: 1, delay_us: 0, ranges: vec![(1, next - 1)] };
            right.sender.try_send((Channel::Control, Frame::Ack(ack))).unwrap();
        }
        (b, right)
    });
    let (mut sent, mut acked) = (0, 0);
    while acked < FRAMES {
        while sent < FRAMES && sent - acked < WINDOW {
            sent += 1;
            left.sender.try_send((BULK, data(Class::Bulk, sent, BYTES))).unwrap();
        }
        for (channel, frame) in a.receive(1).await {
            let Frame::Ack(ack) = frame else { panic!("{frame:?}") };
            assert_eq!(channel, Channel::Control);
            acked = acked.max(ack.ranges[0].1);
        }
    }
    within(receiver).await.unwrap();
    FRAMES as f64 / started.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_frames_arrive_in_order_with_a_window() {
    for medium in Medium::ALL {
        let rate = rate(medium).await;
        eprintln!("{medium:?}: {rate:.0} frames/s of {BYTES} bytes");
    }
}

/// A link that took nothing for so long takes nothing until something is taken from it.
const STUCK: Duration = Duration::from_millis(500);

/// Waits until the link takes a frame of bulk.
async fn taken(side: &Side, n: u64) {
    let frame = data(Class::Bulk, n, BYTES);
    loop {
        match side.sender.try_send((BULK, frame.clone())) {
            Ok(()) => return,
            Err(SendError::Full) => tokio::task::yield_now().await,
            Err(SendError::Gone) => panic!("the link is gone"),
        }
    }
}

/// Sends bulk until the link is stuck. How many frames it took.
async fn fill(side: &Side) -> u64 {
    let mut count = 0;
    while tokio::time::timeout(STUCK, taken(side, count + 1)).await.is_ok() {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_takes_nothing_stops_the_sender_and_loses_nothing() {
    for medium in Medium::ALL {
        let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
        let (left, right) = connect(&mut a, &mut b, medium).await;
        let taken = within(fill(&left)).await;
        let facts = limits::LINK_FACTS_MAX * limits::BATCH_BYTES_MAX;
        let queue = limits::INFLIGHT_PACKETS_MAX * BYTES;
        let windows = 48 << 20;
        assert!(taken as usize * BYTES < facts + queue + windows, "{medium:?}: {taken} frames");

        // Control still goes both ways: past the bulk here, and unhindered there.
        left.sender.try_send((Channel::Control, Frame::Probe { sequence: 1 })).unwrap();
        right.sender.try_send((Channel::Control, Frame::Probe { sequence: 2 })).unwrap();
        let back = a.receive(1).await;
        assert_eq!(back, [(Channel::Control, Frame::Probe { sequence: 2 })]);

        let got = b.receive(taken as usize + 1).await;
        let probe = got.iter().position(|(channel, _)| *channel == Channel::Control).unwrap();
        assert!(probe + 1 < got.len(), "{medium:?}: the probe overtook what waited before it");
        let bulk = got.iter().filter_map(|(_, frame)| match frame {
            Frame::Data(data) => Some(data.sequence),
            _ => None,
        });
        assert!(bulk.eq(1..=taken), "{medium:?}");
        let rest = b.links.try_recv();
        assert!(!matches!(rest, Ok(LinkFact::Received { .. })), "{rest:?}");
    }
}
