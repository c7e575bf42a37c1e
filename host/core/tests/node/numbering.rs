//! The numbers by which policies know paths, and under which they learn of them.

use std::sync::{Arc, Mutex};

use crate::lone::{Lone, link_up, uplink};
use crate::scene::config;
use pointsman_core::Node;
use pointsman_core::frame::Frame;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::input::Input;
use pointsman_core::policy::{Failover, FailoverQuestion, Strike, Swap};
use pointsman_sdk::Paths;
use pointsman_sdk::failover::Verdict;

/// Notes the numbers of the paths that it is asked about last.
#[derive(Clone, Debug, Default)]
struct Numbers(Arc<Mutex<Vec<u32>>>);

impl Failover for Numbers {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Verdict, Strike> {
        *self.0.lock().expect("one thread") =
            Paths::new(&question.paths).iter().map(|path| path.id()).collect();
        Ok(Verdict::Stay { reason: 1 })
    }
}

impl Numbers {
    fn now(&self) -> Vec<u32> {
        self.0.lock().expect("one thread").clone()
    }
}

fn run(session: u64, salt: u64) -> (Lone, Numbers) {
    let node = Node::new(PeerId([1; 32]), config(), session).salted(salt);
    let mut lone = Lone { node, now: Time(1_000_000) };
    let numbers = Numbers::default();
    lone.tell(Input::FailoverSwapped(Swap::settled(Box::new(numbers.clone()), 1)));
    lone.tell(uplink("192.0.2.7/24"));
    (lone, numbers)
}

#[test]
fn a_path_has_the_same_number_when_its_link_is_made_anew_and_in_the_next_run() {
    let (mut lone, numbers) = run(42, 7);
    lone.link(5, 7, "e");
    lone.link(6, 7, "f");
    let [e, f] = numbers.now()[..] else { panic!("{numbers:?}") };
    assert_ne!(e, f);
    lone.unlink(5);
    lone.link(9, 7, "e");
    let mut anew = numbers.now();
    anew.sort_by_key(|&number| number != e);
    assert_eq!(anew, [e, f]);
    let (mut lone, numbers) = run(43, 7);
    lone.link(1, 7, "e");
    assert_eq!(numbers.now(), [e]);
}

#[test]
fn another_peers_path_has_another_number_and_nobody_can_foresee_it() {
    let (mut lone, numbers) = run(42, 7);
    lone.link(5, 7, "e");
    let e = numbers.now();
    let other = PeerId([3; 32]);
    lone.tell(link_up(6, other, None));
    lone.receive(6, Frame::Hello(crate::lone::hello(7, "e")));
    assert_ne!(numbers.now(), e);
    let (mut lone, numbers) = run(42, 8);
    lone.link(5, 7, "e");
    assert_ne!(numbers.now(), e);
}
