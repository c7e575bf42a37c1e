//! Questions with the verdicts that they must get: asked of the plain Rust here, and of the
//! Wasm module in the engine's tests.

use pointsman_sdk::failover::{Dialable, Event, Question, Resend, Verdict};
use pointsman_sdk::path::flags::{DRAINING, MASKED, SUSPECT, UP};
use pointsman_sdk::{PathRow, Paths, Settings, UNKNOWN, Value};

use crate::reason;

/// One question and its verdict.
#[derive(Clone, Debug)]
pub struct Case {
    /// The behaviour that it shows.
    pub name: &'static str,
    /// The settings.
    pub settings: Settings,
    /// What happened.
    pub event: Event,
    /// To which path.
    pub at: u32,
    /// What is not acknowledged there, by class.
    pub unacked_bytes: [u32; 3],
    /// What the others got through meanwhile, in packets.
    pub others_progressed: u32,
    /// How late the host is, in microseconds.
    pub loop_lag_us: u32,
    /// Moves of the last minute.
    pub moves_last_60s: u32,
    /// Time since the last one, in milliseconds.
    pub since_move_ms: u32,
    /// What may be spent on copies, in bytes.
    pub hedge_budget_bytes: u32,
    /// The paths.
    pub paths: Vec<PathRow>,
    /// What could be dialled.
    pub dialables: Vec<Dialable>,
    /// What it must answer.
    pub verdict: Verdict,
}

impl Case {
    /// Paths and dialables as the lists of a question.
    pub fn lists(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut paths, mut dialables) =
            (vec![PathRow::STRIDE as u32], vec![Dialable::STRIDE as u32]);
        self.paths.iter().for_each(|row| row.write(&mut paths));
        self.dialables.iter().for_each(|row| row.write(&mut dialables));
        (paths, dialables)
    }

    /// The question over those lists.
    pub fn question<'a>(&self, paths: &'a [u32], dialables: &'a [u32]) -> Question<'a> {
        Question {
            now_us: 1_000_000,
            seed: 7,
            peer: 1,
            event: self.event,
            at: self.at,
            oldest_unacked_us: 60_000,
            unacked_bytes: self.unacked_bytes,
            misses: 1,
            others_progressed: self.others_progressed,
            loop_lag_us: self.loop_lag_us,
            moves_last_60s: self.moves_last_60s,
            since_move_ms: self.since_move_ms,
            deadline_min_us: UNKNOWN,
            hedge_budget_bytes: self.hedge_budget_bytes,
            store_left_kib: 0,
            paths: Paths::new(paths),
            dialables,
        }
    }
}

/// A question about the first path.
fn case(name: &'static str, event: Event, paths: &[PathRow], verdict: Verdict) -> Case {
    Case {
        name,
        settings: Settings::default(),
        event,
        at: 0,
        unacked_bytes: [500, 0, 2_500],
        others_progressed: 0,
        loop_lag_us: 0,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        hedge_budget_bytes: 10_000,
        paths: paths.to_vec(),
        dialables: Vec::new(),
        verdict,
    }
}

/// A path in a risk group, silent for so many milliseconds, with a round trip of 20 ms.
fn path(flags: u32, risk_group: u32, silent_ms: u32) -> PathRow {
    PathRow {
        flags,
        risk_group,
        silent_us: silent_ms * 1_000,
        srtt_us: 20_000,
        ..PathRow::default()
    }
}

fn dialable(id: u32, setup_ms: u32, success_ppm: u32, price_per_mib: u32) -> Dialable {
    Dialable { id, transport: 3, uplink: 1, setup_ms, success_ppm, price_per_mib }
}

fn hedge(onto: u16, budget_bytes: u32) -> Verdict {
    Verdict::Hedge { onto, budget_bytes, reason: reason::LATE }
}

fn moved(onto: u16, resend: Resend, reason: u32) -> Verdict {
    Verdict::Move { onto, resend, reason }
}

fn probe(paths: u16, reason: u32) -> Verdict {
    Verdict::Probe { paths, reason }
}

fn stay() -> Verdict {
    Verdict::Stay { reason: reason::FINE }
}

/// All cases.
pub fn all() -> Vec<Case> {
    [hedges(), silences(), losses(), returns(), dials(), quiet()].concat()
}

