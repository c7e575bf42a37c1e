//! Peers that are who they say, and break the protocol.

use std::time::Duration;

use libp2p::identity::Keypair;
use pointsman_core::frame::{Ack, Channel, Frame};
use pointsman_core::limits::{
    ESTABLISHED_PER_ADDRESS_MAX, LINKS_PER_PEER_MAX, SUBSTREAMS_PER_LINK_MAX,
};
use pointsman_sdk::selector::Class;

use crate::process::Node;
use crate::siege::{address, counter, reaches, under, until};
use crate::stranger::{Linked, Stranger, hello};

const PROTOCOLS: [&str; 2] = ["/tcp/", "/quic-v1"];

/// Waits until the node has no link to that peer.
fn unlinked(node: &Node, peer: &str) {
    let gone = |_: &serde_json::Value| {
        let links = node.json(&["links", "--json"]);
        links.as_array().unwrap().iter().all(|link| link["peer"] != peer)
    };
    until(node, "the end of the link", gone);
}

#[test]
fn lengths_that_no_frame_has_end_the_link_and_are_counted() {
    under(async |victim| {
        for (n, protocol) in PROTOCOLS.into_iter().enumerate() {
            let mut long = Linked::greeted(&address(victim, protocol)).await;
            long.write(&u32::MAX.to_be_bytes()).await.unwrap();
            reaches(victim, "frames_malformed", 2 * n as u64 + 1);
            let mut empty = Linked::greeted(&address(victim, protocol)).await;
            let _closed = empty.write(&[0; 40_000]).await;
            reaches(victim, "frames_malformed", 2 * n as u64 + 2);
            unlinked(victim, &long.peer);
            unlinked(victim, &empty.peer);
        }
        assert_eq!(counter(victim, "violations"), 4);
    });
}

#[test]
fn a_peer_that_breaks_the_protocol_is_discouraged_and_why_says_for_what() {
    under(async |victim| {
        let mut long = Linked::greeted(&address(victim, "/tcp/")).await;
        long.write(&u32::MAX.to_be_bytes()).await.unwrap();
        victim.event("standing", |event| {
            event["peer"] == long.peer.as_str() && event["details"]["level"] == "discouraged"
        });
        let why = victim.json(&["peers", "why", &long.peer, "--json"]);
        let sentence = why["sentence"].as_str().unwrap();
        assert!(sentence.contains("it sent bytes that are no frame, once"), "{sentence}");
    });
}

#[test]
fn a_hello_of_an_unknown_version_is_answered_with_the_end() {
    under(async |victim| {
        for protocol in PROTOCOLS {
            let keypair = Keypair::generate_ed25519();
            let stranger = Stranger::dial(&address(victim, protocol), &keypair).await.unwrap();
            let mut linked = stranger.link().await.unwrap();
            let later = pointsman_core::frame::Hello { version_min: 2, version_max: 9, ..hello() };
            linked.say(&Frame::Hello(later)).await.unwrap();
            victim.event("closed", |event| event["peer"] == linked.peer.as_str());
            unlinked(victim, &linked.peer);
        }
    });
}

#[test]
fn acknowledgements_of_what_was_never_sent_end_the_link() {
    under(async |victim| {
        for (n, protocol) in PROTOCOLS.into_iter().enumerate() {
            let mut liar = Linked::greeted(&address(victim, protocol)).await;
            let link = liar.heard_hello().await.link;
            let ack = Ack { link, delay_us: 0, ranges: vec![(1, 1 << 60)] };
            liar.say(&Frame::Ack(ack)).await.unwrap();
            reaches(victim, "violations", n as u64 + 1);
            unlinked(victim, &liar.peer);
        }
    });
}

