//! Whatever comes over a radio, a stream holds no more than it may, and ends what it sends.
//!
//! The input is a row of values: a byte that says to whom it goes, over what and when, a byte of
//! length, and as many bytes. Where there is a connection, its tag is put in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_core::bluetooth::stream::{Carrier, Stream, hail};
use pointsman_core::id::Time;
use pointsman_core::limits::{RADIO_RECEIVE_BYTES_MAX, RADIO_SEGMENTS_MAX, RADIO_SEND_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    let mut now = Time(1_000_000);
    let mut streams = [
        Stream::central(now, 0x0102_0304_ffff_ff00, true),
        Stream::peripheral(now, 0xffff_fff0, Some(0x80)),
    ];
    for stream in &mut streams {
        stream.carrier_up(now, Carrier::Gatt, 60);
        stream.write(now, &[1; 4096]);
    }
    let mut rest = bytes;
    while let [how, length, tail @ ..] = rest {
        let (value, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        now = now.after(u64::from(how >> 4) * 20_000);
        let carrier = if how & 2 == 0 { Carrier::Gatt } else { Carrier::L2cap };
        let to = usize::from(how & 1);
        feed(&mut streams[to], now, carrier, value);
        if how & 4 != 0 {
            exchange(&mut streams, now);
        }
        streams.iter_mut().for_each(|stream| check(stream, now));
    }
});

fn feed(stream: &mut Stream, now: Time, carrier: Carrier, value: &[u8]) {
    let mut value = value.to_vec();
    if let (Some(ours), Some(tag)) = (stream.connection(), value.get_mut(1..3)) {
        tag.copy_from_slice(&ours.tag.to_le_bytes());
    }
    let _ = hail(&value);
    if carrier == Carrier::L2cap && value.first() == Some(&0) {
        stream.carrier_down(now, carrier);
    } else if carrier == Carrier::L2cap && value.len() < 3 {
        stream.carrier_up(now, carrier, 672);
    }
    stream.received(now, carrier, &value);
    stream.tick(now);
}

fn exchange(streams: &mut [Stream; 2], now: Time) {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut values = 0;
        while let Some((carrier, value)) = streams[from].transmit(now, |_| true) {
            assert!(value.len() <= 672);
            streams[to].received(now, carrier, &value);
            values += 1;
            assert!(values <= RADIO_SEGMENTS_MAX + 8, "it never ends");
        }
    }
}

fn check(stream: &mut Stream, now: Time) {
    let stats = stream.stats();
    assert!(stats.queued_bytes <= RADIO_SEND_BYTES_MAX);
    assert!(stats.readable_bytes <= RADIO_RECEIVE_BYTES_MAX);
    assert!(stats.in_flight_bytes <= stats.queued_bytes + 1);
    if stats.readable_bytes > RADIO_RECEIVE_BYTES_MAX / 2 {
        stream.read(now, &mut [0; 4096]);
    }
}
