//! Connections that are no links, or not yet.

use std::time::Duration;

use pointsman::net::links::{GUEST_IDLE_MAX, OPEN_TIME_MAX};
use pointsman_core::input::DownReason;
use tokio::time::{Instant, timeout};

use crate::node::{Medium, Node, within};
use crate::raw::Raw;

#[tokio::test]
async fn a_guest_is_no_link_and_may_become_one_long_after() {
    for medium in [Medium::Quic, Medium::Tcp] {
        let mut node = Node::start(medium).await;
        let mut raw = Raw::dial(&node, medium).await;
        let longer = OPEN_TIME_MAX + Duration::from_secs(1);
        let waited = timeout(longer, raw.closed()).await;
        assert!(waited.is_err(), "{medium:?}: it was closed while it might still be of use");
        assert!(node.links.try_recv().is_err(), "{medium:?}: no link was told of");
        let streams = raw.open_all().await;
        let side = raw.drive(node.up()).await;
        assert_eq!(side.new.dial, None);
        drop((streams, raw));
        let (link, reason) = node.down().await;
        assert_eq!((link, reason == DownReason::Ordered), (side.new.link, false));
    }
}

#[tokio::test]
async fn a_guest_that_nobody_uses_is_closed_after_a_while() {
    let mut node = Node::start(Medium::Tcp).await;
    let begun = Instant::now();
    let mut raw = Raw::dial(&node, Medium::Tcp).await;
    within(raw.closed()).await;
    assert!(begun.elapsed() >= GUEST_IDLE_MAX / 2, "{:?}", begun.elapsed());
    assert!(node.links.try_recv().is_err(), "no link was told of");
}
