//! Modules by hand of every role, and a question for each.

use pointsman_core::policy::{AnomalyQuestion, Policy, Question, ReputationQuestion, Role, Strike};
use pointsman_engine::{Engine, LoadError};
use pointsman_sdk::Settings;
use pointsman_sdk::anomaly::Series;
use pointsman_sdk::reputation::{Kind, Observation};

use crate::guests::{FAILOVER, Guest, SELECTOR, failover_question, question, terms};

/// Fails in its own way whatever its function should give back.
pub(crate) const ENDLESS: &str = "(loop $again (br $again)) unreachable";

/// A module of a role whose function has this body. Results are in memory at 1400, where there
/// are zeros.
pub(crate) fn guest(role: Role, body: &str) -> Guest {
    let function = |name: &str, parameters: &str| -> &'static str {
        format!(
            r#"(func (export "pointsman:policy/{}@0.1.0#{name}") (param {parameters}) (result i32)
            {body})"#,
            role.name()
        )
        .leak()
    };
    let owned = || -> &'static str { body.to_owned().leak() };
    match role {
        Role::Selector => Guest { choose: owned(), ..SELECTOR },
        Role::Failover => Guest { decide: owned(), ..FAILOVER },
        Role::Reputation => Guest {
            world: "reputation-policy",
            choose: "",
            extra: function("fold", "i64 i32 i32 i32 i32 i64 i32 i32"),
            ..SELECTOR
        },
        Role::Anomaly => Guest {
            world: "anomaly-policy",
            choose: "",
            extra: function("inspect", "i64 i32 i32"),
            ..SELECTOR
        },
    }
}

/// The same with further functions, globals and tables.
pub(crate) fn with(guest: Guest, extra: &str) -> Guest {
    Guest { extra: format!("{} {extra}", guest.extra).leak(), ..guest }
}

/// The body of a function that gives the least answer there is.
pub(crate) fn least(role: Role) -> &'static str {
    match role {
        Role::Selector => "i64.const 0",
        Role::Failover => "(i32.store8 (i32.const 1400) (i32.const 7)) i32.const 1400",
        Role::Reputation | Role::Anomaly => "i32.const 1400",
    }
}

/// The module with another body for one of the functions that all have.
pub(crate) fn with_body(guest: Guest, function: &str, body: &str) -> Vec<u8> {
    let text = guest.text();
    let (head, tail) = text.split_once(&format!("#{function}\")")).expect("it has that function");
    let result = tail.find("i32.const 1").expect("it gives an address");
    let end = result + tail[result..].find(')').expect("it ends");
    let text = format!("{head}#{function}\"){}{body}{}", &tail[..result], &tail[end..]);
    assembled(&guest, &text)
}

/// The module of another text with the guest's metadata.
pub(crate) fn assembled(guest: &Guest, text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).expect("the text is WebAssembly");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", guest.wit).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(guest.world)).expect("the world exists");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
        .expect("a core module takes metadata");
    module
}

/// A question that every policy of the role could answer.
pub(crate) fn question_for(role: Role) -> Question {
    match role {
        Role::Selector => Question::Selector(question(1)),
        Role::Failover => Question::Failover(failover_question(1)),
        Role::Reputation => Question::Reputation(ReputationQuestion {
            now_ms: 1,
            seen: vec![Observation { kind: Kind::Ack, weight: 1, at_ms: 1 }],
            ..ReputationQuestion::default()
        }),
        Role::Anomaly => {
            let series = Series { metric: 0, subject: 0, step_ms: 1_000, samples: vec![1, 2, 3] };
            Question::Anomaly(AnomalyQuestion { now_ms: 1, window: vec![series] })
        }
    }
}

/// A policy of these bytes, without settings.
pub(crate) fn policy(engine: &Engine, bytes: &[u8], call_us: u32) -> Result<Policy, LoadError> {
    engine.open(bytes)?.policy(&terms(&Settings::default(), call_us))
}

/// How it fails its question; `None` where it does not.
pub(crate) fn strike(engine: &Engine, role: Role, bytes: &[u8], call_us: u32) -> Option<Strike> {
    let mut policy = policy(engine, bytes, call_us).expect("it behaves until it is asked");
    policy.answer(&question_for(role)).err()
}
