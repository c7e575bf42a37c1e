//! A side that sends what it likes.

use pointsman_core::bluetooth::stream::{Carrier, Reason, ResetCode, State, Stream, hail};
use pointsman_core::id::Time;
use pointsman_core::limits::{RADIO_RECEIVE_BYTES_MAX, RADIO_SEND_BYTES_MAX};

use super::air::{Air, CENTRAL, Chance, PERIPHERAL, Upgrade, Weather};

const NOW: Time = Time(5_000_000);
/// Of the nonce: first offset of the central.
const KEY: u32 = 0x1000;

fn always(_: Carrier) -> bool {
    true
}

/// A peripheral that this file opened; its tag.
fn opened() -> (Stream, [u8; 2]) {
    let mut stream = Stream::peripheral(NOW, 77, Some(0x80));
    stream.carrier_up(NOW, Carrier::Gatt, 247);
    let tag = [7, 1];
    let open = [&[1, 7, 1, 1, 1], &u64::from(KEY).to_le_bytes()[..], &[255, 127]].concat();
    stream.received(NOW, Carrier::Gatt, &open);
    assert!(stream.transmit(NOW, always).is_some());
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b""));
    assert_eq!(stream.state(), State::Open);
    while stream.transmit(NOW, always).is_some() {}
    (stream, tag)
}

fn data(tag: [u8; 2], offset: u32, bytes: &[u8]) -> Vec<u8> {
    [&[4], &tag[..], &offset.to_le_bytes(), bytes].concat()
}

#[test]
fn more_than_was_allowed_ends_it() {
    let (mut stream, tag) = opened();
    let mut offset = KEY;
    for _ in 0..RADIO_RECEIVE_BYTES_MAX / 256 {
        stream.received(NOW, Carrier::Gatt, &data(tag, offset, &[1; 256]));
        offset += 256;
    }
    assert_eq!(stream.readable(), RADIO_RECEIVE_BYTES_MAX);
    assert_eq!(stream.state(), State::Open);
    stream.received(NOW, Carrier::Gatt, &data(tag, offset, &[1]));
    assert_eq!(stream.state(), State::Broken(Reason::Overrun));
    assert_eq!(stream.readable(), RADIO_RECEIVE_BYTES_MAX);
    let (_, reset) = stream.transmit(NOW, always).expect("a Reset");
    assert_eq!(reset[..], [8, 7, 1, 0, 0x10, 0, 0, 4]);
    assert_eq!(stream.transmit(NOW, always), None);
}

#[test]
fn a_value_of_any_length_is_no_more_than_was_allowed() {
    let (mut stream, tag) = opened();
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, &vec![1; 1 << 20]));
    assert_eq!(stream.state(), State::Broken(Reason::Overrun));
    assert_eq!(stream.readable(), 0);
}

#[test]
fn the_first_bytes_at_an_offset_win() {
    let (mut stream, tag) = opened();
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b"abc"));
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b"xyz"));
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY + 1, b"xyde"));
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY.wrapping_sub(2), b"123456789"));
    let mut out = [0; 20];
    let length = stream.read(NOW, &mut out);
    assert_eq!(&out[..length], b"abcde89");
    assert_eq!(stream.stats().duplicates, 1);
}

#[test]
fn endless_early_and_known_fragments_take_no_more_than_the_window() {
    let (mut stream, tag) = opened();
    let mut chance = Chance(3);
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b"a"));
    for _ in 0..20_000 {
        let offset = KEY + 2 + chance.below(30_000) as u32;
        stream.received(NOW, Carrier::Gatt, &data(tag, offset, &[0; 200]));
        stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b"b"));
        let mut answers = 0;
        while stream.transmit(NOW, always).is_some() {
            answers += 1;
        }
        assert!(answers <= 1, "{answers}");
    }
    assert_eq!((stream.state(), stream.readable()), (State::Open, 1));
    // Whatever was kept, the window is the bound.
    for offset in (0..RADIO_RECEIVE_BYTES_MAX as u32).step_by(128) {
        stream.received(NOW, Carrier::Gatt, &data(tag, KEY + offset, &[1; 128]));
    }
    assert_eq!((stream.state(), stream.readable()), (State::Open, RADIO_RECEIVE_BYTES_MAX));
}

#[test]
fn what_comes_early_is_kept_and_the_first_of_it_wins() {
    let (mut stream, tag) = opened();
    for (at, bytes) in [(4, "ef"), (2, "cdXXgh"), (3, "YYYYgh"), (7, "h"), (0, "ab"), (6, "g")] {
        stream.received(NOW, Carrier::Gatt, &data(tag, KEY + at, bytes.as_bytes()));
    }
    let mut out = [0; 20];
    let length = stream.read(NOW, &mut out);
    assert_eq!(&out[..length], b"abcdefgh");
}

#[test]
fn frames_of_another_tag_or_from_far_away_are_strays() {
    let (mut stream, tag) = opened();
    stream.received(NOW, Carrier::Gatt, &data([8, 1], KEY, b"a"));
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY + (1 << 30), b"a"));
    stream.received(NOW, Carrier::Gatt, &[6, 7, 1, 1, 2, 3, 4, 255, 255]);
    stream.received(NOW, Carrier::L2cap, &data(tag, KEY, b"a"));
    assert_eq!((stream.stats().strays, stream.readable()), (4, 0));
    assert_eq!(stream.transmit(NOW, always), None);
}

