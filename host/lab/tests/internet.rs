//! How the NATs of a lab translate, seen from outside.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use pointsman_lab::{Host, Internet, Lab, NatKind, has_nft, trial};

const PORT: u16 = 40_000;

fn socket(host: &Host, port: u16) -> UdpSocket {
    let bind = move || UdpSocket::bind(("0.0.0.0", port)).unwrap();
    let socket = host.namespace.run(bind).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// What two public hosts see of a host behind a NAT, and whether a third reaches it there.
fn seen(lab: &mut Lab, kind: NatKind) -> ([SocketAddr; 2], bool) {
    let mut internet = Internet::new(lab).unwrap();
    let publics = [(); 3].map(|()| internet.public_host(lab).unwrap());
    let mut nat = internet.nat(lab, kind).unwrap();
    let host = nat.host(lab).unwrap();
    let inside = socket(&host, PORT);
    let [first, second, third] = [0, 1, 2].map(|n| socket(&publics[n], 1));
    let mut places = [first, second].into_iter().zip(&publics).map(|(there, public)| {
        // The first datagrams may be lost while addresses are resolved.
        for _ in 0..10 {
            inside.send_to(b"here", (public.uplinks[0].address, 1)).unwrap();
            if let Ok((_, from)) = there.recv_from(&mut [0; 4]) {
                return from;
            }
        }
        panic!("nothing came through the NAT");
    });
    let places = [places.next().unwrap(), places.next().unwrap()];
    let arrived = (0..3).any(|_| {
        third.send_to(b"there", places[0]).unwrap();
        inside.recv_from(&mut [0; 5]).is_ok()
    });
    (places, arrived)
}

fn told_of(name: &str) -> bool {
    if !has_nft() {
        skipped(name);
    }
    has_nft()
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn skipped(name: &str) {
    eprintln!("SKIPPED {name}: nft is not installed (Debian: apt-get install nftables)");
}

#[test]
fn most_homes_keep_a_port_and_let_nobody_in_unasked() {
    let name = "most_homes_keep_a_port_and_let_nobody_in_unasked";
    if told_of(name) {
        trial(name, |lab| {
            let (places, arrived) = seen(lab, NatKind::PortRestricted);
            assert_eq!(places[0], places[1]);
            assert_eq!(places[0].port(), PORT);
            assert!(!arrived);
        });
    }
}

#[test]
fn a_symmetric_nat_has_another_port_for_everybody() {
    let name = "a_symmetric_nat_has_another_port_for_everybody";
    if told_of(name) {
        trial(name, |lab| {
            let (places, arrived) = seen(lab, NatKind::Symmetric);
            assert_eq!(places[0].ip(), places[1].ip());
            assert_ne!(places[0].port(), places[1].port());
            assert!(!arrived);
        });
    }
}

#[test]
fn a_full_cone_lets_everybody_in_once_somebody_was_called() {
    let name = "a_full_cone_lets_everybody_in_once_somebody_was_called";
    if told_of(name) {
        trial(name, |lab| {
            let (places, arrived) = seen(lab, NatKind::FullCone);
            assert_eq!(places[0], places[1]);
            assert!(arrived);
        });
    }
}
