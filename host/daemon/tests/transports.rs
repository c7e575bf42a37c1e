//! Two nodes' transports over loopback: what they connect, refuse, lose and tell.

#[path = "transports/end.rs"]
mod end;
#[path = "transports/hostile.rs"]
mod hostile;
#[path = "transports/interfaces.rs"]
mod interfaces;
mod namespace;

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::multiaddr::Protocol as Part;
use pointsman::net::address::{split_uplink, with_uplink};
use pointsman::net::failure::dial_failure;
use pointsman_core::id::UplinkId;
use pointsman_core::input::{DialFailure, Protocol};

use end::{End, PROTOCOLS, bound_to, pair};

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a figure for whoever runs it with --nocapture")]
async fn streams_go_both_ways_and_50_mb_arrive_intact() {
    for protocol in PROTOCOLS {
        let (mut left, mut right) = pair(protocol).await;
        let begun = tokio::time::Instant::now();
        end::transfer(&mut left.muxer, &mut right.muxer, 50 << 20).await;
        let took = begun.elapsed();
        end::transfer(&mut right.muxer, &mut left.muxer, 1 << 20).await;
        eprintln!("{protocol:?}: 50 MiB in {took:?}");
    }
}

#[tokio::test]
async fn no_uplink_is_in_what_a_transport_tells() {
    for protocol in PROTOCOLS {
        let mut listener = End::new();
        let address = listener.listen(protocol).await;
        assert_eq!(split_uplink(&address).0, None);
        let mut dialler = End::new();
        let (_left, right) = end::connect(&mut dialler, &mut listener, &address).await;
        assert_eq!(split_uplink(&right.local), (None, address));
        assert_eq!(split_uplink(&right.remote).0, None);
    }
}

#[tokio::test]
async fn both_ends_claim_their_connection_once() {
    for protocol in PROTOCOLS {
        let (left, right) = pair(protocol).await;
        let dialled = left.registry.claim_dialled(&left.dialled).unwrap();
        assert_eq!((dialled.uplink.as_str(), dialled.uplink_id), ("lo1", UplinkId(1)));
        assert_eq!(dialled.protocol, protocol);
        assert!(left.registry.claim_dialled(&left.dialled).is_none());
        let accepted = right.registry.claim_accepted(&right.local, &right.remote).unwrap();
        assert_eq!(accepted.protocol, protocol);
        assert!(right.registry.claim_accepted(&right.local, &right.remote).is_none());
    }
}

#[tokio::test]
async fn a_handle_measures_and_does_not_keep_the_connection() {
    for protocol in PROTOCOLS {
        let (mut left, mut right) = pair(protocol).await;
        end::transfer(&mut left.muxer, &mut right.muxer, 4 << 20).await;
        let handle = left.registry.claim_dialled(&left.dialled).unwrap().handle;
        let sample = handle.sample();
        assert!(sample.rtt_us.is_some_and(|us| us > 0 && us < 5_000_000), "{sample:?}");
        assert!(sample.cwnd_bytes.is_some_and(|bytes| bytes > 1000), "{sample:?}");
        assert!(sample.loss_ppm.is_some_and(|ppm| ppm < 500_000), "{sample:?}");
        assert_eq!(sample.queued_bytes.is_some(), protocol == Protocol::Tcp);
        drop(left.muxer);
        assert!(!handle.is_alive());
        assert_eq!(handle.sample(), Default::default());
        end::closed(&mut right.muxer).await;
    }
}

#[tokio::test]
async fn datagrams_go_beside_the_streams_of_quic() {
    let (left, right) = pair(Protocol::Quic).await;
    let from = left.registry.claim_dialled(&left.dialled).unwrap().handle.datagrams().unwrap();
    let to = right.registry.claim_accepted(&right.local, &right.remote).unwrap();
    let to = to.handle.datagrams().unwrap();
    assert!(from.max_datagram_size().unwrap() > 1000);
    from.send_datagram(b"one"[..].into()).unwrap();
    assert_eq!(&to.read_datagram().await.unwrap()[..], b"one");
    let (tcp, _right) = pair(Protocol::Tcp).await;
    assert!(tcp.registry.claim_dialled(&tcp.dialled).unwrap().handle.datagrams().is_none());
}

