//! A policy that is as good as the one before is never brought down, whatever the network or
//! the application does at the moment it comes.

use pointsman_core::id::Time;
use pointsman_core::output::Event;
use pointsman_core::policy::{Failover, Role, Selector, SelectorQuestion, builtin};
use pointsman_sdk::selector::{Class, Verdict};
use pointsman_sdk::{Path, Paths, Settings, Value};
use pointsman_sim::{At, Cut, Wire};

use crate::scene::{SECOND_US, Scene};
use crate::schemers::{
    Choosing, PROBATION_US, failover, fast_and_slow, happened, rollbacks, selector, slowest,
};

fn fastest_first(key: &str, value: Value) -> Box<dyn Selector> {
    let settings = Settings::new(vec![(key.into(), value)]);
    builtin::selector("fastest-first", &settings).expect("it takes them")
}

fn standby(move_after_ms: i64) -> Box<dyn Failover> {
    let settings = Settings::new(vec![("move_after_ms".into(), Value::Integer(move_after_ms))]);
    builtin::failover("standby", &settings).expect("it takes them")
}

fn earliest(question: &SelectorQuestion) -> Option<(usize, Path<'_>)> {
    let paths = Paths::new(&question.paths).iter().enumerate();
    let arrival = |path: &Path<'_>| {
        let queue = u64::from(path.inflight_bytes() + question.head_bytes) * 8_000;
        u64::from(path.srtt_us()) + queue / u64::from(path.rate_kbps().max(1))
    };
    paths.filter(|(_, path)| path.is_sound()).min_by_key(|(_, path)| arrival(path))
}

/// The earliest arrival, without stickiness, stripes or leases.
fn eager(question: &SelectorQuestion) -> Verdict {
    earliest(question).map_or(Verdict::store(), |(position, _)| Verdict::send(position))
}

/// Waits for the earliest path rather than to take a slower one.
fn patient(question: &SelectorQuestion) -> Verdict {
    match earliest(question) {
        Some((position, path)) if path.room_bytes() >= question.head_bytes => {
            Verdict::send(position).lease(8, 2)
        }
        Some(_) => Verdict::hold(2_000),
        None => Verdict::store(),
    }
}

fn good() -> [(Box<dyn Selector>, Box<dyn Failover>); 5] {
    [
        (builtin::default_selector(), builtin::default_failover()),
        (fastest_first("stickiness_percent", Value::Integer(0)), standby(400)),
        (fastest_first("stripe", Value::Boolean(false)), standby(200)),
        (Box::new(Choosing(eager)), standby(1_000)),
        (Box::new(Choosing(patient)), builtin::default_failover()),
    ]
}

/// A stream of messages: class, bytes, microseconds from one to the next.
type Load = (Class, usize, u64);

const LOADS: [Load; 4] = [
    (Class::Interactive, 1_024, 4_000),
    (Class::Realtime, 200, 20_000),
    (Class::Interactive, 500, 100_000),
    (Class::Bulk, 20_000, 20_000),
];

/// What happens to the network when the policies come, and after 3 s.
type Change = fn(&mut Scene);

/// Both policies come while all goes well, and at that moment something happens.
fn none_goes(before: Change, then: Change, after: Change) {
    for (load, seed) in LOADS.into_iter().zip(1..) {
        for (which, (chooser, decider)) in good().into_iter().enumerate() {
            let mut scene = Scene::uneven(seed, fast_and_slow());
            let (class, bytes, every_us) = load;
            before(&mut scene);
            let mut tokens = scene.stream(class, bytes, every_us, 2 * SECOND_US);
            then(&mut scene);
            scene.world.tell(scene.a, selector(chooser, 7));
            scene.world.tell(scene.a, failover(decider, 8));
            tokens.extend(scene.stream(class, bytes, every_us, 3 * SECOND_US));
            after(&mut scene);
            tokens.extend(scene.stream(class, bytes, every_us, PROBATION_US - 3 * SECOND_US));
            scene.world.run_for(2 * SECOND_US);
            is_innocent(&scene, &format!("policy {which} under {load:?}"));
            assert!(scene.delivers_all(&tokens), "policy {which} under {load:?}");
        }
    }
}

fn is_innocent(scene: &Scene, which: &str) {
    for (role, generation) in [(Role::Selector, 7), (Role::Failover, 8)] {
        assert_eq!(rollbacks(scene, role, Time(0)), [], "{which}");
        assert!(happened(scene, &Event::Proven { role, generation }), "{which}");
    }
}

fn nothing(_: &mut Scene) {}

