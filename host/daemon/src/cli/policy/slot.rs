//! The names of slots on the command line.

use clap::ValueEnum;
use pointsman_core::policy::Role;

/// Which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Slot {
    /// Which path carries the next packet.
    Selector,
    /// When and where traffic moves.
    Failover,
    /// How far a peer is to be trusted.
    Reputation,
    /// What is out of the ordinary.
    Anomaly,
}

impl Slot {
    pub(super) fn role(self) -> Role {
        match self {
            Self::Selector => Role::Selector,
            Self::Failover => Role::Failover,
            Self::Reputation => Role::Reputation,
            Self::Anomaly => Role::Anomaly,
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.role().name()
    }
}
