//! Anomalies: what is out of the ordinary, over a window of measures.

use crate::{Fault, Manifest, Settings};

/// What a series measures. Counts are per step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Metric {
    /// Largest delay of the node's loop, in microseconds.
    LoopLagUs = 0,
    /// Messages that expired.
    MessagesExpired = 1,
    /// Messages that were not taken.
    MessagesRefused = 2,
    /// Frames that were no frames.
    FramesMalformed = 3,
    /// Failures of policies.
    Strikes = 4,
    /// Bytes of copies that were sent.
    DuplicateBytes = 5,
    /// Smoothed round-trip time of the peer's best path, in microseconds.
    SrttUs = 6,
    /// Packets acknowledged late on the peer's worst path in use, per million.
    LatePpm = 7,
    /// Bytes that wait for the peer.
    QueueBytes = 8,
    /// Messages that the peer acknowledged.
    MessagesDelivered = 9,
    /// Moves of the peer's traffic.
    Moves = 10,
}

impl Metric {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::LoopLagUs,
        Self::MessagesExpired,
        Self::MessagesRefused,
        Self::FramesMalformed,
        Self::Strikes,
        Self::DuplicateBytes,
        Self::SrttUs,
        Self::LatePpm,
        Self::QueueBytes,
        Self::MessagesDelivered,
        Self::Moves,
    ];

    /// The metric with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Its name in settings, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoopLagUs => "loop-lag-us",
            Self::MessagesExpired => "messages-expired",
            Self::MessagesRefused => "messages-refused",
            Self::FramesMalformed => "frames-malformed",
            Self::Strikes => "strikes",
            Self::DuplicateBytes => "duplicate-bytes",
            Self::SrttUs => "srtt-us",
            Self::LatePpm => "late-ppm",
            Self::QueueBytes => "queue-bytes",
            Self::MessagesDelivered => "messages-delivered",
            Self::Moves => "moves",
        }
    }

    /// What usually helps where it is out of the ordinary: a node that has too much to do sheds
    /// load, a path that got worse is asked and replaced, and what no machine can tell is looked
    /// into by a person.
    pub fn remedy(self) -> Remedy {
        match self {
            Self::LoopLagUs | Self::MessagesRefused | Self::DuplicateBytes | Self::QueueBytes => {
                Remedy::Shed
            }
            Self::SrttUs | Self::MessagesDelivered => Remedy::Probe,
            Self::LatePpm | Self::MessagesExpired => Remedy::Dial,
            Self::FramesMalformed | Self::Strikes | Self::Moves => Remedy::Inspect,
        }
    }
}

/// One measure of one subject over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Series {
    /// See [`Metric`]; a newer host may have more.
    pub metric: u32,
    /// The host's number for the peer; [`crate::UNKNOWN`] for this node itself.
    pub subject: u32,
    /// Time between two samples, in milliseconds.
    pub step_ms: u32,
    /// Oldest first, at most 60. -1 stands for a step without a measure.
    pub samples: Vec<i64>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// Worth knowing.
    Note = 0,
    /// Somebody should look when there is time.
    Warn = 1,
    /// Somebody should look now.
    Critical = 2,
}

impl Severity {
    /// Its name in logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// What might help; the host only suggests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Remedy {
    /// Nothing.
    None = 0,
    /// Ask the subject's paths whether they are alive.
    Probe = 1,
    /// Find another path.
    Dial = 2,
    /// Send less.
    Shed = 3,
    /// A person should look.
    Inspect = 4,
}

impl Remedy {
    /// Its name in logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Probe => "probe",
            Self::Dial => "dial",
            Self::Shed => "shed",
            Self::Inspect => "inspect",
        }
    }
}

/// Something out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// The policy's own number of the rule.
    pub rule: u32,
    /// How bad it is.
    pub severity: Severity,
    /// Of the series; see [`Metric`].
    pub metric: u32,
    /// Of the series.
    pub subject: u32,
    /// What the rule compared with its bound, in the unit of the metric.
    pub evidence: i64,
    /// What might help.
    pub remedy: Remedy,
}

/// A policy that finds what is out of the ordinary.
pub trait Anomaly: Default {
    /// Who it is and which settings it takes.
    fn manifest() -> Manifest;

    /// Takes its settings. The default takes none.
    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.none()
    }

    /// What is out of the ordinary now. A finding that is given again is still there, one that
    /// is not is over. Equal questions get equal findings.
    fn inspect(&self, now_ms: u64, window: &[Series]) -> Vec<Finding>;
}
