//! Every error at once, with its place, its key and what to write instead.

use std::collections::BTreeSet;

use pointsman_core::config::Config;
use pointsman_core::limits::{CONFIG_BYTES_MAX, CONFIG_ERRORS_MAX, UPLINKS_MAX};

use super::{A, SHOWN, errors, good, only, places};

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    let text = "\
[link]
heartbeat_ms = 5
dead_ms = \"long\"
suspect = 3

[[uplink]]
name = \"wlan0\"
metered = 1

[[peer]]
addresses = [\"/ip4/192.0.2.7/tcp/4001\", \"192.0.2.7\", 7]

[log]
level = \"inof\"
";
    let expected = [
        (2, 16, "link.heartbeat_ms"),
        (3, 11, "link.dead_ms"),
        (4, 1, "link.suspect"),
        (8, 11, "uplink[0].metered"),
        (10, 1, "peer[0].id"),
        (11, 41, "peer[0].addresses[1]"),
        (11, 54, "peer[0].addresses[2]"),
        (14, 9, "log.level"),
    ];
    assert_eq!(places(text), expected.map(|(line, column, key)| (line, column, key.to_owned())));
}

#[test]
fn a_text_that_is_no_toml_tells_each_broken_line_and_checks_the_others() {
    let text = "[link]\nheartbeat_ms = = 5\n[log]\nlevel = 'inof'\n[dial]\nretry_min_ms = \"5\n";
    let places = places(text);
    let broken: BTreeSet<_> =
        places.iter().filter(|(_, _, key)| key.is_empty()).map(|(line, _, _)| *line).collect();
    assert_eq!(broken, BTreeSet::from([2, 6]), "{places:?}");
    let others: Vec<_> = places.iter().filter(|(_, _, key)| !key.is_empty()).collect();
    assert_eq!(others, [&(4, 9, "log.level".to_owned())]);
}

#[test]
fn what_is_missing_is_not_told_of_a_broken_text() {
    assert!(errors("[[peer]]\nid =\n").iter().all(|error| error.key.is_empty()));
}

#[test]
fn columns_count_characters() {
    assert_eq!(places("log = { é = 1 }").len(), 1);
    assert_eq!(places("log = { \"é\" = 1, json = 3 }")[1], (1, 25, "log.json".into()));
}

#[test]
fn lines_may_end_in_the_way_of_windows() {
    let text = SHOWN.replace('\n', "\r\n");
    assert_eq!(good(&text), Config::default());
    assert_eq!(places("[log]\r\njson = 3\r\n"), [(2, 8, "log.json".into())]);
}

#[test]
fn an_unknown_key_suggests_the_nearest_one() {
    let cases = [
        ("[link]\nhartbeat_ms = 1", "link.hartbeat_ms", "did you mean `link.heartbeat_ms`?"),
        ("[lnik]\ndead_ms = 1", "lnik", "did you mean `link`?"),
        ("[[uplink]]\nname = 'x'\nmeterd = true", "uplink[0].meterd", "did you mean `metered`?"),
        ("heartbeat_ms = 1", "heartbeat_ms", "did you mean `link.heartbeat_ms`?"),
        ("[log]\ncolour = 1", "log.colour", "known here are level, json"),
        ("\"link.dead_ms\" = 1", "\"link.dead_ms\"", "known here are network, node, listen"),
        (
            "[delivery.ttl_ms]\nbluk = 1",
            "delivery.ttl_ms.bluk",
            "did you mean `delivery.ttl_ms.bulk`?",
        ),
    ];
    for (text, key, says) in cases {
        let (at, message) = only(text);
        assert_eq!(at, key);
        assert!(message.starts_with("there is no such key") && message.contains(says), "{message}");
    }
}

