//! The opening, and connections that end during it.

use pointsman_core::bluetooth::stream::{
    Carrier, Hail, Reason, ResetCode, State, Stream, hail, refusal,
};
use pointsman_core::id::Time;

use super::air::{Air, CENTRAL, PERIPHERAL, Upgrade, Weather};

const NOW: Time = Time(5_000_000);
const CHANCE: u64 = 0x1122_3344_5566_7788;

fn always(_: Carrier) -> bool {
    true
}

fn central() -> Stream {
    let mut stream = Stream::central(NOW, CHANCE, false);
    stream.carrier_up(NOW, Carrier::Gatt, 247);
    stream
}

fn peripheral() -> Stream {
    let mut stream = Stream::peripheral(NOW, 77, None);
    stream.carrier_up(NOW, Carrier::Gatt, 247);
    stream
}

/// Carries everything over at once.
fn exchange(one: &mut Stream, other: &mut Stream, now: Time) {
    for _ in 0..100 {
        while let Some((carrier, value)) = one.transmit(now, always) {
            other.received(now, carrier, &value);
        }
        while let Some((carrier, value)) = other.transmit(now, always) {
            one.received(now, carrier, &value);
        }
    }
}

#[test]
fn an_open_and_an_accept_and_an_acknowledgement_make_a_stream() {
    let (mut central, mut peripheral) = (central(), peripheral());
    let (_, open) = central.transmit(NOW, always).expect("an Open");
    assert_eq!(hail(&open), Some(Hail::Open(central.connection().expect("drawn"))));
    assert_eq!(central.transmit(NOW, always), None);
    peripheral.received(NOW, Carrier::Gatt, &open);
    assert_eq!(peripheral.state(), State::Opening);
    let (_, accept) = peripheral.transmit(NOW, always).expect("an Accept");
    assert_eq!(peripheral.transmit(NOW, always), None);
    central.received(NOW, Carrier::Gatt, &accept);
    assert_eq!(central.state(), State::Open);
    exchange(&mut central, &mut peripheral, NOW);
    assert_eq!(peripheral.state(), State::Open);
}

#[test]
fn a_channel_without_gatt_opens_and_carries_and_offers_no_other() {
    let mut central = Stream::central(NOW, CHANCE, true);
    let mut peripheral = Stream::peripheral(NOW, 77, None);
    central.carrier_up(NOW, Carrier::L2cap, 1024);
    peripheral.carrier_up(NOW, Carrier::L2cap, 1024);
    let (carrier, open) = central.transmit(NOW, always).expect("an Open");
    assert_eq!(carrier, Carrier::L2cap);
    assert_eq!(peripheral.transmit(NOW, always), None, "it says nothing first");
    peripheral.received(NOW, carrier, &open);
    central.write(NOW, b"over a channel");
    exchange(&mut central, &mut peripheral, NOW);
    assert_eq!((central.state(), peripheral.state()), (State::Open, State::Open));
    let mut out = [0; 100];
    let length = peripheral.read(NOW, &mut out);
    assert_eq!(&out[..length], b"over a channel");
    assert!(central.wants_l2cap().is_none() && !central.is_l2cap_given_up());
    central.carrier_down(NOW, Carrier::L2cap);
    assert_eq!(central.state(), State::Broken(Reason::Lost));
}

#[test]
fn a_peripheral_says_nothing_before_it_is_opened() {
    let mut stream = peripheral();
    stream.write(NOW, b"hello");
    for value in [&[4, 0, 0, 1, 0, 0, 0, 9][..], &[6, 0, 0, 0, 0, 0, 0, 1, 1], &[1, 2], &[0; 20]] {
        stream.received(NOW, Carrier::Gatt, value);
        assert_eq!(stream.transmit(NOW, always), None);
    }
    let later = NOW.after(5_000_000);
    assert_eq!(stream.deadline(), Some(later));
    stream.tick(later);
    assert_eq!(stream.state(), State::Broken(Reason::TimedOut));
    assert_eq!(stream.transmit(later, always), None);
}

#[test]
fn nobody_who_answers_is_asked_for_five_seconds() {
    let mut stream = central();
    let mut opens = 0;
    while let Some(now) = stream.deadline() {
        opens += usize::from(stream.transmit(now, always).is_some());
        stream.tick(now);
    }
    assert!((9..=11).contains(&opens), "{opens}");
    assert_eq!(stream.state(), State::Broken(Reason::TimedOut));
}

#[test]
fn a_replayed_open_changes_nothing() {
    let (mut central, mut peripheral) = (central(), peripheral());
    let (_, open) = central.transmit(NOW, always).expect("an Open");
    peripheral.received(NOW, Carrier::Gatt, &open);
    exchange(&mut central, &mut peripheral, NOW);
    central.write(NOW, b"before");
    exchange(&mut central, &mut peripheral, NOW);
    for _ in 0..5 {
        peripheral.received(NOW, Carrier::Gatt, &open);
        exchange(&mut central, &mut peripheral, NOW);
    }
    central.write(NOW, b" and after");
    exchange(&mut central, &mut peripheral, NOW);
    let mut out = [0; 100];
    let length = peripheral.read(NOW, &mut out);
    assert_eq!(&out[..length], b"before and after");
}

