//! Noise, silence, and handshakes that stop half-way.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use libp2p::identity::Keypair;
use pointsman_core::limits::PENDING_INBOUND_PER_ADDRESS_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::siege::{ATTACKER, counter, descriptors, port, reaches, under};
use crate::stranger::Stranger;

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((ATTACKER, 0).into())?;
    socket.connect(at(port)).await
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    pointsman::clock::fill_random(&mut noise);
    noise
}

#[test]
fn noise_on_both_ports_is_counted_and_harms_nobody() {
    under(async |victim| {
        let (tcp, udp) = (port(victim, "/tcp/"), port(victim, "/udp/"));
        let socket = UdpSocket::bind((std::net::Ipv4Addr::from(ATTACKER), 0)).await.unwrap();
        for n in 0..5000 {
            let mut datagram = noise(1 + n % 1400);
            if n % 2 == 0 && datagram.len() > 5 {
                // The beginning of a QUIC handshake, with nothing true behind it.
                datagram[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
            }
            socket.send_to(&datagram, at(udp)).await.unwrap();
        }
        for _ in 0..200 {
            let Ok(mut stream) = connect(tcp).await else { continue };
            let _refused = stream.write_all(&noise(4096)).await;
        }
        let sum = || counter(victim, "handshakes_failed") + counter(victim, "connections_refused");
        while sum() < 200 {}
    });
}

#[test]
fn five_thousand_connections_from_one_address_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    under(async |victim| {
        const FLOOD: u64 = 5000;
        let tcp = port(victim, "/tcp/");
        let mut held = Vec::new();
        let mut refused = 0;
        for _ in 0..FLOOD {
            match connect(tcp).await {
                Ok(stream) => held.push(stream),
                Err(_) => refused += 1,
            }
        }
        let mut late = tokio::task::spawn_blocking({
            let peer = victim.as_peer();
            move || crate::process::Node::start(&peer)
        });
        let ended = held.iter_mut().map(async |stream| stream.read_u8().await.is_err());
        let mut ended: FuturesUnordered<_> = ended.collect();
        let share = u64::from(PENDING_INBOUND_PER_ADDRESS_MAX);
        while refused < FLOOD - share {
            let next = tokio::time::timeout(Duration::from_secs(60), ended.next()).await;
            assert_eq!(next.expect("those beyond the share are reset"), Some(true));
            refused += 1;
        }
        assert!(descriptors(victim) < 200, "{} descriptors", descriptors(victim));
        assert!(counter(victim, "connections_refused") > 0);
        let late = (&mut late).await.unwrap();
        late.event("link-up", |_| true);
    });
}

#[test]
fn handshakes_that_stop_half_way_end_and_are_counted() {
    under(async |victim| {
        let (tcp, udp) = (port(victim, "/tcp/"), port(victim, "/udp/"));
        let mut held = Vec::new();
        for _ in 0..PENDING_INBOUND_PER_ADDRESS_MAX {
            let mut stream = connect(tcp).await.unwrap();
            stream.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n").await.unwrap();
            held.push(stream);
        }
        let opening = first_flight().await;
        let mut sockets = Vec::new();
        for _ in 0..100 {
            let socket = UdpSocket::bind((std::net::Ipv4Addr::from(ATTACKER), 0)).await.unwrap();
            socket.send_to(&opening, at(udp)).await.unwrap();
            sockets.push(socket);
        }
        for stream in &mut held {
            let mut said = Vec::new();
            let end = stream.read_to_end(&mut said);
            let _reset_or_end = tokio::time::timeout(Duration::from_secs(60), end).await.unwrap();
        }
        reaches(victim, "handshakes_failed", u64::from(PENDING_INBOUND_PER_ADDRESS_MAX));
    });
}

/// The first datagram of a real QUIC handshake, which nobody will go on with.
async fn first_flight() -> Vec<u8> {
    let tap = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", tap.local_addr().unwrap().port());
    let mut bytes = vec![0; 2048];
    let keypair = Keypair::generate_ed25519();
    let dial = Stranger::dial(&address, &keypair);
    let length = tokio::select! {
        got = tap.recv_from(&mut bytes) => got.unwrap().0,
        _ = dial => panic!("nobody answers there"),
    };
    bytes.truncate(length);
    bytes
}
