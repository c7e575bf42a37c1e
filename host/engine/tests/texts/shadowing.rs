//! A candidate beside the live policy.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use pointsman_core::policy::{Policy, Question, Role, Selector, SelectorQuestion, Strike};
use pointsman_engine::shadow::{Shadow, ShadowReport, Thresholds};
use pointsman_sdk::selector::Verdict;

use crate::samples::{answered, failover_question, native, selector_question};

/// Nothing that is waited for here takes so long on any machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers when it is let, and says that it was asked.
#[derive(Debug)]
struct Waits {
    asked: Sender<()>,
    go_on: Receiver<()>,
}

impl Selector for Waits {
    fn choose(&mut self, _: &SelectorQuestion) -> Result<u64, Strike> {
        let _ = self.asked.send(());
        // Ends with the test at the latest, which drops the other end.
        let _ = self.go_on.recv();
        Ok(Verdict::send(1).pack())
    }
}

fn waiting(queue: usize) -> (Shadow, Receiver<()>, Sender<()>) {
    let ((asked, was_asked), (go_on, waits)) = (channel(), channel());
    let policy = Policy::Selector(Box::new(Waits { asked, go_on: waits }));
    (Shadow::start(policy, queue).unwrap(), was_asked, go_on)
}

/// The report once so many questions were compared.
fn once_compared(shadow: &Shadow, questions: u64) -> ShadowReport {
    let begun = Instant::now();
    loop {
        let report = shadow.report();
        if report.compared.questions >= questions {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report:?}");
        std::thread::yield_now();
    }
}

fn live(number: u64) -> pointsman_core::policy::Decision {
    answered(number, Question::Selector(selector_question(1_200)))
}

#[test]
fn a_candidate_that_never_answers_costs_questions_and_no_time() {
    let (shadow, asked, go_on) = waiting(4);
    shadow.offer(live(0));
    asked.recv_timeout(PATIENCE).unwrap();
    // It thinks about the first; four wait; the rest is dropped.
    let begun = Instant::now();
    (1..=100).for_each(|number| shadow.offer(live(number)));
    assert!(begun.elapsed() < PATIENCE);
    let report = shadow.report();
    assert_eq!((report.dropped, report.compared.questions), (96, 0));
    drop(go_on);
    assert_eq!(once_compared(&shadow, 5).dropped, 96);
}

#[test]
fn a_report_tells_differences_and_what_they_would_come_to() {
    let (shadow, _asked, go_on) = waiting(64);
    drop(go_on);
    (0..10).for_each(|number| shadow.offer(live(number)));
    let report = once_compared(&shadow, 10);
    assert_eq!((report.compared.different, report.compared.equal), (10, 0));
    let predicted = report.predicted;
    assert_eq!((predicted.packets, predicted.withheld, predicted.released), (10, 0, 0));
    // 1,200 bytes at 20 Mbit/s take 480 us, beside 20 and 80 ms.
    assert_eq!(predicted.live_mean_us(), Some(20_480));
    assert_eq!(predicted.candidate_mean_us(), Some(80_480));
}

#[test]
fn the_same_policy_as_candidate_does_not_differ_and_other_roles_are_left_alone() {
    let shadow = Shadow::start(native(Role::Selector), 64).unwrap();
    assert_eq!(shadow.role(), Role::Selector);
    shadow.offer(answered(1, Question::Failover(failover_question())));
    (0..10).for_each(|number| shadow.offer(live(number)));
    let report = once_compared(&shadow, 10);
    assert_eq!((report.compared.equal, report.compared.skipped, report.dropped), (10, 0, 0));
    let bounds = Thresholds { compared_min: 10, differ_permille_max: 0, ..Thresholds::default() };
    let bounds = Thresholds { mean_ns_max: u32::MAX, ..bounds };
    assert_eq!(report.passes(&bounds), Ok(()));
}

#[test]
fn every_bound_that_is_not_kept_is_told() {
    let mut report = ShadowReport::default();
    report.compared.questions = 3;
    report.compared.different = 1;
    report.compared.strikes.insert(Strike::Trapped, 2);
    report.compared.cost.mean_ns = 900;
    let bounds =
        Thresholds { compared_min: 4, differ_permille_max: 333, strikes_max: 1, mean_ns_max: 899 };
    let broken = report.passes(&bounds).unwrap_err();
    assert_eq!(
        broken,
        [
            "only 3 questions were compared, and 4 are asked for",
            "334 of 1000 questions are answered otherwise, and 333 are allowed",
            "it failed 2 times, and 1 are allowed",
            "an answer costs 900 ns on average, and 899 ns are allowed",
        ]
    );
    let wide =
        Thresholds { compared_min: 3, differ_permille_max: 334, strikes_max: 2, mean_ns_max: 900 };
    assert_eq!(report.passes(&wide), Ok(()));
    assert!(ShadowReport::default().passes(&Thresholds::default()).is_err());
}
