//! The selector: which path carries the next packet.
//!
//! It is asked when a path has room and something waits. Its verdict may hold as a lease for
//! the next packets, so that it is not asked for each.

use crate::{Fault, Manifest, Outcome, Paths, Settings, State};

/// Bits of [`Question::flags`].
pub mod flags {
    /// The message must arrive in the order of its class.
    pub const ORDERED: u32 = 1;
    /// The device saves energy or data.
    pub const SAVER: u32 = 2;
    /// The device is on mains power.
    pub const CHARGING: u32 = 4;
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Worth something only at once: game moves, voice.
    Realtime = 0,
    /// Somebody waits for it.
    Interactive = 1,
    /// Nobody waits for it.
    Bulk = 2,
}

impl Class {
    /// All of them, most urgent first.
    pub const ALL: [Self; 3] = [Self::Realtime, Self::Interactive, Self::Bulk];

    /// The class with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Its name in config files, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// All that a selector may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The host's monotonic clock, in microseconds.
    pub now_us: u64,
    /// Randomness, drawn by the host and recorded with the question.
    pub seed: u64,
    /// The host's number for the peer.
    pub peer: u32,
    /// Number of the class of the packet at the head; see [`Class`].
    pub class: u32,
    /// See [`flags`].
    pub flags: u32,
    /// Size of the packet at the head, in bytes.
    pub head_bytes: u32,
    /// How long it has waited, in microseconds.
    pub head_age_us: u32,
    /// Time until its message expires, in microseconds; [`crate::UNKNOWN`] where never.
    pub deadline_left_us: u32,
    /// What waits in this class, in bytes, the head included.
    pub backlog_bytes: u32,
    /// What waits in the more urgent classes, in bytes.
    pub backlog_above_bytes: u32,
    /// What may still be spent on duplicates, in bytes.
    pub duplicate_budget_bytes: u32,
    /// Positions of the paths that this packet was already sent on, as a set.
    pub tried_paths: u32,
    /// The peer's standing, in thousandths from -1000 to 1000.
    pub standing: i32,
    /// Charge of the battery in thousandths; [`crate::UNKNOWN`] without one.
    pub battery_permille: u32,
    /// The paths that it may choose from.
    pub paths: Paths<'a>,
}

/// What to do with the packet at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// No opinion: the host's builtin policy answers.
    Abstain = 0,
    /// Send on one path; of several named, the host takes the first that has room.
    Send = 1,
    /// Spread the next packets over the paths named, as each has room.
    Stripe = 2,
    /// Send a copy on each path named, within the duplicate budget.
    Duplicate = 3,
    /// Send nothing for the hold time, or until a path changes.
    Hold = 4,
    /// Keep it until a path appears.
    Store = 5,
    /// Give it up and tell the sender.
    Expire = 6,
}

impl Mode {
    const ALL: [Self; 7] = [
        Self::Abstain,
        Self::Send,
        Self::Stripe,
        Self::Duplicate,
        Self::Hold,
        Self::Store,
        Self::Expire,
    ];
}

/// A selector's answer. On the wire it is one `u64`: mode (4 bits), paths (16), hold in
/// 100 µs (12), lease in packets (8) and in milliseconds (8), reason (16), least
/// significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to do.
    pub mode: Mode,
    /// The paths meant, by position in the question.
    pub paths: u16,
    /// How long to hold, in steps of 100 µs: 0 to 4095.
    pub hold_100us: u16,
    /// For how many further packets of the class it holds.
    pub lease_packets: u8,
    /// For how many milliseconds it holds.
    pub lease_ms: u8,
    /// The policy's own code for why, shown in logs.
    pub reason: u16,
}

/// Why a `u64` is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMode(pub u8);

impl Verdict {
    const fn of(mode: Mode, paths: u16) -> Self {
        Self { mode, paths, hold_100us: 0, lease_packets: 0, lease_ms: 0, reason: 0 }
    }

    /// No opinion.
    pub const fn abstain() -> Self {
        Self::of(Mode::Abstain, 0)
    }

