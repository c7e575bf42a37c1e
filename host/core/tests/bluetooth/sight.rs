//! In sight and out of it, and what people are told of that.

use pointsman_core::bluetooth::neighbours::{Event, NeighbourState, Why};
use pointsman_core::id::LinkId;

use crate::scene::{MS, RADIO, S, Scene, address, at_metres, peer};

#[test]
fn a_neighbour_is_told_of_when_it_comes_and_when_it_goes() {
    let mut scene = Scene::new();
    scene.stand(&[(1, at_metres(20.0))], 3 * S);
    let Some(Event::Discovered { address: who, range: Some(range), .. }) =
        scene.events().first().copied()
    else {
        panic!("{:?}", scene.events());
    };
    assert_eq!(who, address(1));
    assert!(range.low_m < 20.0 && 20.0 < range.high_m);
    scene.advance(29 * S);
    assert_eq!(scene.events().len(), 1);
    scene.advance(2 * S);
    assert_eq!(scene.events()[1..], [Event::Lost { uplink: RADIO, address: address(1) }]);
    assert_eq!(scene.node.remembered(), 0);
}

#[test]
fn a_neighbour_that_stands_still_is_told_of_once_and_one_that_comes_is_told_of_again() {
    let mut scene = Scene::new();
    for n in 0..600 {
        scene.stand(&[(1, -85 + [-3, 2, 4, -4, 1][n % 5])], 100 * MS);
    }
    assert_eq!(scene.events().len(), 1, "{:?}", scene.events());
    scene.stand(&[(1, -50)], 10 * S);
    let last = scene.events().last().copied();
    assert!(matches!(last, Some(Event::RangeChanged { within: true, .. })), "{last:?}");
    assert!(scene.events().len() < 12, "{:?}", scene.events());
}

#[test]
fn a_link_of_which_nothing_is_heard_is_closed_and_its_neighbour_lost() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.advance(31 * S);
    assert_eq!(scene.closes(), [(1, Why::OutOfSight)]);
    scene.unlink(1);
    assert!(scene.events().contains(&Event::Lost { uplink: RADIO, address: address(1) }));
    assert_eq!(scene.node.occupancy(), 0);
}

#[test]
fn a_link_that_carries_something_or_advertises_is_in_sight() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60), (2, -60)], S);
    scene.link(1, 1, 9);
    scene.link(2, 2, 8);
    scene.settle(1);
    scene.settle(2);
    for _ in 0..120 {
        scene.node.link_heard(scene.now, LinkId(1), None);
        scene.hear(2, -60);
        scene.advance(S);
    }
    assert_eq!(scene.closes(), []);
}

#[test]
fn the_snapshot_says_how_far_everyone_is_and_how_we_stand() {
    let mut scene = Scene::new();
    scene.stand(&[(1, at_metres(4.0)), (2, at_metres(40.0)), (3, -60)], S);
    scene.link(1, 1, 9);
    let now = scene.now;
    let views = scene.node.snapshot(now);
    let states: Vec<NeighbourState> = views.iter().map(|view| view.state).collect();
    let linked = NeighbourState::Linked(LinkId(1));
    assert_eq!(states, [linked, NeighbourState::Far, NeighbourState::Dialling]);
    let range = views[0].range.expect("it was measured");
    assert!((3.5..4.5).contains(&range.metres) && views[0].peer == Some(peer(9)));
    assert!(range.low_m < 3.0 && range.high_m > 5.0, "{range:?}");
}