#[test]
fn a_peer_that_never_acknowledges_costs_a_bounded_flight() {
    under(async |victim| {
        let mut mute = Linked::greeted(&address(victim, "/tcp/")).await;
        victim.event("link-up", |event| event["peer"] == mute.peer.as_str());
        let load = ["send", &mute.peer, "--count", "2000", "--size", "10000", "--ttl", "3s"];
        let mut load = victim.command(&load).spawn().unwrap();
        let mut sequence = 0;
        while load.try_wait().unwrap().is_none() {
            sequence += 1;
            // It stays alive in all other respects.
            if mute.say(&Frame::Probe { sequence }).await.is_err() {
                break;
            }
            // A question to the node takes about as long as a good pace of probes.
            counter(victim, "loop_turns");
        }
        assert_eq!(load.wait().unwrap().code(), Some(1), "they were not delivered");
        let links = victim.json(&["links", "--json"]);
        let flight =
            links.as_array().unwrap().iter().find(|link| link["peer"] == mute.peer.as_str());
        let sent = flight.and_then(|link| link["sent_bytes"].as_u64()).unwrap_or_default();
        assert!(sent < 4 << 20, "{sent} bytes went to a peer that acknowledged none");
    });
}

#[test]
fn floods_of_probes_and_grants_from_a_peer_that_never_reads_are_borne() {
    under(async |victim| {
        let mut flood = Linked::greeted(&address(victim, "/tcp/")).await;
        for n in 1..=100_000u64 {
            let grant = Frame::Credit { class: Class::Bulk, bytes: u64::MAX - n };
            let probe = Frame::Probe { sequence: 3 * n };
            let said = async {
                flood.say(&grant).await?;
                flood.say(&probe).await
            };
            match tokio::time::timeout(Duration::from_secs(5), said).await {
                Ok(Ok(())) => {}
                // It was held up, or turned away: either way it is bounded.
                Ok(Err(_)) | Err(_) => break,
            }
        }
    });
}

#[test]
fn more_substreams_than_a_link_has_are_refused() {
    under(async |victim| {
        for protocol in PROTOCOLS {
            let keypair = Keypair::generate_ed25519();
            let mut greedy = Stranger::dial(&address(victim, protocol), &keypair).await.unwrap();
            let mut held = Vec::new();
            while held.len() < 200 {
                let open = greedy.open(Channel::Control);
                match tokio::time::timeout(Duration::from_secs(1), open).await {
                    Ok(Ok(stream)) => held.push(stream),
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            let most = 2 * SUBSTREAMS_PER_LINK_MAX;
            assert!(held.len() <= most, "{} substreams over {protocol}", held.len());
        }
    });
}

#[test]
fn three_hundred_links_from_one_identity_are_cut_to_its_share() {
    under(async |victim| {
        let (address, keypair) = (address(victim, "/tcp/"), Keypair::generate_ed25519());
        let mut held = Vec::new();
        for n in 0..300 {
            held.push(Linked::from_uplink(&address, &keypair, &format!("x{n}")).await);
        }
        let peer = held.iter().flatten().next().expect("the first is let in").peer.clone();
        reaches(victim, "connections_refused", 300 - u64::from(ESTABLISHED_PER_ADDRESS_MAX));
        let links = links_of(victim, |of| of == peer);
        assert!((1..=LINKS_PER_PEER_MAX).contains(&links), "{links} links");
    });
}

#[test]
fn two_thousand_identities_from_one_address_have_the_share_of_one_address() {
    under(async |victim| {
        let (address, mut held) = (address(victim, "/tcp/"), Vec::new());
        for _ in 0..2000 {
            held.push(Linked::from_uplink(&address, &Keypair::generate_ed25519(), "x").await);
        }
        let share = ESTABLISHED_PER_ADDRESS_MAX as usize;
        reaches(victim, "connections_refused", (2000 - 2 * share) as u64);
        let links = links_of(victim, |peer| held.iter().flatten().any(|one| one.peer == peer));
        assert!((2..=share).contains(&links), "{links} links");
    });
}

/// How many links a node has to such peers.
fn links_of(node: &Node, wanted: impl Fn(&str) -> bool) -> usize {
    let links = node.json(&["links", "--json"]);
    links.as_array().unwrap().iter().filter(|link| wanted(link["peer"].as_str().unwrap())).count()
}
