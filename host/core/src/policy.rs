//! How the Node asks a policy: the question's form, the traits that engine and builtins
//! implement, and the slot that falls back from one to the other.

mod any;
pub mod builtin;
pub mod question;
pub mod slot;

use core::fmt;

use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::failover;
use pointsman_sdk::reputation::Standing;
use pointsman_sdk::selector;

pub use any::{Policy, vet_findings, vet_standing};
pub use question::{
    AnomalyQuestion, FailoverQuestion, Question, ReputationQuestion, SelectorQuestion,
};

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Which path carries the next packet.
    Selector,
    /// When and where traffic moves.
    Failover,
    /// How far a peer is to be trusted.
    Reputation,
    /// What is out of the ordinary.
    Anomaly,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Selector, Self::Failover, Self::Reputation, Self::Anomaly];

    /// Its name in config files, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Selector => "selector",
            Self::Failover => "failover",
            Self::Reputation => "reputation",
            Self::Anomaly => "anomaly",
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

    /// What a question costs on average, in nanoseconds, where it is measured: a fact of this
    /// run, which the core does not measure itself.
    fn mean_cost_ns(&self) -> Option<u32> {
        None
    }
}

/// A failover policy as the Node asks it; the verdict is not yet vetted.
pub trait Failover: Send + fmt::Debug {
    /// Answers in line: must return within its budget, and never block.
    fn decide(&mut self, question: &FailoverQuestion) -> Result<failover::Verdict, Strike>;

    /// See [`Selector::mean_cost_ns`].
    fn mean_cost_ns(&self) -> Option<u32> {
        None
    }
}

/// A reputation policy, asked off the loop; the standing is not yet vetted.
pub trait Reputation: Send + fmt::Debug {
    /// Folds observations into a standing.
    fn fold(&mut self, question: &ReputationQuestion) -> Result<Standing, Strike>;
}

/// An anomaly policy, asked off the loop; the findings are not yet vetted.
pub trait Anomaly: Send + fmt::Debug {
    /// Tells what is out of the ordinary.
    fn inspect(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike>;
}

/// A policy on its way into a slot of the Node.
#[derive(Debug)]
pub struct Swap<P: ?Sized> {
    /// `None`: the builtin answers from now on.
    pub module: Option<Box<P>>,
    /// The shell's number for what is in the slot: grows with every swap.
    pub generation: u64,
    /// How it must prove itself; `None`: it is not watched, and what was there before is let
    /// go at once.
    pub probation: Option<Probation>,
}

impl<P: ?Sized> Swap<P> {
    /// Puts a policy in for good.
    pub fn settled(module: Box<P>, generation: u64) -> Self {
        Self { module: Some(module), generation, probation: None }
    }
}

/// How a policy must prove itself while the one before it stays warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probation {
    /// For so long, in microseconds.
    pub us: u64,
    /// A question may cost so much on average, in nanoseconds.
    pub mean_cost_ns_max: u32,
    /// All questions of a second may cost so much of it, in thousandths; 0: how often a policy
    /// is asked is not judged. It holds for the roles that are asked in line.
    pub loop_permille: u32,
    /// The 99th percentile of completion times may be so much of what it was, in thousandths;
    /// 0: how long messages take is not judged.
    pub slower_permille: u32,
}

/// What brought the policy before back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misconduct {
    /// It failed a question.
    Struck(Strike),
    /// Questions cost too much on average, in nanoseconds.
    Dear {
        /// What they cost.
        mean_ns: u32,
        /// What they may cost.
        bound_ns: u32,
    },
    /// All questions together take too much of the loop's time, in thousandths.
    Greedy {
        /// What they take.
        permille: u32,
        /// What they may take.
        bound_permille: u32,
    },
    /// Messages take longer than with the policy before: the 99th percentile from hand-over
    /// to acknowledgement, in microseconds.
    Slow {
        /// Now.
        p99_us: u64,
        /// Before.
        before_us: u64,
    },
    /// More packets are acknowledged late, or messages expire, in thousandths.
    Late {
        /// Now.
        permille: u32,
        /// Before.
        before: u32,
    },
    /// It spends more on copies, or asks for more of them than the budget gives, in
    /// thousandths of the bytes sent.
    Wasteful {
        /// Now.
        permille: u32,
        /// Before.
        before: u32,
    },
    /// Messages wait although the policy before would have sent them; for so long already, in
    /// microseconds.
    Stalled {
        /// Age of the oldest.
        waited_us: u64,
    },
    /// It moves traffic to and fro although the policy before would have left it where it is.
    Restless {
        /// So often within the last seconds.
        moves: u32,
    },
    /// An operator asked for it.
    Ordered,
}

impl fmt::Display for Misconduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Struck(strike) => write!(f, "{strike}"),
            Self::Dear { mean_ns, bound_ns } => {
                write!(f, "a question costs {mean_ns} ns on average, and {bound_ns} ns are allowed")
            }
            Self::Greedy { permille, bound_permille } => write!(
                f,
                "questions take {permille} of 1000 of the loop's time, and {bound_permille} are \
                 allowed"
            ),
            Self::Slow { p99_us, before_us } => write!(
                f,
                "messages take {p99_us} us (99th percentile), and took {before_us} us before"
            ),
            Self::Late { permille, before } => {
                write!(f, "{permille} of 1000 packets are late, and {before} were before")
            }
            Self::Wasteful { permille, before } => {
                write!(f, "copies are {permille} of 1000 bytes sent, and were {before} before")
            }
            Self::Stalled { waited_us } => write!(
                f,
                "messages wait for {waited_us} us, which the policy before would have sent"
            ),
            Self::Restless { moves } => write!(
                f,
                "it moved traffic {moves} times within seconds, where the policy before would not"
            ),
            Self::Ordered => f.write_str("an operator asked for it"),
        }
    }
}

/// A verdict, vetted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A selector's.
    Selector(selector::Verdict),
    /// A failover policy's.
    Failover(failover::Verdict),
    /// A reputation policy's.
    Reputation(Standing),
    /// An anomaly policy's.
    Anomaly(Vec<Finding>),
}

/// Who answered a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// The slot's module.
    Module,
    /// The builtin, because there is no module, or because it abstained.
    Builtin,
    /// The builtin, because the module failed.
    InsteadOf(Strike),
}

/// A question with its answer, of those that are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its number; outcomes name it.
    pub number: u64,
    /// Generation of what was in the slot.
    pub generation: u64,
    /// What was asked: tells the role, too.
    pub question: Question,
    /// What was answered.
    pub verdict: Verdict,
    /// By whom.
    pub by: Answerer,
}