fn rewire(scene: &mut Scene, path: usize, change: fn(Wire) -> Wire) {
    let wire = change(fast_and_slow()[path]);
    scene.world.rewire(scene.segments[path], wire);
}

#[test]
fn while_all_is_calm() {
    none_goes(nothing, nothing, nothing);
}

#[test]
fn while_the_fast_path_becomes_slow() {
    let slow = |scene: &mut Scene| rewire(scene, 0, |w| Wire { latency_us: 100_000, ..w });
    none_goes(nothing, slow, |scene| rewire(scene, 0, |wire| wire));
}

#[test]
fn while_both_paths_become_slow() {
    let slow = |scene: &mut Scene| {
        rewire(scene, 0, |wire| Wire { latency_us: 150_000, ..wire });
        rewire(scene, 1, |wire| Wire { latency_us: 200_000, ..wire });
    };
    none_goes(nothing, slow, nothing);
}

#[test]
fn while_a_path_dies_and_comes_back() {
    let cuts: [Change; 2] = [
        |scene| scene.world.cut(At(scene.a, 0), Cut::BOTH),
        |scene| scene.world.cut(At(scene.a, 1), Cut::BOTH),
    ];
    for cut in cuts {
        none_goes(nothing, cut, |scene| {
            scene.world.cut(At(scene.a, 0), Cut::NONE);
            scene.world.cut(At(scene.a, 1), Cut::NONE);
        });
    }
}

#[test]
fn while_the_fast_path_comes_back() {
    none_goes(
        |scene| scene.world.cut(At(scene.a, 0), Cut::BOTH),
        |scene| scene.world.cut(At(scene.a, 0), Cut::NONE),
        nothing,
    );
}

#[test]
fn while_loss_and_jitter_set_in() {
    let ill = |scene: &mut Scene| {
        rewire(scene, 0, |wire| Wire { loss_ppm: 200_000, jitter_us: 60_000, ..wire });
    };
    none_goes(nothing, ill, |scene| rewire(scene, 0, |wire| wire));
}

#[test]
fn while_the_whole_network_pauses() {
    none_goes(
        nothing,
        |scene| {
            for port in 0..2 {
                scene.world.cut(At(scene.a, port), Cut::BOTH);
            }
            scene.stream(Class::Realtime, 100, 10_000, 300_000);
            for port in 0..2 {
                scene.world.cut(At(scene.a, port), Cut::NONE);
            }
        },
        nothing,
    );
}

#[test]
fn while_the_paths_become_narrow() {
    let narrow = |scene: &mut Scene| {
        rewire(scene, 0, |wire| Wire { bytes_per_s: Some(400_000), ..wire });
        rewire(scene, 1, |wire| Wire { bytes_per_s: Some(2_000_000), ..wire });
    };
    none_goes(nothing, narrow, |scene| {
        rewire(scene, 0, |wire| wire);
        rewire(scene, 1, |wire| wire);
    });
}

#[test]
fn while_a_large_transfer_begins() {
    let transfer = |scene: &mut Scene| {
        rewire(scene, 0, |wire| Wire { bytes_per_s: Some(2_500_000), ..wire });
        rewire(scene, 1, |wire| Wire { bytes_per_s: Some(2_500_000), ..wire });
        for _ in 0..40 {
            scene.send(Class::Bulk, 300_000);
        }
    };
    none_goes(nothing, transfer, nothing);
}

#[test]
fn while_the_interface_of_the_fast_path_goes() {
    let gone = |scene: &mut Scene| {
        let gone = pointsman_core::input::Input::UplinkGone(pointsman_core::id::UplinkId(0));
        scene.world.tell(scene.a, gone);
    };
    none_goes(nothing, gone, nothing);
}

#[test]
fn a_better_policy_is_not_taken_for_a_worse_one() {
    for (which, (chooser, decider)) in good().into_iter().enumerate() {
        let mut scene = Scene::uneven(which as u64, fast_and_slow());
        let settled = pointsman_core::policy::Swap::settled(Box::new(Choosing(slowest)) as _, 1);
        scene.world.tell(scene.a, pointsman_core::input::Input::SelectorSwapped(settled));
        scene.stream(Class::Interactive, 1_000, 2_000, 2 * SECOND_US);
        scene.world.tell(scene.a, selector(chooser, 7));
        scene.world.tell(scene.a, failover(decider, 8));
        scene.stream(Class::Interactive, 1_000, 2_000, PROBATION_US + SECOND_US);
        is_innocent(&scene, &format!("policy {which}"));
    }
}
