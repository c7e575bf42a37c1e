//! Questions with the verdicts that they must get: asked of the plain Rust here, and of the
//! Wasm module in the engine's tests.

use pointsman_sdk::path::flags::{
    APP_LIMITED, DRAINING, MASKED, METERED, PROBATION, RELAYED, SUSPECT, UP,
};
use pointsman_sdk::selector::{Class, Question, Verdict};
use pointsman_sdk::{PathRow, Paths, Settings, UNKNOWN, Value};

use crate::reason;

/// One question and its verdict.
#[derive(Clone, Debug)]
pub struct Case {
    /// The behaviour that it shows.
    pub name: &'static str,
    /// The settings.
    pub settings: Settings,
    /// Class of the head.
    pub class: Class,
    /// What waits in the class, in bytes.
    pub backlog_bytes: u32,
    /// The paths.
    pub paths: Vec<PathRow>,
    /// What it must answer.
    pub verdict: Verdict,
}

impl Case {
    /// The paths as the list of a question.
    pub fn list(&self) -> Vec<u32> {
        let mut list = vec![PathRow::STRIDE as u32];
        self.paths.iter().for_each(|row| row.write(&mut list));
        list
    }

    /// The question over that list.
    pub fn question<'a>(&self, list: &'a [u32]) -> Question<'a> {
        Question {
            now_us: 1_000_000,
            seed: 7,
            peer: 1,
            class: self.class as u32,
            flags: 0,
            head_bytes: 1_200,
            head_age_us: 40,
            deadline_left_us: UNKNOWN,
            backlog_bytes: self.backlog_bytes,
            backlog_above_bytes: 0,
            duplicate_budget_bytes: 0,
            tried_paths: 0,
            standing: 0,
            battery_permille: UNKNOWN,
            paths: Paths::new(list),
        }
    }
}

/// A path that is up, with room, at 20 Mbit/s.
fn path(flags: u32, srtt_ms: u32) -> PathRow {
    PathRow {
        flags,
        srtt_us: srtt_ms * 1_000,
        silent_us: 1_000,
        rate_kbps: 20_000,
        room_bytes: 50_000,
        inflight_bytes: 0,
        queued_bytes: 0,
        ..PathRow::default()
    }
}

fn with_inflight(row: PathRow, bytes: u32) -> PathRow {
    PathRow { inflight_bytes: bytes, ..row }
}

fn full(row: PathRow, inflight: u32) -> PathRow {
    PathRow { room_bytes: 0, inflight_bytes: inflight, ..row }
}

fn fastest(position: usize) -> Verdict {
    Verdict::send(position).lease(32, 5).because(reason::FASTEST)
}

fn sticky(position: usize) -> Verdict {
    Verdict::send(position).lease(32, 5).because(reason::STICKY)
}

fn striped(set: u16) -> Verdict {
    Verdict::stripe(set).lease(32, 5).because(reason::STRIPED)
}

fn with(settings: &[(&str, Value)], case: Case) -> Case {
    let entries = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    Case { settings: Settings::new(entries.collect()), ..case }
}

fn bulk(backlog_bytes: u32, case: Case) -> Case {
    Case { class: Class::Bulk, backlog_bytes, ..case }
}

fn interactive(backlog_bytes: u32, case: Case) -> Case {
    Case { class: Class::Interactive, backlog_bytes, ..case }
}

