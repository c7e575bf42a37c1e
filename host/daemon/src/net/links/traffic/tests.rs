//! What goes first, and what waits where, over a wire that takes only what the test lets it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use pointsman_core::frame::Data;
use pointsman_core::id::LinkId;
use pointsman_core::input::DownReason;
use pointsman_core::limits;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::*;
use crate::net::LinkFact;
use crate::net::links::queue::{LinkSender, queue};

const BULK: Channel = Channel::Data(Class::Bulk);
const LINK: LinkId = LinkId(1);

/// The wire below all channels: it takes so many bytes, and notes whose they were.
#[derive(Debug, Default)]
struct Wire {
    takes: usize,
    written: Vec<usize>,
    arrived: [VecDeque<u8>; Channel::ALL.len()],
}

/// One channel's stream over the wire.
#[derive(Debug)]
struct Pipe(usize, Arc<Mutex<Wire>>);

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.1.lock().unwrap();
        let taken = bytes.len().min(wire.takes).min(16 << 10);
        if taken == 0 {
            return Poll::Pending;
        }
        wire.takes -= taken;
        wire.written.push(self.0);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.1.lock().unwrap();
        let arrived = &mut wire.arrived[self.0];
        let read = into.len().min(arrived.len());
        if read == 0 {
            return Poll::Pending;
        }
        for (to, from) in into.iter_mut().zip(arrived.drain(..read)) {
            *to = from;
        }
        Poll::Ready(Ok(read))
    }
}

/// A link's traffic whose loop takes nothing until it is asked to.
struct Bench {
    traffic: Traffic<Pipe>,
    wire: Arc<Mutex<Wire>>,
    sender: LinkSender,
    loop_: mpsc::Receiver<LinkFact>,
}

impl Bench {
    fn new() -> Self {
        let wire = Arc::<Mutex<Wire>>::default();
        let substreams = [0, 1, 2, 3].map(|n| Substream::new(Pipe(n, wire.clone()), usize::MAX));
        let (sender, queue) = queue();
        let (facts, loop_) = mpsc::channel(1);
        // The first fact fills the loop's channel.
        let first = LinkFact::Down { link: LINK, reason: DownReason::Closed };
        let mail = Mail::new(LINK, PollSender::new(facts), first);
        let gauge = Gauge::new(Box::new(Default::default));
        let traffic = Traffic::new(substreams, None, queue, mail, gauge);
        Self { traffic, wire, sender, loop_ }
    }

    fn turn(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.traffic.turn(&mut cx).unwrap();
    }

    /// Lets the wire take so many bytes, and tells whose it took, in order.
    fn turn_taking(&mut self, bytes: usize) -> Vec<usize> {
        self.wire.lock().unwrap().takes = bytes;
        self.turn();
        std::mem::take(&mut self.wire.lock().unwrap().written)
    }

    fn arrive(&self, channel: Channel, frame: &Frame) {
        let mut bytes = BytesMut::new();
        frame::encode_framed(frame, &mut bytes);
        self.wire.lock().unwrap().arrived[channel.index()].extend(bytes);
    }

    fn unread(&self, channel: Channel) -> usize {
        self.wire.lock().unwrap().arrived[channel.index()].len()
    }
}

fn piece(class: Class, n: u64) -> Frame {
    Frame::Data(Data {
        sequence: n,
        class,
        ordered: false,
        message: n,
        floor: 0,
        position: 0,
        length: limits::PIECE_BYTES_MAX as u32,
        offset: 0,
        piece: Bytes::from(vec![7; limits::PIECE_BYTES_MAX]),
    })
}

fn probe(sequence: u64) -> Frame {
    Frame::Probe { sequence }
}

#[tokio::test]
async fn whatever_waits_the_highest_channel_is_written_first() {
    let mut bench = Bench::new();
    for class in [Class::Bulk, Class::Interactive, Class::Realtime] {
        bench.sender.try_send((Channel::Data(class), piece(class, 1))).unwrap();
    }
    bench.sender.try_send((Channel::Control, probe(1))).unwrap();
    let mut order = bench.turn_taking(usize::MAX);
    order.dedup();
    assert_eq!(order, [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_acknowledgement_overtakes_bulk_that_is_half_written() {
    let mut bench = Bench::new();
    for n in 1..=100 {
        bench.sender.try_send((BULK, piece(Class::Bulk, n))).unwrap();
    }
    let stuck = bench.turn_taking(20 << 10);
    assert_eq!(stuck, [3, 3], "bulk is on its way, and the wire is full");
    bench.sender.try_send((Channel::Control, probe(1))).unwrap();
    let order = bench.turn_taking(100 << 10);
    assert_eq!(order[0], 0, "control is first: {order:?}");
    assert!(order[1..].iter().all(|&channel| channel == 3));
}

#[tokio::test]
async fn bulk_waits_in_the_queue_and_not_encoded() {
    let mut bench = Bench::new();
    for n in 1..=100 {
        bench.sender.try_send((BULK, piece(Class::Bulk, n))).unwrap();
    }
    bench.turn_taking(0);
    let encoded = 100 - bench.sender.waiting();
    let most = limits::WRITE_BUFFER_BYTES / limits::PIECE_BYTES_MAX + 1;
    assert!((1..=most).contains(&encoded), "{encoded} pieces");
}

#[tokio::test]
async fn a_busy_loop_stops_the_reading_of_data_but_not_of_control() {
    let mut bench = Bench::new();
    const PIECES: u64 = 100;
    for n in 1..=PIECES {
        bench.arrive(BULK, &piece(Class::Bulk, n));
    }
    for _ in 0..10 {
        bench.turn();
    }
    let read = PIECES as usize * limits::PIECE_BYTES_MAX - bench.unread(BULK);
    let most = limits::BATCH_BYTES_MAX + (64 << 10) + limits::FRAME_BYTES_MAX;
    assert!(read <= most, "{read} bytes of bulk were read");
    bench.arrive(Channel::Control, &probe(1));
    bench.turn();
    assert_eq!(bench.unread(Channel::Control), 0, "control is still read");

    // The loop takes a fact: the batch goes over with control first, and reading goes on.
    bench.loop_.recv().await.unwrap();
    bench.turn();
    let Some(LinkFact::Received { frames, .. }) = bench.loop_.recv().await else {
        panic!("a batch")
    };
    assert_eq!(frames[0], (Channel::Control, probe(1)));
    assert_eq!(frames[1], (BULK, piece(Class::Bulk, 1)));
    let left = bench.unread(BULK);
    bench.turn();
    assert!(bench.unread(BULK) < left, "bulk is read again");
}
