//! The same seed, config and facts give the same orders, byte for byte.

use crate::scene::{SECOND_US, Scene};
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut, Wire};

fn eventful(seed: u64) -> u64 {
    let wire = Wire { loss_ppm: 10_000, jitter_us: 2_000, ..Wire::of_latency_us(3_000) };
    let mut scene = Scene::linked(seed, wire);
    for class in Class::ALL {
        scene.stream(class, 2_000, 7_000, SECOND_US);
    }
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    scene.stream(Class::Interactive, 40_000, 20_000, 2 * SECOND_US);
    scene.world.cut(At(scene.a, 0), Cut::NONE);
    scene.world.run_for(5 * SECOND_US);
    scene.world.trace()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(eventful(11), eventful(11));
}

#[test]
fn another_seed_gives_others() {
    assert_ne!(eventful(11), eventful(12));
}
