//! Radio neighbours, from what a radio heard to a link and its end.

use pointsman_core::bluetooth::RadioAddress;
use pointsman_core::bluetooth::advert::{Advert, Capabilities};
use pointsman_core::bluetooth::neighbours::RadioTraits;
use pointsman_core::config::NodeConfig;
use pointsman_core::frame::Frame;
use pointsman_core::id::{DialId, LinkId, UplinkId};
use pointsman_core::input::{DialFailure, Input, NewLink, Protocol, Transport, Uplink};
use pointsman_core::output::{CloseReason, Event, Output};
use pointsman_core::snapshot::NeighbourState;

use crate::lone::{Lone, PEER, closed, hello};
use crate::scene::config;

const RADIO: UplinkId = UplinkId(9);
const THERE: RadioAddress = RadioAddress([0, 0xAA, 1, 0, 0, 2]);

fn radio() -> Input {
    Input::UplinkChanged(Uplink {
        id: RADIO,
        name: "hci0".into(),
        radio: Some(RadioTraits { central: true, peripheral: true, l2cap: false }),
        has_default_route: false,
        addresses: vec!["00:AA:01:00:00:01".into()],
        risk_group: 9,
        metered: false,
        price_per_mib: 0,
        quota_left_kib: u32::MAX,
        wake_uj: 60,
        nj_per_byte: 250,
    })
}

fn overheard(token: u32, rssi: i16) -> Input {
    let advert = Advert::new(Capabilities::CENTRAL, token);
    let payload = advert.to_bytes().to_vec();
    Input::Overheard { uplink: RADIO, address: THERE, payload, rssi: Some(rssi) }
}

/// Hears a neighbour ten times a second.
fn hear(lone: &mut Lone, seconds: u64, rssi: impl Fn(u64) -> i16) -> Vec<Output> {
    let mut orders = Vec::new();
    for tenth in 0..seconds * 10 {
        orders.extend(lone.tell(overheard(u32::MAX, rssi(tenth))));
        orders.extend(lone.run(100_000));
    }
    orders
}

fn approached(orders: &[Output]) -> Option<DialId> {
    orders.iter().find_map(|order| {
        let Output::Approach { dial, address: THERE, uplink: RADIO } = order else { return None };
        Some(*dial)
    })
}

fn link_up(dial: Option<DialId>) -> Input {
    Input::LinkUp(NewLink {
        link: LinkId(5),
        peer: PEER,
        transport: Transport::Bluetooth,
        protocol: Protocol::Bluetooth,
        uplink: RADIO,
        dial,
        datagram_bytes: 0,
        remote: THERE.to_address().text,
    })
}

/// Linked to the neighbour by link 5, which has proven itself.
fn linked() -> Lone {
    let mut lone = Lone::new();
    lone.tell(radio());
    let dial = approached(&hear(&mut lone, 1, |_| -60)).expect("a neighbour in range is dialled");
    let mut orders = lone.tell(link_up(Some(dial)));
    orders.extend(lone.receive(5, Frame::Hello(hello(7, "hci7"))));
    let probe = orders.iter().find_map(|order| {
        let Output::Transmit { frame: Frame::Probe { sequence }, .. } = order else { return None };
        Some(*sequence)
    });
    let sequence = probe.expect("a new link is probed");
    lone.acked(5, &[(sequence, sequence)]);
    lone
}

#[test]
fn a_radio_is_told_to_listen_and_what_to_advertise() {
    let mut lone = Lone::new();
    let mut orders = lone.tell(radio());
    orders.extend(lone.run(100_000));
    assert!(orders.iter().any(|order| matches!(order, Output::Scan { uplink: RADIO, .. })));
    let said = orders.iter().find_map(|order| {
        let Output::Advertise { uplink: RADIO, payload } = order else { return None };
        Advert::from_bytes(payload).ok()
    });
    assert!(said.expect("it advertises").capabilities.contains(Capabilities::CENTRAL));
}

#[test]
fn a_neighbour_in_range_becomes_a_link_and_a_place_of_its_peer() {
    let lone = linked();
    let snapshot = lone.node.snapshot();
    let [neighbour] = snapshot.neighbours.as_slice() else { panic!("{snapshot:?}") };
    assert_eq!((neighbour.peer, neighbour.state), (Some(PEER), NeighbourState::Linked(LinkId(5))));
    assert_eq!(snapshot.peers[0].links[0].transport, Transport::Bluetooth);
    assert!(snapshot.peers[0].addresses.is_empty(), "where it is on the air is no address");
}

#[test]
fn a_dial_that_came_to_nothing_is_told_and_waits_before_it_is_made_again() {
    let mut lone = Lone::new();
    lone.tell(radio());
    let dial = approached(&hear(&mut lone, 1, |_| -60)).expect("it is dialled");
    let failure = DialFailure::Unreachable;
    let told = lone.tell(Input::DialFailed { dial, failure });
    let told = told
        .iter()
        .any(|order| matches!(order, Output::Event(Event::ApproachFailed { address: THERE, .. })));
    assert!(told && approached(&hear(&mut lone, 1, |_| -60)).is_none());
    assert!(approached(&hear(&mut lone, 3, |_| -60)).is_some());
}

#[test]
fn a_link_that_fades_is_told_and_one_that_is_out_of_sight_is_closed() {
    let mut lone = linked();
    // Longer than a neighbour may be out of sight: it is that which ends the link.
    lone.tell(Input::Configured(NodeConfig { dead_us: 60_000_000, ..config() }));
    let orders = hear(&mut lone, 12, |tenth| -60 - (tenth / 4) as i16);
    let fades = |order: &Output| matches!(order, Output::Event(Event::Fading(LinkId(5))));
    assert!(orders.iter().any(fades), "3 dB a second are a trend");
    assert_eq!(closed(&lone.run(25_000_000)), [], "it may be silent for 30 s");
    assert_eq!(closed(&lone.run(10_000_000)), [(5, CloseReason::OutOfSight)]);
}

#[test]
fn a_radio_that_goes_takes_its_links_and_its_neighbours_along() {
    let mut lone = linked();
    let orders = lone.tell(Input::UplinkGone(RADIO));
    assert_eq!(closed(&orders), [(5, CloseReason::UplinkGone)]);
    assert!(lone.node.snapshot().neighbours.is_empty());
    assert!(approached(&hear(&mut lone, 2, |_| -60)).is_none(), "there is nothing to dial with");
}

#[test]
fn bytes_that_are_no_advertisement_are_counted_and_do_nothing() {
    let mut lone = Lone::new();
    lone.tell(radio());
    for payload in [vec![], vec![0; 5], vec![0xFF; 6], vec![1; 255]] {
        lone.tell(Input::Overheard { uplink: RADIO, address: THERE, payload, rssi: Some(-40) });
    }
    assert!(approached(&lone.run(5_000_000)).is_none());
    let snapshot = lone.node.snapshot();
    assert!(snapshot.neighbours.is_empty());
    assert_eq!(snapshot.bluetooth.malformed + snapshot.bluetooth.incompatible, 4);
}
