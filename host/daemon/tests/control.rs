//! The control socket against bad input, strangers, and nodes that are gone.

mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pointsman_core::limits::CONTROL_REQUEST_MS_MAX;
use process::{Node, exchange, text};
use rustix::process::{Signal, geteuid};
use serde_json::Value;

/// The status and the body of an answer.
fn parts(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or_else(|| panic!("no HTTP: {answer:?}")), body.unwrap_or_default())
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    let host = "Host: pointsman.local\r\n";
    format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n").into_bytes()
}

/// Every refusal is JSON with a sentence.
fn refused(answer: &str) -> u16 {
    let (status, body) = parts(answer);
    let view: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}"));
    assert!(view["error"].as_str().is_some_and(|error| !error.is_empty()), "{view}");
    status
}

#[test]
fn requests_that_a_web_page_could_make_are_refused() {
    let node = Node::start("");
    let fine = request("GET /v1/status", "");
    assert_eq!(parts(&node.raw(&fine)).0, 200);
    for header in ["Origin: http://localhost\r\n", "Origin: null\r\n", "Referer: http://x/\r\n"] {
        assert_eq!(refused(&node.raw(&request("GET /v1/status", header))), 403, "{header}");
    }
    for host in ["localhost", "pointsman.local.evil.example", "127.0.0.1"] {
        let other = text(&fine).replace("pointsman.local", host);
        assert_eq!(refused(&node.raw(other.as_bytes())), 421, "{host}");
    }
    let twice = request("GET /v1/status", "Host: localhost\r\n");
    assert!(parts(&node.raw(&twice)).0 >= 400);
    assert_eq!(refused(&node.raw(&request("GET /v1/nothing", ""))), 404);
    assert_eq!(refused(&node.raw(&request("POST /v1/status", "Content-Length: 0\r\n"))), 405);
}

#[test]
fn every_answer_forbids_browsers_to_use_it() {
    let answer = Node::start("").raw(&request("GET /v1/status", "")).to_lowercase();
    for header in [
        "content-security-policy: default-src 'none'",
        "x-frame-options: deny",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(answer.contains(header), "{header} is missing in {answer}");
    }
}

#[test]
fn oversized_and_unfinished_requests_end_without_harm() {
    let node = Node::start("");
    let long = format!("X-Long: {}\r\n", "x".repeat(64 << 10));
    assert_eq!(parts(&node.raw(&request("GET /v1/status", &long))).0, 431);

    let send = format!("POST /v1/send?peer={}", node.peer);
    let announced = request(&send, "Content-Length: 99999999999\r\n");
    assert_eq!(refused(&node.raw(&announced)), 413);
    let mut streamed = request(&send, "Transfer-Encoding: chunked\r\n");
    streamed.extend_from_slice(format!("{:x}\r\n", 17 << 20).as_bytes());
    streamed.resize(streamed.len() + (17 << 20), b'x');
    streamed.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(refused(&node.raw(&streamed)), 413);

    assert!(parts(&node.raw(b"\x16\x03\x01\x02\x00garbage\r\n\r\n")).0 == 400);
    assert_eq!(node.json(&["status", "--json"])["peer"], node.peer.as_str());
}

#[test]
fn a_head_that_never_ends_loses_its_connection() {
    let node = Node::start("");
    let began = Instant::now();
    // The answer, if any, is an error; what counts is that the other side ends it, and by our
    // limit rather than by the 30 s that the library has.
    let answer = node.raw(b"GET /v1/status HTTP/1.1\r\nHost: pointsman.loc");
    assert!(!answer.contains("200 OK"), "{answer}");
    assert!(began.elapsed() < 4 * Duration::from_millis(CONTROL_REQUEST_MS_MAX));
}

#[test]
fn queries_that_make_no_sense_are_named() {
    let node = Node::start("");
    let post = |path: &str| node.raw(&request(&format!("POST {path}"), "Content-Length: 0\r\n"));
    assert_eq!(refused(&post("/v1/send?class=bulk")), 400);
    assert_eq!(refused(&post(&format!("/v1/send?peer={}&class=urgent", node.peer))), 400);
    assert_eq!(refused(&post("/v1/send?peer=nobody")), 404);
    assert_eq!(refused(&post("/v1/send?peer=")), 404);
    assert_eq!(refused(&post("/v1/uplinks/wlan9/cut?inbound=true")), 404);
    assert_eq!(refused(&node.raw(&request("GET /v1/events?since=minus", ""))), 400);
    assert_eq!(refused(&node.raw(&request("GET /v1/listen?class=urgent", ""))), 400);
}

#[test]
fn the_socket_of_a_dead_node_is_told_and_replaced() {
    let node = Node::start("");
    node.signal(Signal::KILL);
    let (_, folder) = node.ended();
    assert!(folder.path().join("node.sock").exists(), "a killed node leaves its socket");
    let output = process::pointsman(folder.path())
        .args(["--socket", "node.sock", "status"])
        .output()
        .unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(told.contains("node.sock") && told.contains("pointsman run"), "{told}");
    let again = Node::start_in(folder);
    assert_eq!(again.json(&["status", "--json"])["peer"], again.peer.as_str());
}

#[test]
fn a_second_node_on_the_same_socket_is_refused_and_the_first_lives_on() {
    let node = Node::start("");
    let output = node.run(&["run", "--config", "config.toml"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("a node is running") && told.contains("--socket"), "{told}");
    assert_eq!(node.json(&["status", "--json"])["peer"], node.peer.as_str());
}

#[test]
fn the_socket_is_its_owners_alone() {
    let node = Node::start("");
    let mode = fs::metadata(node.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
#[expect(clippy::print_stderr, reason = "who runs the tests must know what was not tested")]
fn another_user_is_told_that_the_node_is_not_his() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can connect as another user");
        return;
    }
    let node = Node::start("");
    for path in [node.folder.path().to_owned(), node.socket()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let socket = node.socket();
    // The kernel keeps a user for every thread; the socket tells that of the connecting one.
    let stranger = std::thread::spawn(move || {
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
        exchange(UnixStream::connect(socket).unwrap(), &request("GET /v1/status", ""))
    });
    let (status, body) = parts(&stranger.join().unwrap());
    assert_eq!(status, 403);
    let view: Value = serde_json::from_str(&body).unwrap();
    assert!(view["remedy"].as_str().unwrap().contains("the user that runs the node"), "{view}");
}
