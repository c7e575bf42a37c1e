//! What a record must hold to, and the test vector of the document.

use libp2p::identity::ed25519;

use super::*;

const NOW_S: u64 = 1_800_000_000;
const RULES: Rules<'static> = Rules { network: "bitcraps", scope: Scope::Public, now_s: NOW_S };

fn keypair(seed: u8) -> Keypair {
    let secret = ed25519::SecretKey::try_from_bytes([seed; 32]).unwrap();
    ed25519::Keypair::from(secret).into()
}

fn peer(keypair: &Keypair) -> PeerId {
    identity::from_libp2p(&keypair.public().to_peer_id()).unwrap()
}

fn reach(transport: Transport, text: &str) -> Reach {
    Reach { transport, address: text.parse().unwrap() }
}

fn record() -> PeerRecord {
    PeerRecord {
        peer: peer(&keypair(1)),
        network: "bitcraps".to_owned(),
        sequence: NOW_S * 1000,
        issued_s: NOW_S,
        expires_s: NOW_S + 24 * 3600,
        reach: vec![
            reach(Transport::Internet, "/ip4/8.8.4.4/udp/4001/quic-v1"),
            reach(Transport::Internet, "/ip6/2a00:1450::1/tcp/4001"),
        ],
        capabilities: Capabilities::RELAY,
        sealing_key: [9; 32],
    }
}

fn check(record: &PeerRecord) -> Result<Checked, Refusal> {
    let signed = record.clone().sign(&keypair(1)).unwrap();
    RULES.check(&key_of(record.peer), &signed.envelope, None)
}

fn refused(change: impl FnOnce(&mut PeerRecord)) -> Refusal {
    let mut record = record();
    change(&mut record);
    check(&record).unwrap_err()
}

#[test]
fn a_record_comes_back_as_it_was_signed() {
    assert_eq!(check(&record()).unwrap().record, record());
}

#[test]
fn a_name_leads_to_the_peer_and_back() {
    let peer = record().peer;
    assert_eq!(peer_of(&key_of(peer)), Some(peer));
    assert_eq!(key_of(peer).len(), 54);
    for name in [&b"/pointsman/peer/"[..], b"", b"/pk/x", &[0xFF; 54]] {
        assert_eq!(peer_of(name), None);
        let signed = record().sign(&keypair(1)).unwrap();
        assert_eq!(RULES.check(name, &signed.envelope, None), Err(Refusal::Name));
    }
}

#[test]
fn a_record_under_the_name_of_another_peer_is_refused() {
    let signed = record().sign(&keypair(1)).unwrap();
    let other = key_of(peer(&keypair(2)));
    assert_eq!(RULES.check(&other, &signed.envelope, None), Err(Refusal::OtherPeer));
}

#[test]
fn a_record_that_another_signed_is_refused() {
    let signed = record().sign(&keypair(2)).unwrap();
    let own = key_of(record().peer);
    assert_eq!(RULES.check(&own, &signed.envelope, None), Err(Refusal::OtherPeer));
    // Nor does it help to name the right key beside the signature of the wrong one.
    let mut forged = Envelope::decode(&signed.envelope[..]).unwrap();
    forged.public_key = public_key(record().peer).to_vec().into();
    let forged = forged.encode_to_vec();
    assert_eq!(RULES.check(&own, &forged, None), Err(Refusal::Signature));
}

#[test]
fn a_record_about_another_than_its_signer_is_refused() {
    let other = peer(&keypair(2));
    let signed = PeerRecord { peer: other, ..record() }.sign(&keypair(1)).unwrap();
    let own = key_of(record().peer);
    assert_eq!(RULES.check(&own, &signed.envelope, None), Err(Refusal::OtherPeer));
}

#[test]
fn no_byte_of_a_record_can_be_changed() {
    let signed = record().sign(&keypair(1)).unwrap().envelope;
    let own = key_of(record().peer);
    for at in 0..signed.len() {
        let mut changed = signed.clone();
        changed[at] ^= 1;
        assert!(RULES.check(&own, &changed, None).is_err(), "byte {at}");
    }
}

#[test]
fn a_signature_for_another_purpose_is_none() {
    let payload = Payload::from(&record()).encode_to_vec();
    let sign = |domain: &str, kind: &[u8]| {
        let envelope =
            SignedEnvelope::new(&keypair(1), domain.to_owned(), kind.to_vec(), payload.clone());
        envelope.unwrap().into_protobuf_encoding()
    };
    let own = key_of(record().peer);
    let foreign = sign("libp2p-peer-record", PAYLOAD_TYPE);
    assert_eq!(RULES.check(&own, &foreign, None), Err(Refusal::Signature));
    let foreign = sign(DOMAIN, b"/libp2p/routing-state-record");
    assert_eq!(RULES.check(&own, &foreign, None), Err(Refusal::Malformed));
}

#[test]
fn a_record_for_another_network_is_refused() {
    assert_eq!(refused(|record| record.network = "other".to_owned()), Refusal::OtherNetwork);
}

#[test]
fn a_record_that_expired_is_refused() {
    let expired = refused(|record| {
        record.issued_s = NOW_S - 3600;
        record.expires_s = NOW_S;
    });
    assert_eq!(expired, Refusal::Expired);
}

