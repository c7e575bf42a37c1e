//! Candidates that answer beside the live policy.

use pointsman_sdk::selector::Verdict;

use crate::process::Node;
use crate::scene::{always, failed, modest, place, selector, stubborn, talk};

#[test]
fn a_candidate_is_compared_and_promoted_when_it_has_shown_enough() {
    let there = Node::start("");
    let here = there.start_neighbour();
    place(&here, "mine.wasm", &modest(1));
    let told = failed(&here, &["policy", "shadow", "selector"]);
    assert!(told.contains("no candidate") && told.contains("pointsman policy shadow"), "{told}");
    let began = here.json(&["policy", "shadow", "selector", "mine.wasm", "--json"]);
    assert_eq!(began["candidate"]["name"], "by-hand");
    assert_eq!(selector(&here)["shadow"]["name"], "by-hand");
    assert_eq!(selector(&here)["name"], "fastest-first");

    talk(&here, &there, "300");
    let report = until_compared(&here);
    assert_eq!(report["different"], 0, "{report}");
    let much = ["policy", "promote", "selector", "--compared-min", "1000000000"];
    let told = failed(&here, &much);
    assert!(
        told.contains("is not promoted") && told.contains("1000000000 are asked for"),
        "{told}"
    );
    place(&here, "mine.wasm", &stubborn());
    let enough = ["policy", "promote", "selector", "--compared-min", "1", "--json"];
    let told = here.json(&enough);
    assert_eq!(told["live"]["digest"], began["candidate"]["digest"], "the code that answered");
    let slot = selector(&here);
    assert_eq!((&slot["from"], &slot["shadow"]), (&"promote".into(), &serde_json::Value::Null));
}

#[test]
fn a_candidate_that_decides_otherwise_is_counted_with_examples_and_moves_nothing() {
    let there = Node::start("");
    let here = there.start_neighbour();
    talk(&here, &there, "10");
    place(&here, "bad.wasm", &always(Verdict::hold(50_000), 7));
    here.json(&["policy", "shadow", "selector", "bad.wasm", "--json"]);
    talk(&here, &there, "300");
    let report = until_compared(&here);
    assert!(report["different"].as_u64() > Some(0), "{report}");
    assert!(report["predicted"]["withheld"].as_u64() > Some(0), "{report}");
    assert!(!report["examples"].as_array().unwrap().is_empty(), "{report}");
    let told = failed(
        &here,
        &["policy", "promote", "selector", "--compared-min", "1", "--differ-max", "0"],
    );
    assert!(told.contains("are answered otherwise"), "{told}");
    let stopped = here.json(&["policy", "shadow", "selector", "--stop", "--json"]);
    assert_eq!(stopped["candidate"]["name"], "by-hand");
    assert!(failed(&here, &["policy", "promote", "selector"]).contains("no candidate"));
    assert_eq!(selector(&here)["generation"], 1);
}

#[test]
fn what_is_live_has_no_shadow() {
    let node = Node::start("");
    let live = selector(&node)["module"].as_str().unwrap().to_owned();
    let told = failed(&node, &["policy", "shadow", "selector", &live]);
    assert!(told.contains("is live already"), "{told}");
}

fn until_compared(node: &Node) -> serde_json::Value {
    let began = std::time::Instant::now();
    loop {
        let report = node.json(&["policy", "shadow", "selector", "--json"]);
        if report["compared"].as_u64() > Some(0) {
            return report;
        }
        assert!(began.elapsed() < crate::process::PATIENCE, "nothing was compared");
    }
}
