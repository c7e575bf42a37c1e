//! A change of goal is no fault: whoever swaps speed for battery, money or safety may say how
//! much longer messages may take, and is believed.

use pointsman_core::id::{Time, UplinkId};
use pointsman_core::input::{Input, Uplink};
use pointsman_core::policy::{Misconduct, Probation, Role, Selector, Swap, builtin};
use pointsman_sdk::Settings;
use pointsman_sdk::selector::Class;
use pointsman_sim::Wire;

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{Choosing, PROBATION_US, TERMS, fast_and_slow, rollbacks, slowest};

/// The shipped policies with another goal than speed.
const GOALS: [&str; 4] = ["energy-efficient", "thrifty", "load-balanced", "most-reliable"];

/// What comes of a selector after fastest-first, where messages may take so much longer: the
/// fast path is dear in money and energy, the slow one free.
fn fares(chooser: Box<dyn Selector>, wires: [Wire; 2], slower_permille: u32) -> Went {
    let mut scene = Scene::uneven(1, wires);
    let site = scene.world.site(scene.a);
    let uplinks = site.node.as_ref().expect("running").snapshot().uplinks;
    for uplink in uplinks {
        let (dear, price) = if uplink.id == UplinkId(0) { (90_000, 4) } else { (10, 0) };
        let uplink = Uplink { wake_uj: dear, nj_per_byte: dear, price_per_mib: price, ..uplink };
        scene.world.tell(scene.a, Input::UplinkChanged(uplink));
    }
    let (class, every_us) = (Class::Interactive, 5_000);
    scene.stream(class, 1_000, every_us, 2 * SECOND_US);
    let terms = Probation { us: PROBATION_US, slower_permille, ..TERMS };
    let swap = Swap { module: Some(chooser), generation: 7, probation: Some(terms) };
    scene.world.tell(scene.a, Input::SelectorSwapped(swap));
    scene.stream(class, 1_000, every_us, PROBATION_US + SECOND_US);
    rollbacks(&scene, Role::Selector, Time(0))
}

type Went = Vec<(u64, Misconduct)>;

fn shipped(name: &str) -> Box<dyn Selector> {
    builtin::selector(name, &Settings::default()).expect("a shipped one")
}

#[test]
fn none_goes_where_both_paths_are_alike() {
    for name in GOALS {
        assert_eq!(fares(shipped(name), [fast_and_slow()[0]; 2], 1_500), [], "{name}");
    }
}

#[test]
fn none_goes_where_the_time_is_not_judged_and_one_that_saves_needs_that_on_uneven_paths() {
    for name in GOALS {
        assert_eq!(fares(shipped(name), fast_and_slow(), 0), [], "{name}");
        let seen = fares(shipped(name), fast_and_slow(), 1_500);
        let saves = ["energy-efficient", "thrifty"].contains(&name);
        let is_slow = matches!(seen[..], [(_, Misconduct::Slow { .. })]);
        assert!(if saves { is_slow } else { seen.is_empty() }, "{name}: {seen:?}");
    }
}

#[test]
fn the_tolerance_is_what_keeps_a_slower_one() {
    for (tolerance, stays) in [(0, true), (30_000, true), (1_500, false), (4_000, false)] {
        let seen = fares(Box::new(Choosing(slowest)), fast_and_slow(), tolerance);
        assert_eq!(seen.is_empty(), stays, "{tolerance}: {seen:?}");
        assert!(seen.iter().all(|(_, why)| matches!(why, Misconduct::Slow { .. })), "{seen:?}");
    }
}
