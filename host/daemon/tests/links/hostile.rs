//! Peers that do what no link does.

use bytes::BytesMut;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use pointsman::net::LinkFact;
use pointsman_core::frame::{self, Channel, Frame, FrameError};
use pointsman_core::input::{DownReason, Protocol};
use pointsman_sdk::selector::Class;

use crate::node::{BULK, Medium, Node, data, within};
use crate::raw::Raw;

const MEDIA: [Medium; 2] = [Medium::Quic, Medium::Tcp];
const REALTIME: Channel = Channel::Data(Class::Realtime);

fn framed(frame: &Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame::encode_framed(frame, &mut bytes);
    bytes
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_reading_of_the_link_but_not_its_writing() {
    for medium in MEDIA {
        let mut node = Node::start(medium).await;
        let mut raw = Raw::dial(&node, medium).await;
        let mut streams = raw.open_all().await;
        let side = raw.drive(node.up()).await;
        let good = framed(&data(Class::Bulk, 1, 10));
        let bulk = &mut streams[BULK.index()];
        raw.drive(async {
            bulk.write_all(&good).await.unwrap();
            bulk.write_all(&[0, 0, 0, 1, 63]).await.unwrap();
            bulk.write_all(&good).await.unwrap();
            bulk.flush().await.unwrap();
        })
        .await;
        let got = raw.drive(node.receive(1)).await;
        assert_eq!(got, [(BULK, data(Class::Bulk, 1, 10))], "{medium:?}");
        let fact = raw.drive(node.link_fact()).await;
        let LinkFact::Malformed { link, error } = fact else { panic!("{medium:?}: {fact:?}") };
        assert_eq!((link, error), (side.new.link, FrameError::UnknownKind(63)));

        // It is deaf on every channel now, and says so in its own words.
        let control = &mut streams[0];
        side.sender.try_send((Channel::Control, Frame::Probe { sequence: 9 })).unwrap();
        let expected = framed(&Frame::Probe { sequence: 9 });
        raw.drive(async {
            control.write_all(&framed(&Frame::Probe { sequence: 1 })).await.unwrap();
            control.flush().await.unwrap();
            let mut heard = Vec::new();
            let mut byte = [0];
            while !heard.ends_with(&expected) {
                within(control.read_exact(&mut byte)).await.unwrap();
                heard.push(byte[0]);
            }
        })
        .await;
        side.sender.close();
        drop(streams);
        loop {
            match raw.drive(node.link_fact()).await {
                LinkFact::Down { reason, .. } => {
                    assert_eq!(reason, DownReason::Ordered);
                    break;
                }
                LinkFact::Measured { .. } => {}
                other => panic!("{other:?} of a deaf link"),
            }
        }
    }
}

#[tokio::test]
async fn a_second_substream_for_a_channel_is_refused_and_the_first_lives_on() {
    for medium in MEDIA {
        let mut node = Node::start(medium).await;
        let mut raw = Raw::dial(&node, medium).await;
        let mut streams = raw.open_all().await;
        let _side = raw.drive(node.up()).await;
        let second = raw.open(BULK).await;
        raw.read_to_end(second).await;
        let good = framed(&data(Class::Bulk, 1, 10));
        let bulk = &mut streams[BULK.index()];
        raw.drive(async {
            bulk.write_all(&good).await.unwrap();
            bulk.flush().await.unwrap();
        })
        .await;
        let got = raw.drive(node.receive(1)).await;
        assert_eq!(got, [(BULK, data(Class::Bulk, 1, 10))]);
    }
}

#[tokio::test]
async fn a_peer_that_opens_too_few_channels_is_closed_and_never_a_link() {
    let mut node = Node::start(Medium::Tcp).await;
    let mut raw = Raw::dial(&node, Medium::Tcp).await;
    let control = raw.open(Channel::Control).await;
    let _bulk = raw.open(BULK).await;
    raw.read_to_end(control).await;
    assert!(node.links.try_recv().is_err(), "no link was told of");
}

#[tokio::test]
async fn realtime_goes_as_datagrams_where_they_fit_and_by_substream_where_not() {
    let mut node = Node::start(Medium::Quic).await;
    let mut raw = Raw::dial(&node, Medium::Quic).await;
    let mut streams = raw.open_all().await;
    let side = raw.drive(node.up()).await;
    assert_eq!(side.new.protocol, Protocol::Quic);
    let connection = raw.registered.handle.datagrams().expect("QUIC has datagrams");

    let small = data(Class::Realtime, 1, 200);
    side.sender.try_send((REALTIME, small.clone())).unwrap();
    let bytes = within(raw.drive(connection.read_datagram())).await.unwrap();
    assert_eq!(frame::decode(bytes).unwrap(), small);

    let large = data(Class::Realtime, 2, 10_000);
    side.sender.try_send((REALTIME, large.clone())).unwrap();
    let expected = framed(&large);
    let realtime = &mut streams[REALTIME.index()];
    raw.drive(async {
        let mut heard = Vec::new();
        let mut part = [0; 4096];
        while !heard.ends_with(&expected) {
            let read = within(realtime.read(&mut part)).await.unwrap();
            assert_ne!(read, 0);
            heard.extend_from_slice(&part[..read]);
        }
    })
    .await;

    let mut back = BytesMut::new();
    frame::encode(&data(Class::Realtime, 3, 300), &mut back);
    connection.send_datagram(back.freeze()).unwrap();
    let got = raw.drive(node.receive(1)).await;
    assert_eq!(got, [(REALTIME, data(Class::Realtime, 3, 300))]);

    connection.send_datagram(bytes::Bytes::from_static(&[63])).unwrap();
    loop {
        match raw.drive(node.link_fact()).await {
            LinkFact::Malformed { error, .. } => {
                assert_eq!(error, FrameError::UnknownKind(63));
                break;
            }
            LinkFact::Measured { .. } => {}
            other => panic!("{other:?} instead of a malformed datagram"),
        }
    }
}
