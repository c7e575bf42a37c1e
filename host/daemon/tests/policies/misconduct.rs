//! Policies that are valid and bad, on real nodes with two uplinks, while messages travel: the
//! one before is back within two seconds, and every message arrives.
//!
//! Both uplinks are as fast over the loopback interface. That a selector takes the slower one is
//! therefore shown where networks differ: in the simulator.

use pointsman_sdk::selector::Verdict;
use serde_json::Value;

use crate::guests::{FAILOVER, Guest, SELECTOR};
use crate::process::{Following, Node};
use crate::scene::{always, place, staying, stubborn, talk};

/// From the swap or the fault to the return, in milliseconds.
const AT_MOST_MS: u64 = 2_000;

/// Sends a copy on every path that is up and not masked. A row begins with its id, transport and
/// flags; 1 is up, 128 masked.
const EVERYWHERE: &str = "(local $row i32) (local $at i32) (local $set i32) (local $bytes i32)
    (if (i32.lt_u (local.get 15) (i32.const 4)) (then (return (i64.const 0))))
    (local.set $bytes (i32.shl (i32.load (local.get 14)) (i32.const 2)))
    (if (i32.lt_u (local.get $bytes) (i32.const 12)) (then (return (i64.const 0))))
    (local.set $row (i32.add (local.get 14) (i32.const 4)))
    (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $at) (i32.const 16)))
        (br_if $end (i32.gt_u (i32.add (local.get $row) (local.get $bytes))
            (i32.add (local.get 14) (i32.shl (local.get 15) (i32.const 2)))))
        (if (i32.eq (i32.and (i32.load offset=8 (local.get $row)) (i32.const 129)) (i32.const 1))
            (then (local.set $set
                (i32.or (local.get $set) (i32.shl (i32.const 1) (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $row (i32.add (local.get $row) (local.get $bytes)))
        (br $next)))
    (if (i32.eqz (local.get $set)) (then (return (i64.const 0))))
    (i64.or (i64.const 3) (i64.shl (i64.extend_i32_u (local.get $set)) (i64.const 4)))";

/// Takes about a millisecond, for nothing. Needs the local `$left`.
const BURN: &str = "(local.set $left (i32.const 1000000))
    (loop $on (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";

/// Burns time on every question, then sends on the first path that can be used, and leases nothing.
fn burning() -> String {
    let set = "(local.get $set)";
    let first = format!("(i32.and {set} (i32.sub (i32.const 0) {set}))");
    let last = EVERYWHERE.rfind(set).unwrap();
    let (head, tail) = (&EVERYWHERE[..last], &EVERYWHERE[last + set.len()..]);
    let one = format!("{head}{first}{tail}").replace("(i64.const 3)", "(i64.const 1)");
    let bytes = "(local $bytes i32)";
    one.replacen(bytes, &format!("{bytes} (local $left i32) {BURN}"), 1)
}

/// Two nodes with a link on each of two uplinks, that have talked for a while: the measure of
/// what is usual.
fn pair() -> (Node, Node) {
    pair_with("")
}

/// The same with this in the config of the first.
fn pair_with(config: &str) -> (Node, Node) {
    let there = Node::start("");
    let here = Node::start(&format!("{}{config}", there.as_peer()));
    for uplink in ["a", "b"] {
        here.event("link-up", |event| event["uplink"] == uplink);
    }
    talk(&here, &there, "200");
    (here, there)
}

/// Messages for some seconds.
fn load(here: &Node, there: &Node) -> Following {
    let load = ["send", &there.peer, "--count", "3000", "--rate", "500", "--size", "500"];
    here.follow(&[&load[..], &["--class", "interactive", "--json"]].concat())
}

/// The uplink that carries the load, once that is under way. What was sent before says nothing:
/// both are as fast, so traffic may have moved.
fn in_use(here: &Node) -> String {
    const UNDER_WAY_BYTES: u64 = 100_000;
    let links = || here.json(&["links", "--json"]).as_array().unwrap().clone();
    let bytes = |one: &Value| one["sent_bytes"].as_u64().unwrap();
    let before = links();
    loop {
        let grown = |one: &Value| {
            let same = before.iter().find(|old| old["link"] == one["link"]);
            bytes(one) - same.map_or(0, bytes)
        };
        let busiest = links().into_iter().max_by_key(grown).unwrap();
        if grown(&busiest) > UNDER_WAY_BYTES {
            return busiest["uplink"].as_str().unwrap().to_owned();
        }
    }
}

/// Cuts the uplink that carries the load; the event.
fn cut_in_use(here: &Node) -> Value {
    let uplink = &in_use(here);
    let cut = format!("POST /v1/uplinks/{uplink}/cut?inbound=true&outbound=true HTTP/1.1\r\n");
    let head = "Host: pointsman.local\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(here.raw(format!("{cut}{head}").as_bytes()).contains("200 OK"));
    here.event("cut", |event| event["uplink"] == uplink.as_str())
}

/// The policy of this slot comes back that was there at the start: why, and how long after the
/// event.
fn went(here: &Node, slot: &str, since: &Value) -> (String, u64) {
    let of_slot = |event: &Value| event["details"]["role"] == slot;
    let back = here.event("policy-rolled-back", of_slot);
    assert_eq!((&back["details"]["generation"], &back["details"]["to"]), (&2.into(), &1.into()));
    let ms = back["unix_ms"].as_u64().unwrap() - since["unix_ms"].as_u64().unwrap();
    (back["details"]["why"].as_str().unwrap().to_owned(), ms)
}

/// A bad selector comes in while messages travel, and goes for this reason.
fn goes(module: &[u8], why: &str) {
    goes_from(pair(), module, &[why]);
}

/// The same for one of these reasons, whichever is seen first.
fn goes_from((here, there): (Node, Node), module: &[u8], whys: &[&str]) {
    place(&here, "bad.wasm", module);
    let mut load = load(&here, &there);
    here.json(&["policy", "swap", "selector", "bad.wasm", "--json"]);
    let swapped = here.event("policy-swapped", |event| event["details"]["generation"] == 2);
    let (because, ms) = went(&here, "selector", &swapped);
    assert!(whys.iter().any(|why| because.contains(why)), "{because}");
    assert!(ms <= AT_MOST_MS, "{ms} ms");
    let told = load.next();
    assert_eq!((&told["delivered"], &told["sent"]), (&3000.into(), &3000.into()), "{told}");
}

#[test]
fn a_selector_that_lets_everything_wait_goes_within_two_seconds() {
    goes(&stubborn(), "messages wait for");
}

#[test]
fn a_selector_that_gives_up_what_could_be_sent_goes_within_two_seconds() {
    goes(&always(Verdict::expire(), 0), "are late");
}

#[test]
fn a_selector_that_sends_everything_on_every_path_goes_within_two_seconds() {
    goes(&Guest { choose: EVERYWHERE, ..SELECTOR }.bytes(), "copies are");
}

#[test]
fn a_selector_that_takes_the_loop_for_itself_goes_within_two_seconds() {
    let burning = Guest { choose: burning().leak(), ..SELECTOR };
    // What one question costs is allowed.
    let slot = "[policy.selector]\nbudget_us = 100000\nmean_us = 100000\n";
    // Messages wait behind it, which may be seen before its share is.
    goes_from(pair_with(slot), &burning.bytes(), &["of the loop's time", "messages take"]);
}

#[test]
fn a_failover_policy_that_burns_time_on_every_question_goes_within_two_seconds() {
    let (here, there) = pair_with("[policy.failover]\nbudget_us = 100000\n");
    // It has no opinion, so that the builtin does the right thing in its stead.
    let decide = format!(
        "(local $left i32) {BURN} (i32.store8 (i32.const 1300) (i32.const 7)) i32.const 1300"
    );
    place(&here, "bad.wasm", &Guest { decide: decide.leak(), ..FAILOVER }.bytes());
    let mut load = load(&here, &there);
    here.json(&["policy", "swap", "failover", "bad.wasm", "--json"]);
    let cut = cut_in_use(&here);
    let (because, ms) = went(&here, "failover", &cut);
    assert!(because.contains("a question costs"), "{because}");
    assert!(ms <= AT_MOST_MS, "{ms} ms");
    let told = load.next();
    assert_eq!((&told["delivered"], &told["sent"]), (&3000.into(), &3000.into()), "{told}");
}

#[test]
fn a_failover_policy_that_never_leaves_a_dead_uplink_goes_within_two_seconds() {
    let (here, there) = pair();
    place(&here, "bad.wasm", &staying());
    let mut load = load(&here, &there);
    here.json(&["policy", "swap", "failover", "bad.wasm", "--json"]);
    let cut = cut_in_use(&here);
    let (because, ms) = went(&here, "failover", &cut);
    assert!(because.contains("messages wait for"), "{because}");
    assert!(ms <= AT_MOST_MS, "{ms} ms");
    let told = load.next();
    assert_eq!((&told["delivered"], &told["sent"]), (&3000.into(), &3000.into()), "{told}");
}
