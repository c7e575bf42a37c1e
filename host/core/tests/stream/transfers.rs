//! A mebibyte arrives whole, whatever the air does to the values that carry it.

use pointsman_core::bluetooth::stream::{Carrier, State};
use pointsman_core::limits::{
    GATT_WINDOW_BYTES_MAX, L2CAP_WINDOW_BYTES_MAX, RADIO_RECEIVE_BYTES_MAX, RADIO_SEND_BYTES_MAX,
};

use super::air::{Air, CENTRAL, Chance, PERIPHERAL, Upgrade, Weather};

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const SEEDS: [u64; 3] = [1, 2, 3];

/// A central has this much to say, and the peripheral a tenth of it.
pub(crate) fn load(air: &mut Air, length: usize) {
    air.sides[CENTRAL].to_write = Chance(7).bytes(length);
    air.sides[PERIPHERAL].to_write = Chance(8).bytes(length / 10);
}

/// Both close once they have written everything; then everything is there.
pub(crate) fn conclude(air: &mut Air) {
    air.until(|air| {
        let stats = [CENTRAL, PERIPHERAL].map(|side| air.sides[side].stream.stats());
        for stats in stats {
            assert!(stats.queued_bytes <= RADIO_SEND_BYTES_MAX);
            assert!(stats.readable_bytes <= RADIO_RECEIVE_BYTES_MAX);
            // The end takes up an offset.
            assert!(stats.in_flight_bytes <= stats.queued_bytes + 1);
        }
        air.sides.iter().all(|side| side.written == side.to_write.len())
    });
    let now = air.now;
    air.central().finish(now);
    air.peripheral().finish(now);
    air.until(|air| air.states() == [State::Closed; 2]);
    for (from, to) in [(CENTRAL, PERIPHERAL), (PERIPHERAL, CENTRAL)] {
        assert!(air.sides[to].read == air.sides[from].to_write, "bytes differ");
        assert!(air.sides[to].stream.is_ended());
    }
}

fn transfer(seed: u64, gatt: Weather, length: usize) -> Air {
    let mut air = Air::new(seed, gatt, Upgrade::Never);
    load(&mut air, length);
    conclude(&mut air);
    air
}

#[test]
fn in_fine_weather_nothing_is_sent_twice() {
    for mtu in [23, 100, 247, 517] {
        let air = transfer(1, Weather::fine(mtu), MIB);
        for side in &air.sides {
            let stats = side.stream.stats();
            assert_eq!((stats.retransmissions, stats.duplicates, stats.early), (0, 0, 0), "{mtu}");
            assert_eq!((stats.strays, stats.malformed), (0, 0), "{mtu}");
        }
    }
}

#[test]
fn losses_are_made_up_for() {
    for seed in SEEDS {
        for mtu in [23, 247, 517] {
            transfer(seed, Weather { lost_percent: 5, ..Weather::fine(mtu) }, MIB);
        }
    }
}

#[test]
fn order_and_copies_do_not_matter() {
    for seed in SEEDS {
        let gatt = Weather { jitter_us: 4_000, repeated_percent: 10, ..Weather::fine(247) };
        transfer(seed, gatt, MIB);
    }
}

#[test]
fn all_of_it_at_once_is_survived() {
    for seed in SEEDS {
        let gatt = Weather {
            jitter_us: 10_000,
            repeated_percent: 5,
            lost_percent: 8,
            ..Weather::fine(185)
        };
        transfer(seed, gatt, MIB);
    }
}

#[test]
fn values_that_are_silently_dropped_become_smaller() {
    for value_bytes_max in [20, 100, 180, 244] {
        let mut air =
            Air::new(1, Weather { value_bytes_max, ..Weather::fine(517) }, Upgrade::Never);
        load(&mut air, MIB);
        conclude(&mut air);
        let retransmissions = air.central().stats().retransmissions;
        let frames = MIB / value_bytes_max;
        assert!((1..frames as u64 / 20).contains(&retransmissions), "{retransmissions}");
    }
}

#[test]
fn losses_alone_do_not_make_values_smaller() {
    for seed in SEEDS {
        let mut air = transfer(seed, Weather { lost_percent: 5, ..Weather::fine(247) }, MIB);
        assert_eq!(air.central().stats().value_bytes, 244);
    }
}