#[tokio::test]
async fn a_cut_loses_silently_and_what_waited_goes_on_after_it() {
    for protocol in PROTOCOLS {
        for cut_inbound in [false, true] {
            let (mut left, mut right) = pair(protocol).await;
            let (mut near, mut far) = end::stream(&mut left.muxer, &mut right.muxer).await;
            let cut = left.cut();
            if cut_inbound {
                cut.set_inbound(true)
            } else {
                cut.set_outbound(true)
            }
            let (talks, hears) =
                if cut_inbound { (&mut far, &mut near) } else { (&mut near, &mut far) };
            let mut byte = [0];
            let exchange = async {
                talks.write_all(b"x").await.unwrap();
                talks.flush().await.unwrap();
                hears.read_exact(&mut byte).await.unwrap();
            };
            futures::pin_mut!(exchange);
            let both = end::drive(&mut left.muxer, &mut right.muxer, exchange.as_mut());
            let lost = tokio::time::timeout(Duration::from_millis(400), both).await;
            assert!(lost.is_err(), "{protocol:?}: a cut let a byte through");
            if cut_inbound {
                cut.set_inbound(false)
            } else {
                cut.set_outbound(false)
            }
            end::drive(&mut left.muxer, &mut right.muxer, exchange).await;
            assert_eq!(&byte, b"x");
        }
    }
}

#[tokio::test]
async fn closing_a_tcp_connection_during_a_cut_does_not_tell_the_peer() {
    let (left, mut right) = pair(Protocol::Tcp).await;
    let cut = left.cut();
    cut.set_outbound(true);
    drop(left.muxer);
    let told = end::closed(&mut right.muxer);
    futures::pin_mut!(told);
    let told_now = tokio::time::timeout(Duration::from_millis(300), told.as_mut()).await;
    assert!(told_now.is_err());
    cut.set_outbound(false);
    told.await;
}

#[tokio::test]
async fn somebody_else_is_refused() {
    for protocol in PROTOCOLS {
        let mut listener = End::new();
        let address = listener.listen(protocol).await;
        let mut dialler = End::new();
        let wrong = with_uplink(&address, "lo1").with(Part::P2p(PeerId::random()));
        let error = end::fail(&mut dialler, &mut listener, wrong.clone()).await;
        assert_eq!(dial_failure(&error), DialFailure::WrongPeer, "{error}");
        assert!(dialler.registry.claim_dialled(&wrong).is_none());
    }
}

