//! Adverts in and out, as text records and without a network.

use libp2p::identity::Keypair;
use mdns_sd::IntoTxtProperties as _;
use pointsman_core::input::Protocol;

use super::*;

fn peer() -> PeerId {
    identity::peer_id(&Keypair::generate_ed25519())
}

fn properties(entries: &[(&str, &str)]) -> TxtProperties {
    let entries: HashMap<_, _> =
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    entries.into_txt_properties()
}

fn texts(facts: &[NetFact]) -> Vec<String> {
    let text = |fact: &NetFact| match fact {
        NetFact::Sighted { address, .. } => format!("+{}", address.text),
        NetFact::Unsighted { address, .. } => format!("-{}", address.text),
        NetFact::DialFailed { .. }
        | NetFact::Listening(_)
        | NetFact::Reached(_)
        | NetFact::Observed { .. }
        | NetFact::Crowded { .. }
        | NetFact::Met(_)
        | NetFact::Shelved(_)
        | NetFact::Published { .. }
        | NetFact::Left
        | NetFact::ListenFailed { .. } => "unexpected".to_owned(),
    };
    facts.iter().map(text).collect()
}

#[test]
fn the_service_name_fits_into_what_dns_sd_allows() {
    assert_eq!(service_type("bitcraps"), "_pm-bitcraps._udp.local.");
    for network in ["", "a name that is too long", "UPPER", "-x", "x-", "a--b", "ä", "a.b"] {
        let service = service_type(network);
        let name = service.strip_prefix('_').unwrap().strip_suffix("._udp.local.").unwrap();
        assert_eq!(name.len(), 15, "{service}");
        assert!(name.bytes().all(|b| b.is_ascii_hexdigit() || b"pm-".contains(&b)), "{service}");
    }
    assert_ne!(service_type("UPPER"), service_type("LOWER"));
}

#[test]
fn what_is_advertised_is_what_is_read() {
    let me = peer();
    let listening = [
        ("eth0", "/ip4/192.0.2.1/udp/4001/quic-v1", Protocol::Quic),
        ("eth0", "/ip4/192.0.2.1/tcp/4001", Protocol::Tcp),
        ("wlan0", "/ip6/2001:db8::1/tcp/9", Protocol::Tcp),
    ]
    .map(|(uplink, text, protocol)| ListenAddress {
        uplink: uplink.into(),
        address: Address { text: text.into(), protocol },
    });
    let adverts = adverts(&listening);
    assert_eq!(adverts.len(), 2, "one for each uplink");
    let eth0 = &adverts["eth0"];
    assert_eq!(eth0.ips, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    let (read_peer, addresses) = read(&txt(me, &eth0.addresses).into_txt_properties()).unwrap();
    assert_eq!(read_peer, me);
    assert_eq!(addresses, [listening[1].address.clone(), listening[0].address.clone()]);
    assert!(instance(me, "eth0").len() <= 63);
    assert_ne!(instance(me, "eth0"), instance(me, "wlan0"));
}

#[test]
fn a_malformed_advert_is_counted_and_ignored() {
    let id = identity::to_text(peer());
    let mut seen = Seen::new(peer());
    let bad: [&[(&str, &str)]; 8] = [
        &[],
        &[("id", &id)],
        &[("id", "nobody"), ("a0", "/ip4/192.0.2.1/tcp/1")],
        &[("id", &id), ("a0", "/ip4/192.0.2.1")],
        &[("id", &id), ("a0", "/dns/victim.example/tcp/1")],
        &[("id", &id), ("a0", "/ip6zone/eth0/ip4/192.0.2.1/tcp/1")],
        &[("id", &id), ("a0", "/ip4/0.0.0.0/tcp/1")],
        &[("id", &id), ("a99", "/ip4/192.0.2.1/tcp/1")],
    ];
    for (n, entries) in bad.iter().enumerate() {
        assert_eq!(seen.heard("x", &properties(entries)), [], "{entries:?}");
        assert_eq!(seen.dropped, n as u64 + 1);
    }
    assert!(seen.instances.is_empty());
}

#[test]
fn changes_of_an_advert_are_told_address_by_address() {
    let (me, other) = (peer(), peer());
    let id = identity::to_text(other);
    let mut seen = Seen::new(me);
    let first = properties(&[("id", &id), ("a0", "/ip4/192.0.2.1/tcp/1")]);
    assert_eq!(texts(&seen.heard("x", &first)), ["+/ip4/192.0.2.1/tcp/1"]);
    assert_eq!(seen.heard("x", &first), [], "nothing new");
    let second = properties(&[("id", &id), ("a0", "/ip4/192.0.2.2/tcp/1")]);
    let changed = texts(&seen.heard("x", &second));
    assert_eq!(changed, ["-/ip4/192.0.2.1/tcp/1", "+/ip4/192.0.2.2/tcp/1"]);
    assert_eq!(texts(&seen.removed("x")), ["-/ip4/192.0.2.2/tcp/1"]);
    assert_eq!(seen.removed("x"), []);
    let own = properties(&[("id", &identity::to_text(me)), ("a0", "/ip4/192.0.2.1/tcp/1")]);
    assert_eq!(seen.heard("me", &own), []);
}

#[test]
fn a_flood_of_instances_is_not_remembered() {
    let id = identity::to_text(peer());
    let txt = properties(&[("id", &id), ("a0", "/ip4/192.0.2.1/tcp/1")]);
    let mut seen = Seen::new(peer());
    for n in 0..limits::PEERS_MAX + 5 {
        seen.heard(&n.to_string(), &txt);
    }
    assert_eq!((seen.instances.len(), seen.dropped), (limits::PEERS_MAX, 5));
}