fn hedges() -> Vec<Case> {
    let ill = path(UP | SUSPECT, 1, 60);
    let quick = PathRow { srtt_us: 5_000, ..path(UP, 2, 1) };
    let event = Event::Suspect;
    vec![
        case("a late path is hedged at once", event, &[ill, path(UP, 2, 1)], hedge(0b10, 3_000)),
        Case {
            hedge_budget_bytes: 700,
            ..case("within the budget", event, &[ill, path(UP, 2, 1)], hedge(0b10, 700))
        },
        Case {
            hedge_budget_bytes: 0,
            ..case("without a budget it is probed", event, &[ill, quick], probe(1, reason::LATE))
        },
        Case {
            unacked_bytes: [0; 3],
            ..case("with nothing to copy, too", event, &[ill, quick], probe(1, reason::LATE))
        },
        case(
            "the spare is of another risk group before it is fast",
            event,
            &[ill, PathRow { risk_group: 1, ..quick }, path(UP, 2, 1)],
            hedge(0b100, 3_000),
        ),
        case(
            "of several apart the fastest is the spare",
            event,
            &[ill, path(UP, 2, 1), quick],
            hedge(0b100, 3_000),
        ),
        case(
            "a path of the same risk group is better than none",
            event,
            &[ill, path(UP, 1, 1), path(UP | DRAINING, 2, 1)],
            hedge(0b10, 3_000),
        ),
        case(
            "a path out of use is hedged onto when no other is left",
            event,
            &[ill, path(UP | MASKED, 2, 1), path(UP | SUSPECT, 3, 60)],
            hedge(0b10, 3_000),
        ),
        case("alone it is probed", event, &[ill], probe(1, reason::ALONE)),
    ]
}

fn silences() -> Vec<Case> {
    let silent = |ms| [path(UP | SUSPECT, 1, ms), path(UP, 2, 1), path(UP, 3, 1)];
    let slow = PathRow { srtt_us: 200_000, ..path(UP | SUSPECT, 1, 500) };
    let patient = Settings::new(vec![("move_after_ms".into(), Value::Integer(900))]);
    let onward = |case| Case { others_progressed: 9, ..case };
    let all_others = moved(0b110, Resend::Unacked, reason::SILENT);
    let event = Event::Tick;
    vec![
        onward(case("a pause of 200 ms moves nothing", event, &silent(200), hedge(0b10, 3_000))),
        onward(case(
            "a silence of 400 ms does not either",
            event,
            &silent(400),
            hedge(0b10, 3_000),
        )),
        onward(case("a longer one moves to all others", event, &silent(401), all_others)),
        onward(Case { at: UNKNOWN, ..case("also when unnamed", event, &silent(401), all_others) }),
        case("unless they make no progress", event, &silent(9_000), hedge(0b10, 3_000)),
        onward(Case {
            loop_lag_us: 100_000,
            ..case("our own lateness is taken off", event, &silent(450), hedge(0b10, 3_000))
        }),
        onward(case(
            "a slow path gets three round trips",
            event,
            &[slow, path(UP, 2, 1)],
            hedge(0b10, 3_000),
        )),
        onward(Case {
            settings: patient,
            ..case("a patient setting waits longer", event, &silent(800), hedge(0b10, 3_000))
        }),
    ]
}

fn losses() -> Vec<Case> {
    let (gone, event) = (path(0, 1, 10), Event::Lost);
    let onto = |set| moved(set, Resend::Unacked, reason::LOST);
    vec![
        case(
            "a lost path moves to the sound ones",
            event,
            &[gone, path(UP, 2, 1), path(UP | MASKED, 3, 1), path(UP, 4, 1)],
            onto(0b1010),
        ),
        case(
            "to those out of use when none else is well",
            event,
            &[gone, path(UP | SUSPECT, 2, 90), path(UP | MASKED, 3, 1)],
            onto(0b100),
        ),
        case(
            "to suspect ones before nothing",
            event,
            &[gone, path(UP | SUSPECT, 2, 90)],
            onto(0b10),
        ),
        case("without any, it keeps what waits", event, &[gone], Verdict::Store),
        case(
            "losing a path that was out of use changes nothing",
            event,
            &[path(MASKED, 1, 10), path(UP, 2, 1)],
            stay(),
        ),
        case(
            "a fading path is left before it goes",
            Event::Fading,
            &[path(UP, 1, 1), path(UP, 2, 1)],
            moved(0b10, Resend::None, reason::FADING),
        ),
        case("a fading path without a spare is kept", Event::Fading, &[path(UP, 1, 1)], stay()),
    ]
}