#[test]
fn another_open_with_the_same_tag_is_a_stray() {
    let (mut central, mut peripheral) = (central(), peripheral());
    exchange(&mut central, &mut peripheral, NOW);
    // All halves of a nonce swapped give the same tag.
    let mut other = Stream::central(NOW, CHANCE.rotate_left(32), false);
    other.carrier_up(NOW, Carrier::Gatt, 247);
    let (_, open) = other.transmit(NOW, always).expect("an Open");
    peripheral.received(NOW, Carrier::Gatt, &open);
    assert_eq!(peripheral.transmit(NOW, always), None);
    assert_eq!((peripheral.state(), peripheral.stats().strays), (State::Open, 1));
}

#[test]
fn a_refusal_ends_an_opening_and_only_the_one_that_it_is_for() {
    for code in [ResetCode::Busy, ResetCode::TagTaken, ResetCode::Unknown(99)] {
        let mut stream = central();
        let ours = stream.connection().expect("drawn");
        let mut others = ours;
        others.nonce ^= 1;
        stream.received(NOW, Carrier::Gatt, &refusal(others, code));
        assert_eq!(stream.state(), State::Opening);
        stream.received(NOW, Carrier::Gatt, &refusal(ours, code));
        assert_eq!(stream.state(), State::Broken(Reason::Reset(code)));
    }
}

#[test]
fn another_version_is_refused() {
    let (mut central, mut peripheral) = (central(), peripheral());
    let (_, open) = central.transmit(NOW, always).expect("an Open");
    let mut open = open.to_vec();
    open[3] = 2;
    peripheral.received(NOW, Carrier::Gatt, &open);
    let (carrier, value) = peripheral.transmit(NOW, always).expect("a Reset");
    central.received(NOW, carrier, &value);
    assert_eq!(central.state(), State::Broken(Reason::Reset(ResetCode::Version)));
    assert_eq!(peripheral.transmit(NOW, always), None);
}

#[test]
fn a_disconnect_after_any_value_leaves_both_sides_broken_or_closed() {
    for upgrade in [Upgrade::Never, Upgrade::Works] {
        for values in 0..40 {
            let mut air = Air::new(1, Weather::fine(100), upgrade);
            air.sides[CENTRAL].to_write = vec![1; 700];
            air.sides[PERIPHERAL].to_write = vec![2; 700];
            air.values_left = values;
            air.pass(300_000);
            let now = air.now;
            air.central().finish(now);
            air.peripheral().finish(now);
            air.pass(1_000_000);
            air.cut(Carrier::Gatt);
            air.cut(Carrier::L2cap);
            for side in &mut air.sides {
                let over = [State::Closed, State::Broken(Reason::Lost)];
                assert!(over.contains(&side.stream.state()), "{:?}", side.stream.state());
                assert!(!side.stream.is_writable() && side.stream.write(now, b"x") == 0);
            }
        }
    }
}

#[test]
fn the_opening_survives_losses() {
    let mut opened = 0;
    for seed in 0..200 {
        let gatt = Weather { lost_percent: 30, ..Weather::fine(23) };
        let mut air = Air::new(seed, gatt, Upgrade::Works);
        air.pass(6_000_000);
        opened += usize::from(air.states() == [State::Open; 2]);
    }
    assert!(opened >= 195, "{opened}");
}

#[test]
fn each_side_closes_for_itself() {
    let (mut central, mut peripheral) = (central(), peripheral());
    central.write(NOW, b"last words");
    central.finish(NOW);
    assert_eq!(central.write(NOW, b"no more"), 0);
    exchange(&mut central, &mut peripheral, NOW);
    let mut now = NOW.after(20_000);
    peripheral.tick(now);
    exchange(&mut central, &mut peripheral, now);
    assert_eq!((central.state(), peripheral.state()), (State::Open, State::Open));
    assert!(!peripheral.is_ended());
    let mut out = [0; 100];
    assert_eq!(peripheral.read(now, &mut out), 10);
    assert!(peripheral.is_ended());
    assert_eq!(peripheral.write(now, b"an answer"), 9);
    peripheral.finish(now);
    exchange(&mut central, &mut peripheral, now);
    now = now.after(20_000);
    central.tick(now);
    exchange(&mut central, &mut peripheral, now);
    assert_eq!((central.state(), peripheral.state()), (State::Closed, State::Closed));
    assert_eq!(central.read(now, &mut out), 9);
}

#[test]
fn an_abort_is_told() {
    let (mut central, mut peripheral) = (central(), peripheral());
    exchange(&mut central, &mut peripheral, NOW);
    central.abort(NOW);
    assert_eq!(central.state(), State::Broken(Reason::Aborted));
    exchange(&mut central, &mut peripheral, NOW);
    assert_eq!(peripheral.state(), State::Broken(Reason::Reset(ResetCode::Aborted)));
}
