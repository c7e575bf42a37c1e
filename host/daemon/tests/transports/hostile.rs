//! Strangers who connect and never speak, or speak nonsense.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libp2p::core::transport::TransportEvent;
use pointsman_core::input::Protocol;
use pointsman_core::limits::PENDING_INBOUND_PER_ADDRESS_MAX;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

use crate::end::{self, End, port};

/// Drives a transport and the handshakes of all that it accepts; returns how many handshakes
/// it let begin, and how many of them were under way at once.
async fn accept_until<T>(end: &mut End, work: impl Future<Output = T>) -> (T, usize, usize) {
    futures::pin_mut!(work);
    let (mut begun, mut most) = (0, 0);
    let under_way = Arc::new(AtomicUsize::new(0));
    loop {
        tokio::select! {
            output = work.as_mut() => return (output, begun, most),
            event = end.next() => if let TransportEvent::Incoming { upgrade, .. } = event {
                begun += 1;
                most = most.max(under_way.fetch_add(1, Ordering::SeqCst) + 1);
                let under_way = Arc::clone(&under_way);
                tokio::spawn(async move {
                    let _output = upgrade.await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                });
            },
        }
    }
}

#[tokio::test]
async fn five_thousand_silent_connects_hold_no_more_than_their_share() {
    const HELD: usize = 256;
    let mut listener = End::new();
    let address = listener.listen(Protocol::Tcp).await;
    let to = (Ipv4Addr::LOCALHOST, port(&address));
    let flood = async {
        let mut held = VecDeque::new();
        for _ in 0..5000 {
            held.push_back(TcpStream::connect(to).await);
            if held.len() > HELD {
                held.pop_front();
            }
        }
    };
    let ((), begun, most) = accept_until(&mut listener, flood).await;
    assert_eq!(most, PENDING_INBOUND_PER_ADDRESS_MAX as usize);
    assert!(begun < 1000, "of {HELD} that are open at once, most are refused: {begun}");
}

#[tokio::test]
async fn a_silent_connect_is_dropped_and_its_place_is_free_again() {
    let mut listener = End::new();
    let address = listener.listen(Protocol::Tcp).await;
    let to = (Ipv4Addr::LOCALHOST, port(&address));
    let held = async {
        let mut silent = Vec::new();
        for _ in 0..PENDING_INBOUND_PER_ADDRESS_MAX {
            silent.push(TcpStream::connect(to).await.unwrap());
        }
        let one_more = async { TcpStream::connect(to).await?.read_u8().await };
        let at_once = tokio::time::timeout(Duration::from_secs(2), one_more).await;
        assert!(at_once.unwrap().is_err(), "one more than the share is refused at once");
        for mut stream in silent {
            let mut left = Vec::new();
            let _reset_or_end = stream.read_to_end(&mut left).await;
        }
    };
    let ((), begun, _) = accept_until(&mut listener, held).await;
    assert_eq!(begun, PENDING_INBOUND_PER_ADDRESS_MAX as usize);
    let mut honest = End::new();
    end::connect(&mut honest, &mut listener, &address).await;
}

#[tokio::test]
async fn noise_at_a_quic_port_begins_no_handshake_and_harms_nobody() {
    let mut listener = End::new();
    let address = listener.listen(Protocol::Quic).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = (Ipv4Addr::LOCALHOST, port(&address));
    let noise = async {
        for n in 0..5000usize {
            let mut bytes = vec![0; 1 + n % 1400];
            pointsman::clock::fill_random(&mut bytes);
            socket.send_to(&bytes, to).await.unwrap();
        }
    };
    let ((), begun, _) = accept_until(&mut listener, noise).await;
    assert_eq!(begun, 0);
    let mut honest = End::new();
    end::connect(&mut honest, &mut listener, &address).await;
}

#[tokio::test]
async fn half_open_quic_handshakes_are_bounded() {
    let mut listener = End::new();
    let address = listener.listen(Protocol::Quic).await;
    let dialled = pointsman::net::address::with_uplink(&address, "lo1");
    let mut strangers: Vec<_> = (0..40).map(|_| End::new()).collect();
    let dials = async {
        let dials: Vec<_> = strangers.iter_mut().map(|end| end.dial(dialled.clone())).collect();
        futures::future::join_all(dials).await
    };
    let mut upgrades = Vec::new();
    futures::pin_mut!(dials);
    let outputs = loop {
        tokio::select! {
            outputs = dials.as_mut() => break outputs,
            event = listener.next() => if let TransportEvent::Incoming { upgrade, .. } = event {
                upgrades.push(upgrade);
                assert!(upgrades.len() <= PENDING_INBOUND_PER_ADDRESS_MAX as usize);
            },
        }
    };
    assert_eq!(upgrades.len(), PENDING_INBOUND_PER_ADDRESS_MAX as usize);
    let refused = outputs.iter().filter(|output| output.is_err()).count();
    assert!(refused >= 40 - upgrades.len(), "{refused} of 40 were refused");
}