#[test]
fn a_record_from_the_future_is_refused_beyond_what_clocks_differ() {
    let mut skewed = record();
    skewed.issued_s = NOW_S + SKEW_S_MAX;
    assert!(check(&skewed).is_ok());
    assert_eq!(refused(|record| record.issued_s = NOW_S + SKEW_S_MAX + 1), Refusal::Future);
    let sequence = refused(|record| record.sequence = (NOW_S + SKEW_S_MAX + 1) * 1000);
    assert_eq!(sequence, Refusal::Future);
    assert_eq!(refused(|record| record.sequence = u64::MAX), Refusal::Future);
}

#[test]
fn a_record_that_would_hold_for_more_than_two_days_is_refused() {
    let long = |record: &mut PeerRecord| record.expires_s = NOW_S + LIFETIME_S_MAX + 1;
    assert_eq!(refused(long), Refusal::Lifetime);
    assert_eq!(refused(|record| record.expires_s = u64::MAX), Refusal::Lifetime);
    let backwards = refused(|record| {
        record.issued_s = NOW_S + 10;
        record.expires_s = NOW_S + 5;
    });
    assert_eq!(backwards, Refusal::Lifetime);
}

#[test]
fn a_record_longer_than_any_may_be_is_refused_unread() {
    let own = key_of(record().peer);
    let long = vec![0; limits::DHT_RECORD_BYTES_MAX + 1];
    assert_eq!(RULES.check(&own, &long, None), Err(Refusal::TooLong));
    assert_eq!(RULES.check(&own, &long[1..], None), Err(Refusal::Malformed));
}

#[test]
fn a_record_with_too_many_addresses_is_refused() {
    let many = refused(|record| {
        let one = record.reach[0].clone();
        record.reach = vec![one; limits::DHT_RECORD_ADDRESSES_MAX + 1];
    });
    assert_eq!(many, Refusal::Addresses);
}

#[test]
fn a_record_with_an_address_that_is_not_for_the_public_is_refused() {
    for text in [
        "/ip4/192.168.1.2/tcp/4001",
        "/ip4/10.0.0.1/udp/4001/quic-v1",
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/169.254.1.1/tcp/4001",
        "/ip6/::1/tcp/4001",
        "/ip6/fe80::1/tcp/4001",
        "/ip6/fd00::1/tcp/4001",
        "/ip6/::ffff:10.0.0.1/tcp/4001",
        "/unix/ble:AA:BB:CC:DD:EE:FF",
        "/memory/7",
        "/ip6zone/eth0/ip4/8.8.4.4/tcp/4001",
    ] {
        let one = reach(Transport::Internet, text);
        assert_eq!(refused(|record| record.reach = vec![one]), Refusal::Scope, "{text}");
    }
}

#[test]
fn a_record_never_goes_back_behind_one_that_is_known() {
    let signed = record().sign(&keypair(1)).unwrap();
    let own = key_of(record().peer);
    let check = |newest| RULES.check(&own, &signed.envelope, newest);
    assert!(check(Some(record().sequence)).is_ok());
    assert_eq!(check(Some(record().sequence + 1)), Err(Refusal::RolledBack));
}

#[test]
fn a_sealing_key_of_another_length_is_refused() {
    let mut payload = Payload::from(&record());
    payload.sealing_key = Bytes::from_static(&[9; 31]);
    let envelope = SignedEnvelope::new(
        &keypair(1),
        DOMAIN.to_owned(),
        PAYLOAD_TYPE.to_vec(),
        payload.encode_to_vec(),
    );
    let envelope = envelope.unwrap().into_protobuf_encoding();
    let own = key_of(record().peer);
    assert_eq!(RULES.check(&own, &envelope, None), Err(Refusal::Malformed));
}

#[test]
fn fields_of_later_versions_are_left_alone() {
    let mut payload = Payload::from(&record()).encode_to_vec();
    payload.extend([0xFA, 0x01, 0x02, b'h', b'i']);
    let envelope =
        SignedEnvelope::new(&keypair(1), DOMAIN.to_owned(), PAYLOAD_TYPE.to_vec(), payload);
    let envelope = envelope.unwrap().into_protobuf_encoding();
    assert_eq!(RULES.check(&key_of(record().peer), &envelope, None).unwrap().record, record());
}

/// The text of `docs/peer-record.md` after a line that begins with `label`.
fn documented(label: &str) -> Vec<u8> {
    let text = include_str!("../../../../docs/peer-record.md");
    let (_, after) = text.split_once(label).expect("the label is there");
    let (_, block) = after.split_once("```text\n").expect("a block follows");
    let (block, _) = block.split_once("```").expect("it ends");
    let digits: Vec<u8> = block.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// What the document says of the record is [`record`], and its secret key is `01` 32 times.
#[test]
fn the_bytes_in_the_document_are_those_that_are_made_and_checked() {
    let signed = record().sign(&keypair(1)).unwrap();
    assert_eq!(documented("Name in the DHT:"), key_of(record().peer));
    assert_eq!(documented("Payload:"), Payload::from(&record()).encode_to_vec());
    assert_eq!(documented("Envelope:"), signed.envelope);
    let checked = RULES.check(&documented("Name in the DHT:"), &documented("Envelope:"), None);
    assert_eq!(checked.unwrap().record, record());
}
