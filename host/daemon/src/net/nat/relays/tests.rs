//! What becomes of reservations and circuits when a relay's standing changes.

use libp2p::swarm::ListenOpts;
use libp2p::swarm::behaviour::ListenerClosed;

use super::*;
use crate::net::ways::uplink;

/// Relays that are all connected over one uplink, the best first.
struct Scene {
    relays: Relays,
    peers: Vec<PeerId>,
}

impl Scene {
    fn new(count: usize) -> Self {
        let ways = Ways::default();
        ways.set(&uplink(1, "eth0", &[]));
        let peers: Vec<PeerId> = (0..count).map(|_| PeerId::random()).collect();
        let fixed = peers.iter().enumerate().map(|(n, peer)| (*peer, address(n))).collect();
        let mut relays = Relays::new(Halves::new(PeerId::random()), ways, fixed);
        for (n, peer) in peers.iter().enumerate() {
            let connection = ConnectionId::new_unchecked(n);
            relays.add(connection, *peer, Some(&with_uplink(&address(n), "eth0")));
            let one = relays.connections.get_mut(&connection).unwrap();
            (one.identified, one.is_relay) = (true, true);
        }
        Self { relays, peers }
    }

    fn actions(&mut self) -> VecDeque<Action> {
        std::mem::take(&mut self.relays.actions)
    }

    fn asked(&mut self) -> Vec<ListenOpts> {
        let listen = |action| {
            if let ToSwarm::ListenOn { opts } = action { Some(opts) } else { None }
        };
        self.actions().into_iter().filter_map(listen).collect()
    }
}

fn address(n: usize) -> Multiaddr {
    format!("/ip4/192.0.2.{n}/tcp/1").parse().unwrap()
}

fn at(options: &ListenOpts, relay: &PeerId) -> bool {
    options.address().to_string().contains(&relay.to_string())
}

#[tokio::test]
async fn a_reservation_at_a_relay_that_becomes_shunned_is_given_up_and_another_sought() {
    let mut scene = Scene::new(3);
    scene.relays.want(true);
    let [first, second, third] = scene.peers[..] else { unreachable!() };
    let asked = scene.asked();
    assert!(asked.len() == 2 && at(&asked[0], &first) && at(&asked[1], &second));
    scene.relays.stood(first, Level::Shunned);
    let given_up = |action: &Action| matches!(action, ToSwarm::RemoveListener { id } if *id == asked[0].listener_id());
    assert_eq!(scene.actions().iter().filter(|action| given_up(action)).count(), 1);
    let (listener_id, reason) = (asked[0].listener_id(), Ok(()));
    let closed = ListenerClosed { listener_id, reason };
    scene.relays.hears(FromSwarm::ListenerClosed(closed));
    let asked = scene.asked();
    assert!(asked.len() == 1 && at(&asked[0], &third), "{asked:?}");
}

#[test]
fn one_that_is_only_discouraged_keeps_its_reservation() {
    let mut scene = Scene::new(2);
    scene.relays.want(true);
    scene.asked();
    scene.relays.stood(scene.peers[0], Level::Discouraged);
    assert!(scene.actions().is_empty());
    assert_eq!(scene.relays.reservations().len(), 2);
}

#[test]
fn no_circuit_goes_through_a_shunned_relay() {
    let mut scene = Scene::new(1);
    let relay = scene.peers[0];
    scene.relays.stood(relay, Level::Shunned);
    let through: Multiaddr = format!("{}/p2p/{relay}/p2p-circuit", address(0)).parse().unwrap();
    let options = DialOpts::peer_id(PeerId::random()).addresses(vec![through.clone()]).build();
    scene.relays.connect(&through, "eth0", options);
    let actions = scene.actions();
    assert_eq!(actions.len(), 1);
    assert!(matches!(
        &actions[0],
        ToSwarm::GenerateEvent(RelayEvent::Unreached { text, .. }) if text.contains("shunned")
    ));
}

#[tokio::test]
async fn a_relay_that_refuses_a_reservation_is_told_of() {
    use libp2p::relay::client::transport::Error as Circuit;
    use libp2p::relay::outbound::hop::ReserveError;

    use crate::net::failure::ConnectError;
    let mut scene = Scene::new(1);
    scene.relays.want(true);
    let listener_id = scene.asked()[0].listener_id();
    let refused = Circuit::Reservation(ReserveError::ResourceLimitExceeded);
    let error = io::Error::other(ConnectError::Circuit(Box::new(refused)));
    let closed = ListenerClosed { listener_id, reason: Err(&error) };
    scene.relays.hears(FromSwarm::ListenerClosed(closed));
    let refuses = |action: &Action| {
        let ToSwarm::GenerateEvent(RelayEvent::Observed { relay, because }) = action else {
            return false;
        };
        (*relay, *because) == (scene.peers[0], Cause::RelayRefused)
    };
    assert!(scene.relays.actions.iter().any(refuses));
}
