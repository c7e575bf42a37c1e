//! The failover policy's question and verdict.
//!
//! A verdict is a tagged union to Rust and one flat table to people: what it does, and the keys
//! that belong to that.

use pointsman_core::policy::FailoverQuestion;
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::failover::{Dialable, Event, Resend, Verdict};

use super::field::{Field, Takes, Test, U32, U64};
use super::reading::{Reading, joined};
use super::tree::{Entry, Node, value};
use super::write::Writer;

/// The names of events, by their numbers.
const EVENTS: [&str; Event::ALL.len()] = [
    "suspect",
    "lost",
    "fading",
    "recovered",
    "appeared",
    "uplink-changed",
    "dial-failed",
    "probe-result",
    "tick",
];

/// What the event takes.
pub(crate) const EVENT: Takes = Takes::Name(&EVENTS);

/// All but the bytes by class, the paths and the dialables.
pub(crate) const QUESTION: [Field<FailoverQuestion>; 14] = [
    field!(now_us, U64, u64),
    field!(seed, U64, u64),
    field!(peer, U32, u32),
    Field {
        name: "event",
        takes: EVENT,
        get: |question| Some(question.event as i128),
        set: |question, value| {
            question.event = Event::ALL.get(value as usize).copied().unwrap_or(question.event);
        },
        test: Test::Equal,
    },
    field!(unknown at),
    field!(oldest_unacked_us, U32, u32),
    field!(misses, U32, u32),
    field!(others_progressed, U32, u32),
    field!(loop_lag_us, U32, u32),
    field!(moves_last_60s, U32, u32),
    field!(unknown since_move_ms),
    field!(unknown deadline_min_us),
    field!(hedge_budget_bytes, U32, u32),
    field!(store_left_kib, U32, u32),
];

/// The key of the bytes by class.
pub(crate) const UNACKED: &str = "unacked_bytes";

/// A question of which nothing is said; every form must name its event.
pub(crate) fn blank() -> FailoverQuestion {
    FailoverQuestion {
        now_us: 0,
        seed: 0,
        peer: 0,
        event: Event::Tick,
        at: UNKNOWN,
        oldest_unacked_us: 0,
        unacked_bytes: [0; 3],
        misses: 0,
        others_progressed: 0,
        loop_lag_us: 0,
        moves_last_60s: 0,
        since_move_ms: UNKNOWN,
        deadline_min_us: UNKNOWN,
        hedge_budget_bytes: 0,
        store_left_kib: 0,
        paths: pointsman_core::policy::question::empty_paths(),
        dialables: vec![Dialable::STRIDE as u32],
    }
}

/// Reads the bytes by class, where a table has them.
pub(crate) fn read_unacked(
    reading: &mut Reading,
    entries: &[Entry],
    shown: &str,
    into: &mut [u32; 3],
) {
    let Some(given) = value(entries, UNACKED) else { return };
    let number = |item: &super::tree::Spot| match item.node {
        Node::Number(number) => u32::try_from(number).ok(),
        Node::Flag(_) | Node::Text(_) | Node::List(_) | Node::Table(_) | Node::Other(_) => None,
    };
    let numbers: Option<Vec<u32>> = given.list().and_then(|list| list.iter().map(number).collect());
    match numbers.and_then(|numbers| <[u32; 3]>::try_from(numbers).ok()) {
        Some(numbers) => *into = numbers,
        None => {
            let takes = "three numbers of bytes: realtime, interactive, bulk";
            reading.wrong(given, &joined(shown, UNACKED), takes);
        }
    }
}

/// Writes them.
pub(crate) fn write_unacked(writer: &mut Writer, bytes: [u32; 3]) {
    writer.key(UNACKED);
    writer.list(|w| {
        for number in bytes {
            w.item();
            w.number(number.into());
        }
    });
}

/// What a verdict does, by the numbers that its form gives them.
const DOES: [&str; 8] = ["stay", "hedge", "move", "probe", "dial", "close", "store", "abstain"];

/// The keys that belong to each of them, beside `does`.
const KEYS: [&[&str]; DOES.len()] = [
    &["reason"],
    &["onto", "budget_bytes", "reason"],
    &["onto", "resend", "reason"],
    &["paths", "reason"],
    &["id"],
    &["path"],
    &[],
    &[],
];

/// The names of what is sent again, by their numbers.
const RESENDS: [&str; 3] = ["none", "unacked", "urgent"];

/// A verdict as one flat table: `None` for what it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flat {
    does: u8,
    onto: Option<u16>,
    budget_bytes: Option<u32>,
    resend: Option<u8>,
    paths: Option<u16>,
    id: Option<u32>,
    path: Option<u32>,
    reason: Option<u32>,
}

