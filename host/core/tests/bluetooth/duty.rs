//! How much is listened, and what is advertised.

use pointsman_core::bluetooth::advert::{Advert, Capabilities};
use pointsman_core::bluetooth::neighbours::{BluetoothConfig, Scanning, Wish};

use crate::scene::{MS, S, Scene};

fn scans(scene: &Scene) -> Vec<Scanning> {
    let scan = |wish: &Wish| match wish {
        Wish::Scan { scanning, .. } => Some(*scanning),
        Wish::Dial { .. } | Wish::Close { .. } | Wish::Advertise { .. } | Wish::Tell(_) => None,
    };
    scene.wishes.iter().filter_map(|(_, wish)| scan(wish)).collect()
}

#[test]
fn it_listens_densely_alone_sparsely_with_links_and_thriftily_when_power_is_saved() {
    let config = BluetoothConfig::default();
    let mut scene = Scene::new();
    scene.accept(1, 1, 9);
    scene.advance(S);
    scene.node.power(scene.now, true);
    scene.advance(S);
    scene.unlink(1);
    let (dense, sparse, thrifty) = (config.scan_dense, config.scan_sparse, config.scan_thrifty);
    assert_eq!(scans(&scene), [dense, sparse, thrifty, sparse]);
}

#[test]
fn it_listens_densely_while_a_link_fades() {
    let mut scene = Scene::new();
    scene.accept(1, 1, 9);
    for n in 0..200 {
        scene.stand(&[(1, -60 - n / 4)], 100 * MS);
    }
    assert_eq!(scans(&scene).last(), Some(&BluetoothConfig::default().scan_dense));
}

#[test]
fn the_token_changes_every_quarter_of_an_hour_and_says_what_the_node_can() {
    let mut scene = Scene::new();
    scene.node.offered(scene.now, Capabilities::APPLICATION);
    scene.advance(3600 * S);
    let adverts: Vec<Advert> = scene
        .payloads()
        .iter()
        .map(|payload| Advert::from_bytes(payload).expect("we write what we read"))
        .collect();
    let tokens: Vec<u32> = adverts.iter().map(|advert| advert.token).collect();
    assert_eq!((tokens.len(), tokens[0]), (6, tokens[1]), "{tokens:?}");
    for (place, token) in tokens[1..].iter().enumerate() {
        assert!(!tokens[1..][..place].contains(token));
    }
    let can = Capabilities::APPLICATION.with(Capabilities::CENTRAL);
    assert_eq!((adverts[0].capabilities, adverts[1].capabilities), (Capabilities::CENTRAL, can));
}
