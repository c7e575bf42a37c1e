//! Learning: what became of decisions, and the state that a policy makes of it.
//!
//! A policy keeps nothing between questions. What it learns goes through the host: off the
//! path of packets the host calls `learn` with the state so far and new outcomes, keeps what
//! comes back, and hands it to the policy by `restore`, where it is read-only.

/// What a policy has learned: opaque to the host, which keeps it, checkpoints it at a swap,
/// and brings it back with the version that wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// What the bytes mean; only the policy knows. See [`crate::Manifest::reads_schemas`].
    pub schema: u32,
    /// At most [`crate::Manifest::max_state_bytes`].
    pub bytes: Vec<u8>,
}

/// What became of a decision, of those that the host samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// The host's number for the decision.
    pub decision: u64,
    /// The path's id.
    pub path: u32,
    /// Size of the packet in bytes.
    pub bytes: u32,
    /// Time that the packet waited before it was put on the path, in microseconds.
    pub queue_us: u32,
    /// Time from then to its acknowledgement, in microseconds; [`crate::UNKNOWN`] where it
    /// was given up.
    pub ack_us: u32,
    /// The acknowledgement came after the timeout, or not at all.
    pub late: bool,
    /// A copy on another path was faster.
    pub duplicate_won: bool,
}
