//! Questions to a failover policy.

use pointsman_core::policy::{FailoverQuestion, Question};
use pointsman_sdk::failover::{Dialable, Event};
use pointsman_sdk::{Transport, UNKNOWN};

use super::paths::{self, LTE, Named, WIFI};
use super::{Asked, EXTREMES};

type Field = (&'static str, fn(&mut FailoverQuestion) -> &mut u32);

/// The numbers of a question that are `u32`.
const FIELDS: [Field; 14] = [
    ("peer", |q| &mut q.peer),
    ("at", |q| &mut q.at),
    ("oldest_unacked_us", |q| &mut q.oldest_unacked_us),
    ("unacked_bytes.realtime", |q| &mut q.unacked_bytes[0]),
    ("unacked_bytes.interactive", |q| &mut q.unacked_bytes[1]),
    ("unacked_bytes.bulk", |q| &mut q.unacked_bytes[2]),
    ("misses", |q| &mut q.misses),
    ("others_progressed", |q| &mut q.others_progressed),
    ("loop_lag_us", |q| &mut q.loop_lag_us),
    ("moves_last_60s", |q| &mut q.moves_last_60s),
    ("since_move_ms", |q| &mut q.since_move_ms),
    ("deadline_min_us", |q| &mut q.deadline_min_us),
    ("hedge_budget_bytes", |q| &mut q.hedge_budget_bytes),
    ("store_left_kib", |q| &mut q.store_left_kib),
];

pub(super) fn questions() -> Vec<Asked> {
    let mut asked = Vec::new();
    for (name, paths) in paths::landscapes() {
        for event in Event::ALL {
            let name = format!("{name} at the event {event:?}");
            asked.push(of(name, FailoverQuestion { paths: paths.clone(), ..usual(event) }));
        }
    }
    for (name, paths) in paths::extremes() {
        asked.push(of(name, FailoverQuestion { paths, ..usual(Event::Suspect) }));
    }
    for (name, dialables) in dialables() {
        for (paths_name, paths) in [("no paths", paths::list(&[])), ("Wi-Fi", paths::list(&[WIFI]))]
        {
            let name = format!("{paths_name} and {name}");
            let dialables = dialables.clone();
            asked.push(of(name, FailoverQuestion { paths, dialables, ..usual(Event::Lost) }));
        }
    }
    for (field, access) in FIELDS {
        for (name, value) in EXTREMES {
            let mut question = usual(Event::Tick);
            *access(&mut question) = value;
            asked.push(of(format!("{field} = {name}"), question));
        }
    }
    asked.extend(special().map(|(name, question)| of(name.to_owned(), question)));
    asked
}

/// What could be dialled.
fn dialables() -> Vec<Named> {
    let usual = Dialable {
        id: 21,
        transport: Transport::Internet as u32,
        uplink: 2,
        setup_ms: 80,
        success_ppm: 900_000,
        price_per_mib: 5_000,
    };
    let of = |rows: &[Dialable]| {
        let mut list = vec![Dialable::STRIDE as u32];
        for row in rows {
            row.write(&mut list);
        }
        list
    };
    let (zero, most) = (of(&[of_all(0)]), of(&[of_all(u32::MAX)]));
    let many: Vec<_> =
        (0..64).map(|n| Dialable { id: n, setup_ms: 900 - n * 10, ..usual }).collect();
    vec![
        ("one dialable".to_owned(), of(&[usual])),
        ("64 dialables".to_owned(), of(&many)),
        ("a dialable of zeros".to_owned(), zero),
        ("a dialable of which nothing is known".to_owned(), most),
        ("a dialable of a newer host".to_owned(), vec![8, 21, 3, 2, 80, 900_000, 5_000, 1, 1]),
        ("a dialable of an older host".to_owned(), vec![4, 21, 3, 2, 80]),
    ]
}

fn of_all(number: u32) -> Dialable {
    Dialable {
        id: number,
        transport: number,
        uplink: number,
        setup_ms: number,
        success_ppm: number,
        price_per_mib: number,
    }
}

/// What no single number makes.
fn special() -> impl Iterator<Item = (&'static str, FailoverQuestion)> {
    let usual = || usual(Event::Tick);
    let all = |now_us, number| FailoverQuestion {
        now_us,
        seed: now_us,
        peer: number,
        event: Event::Suspect,
        at: number,
        oldest_unacked_us: number,
        unacked_bytes: [number; 3],
        misses: number,
        others_progressed: number,
        loop_lag_us: number,
        moves_last_60s: number,
        since_move_ms: number,
        deadline_min_us: number,
        hedge_budget_bytes: number,
        store_left_kib: number,
        ..usual()
    };
    [
        ("every number 0", all(0, 0)),
        ("every number at its largest", all(u64::MAX, u32::MAX)),
        ("a time of 0", FailoverQuestion { now_us: 0, ..usual() }),
        ("a time of 2^64 - 1", FailoverQuestion { now_us: u64::MAX, ..usual() }),
        ("the other path", FailoverQuestion { at: 1, ..usual() }),
        ("nothing that is not acknowledged", FailoverQuestion { unacked_bytes: [0; 3], ..usual() }),
        ("a host that ran late itself", FailoverQuestion { loop_lag_us: 300_000, ..usual() }),
        ("a pause of 200 ms", FailoverQuestion { oldest_unacked_us: 200_000, ..usual() }),
        ("moves back and forth", FailoverQuestion { moves_last_60s: 20, ..usual() }),
    ]
    .into_iter()
}

fn usual(event: Event) -> FailoverQuestion {
    FailoverQuestion {
        now_us: 3_600_000_000,
        seed: 0x5eed,
        peer: 2,
        event,
        at: 0,
        oldest_unacked_us: 85_000,
        unacked_bytes: [1_200, 2_400, 65_536],
        misses: 1,
        others_progressed: 3,
        loop_lag_us: 400,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        deadline_min_us: 1_900_000,
        hedge_budget_bytes: 64_000,
        store_left_kib: 0,
        paths: paths::list(&[WIFI, LTE]),
        dialables: vec![Dialable::STRIDE as u32],
    }
}

fn of(name: String, question: FailoverQuestion) -> Asked {
    Asked { name, question: Question::Failover(question) }
}
