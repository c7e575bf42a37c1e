//! `config.toml`: what is read, every error at once and where, and what an edit changed.

mod edits;
mod errors;

use pointsman_core::config::{Allow, Config, ConfigError, Module, keys, parse};
use pointsman_core::id::PeerId;
use pointsman_core::input::Protocol;
use pointsman_sdk::Value;

const SHOWN: &str = include_str!("../../../../config.toml");
const A: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
const B: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn errors(text: &str) -> Vec<ConfigError> {
    parse(text).expect_err("the text has errors")
}

/// Line, column and key of each error.
fn places(text: &str) -> Vec<(usize, usize, String)> {
    errors(text).into_iter().map(|error| (error.line, error.column, error.key)).collect()
}

/// The key and the message of the only error.
fn only(text: &str) -> (String, String) {
    let mut errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let error = errors.remove(0);
    (error.key, error.message)
}

// The shown config.

#[test]
fn an_empty_text_and_the_shown_config_are_the_default() {
    assert_eq!(good(""), Config::default());
    assert_eq!(good(SHOWN), Config::default());
}

/// The shown config with its commented-out keys and tables at work.
fn uncommented() -> String {
    let is_key = |line: &str| {
        line.starts_with('[')
            || line.split_once(" = ").is_some_and(|(key, _)| {
                key.bytes().all(|b| b.is_ascii_lowercase() || b"_.".contains(&b))
            })
    };
    let line =
        |line: &'static str| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line);
    SHOWN.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Each key of a text with its tables, and the comment above it.
fn commented_keys(text: &str) -> Vec<(String, String)> {
    let (mut table, mut comment, mut found) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
        } else if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
            comment.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.push((format!("{table}.{key}"), comment.join(" ")));
            comment.clear();
        } else {
            comment.clear();
        }
    }
    found
}

#[test]
fn the_shown_config_has_every_key_and_says_what_it_takes() {
    let shown = commented_keys(&uncommented());
    let names: Vec<_> = shown.iter().map(|(name, _)| name.as_str()).collect();
    let known = keys();
    assert_eq!(names, known.iter().map(|key| key.name.as_str()).collect::<Vec<_>>());
    for ((name, comment), key) in shown.iter().zip(&known) {
        let comment = comment.to_lowercase();
        let takes = format!("takes {}", key.takes.to_lowercase());
        assert!(comment.contains(&takes), "{name} should say `{takes}` in:\n{comment}");
    }
}

#[test]
fn every_example_of_the_shown_config_can_be_used() {
    let config = good(&uncommented());
    let [uplink] = &config.uplinks[..] else { panic!("one uplink") };
    assert_eq!((uplink.name.as_str(), uplink.quota_mib), ("wwan*", Some(1024)));
    assert_eq!(config.peers[0].addresses.len(), 2);
    assert_eq!(config.identity.as_deref(), Some("identity.key"));
    assert_eq!(config.control_socket.as_deref(), Some("control.sock"));
}

// Values.

#[test]
fn values_land_in_their_fields_and_units() {
    let config = good(&format!(
        "network.name = 'bitcraps'
         [listen]
         quic = false
         tcp = 0x10
         [peers]
         allow = ['{A}']
         [[peer]]
         id = '{B}'
         addresses = ['/ip6/2001:DB8::7/udp/4001/quic-v1', '/dns/a.example/tcp/1']
         [link]
         heartbeat_ms = 2_500
         [delivery]
         ttl_ms = {{ realtime = 0, bulk = 7 }}
         [policy.selector]
         module = 'builtin:fastest-first'
         [policy.failover]
         module = './my:own/standby.wasm'
         settings = {{ z = 1, a = 'x', list = [1, -2], on = true, names = ['p', 'q'] }}"
    ));
    assert_eq!((config.network.as_str(), config.node.network.as_str()), ("bitcraps", "bitcraps"));
    assert_eq!((config.listen_quic, config.listen_tcp), (None, Some(16)));
    assert_eq!(config.node.allow, Allow::Listed(vec![A.parse().expect("a peer id")]));
    assert_eq!(config.peers[0].id, B.parse::<PeerId>().expect("a peer id"));
    let address = &config.peers[0].addresses[0];
    assert_eq!(address.text, "/ip6/2001:db8::7/udp/4001/quic-v1");
    assert_eq!(address.protocol, Protocol::Quic);
    assert_eq!(config.node.heartbeat_us, 2_500_000);
    assert_eq!(config.node.ttl_us, [None, Some(60_000_000), Some(7_000)]);
    assert_eq!(config.selector.module, Module::Builtin("fastest-first".into()));
    assert_eq!(config.failover.module, Module::File("./my:own/standby.wasm".into()));
    let settings = [
        ("z", Value::Integer(1)),
        ("a", Value::Text("x".into())),
        ("list", Value::Integers(vec![1, -2])),
        ("on", Value::Boolean(true)),
        ("names", Value::Texts(vec!["p".into(), "q".into()])),
    ];
    assert_eq!(config.failover.settings, settings.map(|(key, value)| (key.into(), value)));
}

#[test]
fn the_ends_of_every_range_are_taken_and_what_lies_beyond_is_not() {
    let ranged: Vec<_> = keys()
        .into_iter()
        .filter_map(|key| {
            let (least, rest) =
                key.takes.strip_prefix("a whole number from ")?.split_once(" to ")?;
            let (most, _) = rest.split_once(',')?;
            Some((key.name, least.parse::<i64>().ok()?, most.parse::<i64>().ok()?))
        })
        .collect();
    assert_eq!(ranged.len(), 42);
    for (name, least, most) in ranged {
        let text = |number: i64| match name.strip_prefix("uplink.") {
            Some(key) => format!("[[uplink]]\nname = 'x'\n{key} = {number}"),
            None => format!("{name} = {number}"),
        };
        for number in [least - 1, most + 1] {
            let (_, message) = only(&text(number));
            assert!(message.ends_with(&format!("not {number}")), "{name}: {message}");
        }
        for number in [least, most] {
            // A value may be in range and still not go with the default of another key.
            let is_refused = parse(&text(number))
                .is_err_and(|errors| errors.iter().any(|e| e.message.starts_with("takes")));
            assert!(!is_refused, "{name} = {number}");
        }
    }
}