#[test]
fn a_value_of_another_kind_says_what_is_taken_and_what_stands_there() {
    let cases = [
        ("mdns = true", "mdns", "takes a table, not true"),
        ("uplink = {}", "uplink", "takes tables in double brackets, not a table"),
        ("peer = [1]", "peer[0]", "takes a table, not 1"),
        ("mdns.enabled = 'yes'", "mdns.enabled", "takes true or false, not \"yes\""),
        ("listen.quic = true", "listen.quic", "or false, not true"),
        ("listen.tcp = 65536", "listen.tcp", "or false, not 65536"),
        ("listen.tcp = -1", "listen.tcp", "or false, not -1"),
        ("link.dead_ms = 1e4", "link.dead_ms", "in milliseconds, not a float"),
        ("link.dead_ms = 1979-05-27", "link.dead_ms", "not a datetime"),
        ("peers.allow = 'none'", "peers.allow", "takes \"all\", or up to 4096 peer ids"),
        ("peers.allow = []\npeers.max_links = 0", "peers.max_links", "from 1 to 16"),
        ("policy.selector.settings = 1", "policy.selector.settings", "takes a table of"),
        ("policy.selector.settings.x = 1.5", "policy.selector.settings.x", "not a float"),
        ("policy.selector.settings.x = [1, 'a']", "policy.selector.settings.x", "not an array"),
        (
            "policy.selector.settings.x = 9223372036854775808",
            "policy.selector.settings.x",
            "a whole number of 64 bits",
        ),
    ];
    for (text, key, says) in cases {
        let (at, message) = only(text);
        assert_eq!(at, key);
        assert!(message.contains(says), "{text}: {message}");
    }
}

#[test]
fn a_number_beyond_any_type_is_out_of_range() {
    let (key, message) = only(&format!("link.dead_ms = {}", "9".repeat(60)));
    assert_eq!(key, "link.dead_ms");
    assert!(message.contains("not 9999"), "{message}");
}

#[test]
fn texts_outside_their_rules_are_refused() {
    let long = "x".repeat(129);
    let bad = [
        ("network.name", vec!["", "Bitcraps", "sixteen-letters-", "a--b", "-a", "123", "bücher"]),
        ("node.identity", vec!["", "a\\u0000b"]),
        ("control.socket", vec!["", &long]),
        ("log.level", vec!["", "inof", "pointsman", "a=b", "=info", "info,", "a b=info"]),
        ("uplink.name", vec!["", &long, "a b", "a*b", "**", "a\\nb"]),
        ("uplink.interface", vec!["", "sixteen-letters-", "a/b", "a b"]),
        ("uplink.address", vec!["", "192.0.2.7/24", "host", "fe80::1%eth0"]),
        ("uplink.risk_group", vec!["", "a b", &long]),
    ];
    for (name, texts) in bad {
        for text in texts {
            let config = match name.strip_prefix("uplink.") {
                Some("name") => format!("[[uplink]]\nname = \"{text}\""),
                Some(key) => format!("[[uplink]]\nname = 'x'\n{key} = \"{text}\""),
                None => format!("{name} = \"{text}\""),
            };
            let (_, message) = only(&config);
            assert!(message.starts_with("takes "), "{name} = {text}: {message}");
        }
    }
}

#[test]
fn a_module_of_an_unknown_form_is_refused() {
    let forms = [
        "",
        "fastest-first",
        "fastest-first.wat",
        ".wasm",
        "builtin:",
        "builtin:standby",
        "builtin:Fastest-First",
        "embedded:",
        "embedded:a b",
        "embedded:a/b",
        "embeded:fastest-first",
        "https://host.example/policy.wasm",
        "file:policy.wasm",
    ];
    for form in forms {
        let (key, message) = only(&format!("policy.selector.module = '{form}'"));
        assert_eq!(key, "policy.selector.module");
        assert!(message.contains("\"builtin:fastest-first\""), "{message}");
    }
    good("policy.failover.module = 'builtin:standby'");
    good("policy.failover.module = 'embedded:anything-else-2'");
    good("policy.failover.module = '/an/absolute/path.wasm'");
}

#[test]
fn two_tables_with_the_same_identity_are_refused_at_the_second() {
    let text = "[[uplink]]\nname = 'a'\n[[uplink]]\nname = 'b'\n[[uplink]]\nname = 'a'\n";
    let told = errors(text);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].line, told[0].key.as_str()), (6, "uplink[2].name"));
    assert_eq!(told[0].message, "\"a\" is that of uplink[0] too");

    let text = format!("[[peer]]\nid = '{A}'\n[[peer]]\nid = '{A}'\n[[peer]]\nid = '{A}'\n");
    let lines: Vec<_> = errors(&text).into_iter().map(|error| (error.line, error.key)).collect();
    assert_eq!(lines, [(4, "peer[1].id".into()), (6, "peer[2].id".into())]);
}

