//! What a case file says, and how an answer is compared with it.

use pointsman_core::policy::{Question, Role, Strike, Verdict, builtin};
use pointsman_engine::cases::Cases;
use pointsman_sdk::anomaly::{Finding, Remedy, Severity};
use pointsman_sdk::failover::{self, Dialable, Event};
use pointsman_sdk::path::flags;
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::{Paths, Settings, State, Transport, UNKNOWN, Value, selector};

const SELECTOR: &str = r#"
role = "selector"

[default]
question = { head_bytes = 1200, now_us = 1000000 }
path = { flags = ["up"], srtt_us = 20000, room_bytes = 50000, rssi = -60 }
settings = { stickiness_percent = 5, stripe = true }

[[case]]
name = "the faster of two"
settings = { stickiness_percent = 10 }
learned = { schema = 1, hex = "00ff" }
question = { class = "bulk", flags = ["saver"], tried_paths = [0, 2], head_bytes = 7 }
paths = [{ flags = ["up", "metered"], transport = "bluetooth", rssi = -70 }, {}]
verdict = { mode = "send", paths = [1] }

[[case]]
name = "none"
verdict = { mode = "store" }
"#;

const FAILOVER: &str = r#"
role = "failover"

[default]
question = { event = "suspect", at = 0, unacked_bytes = [500, 0, 2500], hedge_budget_bytes = 10000 }
path = { flags = ["up"], risk_group = 1, silent_us = 60000, srtt_us = 20000 }

[[case]]
name = "a late path is hedged at once"
paths = [{ flags = ["up", "suspect"] }, { risk_group = 2, silent_us = 1000 }]
verdict = { does = "hedge", onto = [1], budget_bytes = 3000 }

[[case]]
name = "the quickest is dialled"
question = { event = "lost" }
paths = [{ flags = [] }]
dialables = [{ id = 4, transport = "internet", setup_ms = 900, success_ppm = 900000, price_per_mib = 0 }]
verdict = { does = "dial", id = 4 }
"#;

