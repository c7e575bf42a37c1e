//! What carries the bytes, while it changes.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use pointsman_radio::Carrier;
use pointsman_radio::scripted::{Channels, Medium};

use crate::world::{B, bytes, connect, exchange, pair, soon};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_mebibyte_goes_each_way_over_gatt() {
    let (a, mut b) = pair(&Medium::new(), Channels::None).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, MIB).await;
    let reading = one.gauge().read().expect("it lives");
    assert_eq!((reading.carrier, reading.value_bytes), (Carrier::Gatt, 244));
    assert!(reading.srtt.is_some());
}

#[tokio::test]
async fn a_mebibyte_goes_each_way_and_moves_to_a_channel() {
    let (a, mut b) = pair(&Medium::new(), Channels::Taken).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, MIB).await;
    for channel in [&one, &other] {
        assert_eq!(channel.gauge().read().map(|reading| reading.carrier), Some(Carrier::L2cap));
    }
}

#[tokio::test]
async fn a_channel_alone_carries_a_mebibyte_each_way() {
    let (a, mut b) = pair(&Medium::new(), Channels::Alone).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, MIB).await;
    for channel in [&one, &other] {
        assert_eq!(channel.gauge().read().map(|reading| reading.carrier), Some(Carrier::L2cap));
    }
}

#[tokio::test]
async fn a_channel_alone_that_breaks_ends_the_connection_on_both_sides() {
    let medium = Medium::new();
    let (a, mut b) = pair(&medium, Channels::Alone).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    medium.cut_channels();
    assert!(soon(one.read_to_end(&mut Vec::new())).await.is_err());
    assert!(soon(other.read_to_end(&mut Vec::new())).await.is_err());
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 1000).await;
}

#[tokio::test]
async fn where_another_program_has_the_port_gatt_leads_to_the_channel() {
    let (a, mut b) = pair(&Medium::new(), Channels::Occupied).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 64 << 10).await;
    assert_eq!(one.gauge().read().map(|reading| reading.carrier), Some(Carrier::L2cap));
}

#[tokio::test]
async fn a_channel_that_is_refused_leaves_gatt() {
    let (a, mut b) = pair(&Medium::new(), Channels::Refused).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 64 << 10).await;
    assert_eq!(one.gauge().read().map(|reading| reading.carrier), Some(Carrier::Gatt));
}

#[tokio::test]
async fn when_a_channel_breaks_gatt_goes_on() {
    let medium = Medium::new();
    let (a, mut b) = pair(&medium, Channels::Taken).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 64 << 10).await;
    assert_eq!(one.gauge().read().map(|reading| reading.carrier), Some(Carrier::L2cap));
    medium.cut_channels();
    exchange(&mut one, &mut other, 64 << 10).await;
    assert_eq!(one.gauge().read().map(|reading| reading.carrier), Some(Carrier::Gatt));
}

#[tokio::test]
async fn the_smallest_mtu_carries_and_may_change_in_the_middle_of_a_message() {
    let medium = Medium::new();
    medium.mtu(23);
    let (a, mut b) = pair(&medium, Channels::None).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 4 << 10).await;
    let message = bytes(32 << 10, 3);
    let mut got = vec![0; message.len()];
    let sending = async {
        one.write_all(&message[..10_000]).await.expect("it goes out");
        medium.mtu(185);
        one.write_all(&message[10_000..20_000]).await.expect("it goes out");
        medium.mtu(23);
        one.write_all(&message[20_000..]).await.expect("it goes out");
    };
    let (_, read) = soon(futures::future::join(sending, other.read_exact(&mut got))).await;
    read.expect("it arrives");
    assert!(got == message);
}

#[tokio::test(start_paused = true)]
async fn loss_and_delay_cost_time_only() {
    let medium = Medium::new();
    medium.delay(Duration::from_millis(20));
    medium.lose(|number| number % 37 == 5);
    let (a, mut b) = pair(&medium, Channels::Taken).await;
    let (mut one, mut other) = connect(&a, &mut b, B).await;
    exchange(&mut one, &mut other, 32 << 10).await;
    assert!(one.gauge().read().is_some_and(|reading| reading.retransmissions > 0));
}
