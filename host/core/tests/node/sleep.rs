//! What the machine's sleep must not be taken for.

use crate::lone::Lone;
use pointsman_core::input::Input;

#[test]
fn a_resume_leaves_the_estimate_of_the_round_trip_alone() {
    let mut lone = Lone::greeted();
    lone.run(20_000);
    lone.acked(5, &[(1, 1)]);
    let estimate = |lone: &Lone| {
        let link = &lone.node.snapshot().peers[0].links[0];
        (link.srtt_us, link.rttvar_us, link.min_rtt_us)
    };
    let before = estimate(&lone);
    assert!(before.0.is_some_and(|srtt_us| srtt_us >= 20_000), "{before:?}");
    lone.send(1, None);
    lone.tell(Input::Resumed { asleep_us: 1_000 });
    lone.acked(5, &[(1, 2)]);
    assert_eq!(estimate(&lone), before);
}
