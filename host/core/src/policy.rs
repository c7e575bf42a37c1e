//! How the Node asks a policy: the question's form, the traits that engine and builtins
//! implement, and the slot that falls back from one to the other.

pub mod builtin;
pub mod question;
pub mod slot;

use core::fmt;

use pointsman_sdk::failover;

pub use question::{FailoverQuestion, SelectorQuestion};

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Which path carries the next packet.
    Selector,
    /// When and where traffic moves.
    Failover,
}

impl Role {
    /// Its name in config files, logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Selector => "selector",
            Self::Failover => "failover",
        }
    }
}

/// Why a policy's answer did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strike {
    /// It trapped.
    Trapped,
    /// It used up its time.
    TimedOut,
    /// It used up its memory, stack or table.
    Exhausted,
    /// Its verdict is not in the form of a verdict, or names what was not offered.
    Invalid,
    /// It could not be asked: its instance is being rebuilt.
    Unavailable,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trapped => "it trapped",
            Self::TimedOut => "it ran over its time",
            Self::Exhausted => "it ran out of memory, stack or table",
            Self::Invalid => "its verdict was invalid",
            Self::Unavailable => "it was not ready",
        })
    }
}

/// A selector as the Node asks it. The answer is the packed verdict of
/// [`pointsman_sdk::selector::Verdict`], not yet vetted.
pub trait Selector: Send + fmt::Debug {
    /// Answers in line: must return within its budget, and never block.
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike>;
}

/// A failover policy as the Node asks it; the verdict is not yet vetted.
pub trait Failover: Send + fmt::Debug {
    /// Answers in line: must return within its budget, and never block.
    fn decide(&mut self, question: &FailoverQuestion) -> Result<failover::Verdict, Strike>;
}