    /// Send on the path at this position. Positions beyond 15 can't be named: abstains.
    pub const fn send(position: usize) -> Self {
        if position > 15 { Self::abstain() } else { Self::of(Mode::Send, 1 << position) }
    }

    /// Spread over a set of positions.
    pub const fn stripe(paths: u16) -> Self {
        Self::of(Mode::Stripe, paths)
    }

    /// Copy to each of a set of positions.
    pub const fn duplicate(paths: u16) -> Self {
        Self::of(Mode::Duplicate, paths)
    }

    /// Send nothing for this long, at most 409,500 µs.
    pub const fn hold(us: u32) -> Self {
        let steps = us.div_ceil(100);
        let hold_100us = if steps > 0xfff { 0xfff } else { steps as u16 };
        Self { hold_100us, ..Self::of(Mode::Hold, 0) }
    }

    /// Keep until a path appears.
    pub const fn store() -> Self {
        Self::of(Mode::Store, 0)
    }

    /// Give up.
    pub const fn expire() -> Self {
        Self::of(Mode::Expire, 0)
    }

    /// The same, good for further packets and for so many milliseconds.
    pub const fn lease(self, packets: u8, ms: u8) -> Self {
        Self { lease_packets: packets, lease_ms: ms, ..self }
    }

    /// The same, with a code that says why.
    pub const fn because(self, reason: u16) -> Self {
        Self { reason, ..self }
    }

    /// As one integer.
    pub const fn pack(self) -> u64 {
        self.mode as u64
            | (self.paths as u64) << 4
            | ((self.hold_100us & 0xfff) as u64) << 20
            | (self.lease_packets as u64) << 32
            | (self.lease_ms as u64) << 40
            | (self.reason as u64) << 48
    }

    /// Back from the integer.
    pub fn unpack(bits: u64) -> Result<Self, InvalidMode> {
        let number = (bits & 0xf) as u8;
        let mode = *Mode::ALL.get(usize::from(number)).ok_or(InvalidMode(number))?;
        Ok(Self {
            mode,
            paths: (bits >> 4) as u16,
            hold_100us: (bits >> 20) as u16 & 0xfff,
            lease_packets: (bits >> 32) as u8,
            lease_ms: (bits >> 40) as u8,
            reason: (bits >> 48) as u16,
        })
    }
}

/// A policy that chooses paths.
pub trait Selector: Default {
    /// Who it is and which settings it takes.
    fn manifest() -> Manifest;

    /// Takes its settings. The default takes none.
    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.none()
    }

    /// Takes over what was learned so far, after `configure`. The default, of a policy that
    /// learns nothing, refuses any state.
    fn restore(&mut self, learned: &State) -> Result<(), Fault> {
        Err(Fault::BadState(learned.schema))
    }

    /// The state after these outcomes; called off the path of packets. The default learns
    /// nothing.
    fn learn(before: Option<State>, seen: &[Outcome]) -> Option<State> {
        let _ = seen;
        before
    }

    /// Answers one question. Equal questions get equal verdicts.
    fn choose(&self, question: &Question<'_>) -> Verdict;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_packing() {
        let verdict = Verdict::stripe(0b101).lease(200, 40).because(7);
        assert_eq!(Verdict::unpack(verdict.pack()), Ok(verdict));
        let held = Verdict::hold(1_000_000);
        assert_eq!(Verdict::unpack(held.pack()).map(|v| v.hold_100us), Ok(4095));
    }

    #[test]
    fn an_unknown_mode_is_no_verdict() {
        assert_eq!(Verdict::unpack(u64::MAX), Err(InvalidMode(15)));
    }

    #[test]
    fn the_packing_is_the_one_of_version_0_1() {
        let verdict = Verdict {
            mode: Mode::Send,
            paths: 2,
            hold_100us: 3,
            lease_packets: 4,
            lease_ms: 5,
            reason: 6,
        };
        assert_eq!(verdict.pack(), 0x0006_0504_0030_0021);
    }
}