/// The verdict.
pub(crate) const VERDICT: [Field<Flat>; 8] = [
    Field {
        name: "does",
        takes: Takes::Name(&DOES),
        get: |flat| Some(flat.does.into()),
        set: |flat, value| flat.does = value as u8,
        test: Test::Equal,
    },
    field!(optional onto, Takes::Positions(u16::BITS), u16),
    field!(optional budget_bytes, U32, u32),
    field!(optional resend, Takes::Name(&RESENDS), u8),
    field!(optional paths, Takes::Positions(u16::BITS), u16),
    field!(optional id, U32, u32),
    field!(optional path, U32, u32),
    field!(optional reason, U32, u32),
];

impl From<Verdict> for Flat {
    fn from(verdict: Verdict) -> Self {
        let does = |does| Self { does, ..Self::default() };
        match verdict {
            Verdict::Stay { reason } => Self { reason: Some(reason), ..does(0) },
            Verdict::Hedge { onto, budget_bytes, reason } => Self {
                onto: Some(onto),
                budget_bytes: Some(budget_bytes),
                reason: Some(reason),
                ..does(1)
            },
            Verdict::Move { onto, resend, reason } => Self {
                onto: Some(onto),
                resend: Some(resend as u8),
                reason: Some(reason),
                ..does(2)
            },
            Verdict::Probe { paths, reason } => {
                Self { paths: Some(paths), reason: Some(reason), ..does(3) }
            }
            Verdict::Dial(id) => Self { id: Some(id), ..does(4) },
            Verdict::Close(path) => Self { path: Some(path), ..does(5) },
            Verdict::Store => does(6),
            Verdict::Abstain => does(7),
        }
    }
}

impl Flat {
    /// The verdict, where it has all that belongs to what it does.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        let reason = self.reason;
        Some(match self.does {
            0 => Verdict::Stay { reason: reason? },
            1 => Verdict::Hedge {
                onto: self.onto?,
                budget_bytes: self.budget_bytes?,
                reason: reason?,
            },
            2 => Verdict::Move { onto: self.onto?, resend: self.resend()?, reason: reason? },
            3 => Verdict::Probe { paths: self.paths?, reason: reason? },
            4 => Verdict::Dial(self.id?),
            5 => Verdict::Close(self.path?),
            6 => Verdict::Store,
            7 => Verdict::Abstain,
            _ => return None,
        })
    }

    fn resend(self) -> Option<Resend> {
        [Resend::None, Resend::Unacked, Resend::Urgent].get(usize::from(self.resend?)).copied()
    }

    /// What the verdict that does this needs.
    pub(crate) fn needs(self) -> String {
        let keys = KEYS.get(usize::from(self.does)).copied().unwrap_or_default();
        format!("{} needs {}", DOES.get(usize::from(self.does)).unwrap_or(&""), keys.join(", "))
    }
}

/// Says which keys of a verdict don't belong to what it does.
pub(crate) fn check_keys(reading: &mut Reading, entries: &[Entry], shown: &str) {
    let does = value(entries, "does").and_then(|given| Takes::Name(&DOES).read(given));
    let Some((name, keys)) = does.and_then(|does| {
        let does = usize::try_from(does).ok()?;
        Some((DOES.get(does)?, KEYS.get(does)?))
    }) else {
        return;
    };
    let is_field = |entry: &&Entry| VERDICT.iter().any(|field| field.name == entry.name);
    let is_odd = |entry: &&Entry| entry.name != "does" && !keys.contains(&entry.name.as_str());
    for entry in entries.iter().filter(is_field).filter(is_odd) {
        let has = if keys.is_empty() { "nothing else".to_owned() } else { keys.join(", ") };
        let message = format!("does not belong to {name:?}, which has {has}");
        reading.fault(entry.at, &joined(shown, &entry.name), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_events_are_in_the_order_of_their_numbers() {
        for (number, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, number);
            let plain = EVENTS[number].replace('-', "");
            assert_eq!(format!("{event:?}").to_lowercase(), plain);
        }
        for (number, resend) in
            [Resend::None, Resend::Unacked, Resend::Urgent].into_iter().enumerate()
        {
            assert_eq!(resend as usize, number);
            assert_eq!(format!("{resend:?}").to_lowercase(), RESENDS[number]);
        }
    }

    #[test]
    fn every_verdict_survives_being_made_flat() {
        let (resend, reason) = (Resend::Urgent, 7);
        let all = [
            Verdict::Stay { reason },
            Verdict::Hedge { onto: 5, budget_bytes: 9, reason },
            Verdict::Move { onto: 2, resend, reason },
            Verdict::Probe { paths: 1, reason },
            Verdict::Dial(3),
            Verdict::Close(4),
            Verdict::Store,
            Verdict::Abstain,
        ];
        for (number, verdict) in all.into_iter().enumerate() {
            let flat = Flat::from(verdict);
            assert_eq!(usize::from(flat.does), number);
            assert_eq!(flat.verdict(), Some(verdict));
            let has = VERDICT.iter().filter(|field| (field.get)(&flat).is_some());
            assert_eq!(has.count(), 1 + KEYS[number].len());
        }
    }
}
