//! Questions to a selector.

use pointsman_core::policy::{Question, SelectorQuestion};
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::selector::{Class, flags};

use super::paths::{self, LTE, WIFI};
use super::{Asked, EXTREMES};

type Field = (&'static str, fn(&mut SelectorQuestion) -> &mut u32);

/// The numbers of a question that are `u32`.
const FIELDS: [Field; 11] = [
    ("peer", |q| &mut q.peer),
    ("class", |q| &mut q.class),
    ("flags", |q| &mut q.flags),
    ("head_bytes", |q| &mut q.head_bytes),
    ("head_age_us", |q| &mut q.head_age_us),
    ("deadline_left_us", |q| &mut q.deadline_left_us),
    ("backlog_bytes", |q| &mut q.backlog_bytes),
    ("backlog_above_bytes", |q| &mut q.backlog_above_bytes),
    ("duplicate_budget_bytes", |q| &mut q.duplicate_budget_bytes),
    ("tried_paths", |q| &mut q.tried_paths),
    ("battery_permille", |q| &mut q.battery_permille),
];

pub(super) fn questions() -> Vec<Asked> {
    let mut asked = Vec::new();
    for (name, paths) in paths::landscapes() {
        for class in Class::ALL {
            let name = format!("{name}, a packet that is {}", class.name());
            asked.push(of(name, SelectorQuestion { paths: paths.clone(), ..usual(class) }));
        }
    }
    for (name, paths) in paths::extremes() {
        asked.push(of(name, SelectorQuestion { paths, ..usual(Class::Interactive) }));
    }
    for (field, access) in FIELDS {
        for (name, value) in EXTREMES {
            let mut question = usual(Class::Bulk);
            *access(&mut question) = value;
            asked.push(of(format!("{field} = {name}"), question));
        }
    }
    asked.extend(special().map(|(name, question)| of(name.to_owned(), question)));
    asked
}

/// What no single number makes.
fn special() -> impl Iterator<Item = (&'static str, SelectorQuestion)> {
    let usual = || usual(Class::Realtime);
    let all = |now_us, seed, number| SelectorQuestion {
        now_us,
        seed,
        peer: number,
        class: number,
        flags: number,
        head_bytes: number,
        head_age_us: number,
        deadline_left_us: number,
        backlog_bytes: number,
        backlog_above_bytes: number,
        duplicate_budget_bytes: number,
        tried_paths: number,
        standing: number.cast_signed(),
        battery_permille: number,
        paths: usual().paths,
    };
    [
        ("every number 0", all(0, 0, 0)),
        ("every number at its largest", all(u64::MAX, u64::MAX, u32::MAX)),
        ("a time of 0", SelectorQuestion { now_us: 0, ..usual() }),
        ("a time of 2^64 - 1", SelectorQuestion { now_us: u64::MAX, ..usual() }),
        ("a seed of 0", SelectorQuestion { seed: 0, ..usual() }),
        ("a seed of 2^64 - 1", SelectorQuestion { seed: u64::MAX, ..usual() }),
        ("the best standing", SelectorQuestion { standing: 1_000, ..usual() }),
        ("the worst standing", SelectorQuestion { standing: -1_000, ..usual() }),
        ("the least number as standing", SelectorQuestion { standing: i32::MIN, ..usual() }),
        ("a packet that was tried on both paths", SelectorQuestion { tried_paths: 3, ..usual() }),
        ("a device that saves", SelectorQuestion { flags: flags::SAVER, ..usual() }),
        (
            "a device that charges, and order",
            SelectorQuestion { flags: flags::CHARGING | flags::ORDERED, ..usual() },
        ),
        ("a large backlog", SelectorQuestion { backlog_bytes: 30 << 20, ..usual() }),
    ]
    .into_iter()
}

fn usual(class: Class) -> SelectorQuestion {
    let head_bytes = [200, 1_200, 16_384][class as usize];
    SelectorQuestion {
        now_us: 3_600_000_000,
        seed: 0x5eed,
        peer: 2,
        class: class as u32,
        flags: 0,
        head_bytes,
        head_age_us: 400,
        deadline_left_us: [2_000_000, 60_000_000, UNKNOWN][class as usize],
        backlog_bytes: head_bytes * [1, 3, 60][class as usize],
        backlog_above_bytes: 0,
        duplicate_budget_bytes: 64_000,
        tried_paths: 0,
        standing: 300,
        battery_permille: 640,
        paths: paths::list(&[WIFI, LTE]),
    }
}

fn of(name: String, question: SelectorQuestion) -> Asked {
    Asked { name, question: Question::Selector(question) }
}
