//! The failover policy: what to do when a path falters, and which paths are in use.
//!
//! It is asked on events, and while something is wrong on a tick. It owns the mask of usable
//! paths; the selector chooses inside it.

use crate::{Fault, Manifest, Outcome, Paths, Settings, State};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Event {
    /// An acknowledgement on the path is overdue.
    Suspect = 0,
    /// The path is gone.
    Lost = 1,
    /// The path gets worse and is expected to fail.
    Fading = 2,
    /// A suspect or masked path was heard again.
    Recovered = 3,
    /// A new path.
    Appeared = 4,
    /// A local interface came, went or changed.
    UplinkChanged = 5,
    /// A dial failed.
    DialFailed = 6,
    /// A probe was answered, or not in time.
    ProbeResult = 7,
    /// Time passed while a path is suspect or masked.
    Tick = 8,
}

impl Event {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Suspect,
        Self::Lost,
        Self::Fading,
        Self::Recovered,
        Self::Appeared,
        Self::UplinkChanged,
        Self::DialFailed,
        Self::ProbeResult,
        Self::Tick,
    ];
}

/// Something that could be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialable {
    /// The host's number for it: what [`Verdict::Dial`] names.
    pub id: u32,
    /// Kind of network; see [`crate::Transport`].
    pub transport: u32,
    /// The local interface it would use.
    pub uplink: u32,
    /// What setting it up took, or is guessed to take, in milliseconds.
    pub setup_ms: u32,
    /// Share of dials that succeeded, per million.
    pub success_ppm: u32,
    /// Price per MiB, in millionths of the currency unit of the config.
    pub price_per_mib: u32,
}

impl Dialable {
    /// How many fields a row has in this version.
    pub const STRIDE: usize = 6;

    /// Appends the row to a list that begins with the stride.
    pub fn write(&self, list: &mut Vec<u32>) {
        let Self { id, transport, uplink, setup_ms, success_ppm, price_per_mib } = *self;
        list.extend_from_slice(&[id, transport, uplink, setup_ms, success_ppm, price_per_mib]);
    }

    /// Reads a list: the stride, then rows. Fields that an older host lacks are
    /// [`crate::UNKNOWN`].
    pub fn read(list: &[u32]) -> impl Iterator<Item = Self> + '_ {
        let stride = list.first().map_or(1, |&stride| (stride as usize).max(1));
        list.get(1..).unwrap_or_default().chunks_exact(stride).map(|row| {
            let at = |index: usize| row.get(index).copied().unwrap_or(crate::UNKNOWN);
            Self {
                id: at(0),
                transport: at(1),
                uplink: at(2),
                setup_ms: at(3),
                success_ppm: at(4),
                price_per_mib: at(5),
            }
        })
    }
}

/// All that a failover policy may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The host's monotonic clock, in microseconds.
    pub now_us: u64,
    /// Randomness, drawn by the host and recorded with the question.
    pub seed: u64,
    /// The host's number for the peer.
    pub peer: u32,
    /// What happened.
    pub event: Event,
    /// Position of the path that it happened to; [`crate::UNKNOWN`] where it is none of them.
    pub at: u32,
    /// Age of the oldest packet that is not acknowledged on that path, in microseconds.
    pub oldest_unacked_us: u32,
    /// What is not acknowledged on that path, in bytes, by class.
    pub unacked_bytes: [u32; 3],
    /// Timeouts in a row on that path.
    pub misses: u32,
    /// Packets that other paths carried and had acknowledged since that path fell silent.
    pub others_progressed: u32,
    /// By how much the host's own loop ran late just now, in microseconds.
    pub loop_lag_us: u32,
    /// Moves in the last 60 s.
    pub moves_last_60s: u32,
    /// Time since the last move in milliseconds; [`crate::UNKNOWN`] where there was none.
    pub since_move_ms: u32,
    /// Time until the first message expires, in microseconds.
    pub deadline_min_us: u32,
    /// What may still be spent on hedging, in bytes.
    pub hedge_budget_bytes: u32,
    /// What the store can still take, in KiB; 0 without a store.
    pub store_left_kib: u32,
    /// The paths, masked ones included.
    pub paths: Paths<'a>,
    /// What could be dialled, as rows; see [`Dialable::read`].
    pub dialables: &'a [u32],
}

/// What to send again when traffic moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Resend {
    /// Nothing.
    None = 0,
    /// Everything that is not acknowledged.
    Unacked = 1,
    /// Only the realtime and interactive classes.
    Urgent = 2,
}

/// A failover policy's answer. Sets of paths go by position in the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Change nothing.
    Stay {
        /// The policy's own code for why.
        reason: u32,
    },
    /// Send copies of what is not acknowledged on other paths.
    Hedge {
        /// The paths that get a copy.
        onto: u16,
        /// How much, in bytes, at most.
        budget_bytes: u32,
        /// The policy's own code for why.
        reason: u32,
    },
    /// From now on use these paths and no others.
    Move {
        /// The new mask of usable paths.
        onto: u16,
        /// What to send again.
        resend: Resend,
        /// The policy's own code for why.
        reason: u32,
    },
    /// Ask paths whether they are alive.
    Probe {
        /// The paths.
        paths: u16,
        /// The policy's own code for why.
        reason: u32,
    },
    /// Dial one of the dialables, by its number.
    Dial(u32),
    /// Close one path, by its position.
    Close(u32),
    /// Keep what waits until a path appears.
    Store,
    /// No opinion: the host's builtin policy answers.
    Abstain,
}

/// A policy that decides when and where traffic moves.
pub trait Failover: Default {
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
    fn decide(&self, question: &Question<'_>) -> Verdict;
}