#[test]
fn a_channel_is_not_heard_before_it_joined() {
    let (mut stream, tag) = opened();
    stream.carrier_up(NOW, Carrier::L2cap, 672);
    stream.received(NOW, Carrier::L2cap, &data(tag, KEY, b"a"));
    let wrong = [&[3], &tag[..], &(u64::from(KEY) | 1 << 40).to_le_bytes()].concat();
    stream.received(NOW, Carrier::L2cap, &wrong);
    assert_eq!((stream.stats().strays, stream.readable()), (2, 0));
    let right = [&[3], &tag[..], &u64::from(KEY).to_le_bytes()].concat();
    stream.received(NOW, Carrier::Gatt, &right);
    assert_eq!(stream.stats().carrier, Some(Carrier::Gatt));
    stream.received(NOW, Carrier::L2cap, &right);
    assert_eq!(stream.stats().carrier, Some(Carrier::L2cap));
    stream.received(NOW, Carrier::L2cap, &data(tag, KEY, b"a"));
    assert_eq!(stream.readable(), 1);
}

#[test]
fn a_reset_needs_the_key() {
    let (mut stream, _) = opened();
    stream.received(NOW, Carrier::Gatt, &[8, 7, 1, 1, 0x10, 0, 0, 2]);
    assert_eq!(stream.state(), State::Open);
    stream.received(NOW, Carrier::Gatt, &[8, 7, 1, 0, 0x10, 0, 0, 2]);
    assert_eq!(stream.state(), State::Broken(Reason::Reset(ResetCode::Busy)));
}

#[test]
fn a_close_or_data_after_the_end_changes_nothing() {
    let (mut stream, tag) = opened();
    let close = |offset: u32| [&[7], &tag[..], &offset.to_le_bytes()].concat();
    stream.received(NOW, Carrier::Gatt, &close(KEY + 1));
    assert!(!stream.is_ended());
    stream.received(NOW, Carrier::Gatt, &data(tag, KEY, b"a"));
    stream.received(NOW, Carrier::Gatt, &close(KEY + 1));
    for offset in 0..9 {
        stream.received(NOW, Carrier::Gatt, &data(tag, KEY + offset, b"more"));
        stream.received(NOW, Carrier::Gatt, &close(KEY + offset));
    }
    assert_eq!(stream.readable(), 1);
    stream.read(NOW, &mut [0; 9]);
    assert!(stream.is_ended());
}

#[test]
fn a_peer_that_grants_nothing_gets_nothing_and_is_asked_rarely() {
    let mut stream = Stream::peripheral(NOW, 77, None);
    stream.carrier_up(NOW, Carrier::Gatt, 247);
    stream.received(NOW, Carrier::Gatt, &[1, 7, 1, 1, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]);
    stream.received(NOW, Carrier::Gatt, &data([7, 1], KEY, b"a"));
    stream.write(NOW, &[1; 100]);
    let (mut now, mut values) = (NOW, 0);
    while stream.state() == State::Open {
        while let Some((_, value)) = stream.transmit(now, always) {
            values += 1;
            assert!(value.len() <= 16, "{value:?}");
        }
        let Some(at) = stream.deadline() else { break };
        now = at;
        stream.tick(now);
    }
    assert_eq!(stream.state(), State::Broken(Reason::Stalled));
    assert!(values <= 12, "{values}");
}

/// Bytes at random, frames at random, and frames of the other side with changes.
#[test]
fn whatever_comes_memory_is_bounded_and_nothing_panics() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let mut air = Air::new(seed, Weather::fine(60), Upgrade::Works);
        air.sides[CENTRAL].to_write = vec![1; 100_000];
        air.sides[PERIPHERAL].to_write = vec![1; 100_000];
        air.pass(100_000);
        for _ in 0..2_000 {
            let to = chance.below(2) as usize;
            let carrier = [Carrier::Gatt, Carrier::L2cap][chance.below(2) as usize];
            let value = noise(&mut chance, &air, to);
            let _ = hail(&value);
            let now = air.now;
            air.sides[to].stream.received(now, carrier, &value);
            if chance.below(4) == 0 {
                air.pass(chance.below(3_000));
            }
            for side in &air.sides {
                let stats = side.stream.stats();
                assert!(stats.queued_bytes <= RADIO_SEND_BYTES_MAX);
                assert!(stats.readable_bytes <= RADIO_RECEIVE_BYTES_MAX);
            }
        }
    }
}

fn noise(chance: &mut Chance, air: &Air, to: usize) -> Vec<u8> {
    let length = chance.below(64) as usize;
    let mut value = chance.bytes(length);
    if chance.below(3) > 0 && value.len() > 3 {
        value[0] = (1 + chance.below(8) as u8) | (chance.next() as u8 & 0x80);
        if let Some(connection) = air.sides[to].stream.connection() {
            value[1..3].copy_from_slice(&connection.tag.to_le_bytes());
            let near = (connection.nonce as u32).wrapping_add(chance.below(100_000) as u32);
            if value.len() > 7 {
                value[3..7].copy_from_slice(&near.to_le_bytes());
            }
        }
    }
    if value.first() == Some(&8) && chance.below(50) > 0 {
        value[0] = 4;
    }
    value
}