#[test]
fn a_key_given_twice_is_refused() {
    assert_eq!(places("[log]\njson = true\njson = false\n"), [(3, 1, String::new())]);
    assert_eq!(places("[log]\n[mdns]\n[log]\n"), [(3, 2, String::new())]);
}

#[test]
fn peers_and_addresses_that_are_none_say_why() {
    let (key, message) = only("peers.allow = ['all']");
    assert_eq!(key, "peers.allow[0]");
    assert!(message.starts_with("\"all\": not an Ed25519 peer id"), "{message}");
    let text = format!("[[peer]]\nid = '{A}'\naddresses = ['/ip4/192.0.2.7/tcp/1/p2p/{A}']");
    let (key, message) = only(&text);
    assert_eq!(key, "peer[0].addresses[0]");
    assert!(message.contains("leave out `/p2p/"), "{message}");
}

#[test]
fn values_that_contradict_each_other_are_refused_at_the_later_one() {
    let cases = [
        ("[dial]\nretry_max_ms = 100\nretry_min_ms = 200", 3, "dial.retry_min_ms"),
        ("[dial]\nretry_max_ms = 100", 2, "dial.retry_max_ms"),
        ("[link]\nheartbeat_ms = 1000\ndead_ms = 1000", 3, "link.dead_ms"),
        ("[link]\nheartbeat_ms = 15000", 2, "link.heartbeat_ms"),
        ("[link]\ndead_ms = 5000\nsuspect_min_ms = 5000", 3, "link.suspect_min_ms"),
    ];
    for (text, line, key) in cases {
        let told = errors(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].line, told[0].key.as_str()), (line, key));
    }
    good("[dial]\nretry_max_ms = 200\nretry_min_ms = 200");
}

#[test]
fn a_faulty_value_contradicts_nothing() {
    assert_eq!(only("[dial]\nretry_max_ms = 100\nretry_min_ms = 'soon'").0, "dial.retry_min_ms");
}

#[test]
fn more_than_the_node_keeps_is_refused() {
    let uplinks: String =
        (0..=UPLINKS_MAX).map(|i| format!("[[uplink]]\nname = 'u{i}'\n")).collect();
    assert_eq!(only(&uplinks), ("uplink".into(), "more than 32 tables".into()));
    let addresses = "'/ip4/192.0.2.7/tcp/1',".repeat(17);
    let text = format!("[[peer]]\nid = '{A}'\naddresses = [{addresses}]");
    assert_eq!(only(&text), ("peer[0].addresses".into(), "more than 16".into()));
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let text = "#".repeat(CONFIG_BYTES_MAX);
    good(&text);
    assert_eq!(only(&format!("{text}#")).0, "");
}

#[test]
fn of_very_many_errors_the_first_are_told_and_the_rest_counted() {
    let text: String = (0..1000).map(|i| format!("nothing{i} = 1\n")).collect();
    let told = errors(&text);
    assert_eq!(told.len(), CONFIG_ERRORS_MAX + 1);
    assert_eq!(told[99].line, 100);
    assert_eq!(told[CONFIG_ERRORS_MAX].message, "900 more errors follow");
}

#[test]
fn texts_without_sense_are_refused_without_panic() {
    let nested = format!("x = {}", "[".repeat(100_000));
    let dotted = vec!["a"; 100_000].join(".");
    for text in [
        "=",
        "[",
        "[[",
        "]",
        "\"",
        "'''",
        "\0",
        "\u{feff}[",
        "a.b.c",
        "[a]]",
        "x = [[{",
        &nested,
        &dotted,
    ] {
        assert!(!errors(text).is_empty(), "{text:.20}");
    }
}

#[test]
fn an_error_shows_as_one_line() {
    let told: Vec<_> = errors("[log]\njson = 3\n= 5").iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "2:8: log.json takes true or false, not 3");
    assert!(told[1].starts_with("3:1: "), "{told:?}");
}