fn cases(text: &str) -> Cases {
    Cases::parse(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn a_case_has_what_it_says_over_what_the_file_defaults_to() {
    let cases = cases(SELECTOR);
    assert_eq!((cases.role, cases.cases.len()), (Role::Selector, 2));
    let [case, other] = &cases.cases[..] else { panic!("two cases") };
    assert_eq!((case.name.as_str(), case.line), ("the faster of two", 9));
    assert_eq!(case.learned, Some(State { schema: 1, bytes: vec![0, 255] }));
    let settings = [
        ("stickiness_percent".to_owned(), Value::Integer(10)),
        ("stripe".to_owned(), Value::Boolean(true)),
    ];
    assert_eq!(case.settings, Settings::new(settings.to_vec()));
    let Question::Selector(question) = &case.question else { panic!("a selector's") };
    assert_eq!((question.head_bytes, question.class), (7, selector::Class::Bulk as u32));
    assert_eq!((question.flags, question.tried_paths), (selector::flags::SAVER, 0b101));
    assert_eq!((question.deadline_left_us, question.battery_permille), (UNKNOWN, UNKNOWN));
    let paths = Paths::new(&question.paths);
    let (first, second) = (paths.at(0).unwrap(), paths.at(1).unwrap());
    assert_eq!(first.flags(), flags::UP | flags::METERED);
    assert_eq!((first.rssi() as i32, second.rssi() as i32), (-70, -60));
    assert_eq!((first.transport(), second.transport()), (Transport::Bluetooth as u32, UNKNOWN));
    assert_eq!((first.srtt_us(), first.rate_kbps()), (20_000, UNKNOWN));
    let Question::Selector(question) = &other.question else { panic!("a selector's") };
    assert!(Paths::new(&question.paths).is_empty());
    assert_eq!((question.head_bytes, question.now_us), (1_200, 1_000_000));
}

#[test]
fn the_questions_of_other_roles_are_read_alike() {
    let [first, second] = &cases(FAILOVER).cases[..] else { panic!("two cases") };
    let Question::Failover(question) = &first.question else { panic!("a failover policy's") };
    assert_eq!((question.event, question.at), (Event::Suspect, 0));
    assert_eq!(question.unacked_bytes, [500, 0, 2_500]);
    assert_eq!((question.since_move_ms, question.deadline_min_us), (UNKNOWN, UNKNOWN));
    let Question::Failover(question) = &second.question else { panic!("a failover policy's") };
    assert_eq!(question.event, Event::Lost);
    let dialable = Dialable::read(&question.dialables).next().unwrap();
    assert_eq!((dialable.id, dialable.transport, dialable.uplink), (4, 3, UNKNOWN));

    let reputation = r#"
        role = "reputation"
        [[case]]
        name = "an acknowledgement"
        question = { now_ms = 9 }
        was = { score = -5, a = 1 }
        seen = [{ kind = "relayed", weight = 3, at_ms = 2 }, { kind = "ack" }]
        verdict = { score_min = -5 }"#;
    let Question::Reputation(question) = &cases(reputation).cases[0].question else {
        panic!("a reputation policy's")
    };
    let seen = |kind, weight, at_ms| Observation { kind, weight, at_ms };
    assert_eq!(question.seen, [seen(Kind::Relayed, 3, 2), seen(Kind::Ack, 1, 9)]);
    assert_eq!(question.was, Standing { score: -5, a: 1, ..Standing::default() });

    let anomaly = r#"
        role = "anomaly"
        [[case]]
        name = "slow"
        window = [{ metric = "srtt-us", subject = 1, step_ms = 500, samples = [1, -1] },
                  { metric = 99, subject = "self" }]
        verdict = { findings = [] }"#;
    let Question::Anomaly(question) = &cases(anomaly).cases[0].question else {
        panic!("an anomaly policy's")
    };
    let [first, second] = &question.window[..] else { panic!("two series") };
    assert_eq!((first.metric, first.subject, first.step_ms), (6, 1, 500));
    assert_eq!(first.samples, [1, -1]);
    assert_eq!((second.metric, second.subject), (99, UNKNOWN));
}

#[test]
fn the_builtins_answer_such_cases() {
    for (text, name) in [(SELECTOR, "fastest-first"), (FAILOVER, "standby")] {
        let cases = cases(text);
        for case in &cases.cases {
            let mut policy = builtin::policy(cases.role, name, &case.settings).unwrap();
            let judged = case.judge(&policy.answer(&case.question));
            assert_eq!(judged, Ok(()), "{}", case.name);
        }
    }
}

#[test]
fn only_the_named_keys_are_compared_and_a_mismatch_speaks_the_words_of_the_file() {
    let cases = cases(SELECTOR);
    let case = &cases.cases[0];
    let sent = selector::Verdict::send(1).lease(32, 5).because(1);
    assert_eq!(case.judge(&Ok(Some(Verdict::Selector(sent)))), Ok(()));
    let other = selector::Verdict::send(0).because(3);
    let mismatch = case.judge(&Ok(Some(Verdict::Selector(other)))).unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        r#"expected { mode = "send", paths = [1] }, got { mode = "send", paths = [0], hold_100us = 0, lease_packets = 0, lease_ms = 0, reason = 3 } (differs in paths)"#
    );
    assert_eq!(
        case.judge(&Ok(None)).unwrap_err().to_string(),
        r#"expected { mode = "send", paths = [1] }, got { mode = "abstain" } (differs in mode, paths)"#
    );
    assert_eq!(
        case.judge(&Err(Strike::TimedOut)).unwrap_err().to_string(),
        r#"expected { mode = "send", paths = [1] }, got no verdict: it ran over its time"#
    );
}

#[test]
fn a_failover_verdict_is_compared_by_the_keys_of_what_it_does() {
    let case = &cases(FAILOVER).cases[0];
    let hedge = |onto, reason| failover::Verdict::Hedge { onto, budget_bytes: 3_000, reason };
    let judge = |verdict| case.judge(&Ok(Some(Verdict::Failover(verdict))));
    assert_eq!(judge(hedge(0b10, 9)), Ok(()));
    assert_eq!(judge(hedge(0b11, 9)).unwrap_err().keys, ["onto"]);
    let stay = judge(failover::Verdict::Stay { reason: 2 }).unwrap_err();
    assert_eq!(stay.keys, ["does", "onto", "budget_bytes"]);
    assert_eq!(stay.got, r#"{ does = "stay", reason = 2 }"#);
}

#[test]
fn a_score_may_be_bounded_and_findings_are_compared_one_by_one() {
    let text = r#"
        role = "reputation"
        [[case]]
        name = "between"
        verdict = { score_min = 10, score_max = 20, a = 1 }"#;
    let case = &cases(text).cases[0];
    let standing = |score, a| Standing { score, a, ..Standing::default() };
    let judge = |score, a| case.judge(&Ok(Some(Verdict::Reputation(standing(score, a)))));
    assert_eq!((judge(10, 1), judge(20, 1)), (Ok(()), Ok(())));
    assert_eq!(judge(9, 1).unwrap_err().keys, ["score_min"]);
    assert_eq!(judge(21, 2).unwrap_err().keys, ["score_max", "a"]);

    let text = r#"
        role = "anomaly"
        [[case]]
        name = "one finding"
        verdict = { findings = [{ rule = 1, severity = "warn", subject = "self" }] }"#;
    let case = &cases(text).cases[0];
    let finding = Finding {
        rule: 1,
        severity: Severity::Warn,
        metric: 3,
        subject: UNKNOWN,
        evidence: 9,
        remedy: Remedy::Probe,
    };
    let judge = |findings: &[Finding]| case.judge(&Ok(Some(Verdict::Anomaly(findings.to_vec()))));
    assert_eq!(judge(&[finding]), Ok(()));
    assert_eq!(judge(&[]).unwrap_err().keys, ["findings"]);
    let other = Finding { severity: Severity::Note, ..finding };
    assert_eq!(judge(&[other]).unwrap_err().keys, ["findings[0].severity"]);
}