fn case(name: &'static str, paths: &[PathRow], verdict: Verdict) -> Case {
    Case {
        name,
        settings: Settings::default(),
        class: Class::Realtime,
        backlog_bytes: 1_200,
        paths: paths.to_vec(),
        verdict,
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    [tiers(), arrivals(), stickiness(), stripes(), backlogs()].concat()
}

fn tiers() -> Vec<Case> {
    let last_resort = |at| Verdict::send(at).because(reason::LAST_RESORT);
    let none = Verdict::store().because(reason::NO_PATH);
    let silent = |row: PathRow, silent_us| PathRow { silent_us, ..row };
    vec![
        case("no path at all keeps the packet", &[], none),
        case(
            "paths that are down, masked or draining carry nothing",
            &[path(0, 1), path(UP | MASKED, 1), path(UP | DRAINING, 1)],
            none,
        ),
        case(
            "a free path goes before a faster metered or relayed one",
            &[path(UP | METERED, 5), path(UP | RELAYED, 5), path(UP, 80)],
            fastest(2),
        ),
        case(
            "a metered path is used when no free one is sound",
            &[path(UP | SUSPECT, 5), path(UP | METERED, 40)],
            fastest(1),
        ),
        case(
            "a new path waits while a proven one is up, even a metered one",
            &[path(UP | PROBATION, 5), path(UP | METERED, 80)],
            fastest(1),
        ),
        case(
            "a new path is used when there is no other, a free one first",
            &[path(UP | PROBATION | METERED, 5), path(UP | PROBATION, 80), path(UP | SUSPECT, 1)],
            fastest(1),
        ),
        case(
            "with suspect paths only, the least silent is tried",
            &[silent(path(UP | SUSPECT, 5), 90_000), silent(path(UP | SUSPECT, 50), 60_000)],
            last_resort(1),
        ),
        case(
            "a suspect path that is masked as well is not tried",
            &[silent(path(UP | SUSPECT | MASKED, 5), 10), path(UP | SUSPECT, 50)],
            last_resort(1),
        ),
    ]
}

fn arrivals() -> Vec<Case> {
    let unknown = PathRow { flags: UP, ..PathRow::default() };
    let app_limited = PathRow { rate_kbps: 64, ..path(UP | APP_LIMITED, 20) };
    let waiting = |at| Verdict::send(at).because(reason::WORTH_WAITING);
    vec![
        case("the shorter round trip wins", &[path(UP, 50), path(UP, 5)], fastest(1)),
        case(
            "what is in flight counts: 50 kB at 20 Mbit/s are 20 ms",
            &[with_inflight(path(UP, 10), 50_000), path(UP, 25)],
            fastest(1),
        ),
        case(
            "what is queued here counts as well",
            &[PathRow { queued_bytes: 50_000, ..path(UP, 10) }, path(UP, 25)],
            fastest(1),
        ),
        case(
            "a rate that was never tried out does not count against a path",
            &[with_inflight(app_limited, 10_000), path(UP, 30)],
            fastest(0),
        ),
        case(
            "a path that was not measured yet counts as slow, not as fast",
            &[unknown, path(UP, 300)],
            fastest(1),
        ),
        case(
            "a full path is left for one that beats waiting for it",
            &[full(path(UP, 10), 50_000), path(UP, 29)],
            fastest(1),
        ),
        case(
            "a full path is waited for when that is faster",
            &[full(path(UP, 10), 25_000), path(UP, 80)],
            waiting(0),
        ),
        case(
            "a full path of unknown rate takes one more round trip",
            &[full(PathRow { rate_kbps: UNKNOWN, ..path(UP, 10) }, 25_000), path(UP, 19)],
            fastest(1),
        ),
        case(
            "a full free path is waited for rather than paying",
            &[full(path(UP, 50), 99_000), path(UP | METERED, 5)],
            waiting(0),
        ),
    ]
}

fn stickiness() -> Vec<Case> {
    let in_use = with_inflight(path(UP, 50), 1_200);
    let none = [("stickiness_percent", Value::Integer(0))];
    vec![
        case(
            "the path in use is kept when another is 8 % faster",
            &[in_use, path(UP, 46)],
            sticky(0),
        ),
        case(
            "the path in use is left when another is 12 % faster",
            &[in_use, path(UP, 44)],
            fastest(1),
        ),
        with(&none, case("without stickiness 8 % are enough", &[in_use, path(UP, 46)], fastest(1))),
        with(
            &none,
            case(
                "under 1 ms is never enough",
                &[with_inflight(path(UP, 5), 1_200), PathRow { srtt_us: 4_700, ..path(UP, 0) }],
                sticky(0),
            ),
        ),
        case(
            "of several with traffic the one with most is in use",
            &[with_inflight(path(UP, 50), 1_200), with_inflight(path(UP, 47), 5_000), path(UP, 46)],
            sticky(1),
        ),
    ]
}

fn stripes() -> Vec<Case> {
    vec![
        bulk(
            1 << 20,
            case(
                "a path that would be done last does not help",
                &[path(UP, 20), path(UP, 900)],
                fastest(0),
            ),
        ),
        bulk(
            1 << 20,
            case("bulk tries a new path", &[path(UP, 20), path(UP | PROBATION, 30)], striped(0b11)),
        ),
        bulk(
            1 << 20,
            case(
                "bulk never strays onto a metered path",
                &[path(UP, 20), path(UP | METERED, 20)],
                fastest(0),
            ),
        ),
        bulk(
            1 << 20,
            case(
                "bulk uses two metered paths when there is nothing else",
                &[path(UP | METERED, 20), path(UP | METERED, 20)],
                striped(0b11),
            ),
        ),
        bulk(
            1 << 20,
            case(
                "of paths that fail together only the earliest helps",
                &[
                    PathRow { risk_group: 1, ..path(UP, 20) },
                    PathRow { risk_group: 2, ..path(UP, 40) },
                    PathRow { risk_group: 2, ..path(UP, 30) },
                    PathRow { risk_group: 1, ..path(UP, 25) },
                ],
                striped(0b101),
            ),
        ),
        bulk(
            1 << 20,
            case(
                "a path that loses one packet in five does not help",
                &[path(UP, 20), PathRow { loss_ppm: 200_000, ..path(UP, 20) }],
                fastest(0),
            ),
        ),
        bulk(
            1 << 20,
            case(
                "full paths stay in the stripe and come back when they have room",
                &[full(path(UP, 20), 50_000), path(UP, 30)],
                striped(0b11),
            ),
        ),
    ]
}

fn backlogs() -> Vec<Case> {
    let off = [("stripe", Value::Boolean(false))];
    let pair = [path(UP, 20), path(UP, 30)];
    let no_rate = PathRow { rate_kbps: UNKNOWN, ..path(UP, 20) };
    vec![
        bulk(1 << 20, case("bulk uses two like paths at once", &pair, striped(0b11))),
        bulk(1 << 20, with(&off, case("unless it is told not to", &pair, fastest(0)))),
        bulk(20_000, case("the tail of bulk stays on the fast path", &pair, fastest(0))),
        bulk(
            1_200,
            case(
                "with nothing known of rates bulk starts on all",
                &[no_rate, path(UP, 30)],
                striped(0b11),
            ),
        ),
        bulk(
            1_200,
            case("but not on one that is far slower", &[no_rate, path(UP, 90)], fastest(0)),
        ),
        interactive(
            65_536,
            case("interactive traffic up to 64 KiB is not striped", &pair, fastest(0)),
        ),
        interactive(
            1 << 20,
            case("interactive traffic with a long backlog is striped", &pair, striped(0b11)),
        ),
        Case { backlog_bytes: 1 << 20, ..case("realtime is never striped", &pair, fastest(0)) },
    ]
}