#[tokio::test]
async fn a_closed_tcp_port_and_an_absent_uplink_are_told_at_once() {
    let mut end = End::new();
    let begun = tokio::time::Instant::now();
    let closed = end::closed_port();
    let address = format!("/ip6zone/lo1/ip4/127.0.0.1/tcp/{closed}").parse().unwrap();
    let error = end.dial(address).await.err().unwrap();
    assert_eq!(dial_failure(&error), DialFailure::Refused);
    let address = "/ip6zone/nowhere/ip4/127.0.0.1/udp/9/quic-v1".parse().unwrap();
    let error = end.dial(address).await.err().unwrap();
    assert_eq!(dial_failure(&error), DialFailure::Unreachable);
    let address = "/ip6zone/lo1/ip6/::1/udp/9/quic-v1".parse().unwrap();
    let error = end.dial(address).await.err().unwrap();
    assert_eq!(dial_failure(&error), DialFailure::Unreachable);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_address_without_an_uplink_is_not_ours() {
    let mut end = End::new();
    assert!(end.dial("/ip4/127.0.0.1/tcp/9".parse().unwrap()).await.is_err());
    assert!(end.try_listen("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()).is_err());
}

#[tokio::test]
async fn a_listener_follows_its_uplinks_addresses_and_ends_with_it() {
    for protocol in PROTOCOLS {
        let mut end = End::new();
        let first = end.listen(protocol).await;
        end.bindings.set(bound_to("lo1", 1, &["127.0.0.3"]));
        assert_eq!(end.expired().await, first);
        let second = end.new_address().await;
        assert!(second.to_string().starts_with("/ip4/127.0.0.3/"), "{second}");
        let mut dialler = End::new();
        end::connect(&mut dialler, &mut end, &second).await;
        end.bindings.remove(UplinkId(1));
        assert_eq!(end.expired().await, second);
        end.listener_closed().await;
    }
}

#[tokio::test]
async fn an_uplink_that_goes_takes_its_quic_connections_along() {
    let (mut left, _right) = pair(Protocol::Quic).await;
    left.bindings.remove(UplinkId(1));
    end::closed(&mut left.muxer).await;
}

#[tokio::test]
async fn removing_a_listener_keeps_its_connections() {
    for protocol in PROTOCOLS {
        let mut listener = End::new();
        let address = listener.listen(protocol).await;
        let mut dialler = End::new();
        let (mut left, mut right) = end::connect(&mut dialler, &mut listener, &address).await;
        listener.stop_listening().await;
        end::transfer(&mut left.muxer, &mut right.muxer, 1 << 16).await;
        if protocol == Protocol::Tcp {
            let error = dialler.dial(with_uplink(&address, "lo1")).await.err().unwrap();
            assert_eq!(dial_failure(&error), DialFailure::Refused);
        }
    }
}

#[tokio::test]
async fn a_listener_dials_from_its_own_quic_port() {
    let mut left = End::new();
    let mut right = End::new();
    let from = left.listen(Protocol::Quic).await;
    let to = right.listen(Protocol::Quic).await;
    let (_, accepted) = end::connect(&mut left, &mut right, &to).await;
    assert_eq!(accepted.remote, from);
}

#[tokio::test]
async fn a_dial_in_the_listeners_role_takes_the_connection_that_comes() {
    let mut waits = End::new();
    let mut dials = End::new();
    let at_waits = waits.listen(Protocol::Quic).await;
    let at_dials = dials.listen(Protocol::Quic).await;
    let towards = with_uplink(&at_dials, "lo1").with(Part::P2p(dials.peer));
    let punched = waits.dial_as_listener(towards.clone());
    let dialled = dials.dial(with_uplink(&at_waits, "lo1"));
    let (punched, dialled) = end::race(&mut waits, punched, &mut dials, dialled).await;
    let (punched, dialled) = (punched.unwrap(), dialled.unwrap());
    assert_eq!((punched.0, dialled.0), (dials.peer, waits.peer));
    assert!(waits.registry.claim_dialled(&towards).is_some());
}

#[tokio::test]
async fn names_are_looked_up() {
    for protocol in PROTOCOLS {
        let mut listener = End::new();
        let port = end::port(&listener.listen(protocol).await);
        let named = match protocol {
            Protocol::Quic => format!("/dns4/localhost/udp/{port}/quic-v1"),
            Protocol::Tcp => format!("/dns4/localhost/tcp/{port}"),
            Protocol::Bluetooth | Protocol::Circuit => unreachable!("sockets only"),
        };
        let named = named.parse().unwrap();
        let mut dialler = End::new();
        end::connect(&mut dialler, &mut listener, &named).await;
    }
}

#[tokio::test]
async fn ipv6_is_as_good() {
    let six = || End::with(bound_to("lo1", 1, &["::1"]));
    for protocol in ["udp/0/quic-v1", "tcp/0"] {
        let mut listener = six();
        let any = format!("/ip6zone/lo1/ip6/::/{protocol}").parse().unwrap();
        listener.try_listen(any).unwrap();
        let address = listener.new_address().await;
        assert!(address.to_string().starts_with("/ip6/::1/"), "{address}");
        let (mut left, mut right) = end::connect(&mut six(), &mut listener, &address).await;
        end::transfer(&mut left.muxer, &mut right.muxer, 1 << 16).await;
    }
}

#[tokio::test]
async fn a_listener_whose_socket_cannot_move_ends_and_says_why() {
    for protocol in PROTOCOLS {
        let mut end = End::new();
        let first = end.listen(protocol).await;
        end.bindings.set(bound_to("lo1", 1, &["192.0.2.77"]));
        assert_eq!(end.expired().await, first);
        end.listener_broke().await;
    }
}
