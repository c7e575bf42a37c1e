//! Channels that come, fail, fall silent and go, while bytes flow.

use pointsman_core::bluetooth::stream::{Carrier, Reason, State};

use super::air::{Air, CENTRAL, PERIPHERAL, Upgrade, Weather};
use super::transfers::{MIB, SEEDS, conclude, load};

fn begin(seed: u64, upgrade: Upgrade) -> Air {
    let mut air = Air::new(seed, Weather::fine(247), upgrade);
    load(&mut air, MIB);
    air
}

fn until_read(air: &mut Air, length: usize) {
    air.until(|air| air.sides[PERIPHERAL].read.len() >= length);
}

#[test]
fn an_upgrade_in_the_middle_of_a_transfer_repeats_nothing() {
    for seed in SEEDS {
        let mut air = begin(seed, Upgrade::Works);
        until_read(&mut air, MIB / 2);
        for side in &air.sides {
            let stats = side.stream.stats();
            assert_eq!(stats.carrier, Some(Carrier::L2cap));
            assert_eq!((stats.retransmissions, stats.early, stats.strays), (0, 0, 0));
        }
        conclude(&mut air);
    }
}

#[test]
fn a_channel_that_goes_leaves_gatt_carrying_the_rest() {
    for seed in SEEDS {
        for part in [1, 2, 5, 9] {
            let mut air = begin(seed, Upgrade::Works);
            until_read(&mut air, MIB / 10 * part);
            air.cut(Carrier::L2cap);
            assert_eq!(air.central().stats().carrier, Some(Carrier::Gatt));
            conclude(&mut air);
        }
    }
}

#[test]
fn a_channel_that_went_is_tried_again_later() {
    let mut air = begin(1, Upgrade::Works);
    until_read(&mut air, MIB / 10);
    air.cut(Carrier::L2cap);
    air.pass(59_000_000);
    assert_eq!(air.central().stats().carrier, Some(Carrier::Gatt));
    air.pass(2_000_000);
    assert_eq!(air.central().stats().carrier, Some(Carrier::L2cap));
    assert_eq!(air.peripheral().stats().carrier, Some(Carrier::L2cap));
    conclude(&mut air);
}

#[test]
fn a_channel_that_cannot_be_opened_leaves_gatt_going() {
    for seed in SEEDS {
        let mut air = begin(seed, Upgrade::Fails);
        conclude(&mut air);
        assert_eq!(air.central().stats().carrier, Some(Carrier::Gatt));
        assert_eq!(air.central().stats().retransmissions, 0);
    }
}

#[test]
fn a_channel_that_never_answers_is_given_up_three_times_at_most() {
    let mut air = begin(1, Upgrade::Deaf);
    conclude(&mut air);
    assert_eq!(air.central().stats().retransmissions, 0);

    let mut air = Air::new(1, Weather::fine(247), Upgrade::Deaf);
    let mut attempts = 0;
    for _ in 0..1000 {
        let wanted = air.central().wants_l2cap().is_some();
        air.pass(500_000);
        attempts += usize::from(!wanted && air.central().wants_l2cap().is_some());
    }
    assert!(attempts <= 3, "{attempts}");
    assert_eq!(air.central().deadline(), None);
}

#[test]
fn a_channel_that_falls_silent_without_a_word_is_left() {
    for seed in SEEDS {
        let mut air = begin(seed, Upgrade::Works);
        until_read(&mut air, MIB / 3);
        air.upgrade = Upgrade::Deaf;
        until_read(&mut air, MIB / 2);
        assert_eq!(air.central().stats().carrier, Some(Carrier::Gatt));
        conclude(&mut air);
    }
}

#[test]
fn a_channel_in_bad_weather_carries_it_all_the_same() {
    for seed in SEEDS {
        let mut air = begin(seed, Upgrade::Works);
        air.l2cap.lost_percent = 2;
        air.l2cap.jitter_us = 10_000;
        air.gatt.jitter_us = 10_000;
        conclude(&mut air);
    }
}

#[test]
fn a_channel_outlives_gatt() {
    let mut air = begin(1, Upgrade::Works);
    until_read(&mut air, MIB / 3);
    air.cut(Carrier::Gatt);
    until_read(&mut air, MIB / 2);
    conclude(&mut air);
}

#[test]
fn without_any_carrier_it_is_broken_and_what_came_can_be_read() {
    let mut air = begin(1, Upgrade::Works);
    air.sides[PERIPHERAL].reads = false;
    air.until(|air| air.sides[PERIPHERAL].stream.readable() > 10_000);
    air.cut(Carrier::L2cap);
    assert_eq!(air.states(), [State::Open; 2]);
    air.cut(Carrier::Gatt);
    assert_eq!(air.states(), [State::Broken(Reason::Lost); 2]);
    assert_eq!(air.central().deadline(), None);
    let now = air.now;
    let mut out = vec![0; 10_000];
    assert_eq!(air.peripheral().read(now, &mut out), 10_000);
    assert!(out == air.sides[CENTRAL].to_write[..10_000]);
}

#[test]
fn a_silent_connection_is_given_up_in_half_a_minute() {
    let mut air = begin(1, Upgrade::Never);
    until_read(&mut air, MIB / 3);
    air.gatt.lost_percent = 100;
    air.pass(30_000_000);
    // The other side has nothing to say, and so nothing to miss.
    assert_eq!(air.states(), [State::Broken(Reason::Stalled), State::Open]);
}

#[test]
fn a_pause_of_some_seconds_is_survived() {
    for seconds in [1, 3, 8] {
        let mut air = begin(1, Upgrade::Never);
        until_read(&mut air, MIB / 3);
        air.gatt.lost_percent = 100;
        air.pass(seconds * 1_000_000);
        air.gatt.lost_percent = 0;
        conclude(&mut air);
        assert_eq!(air.central().stats().value_bytes, 244);
    }
}