fn returns() -> Vec<Case> {
    let well = [path(UP | MASKED, 1, 5), path(UP, 2, 1)];
    let moves =
        |moves_last_60s, since_move_ms, case| Case { moves_last_60s, since_move_ms, ..case };
    let back = moved(0b11, Resend::None, reason::BACK);
    let held = probe(0b1, reason::HELD_DOWN);
    let heard = Event::Recovered;
    let eager = Settings::new(vec![("hold_down_ms".into(), Value::Integer(0))]);
    vec![
        moves(1, 2_000, case("a path heard again is used after 2 s", heard, &well, back)),
        moves(1, 1_999, case("and not before", heard, &well, held)),
        moves(3, 7_999, case("after three moves it takes 8 s", heard, &well, held)),
        moves(3, 8_000, case("and then it is used again", Event::Tick, &well, back)),
        moves(60, 29_999, case("never more than 30 s", heard, &well, held)),
        moves(60, 30_000, case("even after many moves", heard, &well, back)),
        moves(
            1,
            9_000,
            case(
                "a path that is silent stays out",
                Event::Tick,
                &[path(UP | MASKED, 1, 700), path(UP, 2, 1)],
                held,
            ),
        ),
        moves(
            1,
            100,
            case(
                "with no sound path the hold-down is void",
                heard,
                &[path(UP | MASKED, 1, 5), path(UP | SUSPECT, 2, 90)],
                moved(0b1, Resend::None, reason::BACK),
            ),
        ),
        Case { settings: eager, ..moves(9, 1, case("or by setting", heard, &well, back)) },
        case(
            "a suspect path heard again was never left",
            heard,
            &[path(UP, 1, 0), path(UP, 2, 1)],
            stay(),
        ),
    ]
}

fn dials() -> Vec<Case> {
    let offer = |dialables: &[Dialable], case| Case { dialables: dialables.to_vec(), ..case };
    let gone = [path(0, 1, 10)];
    let event = Event::Lost;
    vec![
        offer(
            &[dialable(4, 900, 900_000, 0), dialable(5, 200, 900_000, 0)],
            case("the quickest is dialled", event, &gone, Verdict::Dial(5)),
        ),
        offer(
            &[dialable(4, 900, 900_000, 0), dialable(5, 200, 900_000, 7)],
            case("a free one before a quick one", event, &gone, Verdict::Dial(4)),
        ),
        offer(
            &[dialable(4, 900, 900_000, 0), dialable(5, 200, 20_000, 0)],
            case("failures count as time", event, &gone, Verdict::Dial(4)),
        ),
        offer(
            &[dialable(4, 900, UNKNOWN, UNKNOWN)],
            case(
                "a lonely late path is backed up by a dial",
                Event::Suspect,
                &[path(UP | SUSPECT, 1, 60)],
                Verdict::Dial(4),
            ),
        ),
        offer(
            &[dialable(4, 900, UNKNOWN, UNKNOWN)],
            case("a failed dial is followed by the next", Event::DialFailed, &[], Verdict::Dial(4)),
        ),
        offer(
            &[dialable(4, 900, UNKNOWN, UNKNOWN)],
            case(
                "nothing is dialled while a path is sound",
                Event::DialFailed,
                &[path(UP, 1, 1)],
                stay(),
            ),
        ),
    ]
}

fn quiet() -> Vec<Case> {
    let pair = [path(UP, 1, 1), path(UP, 2, 1)];
    vec![
        case("a new path is simply used", Event::Appeared, &pair, stay()),
        Case {
            moves_last_60s: 1,
            since_move_ms: 100,
            ..case(
                "a new path that comes out of use is held down",
                Event::Appeared,
                &[path(UP | MASKED, 1, 0), path(UP, 2, 1)],
                probe(1, reason::HELD_DOWN),
            )
        },
        Case {
            at: UNKNOWN,
            ..case(
                "a changed interface changes nothing while a path is sound",
                Event::UplinkChanged,
                &pair,
                stay(),
            )
        },
        Case {
            at: UNKNOWN,
            ..case(
                "with none, those left are asked",
                Event::UplinkChanged,
                &[path(UP | SUSPECT, 1, 90), path(UP | SUSPECT, 2, 90)],
                probe(0b11, reason::ALONE),
            )
        },
        Case {
            at: UNKNOWN,
            ..case(
                "with nothing at all it keeps what waits",
                Event::UplinkChanged,
                &[],
                Verdict::Store,
            )
        },
    ]
}
