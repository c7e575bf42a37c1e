//! Uplinks that swallow one direction or both, and addresses where nobody listens.

use std::net::TcpListener;

use crate::process::Node;
use crate::siege::reaches;

#[test]
fn messages_go_round_an_uplink_that_swallows_one_direction_or_both() {
    for directions in ["inbound=true", "outbound=true", "inbound=true&outbound=true"] {
        let there = Node::start("");
        let here = there.start_neighbour();
        for uplink in ["a", "b"] {
            here.event("link-up", |event| event["uplink"] == uplink);
        }
        let send = ["send", &there.peer, "--count", "100", "--size", "900", "--json"];
        assert_eq!(here.json(&send)["delivered"], 100);
        let links = here.json(&["links", "--json"]);
        let busiest = links.as_array().unwrap().iter().max_by_key(|one| one["sent_bytes"].as_u64());
        let uplink = busiest.unwrap()["uplink"].as_str().unwrap();
        let cut = format!("POST /v1/uplinks/{uplink}/cut?{directions} HTTP/1.1\r\n");
        let head = "Host: pointsman.local\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert!(here.raw(format!("{cut}{head}").as_bytes()).contains("200 OK"));
        assert_eq!(here.json(&send)["delivered"], 100, "{directions}");
        let back = ["send", &here.peer, "--count", "100", "--size", "900", "--json"];
        assert_eq!(there.json(&back)["delivered"], 100, "{directions}");
    }
}

#[test]
fn refused_dials_are_counted_and_the_address_that_answers_is_used() {
    let there = Node::start("");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = format!("addresses = [\"/ip4/127.0.0.1/tcp/{free}\", ");
    let here = Node::start(&there.as_peer().replace("addresses = [", &dead));
    let sent = here.json(&["send", &there.peer, "x", "--wait", "delivered", "--json"]);
    assert_eq!(sent["fate"], "delivered");
    reaches(&here, "dials_failed", 1);
}
