//! What is measured over time, as the anomaly policy is asked about it.

use pointsman_core::input::Input;
use pointsman_core::limits;
use pointsman_core::output::Output;
use pointsman_core::policy::AnomalyQuestion;
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::anomaly::Metric;
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut, Wire};

use crate::lone::Lone;
use crate::scene::{SECOND_US, Scene};

const SELF: u32 = UNKNOWN;

fn samples(question: &AnomalyQuestion, metric: Metric, subject: u32) -> &[i64] {
    let mut series = question.window.iter();
    let series = series.find(|one| (one.metric, one.subject) == (metric as u32, subject));
    &series.expect("measured").samples
}

fn inspected(orders: &[Output]) -> Vec<&AnomalyQuestion> {
    let mut questions = Vec::new();
    for order in orders {
        if let Output::Inspect(question) = order {
            questions.push(question);
        }
    }
    questions
}

#[test]
fn a_blackout_shows_in_the_series_of_its_peer() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(3_000));
    scene.stream(Class::Bulk, 500, 20_000, 10 * SECOND_US);
    for port in [0, 1] {
        scene.world.cut(At(scene.b, port), Cut::BOTH);
    }
    scene.stream(Class::Bulk, 500, 20_000, 10 * SECOND_US);
    let question = scene.world.site(scene.a).inspected.as_ref().expect("asked every 5 s");
    let subject = question.window.last().expect("a peer's").subject;
    let of = |metric| samples(question, metric, subject);
    let ends = |metric| (of(metric)[of(metric).len() - 10], of(metric)[of(metric).len() - 1]);
    let (before_us, now_us) = ends(Metric::SrttUs);
    assert!((6_000..9_000).contains(&before_us), "{before_us}");
    assert_eq!(now_us, -1, "no link is sound");
    let (before, now) = ends(Metric::MessagesDelivered);
    assert!(before >= 40 && now == 0, "{before} {now}");
    let (before, now) = ends(Metric::QueueBytes);
    assert!(before < 2_000 && now > 100_000, "{before} {now}");
}

#[test]
fn the_node_itself_is_measured_and_says_how_late_its_loop_ran() {
    let mut lone = Lone::new();
    lone.run(2_500_000);
    lone.tell(Input::Tick { lag_us: 70_000 });
    lone.tell(Input::Tick { lag_us: 30_000 });
    let orders = lone.run(3_000_000);
    let question = inspected(&orders)[0];
    let lag = samples(question, Metric::LoopLagUs, SELF);
    assert_eq!(lag, [0, 0, 70_000, 0, 0]);
    assert_eq!(samples(question, Metric::Strikes, SELF), [0; 5]);
    assert!(question.window.iter().all(|series| series.step_ms == 1_000));
}

#[test]
fn a_window_is_a_minute_and_is_asked_about_every_five_seconds() {
    let mut lone = Lone::greeted();
    let orders = lone.run(100 * SECOND_US);
    let questions = inspected(&orders);
    assert_eq!(questions.len(), 20);
    assert!(questions.iter().all(|question| {
        question.window.iter().all(|series| series.samples.len() <= limits::SAMPLES_MAX)
    }));
    let lag = samples(questions[19], Metric::LoopLagUs, SELF);
    assert_eq!(lag.len(), limits::SAMPLES_MAX);
}
