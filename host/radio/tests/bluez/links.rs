//! Hearing, dialling, and connections over BlueZ.

use std::time::Duration;

use pointsman_bluez::{Call, Fault, trial};
use pointsman_radio::{Adapter, Carrier, DialError, Heard};

use crate::rig::{PAYLOAD, connect, ended, exchange, meet, pair, soon};

const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn what_is_advertised_is_heard_with_its_strength() {
    trial("links::what_is_advertised_is_heard_with_its_strength", 2, async |bluez| {
        let (mut a, b) = pair().await;
        let Heard { payload, rssi, .. } = a.heard().await;
        assert_eq!((payload, rssi), (PAYLOAD.to_vec(), Some(-50)));
        bluez.rssi(0, 1, Some(-81));
        while a.heard().await.rssi != Some(-81) {}
        b.radio.advertise(Some([9; 6]));
        while a.heard().await.payload != [9; 6] {}
    });
}

#[test]
fn a_quarter_of_a_mebibyte_goes_each_way() {
    trial("links::a_quarter_of_a_mebibyte_goes_each_way", 2, async |_bluez| {
        let (mut a, mut b) = pair().await;
        let (mut one, mut other) = meet(&mut a, &mut b).await;
        exchange(&mut one, &mut other, 256 << 10).await;
        let reading = one.gauge().read().expect("it lives");
        assert_eq!((reading.carrier, reading.value_bytes), (Carrier::Gatt, 509));
    });
}

#[test]
fn a_small_mtu_carries() {
    trial("links::a_small_mtu_carries", 2, async |bluez| {
        bluez.mtu(0, 1, 23);
        let (mut a, mut b) = pair().await;
        let (mut one, mut other) = meet(&mut a, &mut b).await;
        exchange(&mut one, &mut other, 8 << 10).await;
        assert_eq!(one.gauge().read().map(|reading| reading.value_bytes), Some(20));
    });
}

#[test]
fn out_of_range_a_connection_ends_on_both_sides_and_a_new_one_comes_about() {
    let name = "links::out_of_range_a_connection_ends_on_both_sides_and_a_new_one_comes_about";
    trial(name, 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        let (mut one, mut other) = meet(&mut a, &mut b).await;
        bluez.rssi(0, 1, None);
        ended(&mut one).await;
        ended(&mut other).await;
        bluez.rssi(0, 1, Some(-60));
        while a.heard().await.rssi != Some(-60) {}
        meet(&mut a, &mut b).await;
    });
}

#[test]
fn dropping_a_channel_takes_the_link_down() {
    trial("links::dropping_a_channel_takes_the_link_down", 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        for drops_dialler in [true, false] {
            let (one, other) = meet(&mut a, &mut b).await;
            let (gone, mut left) = if drops_dialler { (one, other) } else { (other, one) };
            drop(gone);
            ended(&mut left).await;
            bluez.until(LIMIT, |view| view.links.is_empty()).await.expect("the link goes");
        }
    });
}

#[test]
fn connections_each_way_share_a_link_and_end_one_by_one() {
    let name = "links::connections_each_way_share_a_link_and_end_one_by_one";
    trial(name, 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        a.radio.advertise(Some([7; 6]));
        b.radio.scan(crate::rig::ALWAYS);
        let at_a = b.heard().await.address;
        let (one, _other) = meet(&mut a, &mut b).await;
        let (mut third, mut fourth) = connect(&b, &mut a, at_a).await;
        drop(one);
        exchange(&mut third, &mut fourth, 10_000).await;
        drop((third, fourth));
        bluez.until(LIMIT, |view| view.links.is_empty()).await.expect("the link goes");
    });
}

#[test]
fn a_dial_that_fails_leaves_room_for_the_next() {
    trial("links::a_dial_that_fails_leaves_room_for_the_next", 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        let address = a.heard().await.address;
        for (call, fault) in [
            (Call::Connect, Fault::Fail),
            (Call::Connect, Fault::LoseLink),
            (Call::StartNotify, Fault::Fail),
        ] {
            bluez.fault(0, call, 0, fault);
            let error = soon("a failure", a.radio.dial(address)).await.expect_err("it fails");
            assert!(matches!(error, DialError::Unreachable { .. }), "{call:?} {fault:?}: {error}");
            while a.heard().await.address != address {}
        }
        meet(&mut a, &mut b).await;
    });
}

#[test]
fn a_machine_without_l2cap_says_so() {
    trial("links::a_machine_without_l2cap_says_so", 1, async |_bluez| {
        let mut a = crate::rig::node("hci0");
        let Adapter::Usable { name, central, peripheral, l2cap, .. } = a.usable().await else {
            panic!("it is usable");
        };
        assert_eq!((name.as_str(), central, peripheral), ("hci0", true, true));
        // The kernel decides, and the fake's adapters are none of its own.
        assert!(!l2cap);
    });
}
