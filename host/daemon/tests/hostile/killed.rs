//! A peer that is killed without a word, and comes back.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::Node;

#[test]
fn a_killed_peer_is_missed_over_both_protocols_and_gets_what_waited_for_it() {
    const DEAD: Duration = Duration::from_secs(3);
    let there = Node::start("[link]\nheartbeat_ms = 200\ndead_ms = 3000\n");
    let here = there.start_neighbour();
    here.run(&["send", &there.peer, "x", "--wait", "delivered"]);
    let mut protocols = std::collections::BTreeMap::new();
    while !["tcp", "quic"].iter().all(|wanted| protocols.values().any(|found| found == wanted)) {
        for link in there.json(&["links", "--json"]).as_array().unwrap() {
            let protocol = link["protocol"].as_str().unwrap().to_owned();
            protocols.insert(link["link"].as_u64().unwrap(), protocol);
        }
    }
    let mut events = there.follow(&["events", "--json", "--follow"]);
    let peer = here.peer.clone();
    let killed = Instant::now();
    here.signal(Signal::KILL);
    let (_, folder) = here.ended();
    let mut left = there.json(&["links", "--json"]).as_array().unwrap().len();
    while left > 0 {
        let event = events.next();
        if event["kind"] == "link-down" {
            let protocol = protocols.get(&event["link"].as_u64().unwrap());
            eprintln!("kill -9: {protocol:?} down after {:?}", killed.elapsed());
            left = there.json(&["links", "--json"]).as_array().unwrap().len();
        }
    }
    // Silence is noticed in time; the rest is for busy machines.
    assert!(killed.elapsed() < DEAD + Duration::from_secs(20), "{:?}", killed.elapsed());

    assert!(there.run(&["send", &peer, "meanwhile", "--class", "bulk"]).status.success());
    let back = Node::start_in(folder);
    assert_eq!(back.peer, peer);
    let mut heard = back.follow(&["listen", "--json"]);
    assert_eq!(heard.next()["text"], "meanwhile");
    there.event("link-up", |event| event["peer"] == peer.as_str());
}
