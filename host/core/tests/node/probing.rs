//! A failover policy that has a path probed hears what came of it, once.

use std::sync::{Arc, Mutex};

use crate::lone::{Lone, frames, uplink};
use pointsman_core::frame::Frame;
use pointsman_core::input::Input;
use pointsman_core::output::Output;
use pointsman_core::policy::{Failover, FailoverQuestion, Strike, Swap};
use pointsman_sdk::failover::{Event, Verdict};

type Asked = Arc<Mutex<Vec<FailoverQuestion>>>;

/// Has a path probed whenever an interface changes and whenever it hears of a probe.
#[derive(Debug)]
struct Probing(Asked);

impl Failover for Probing {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Verdict, Strike> {
        self.0.lock().expect("one thread").push(question.clone());
        Ok(match question.event {
            Event::UplinkChanged | Event::ProbeResult => {
                Verdict::Probe { paths: 1 << question.at, reason: 1 }
            }
            Event::Suspect
            | Event::Lost
            | Event::Fading
            | Event::Recovered
            | Event::Appeared
            | Event::DialFailed
            | Event::Tick => Verdict::Stay { reason: 1 },
        })
    }
}

/// A node with one link, 5, whose interface has just changed; and what it sent for that.
fn probed() -> (Lone, Asked, Vec<Output>) {
    let mut lone = Lone::greeted();
    lone.acked(5, &[(1, 1)]);
    let asked = Asked::default();
    let policy = Box::new(Probing(Arc::clone(&asked)));
    lone.tell(Input::FailoverSwapped(Swap::settled(policy, 1)));
    let orders = lone.tell(uplink("192.0.2.8/24"));
    (lone, asked, orders)
}

fn probes(orders: &[Output]) -> Vec<u64> {
    let frames = frames(orders);
    let mut probes = Vec::new();
    for (_, frame) in frames {
        if let Frame::Probe { sequence } = frame {
            probes.push(*sequence);
        }
    }
    probes
}

/// The results that the policy was asked about.
fn results(asked: &Asked) -> Vec<FailoverQuestion> {
    let asked = asked.lock().expect("one thread");
    asked.iter().filter(|question| question.event == Event::ProbeResult).cloned().collect()
}

#[test]
fn an_answered_probe_is_told_once_and_not_followed_by_another() {
    let (mut lone, asked, orders) = probed();
    let sent = probes(&orders);
    let [sequence] = sent[..] else { panic!("{sent:?}") };
    assert_eq!(results(&asked).len(), 0);
    let orders = lone.acked(5, &[(1, sequence)]);
    assert_eq!(probes(&orders), [0; 0], "the answer to a result is no probe");
    let told = results(&asked);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].at, told[0].oldest_unacked_us), (0, 0), "{told:?}");
    lone.acked(5, &[(1, sequence)]);
    lone.run(500_000);
    assert_eq!(results(&asked).len(), 1);
}

#[test]
fn a_probe_without_an_answer_is_told_when_its_time_is_over() {
    let (mut lone, asked, _) = probed();
    lone.run(1_000_000);
    let told = results(&asked);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].at == 0 && told[0].oldest_unacked_us >= 50_000, "{told:?}");
}

#[test]
fn a_link_that_recovers_has_answered_by_that() {
    let (mut lone, asked, orders) = probed();
    lone.run(1_000_000);
    let sequence = probes(&orders)[0];
    lone.acked(5, &[(1, sequence)]);
    let recovered =
        asked.lock().expect("one thread").iter().filter(|q| q.event == Event::Recovered).count();
    assert_eq!((recovered, results(&asked).len()), (1, 1));
}