#[test]
fn the_mtu_may_change_in_the_middle_of_a_message() {
    for seed in SEEDS {
        let gatt = Weather { lost_percent: 2, ..Weather::fine(23) };
        let mut air = Air::new(seed, gatt, Upgrade::Never);
        load(&mut air, MIB);
        for (part, mtu) in [247, 60, 517, 23, 185].into_iter().enumerate() {
            air.until(|air| air.sides[PERIPHERAL].read.len() > (part + 1) * (MIB / 8));
            air.set_mtu(mtu);
        }
        conclude(&mut air);
    }
}

#[test]
fn offsets_wrap_around() {
    for seed in SEEDS {
        for start in [u32::MAX, u32::MAX - 1, u32::MAX - 1000, 0, 0x7fff_ff00] {
            let gatt = Weather { lost_percent: 3, ..Weather::fine(247) };
            let chance = 0xabcd_0000_0000 << 16 | u64::from(start);
            let mut air = Air::with_chances(seed, gatt, Upgrade::Never, chance, start);
            load(&mut air, MIB / 4);
            conclude(&mut air);
        }
    }
}

#[test]
fn a_reader_that_stops_stops_the_writer_and_nothing_is_lost() {
    let mut air = Air::new(1, Weather { lost_percent: 3, ..Weather::fine(247) }, Upgrade::Never);
    load(&mut air, MIB);
    air.sides[PERIPHERAL].reads = false;
    air.pass(60_000_000);
    let stats = air.peripheral().stats();
    assert_eq!(stats.readable_bytes, RADIO_RECEIVE_BYTES_MAX);
    assert_eq!(air.states(), [State::Open; 2]);
    assert_eq!(air.central().stats().in_flight_bytes, 0);
    air.sides[PERIPHERAL].reads = true;
    conclude(&mut air);
}

#[test]
fn what_is_in_flight_stays_within_the_window_however_much_waits() {
    for (upgrade, window_bytes_max) in
        [(Upgrade::Never, GATT_WINDOW_BYTES_MAX), (Upgrade::Works, L2CAP_WINDOW_BYTES_MAX)]
    {
        let mut air = Air::new(1, Weather::fine(247), upgrade);
        air.sides[CENTRAL].to_write = vec![1; 64 << 10];
        let mut most = 0;
        air.until(|air| {
            let stats = air.sides[CENTRAL].stream.stats();
            assert!(stats.in_flight_bytes <= stats.window_bytes.max(GATT_WINDOW_BYTES_MAX));
            assert!(stats.window_bytes <= window_bytes_max);
            assert!(stats.queued_bytes <= 2 * stats.window_bytes.max(GATT_WINDOW_BYTES_MAX));
            most = most.max(stats.in_flight_bytes);
            air.sides[PERIPHERAL].read.len() == 64 << 10
        });
        assert!(most >= 1000, "{most}");
    }
}

/// The air takes 100 bytes a millisecond, and a round trip 30 ms.
#[test]
fn the_window_finds_what_the_air_takes_and_leaves_little_waiting() {
    let mut air = Air::new(1, Weather::fine(247), Upgrade::Never);
    air.sides[CENTRAL].to_write = vec![1; MIB];
    let begin = air.now;
    air.until(|air| air.sides[PERIPHERAL].read.len() == MIB);
    let bytes_per_ms = MIB as u64 * 1000 / air.now.since(begin);
    assert!(bytes_per_ms >= 85, "{bytes_per_ms}");
    let srtt_us = air.central().stats().srtt_us;
    assert!(srtt_us.is_some_and(|srtt_us| srtt_us < 60_000), "{srtt_us:?}");
}

fn overhead_permille(air: &Air) -> u64 {
    let sent: u64 = air.sides.iter().map(|side| side.sent_bytes).sum();
    (sent - MIB as u64) * 1000 / MIB as u64
}

#[test]
fn headers_and_acknowledgements_cost_little() {
    let mut air = Air::new(1, Weather::fine(247), Upgrade::Never);
    air.sides[CENTRAL].to_write = vec![1; MIB];
    air.until(|air| air.sides[PERIPHERAL].read.len() == MIB);
    assert!(overhead_permille(&air) <= 60, "{}", overhead_permille(&air));

    let mut air = Air::new(1, Weather::fine(247), Upgrade::Works);
    air.until(|air| air.sides[CENTRAL].stream.stats().carrier == Some(Carrier::L2cap));
    air.sides[CENTRAL].to_write = vec![1; MIB];
    air.until(|air| air.sides[PERIPHERAL].read.len() == MIB);
    assert!(overhead_permille(&air) <= 50, "{}", overhead_permille(&air));
}
