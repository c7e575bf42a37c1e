//! What a module may fail its trial by. Each message says what was asked, what was seen, and
//! what an author can do about it.

use core::fmt;

use pointsman_core::policy::{Role, Strike, Verdict};
use pointsman_sdk::{Manifest, State};

use crate::error::LoadError;

/// Characters of an answer that a message shows.
const ANSWER_CHARS_MAX: usize = 160;

/// Why a module did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No fresh instance of it could be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It failed a question.
    #[error("asked about {question} ({run}), it fails: {strike}; {}", remedy(*role, *strike))]
    Struck {
        /// The question in words.
        question: String,
        /// How it was asked.
        run: Run,
        /// What happened.
        strike: Strike,
        /// Whose question it was.
        role: Role,
    },
    /// Equal questions got different answers.
    #[error(
        "asked about {question}, it answers {first} at first, and {then} when it is {run}: it keeps something between questions, probably in a global or a static, or uses memory that it never wrote; a policy answers from the question alone, and what it learns belongs to the host"
    )]
    Impure {
        /// The question in words.
        question: String,
        /// How it was asked the second time.
        run: Run,
        /// The answer when all questions were asked in order.
        first: String,
        /// The answer now.
        then: String,
    },
    /// All together took too long, although each answer was within its budget.
    #[error(
        "{answers} answers to {questions} questions took {bound_ms} ms, {mean_us} us each on average, and the trial was not over; make the policy faster"
    )]
    TooSlow {
        /// Different questions.
        questions: usize,
        /// Answers until then.
        answers: u64,
        /// The bound, in milliseconds.
        bound_ms: u64,
        /// What an answer took on average, in microseconds.
        mean_us: u64,
    },
    /// It does not learn as it should.
    #[error("learning: {0}")]
    Learning(#[from] LearnFault),
}

/// What is wrong with how a module learns.
#[derive(Debug, thiserror::Error)]
pub enum LearnFault {
    /// `learn` failed.
    #[error("`learn` fails: {}", why(*_0))]
    Struck(Strike),
    /// Equal outcomes got different states.
    #[error(
        "of the very same outcomes `learn` makes {difference}; it must make the state of what it is given alone"
    )]
    Impure {
        /// How the states differ.
        difference: String,
    },
    /// The manifest says that it learns nothing.
    #[error(
        "`learn` gives a state, and the manifest says that the policy learns nothing; give `state_schema` and `max_state_bytes` in the manifest"
    )]
    Undeclared,
    /// Another schema than the manifest's.
    #[error(
        "`learn` gives a state of schema {schema}, and the manifest says that it makes {said}; write what the manifest says, or raise `state_schema` there"
    )]
    OtherSchema {
        /// The state's schema.
        schema: u32,
        /// The manifest's.
        said: u32,
    },
    /// More bytes than the manifest says.
    #[error(
        "`learn` gives a state of {bytes} bytes, and the manifest allows {max}; bound what is learned, or raise `max_state_bytes`"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The manifest's bound.
        max: u32,
    },
    /// It refuses what it learned itself.
    #[error("it does not take over the state that its own `learn` gave: {0}")]
    Unreadable(LoadError),
}

/// How a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// One after another.
    InOrder,
    /// By the same instance, in another order.
    Shuffled,
    /// By an instance that was asked nothing before.
    Fresh,
    /// With the state that it learned.
    Learned,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InOrder => "asked in order",
            Self::Shuffled => "asked again in another order",
            Self::Fresh => "asked on a fresh instance",
            Self::Learned => "asked with what it learned",
        })
    }
}

impl TrialError {
    pub(super) fn impure(
        question: String,
        run: Run,
        first: &Option<Verdict>,
        then: &Option<Verdict>,
    ) -> Self {
        Self::Impure { question, run, first: told(first), then: told(then) }
    }
}

impl LearnFault {
    pub(super) fn impure(first: Option<&State>, then: Option<&State>) -> Self {
        Self::Impure { difference: difference(first, then) }
    }

    /// Whether the state is one that the manifest announces.
    pub(super) fn check(manifest: &Manifest, state: &State) -> Result<(), Self> {
        let (schema, said) = (state.schema, manifest.state_schema);
        let (bytes, max) = (state.bytes.len(), manifest.max_state_bytes);
        if said != schema {
            return Err(Self::OtherSchema { schema, said });
        }
        if bytes > max as usize {
            return Err(Self::TooLarge { bytes, max });
        }
        Ok(())
    }
}

/// An answer in short.
fn told(answer: &Option<Verdict>) -> String {
    let whole = match answer {
        None => "that it abstains".to_owned(),
        Some(Verdict::Selector(verdict)) => format!("{verdict:?}"),
        Some(Verdict::Failover(verdict)) => format!("{verdict:?}"),
        Some(Verdict::Reputation(standing)) => format!("{standing:?}"),
        Some(Verdict::Anomaly(findings)) => format!("{findings:?}"),
    };
    if whole.chars().count() <= ANSWER_CHARS_MAX {
        return whole;
    }
    whole.chars().take(ANSWER_CHARS_MAX).chain("...".chars()).collect()
}

fn difference(first: Option<&State>, then: Option<&State>) -> String {
    let told = |state: &State| format!("{} bytes of schema {}", state.bytes.len(), state.schema);
    let (Some(first), Some(then)) = (first, then) else {
        let either = first.or(then).map(told).unwrap_or_default();
        return format!("{either} one time and no state another time");
    };
    let mut pairs = first.bytes.iter().zip(&then.bytes);
    match pairs.position(|(one, other)| one != other) {
        Some(at) => format!("states that differ from byte {at} on"),
        None => format!("{} one time and {} another time", told(first), told(then)),
    }
}

/// What a strike means where states are made. Those that the manifest does not announce are
/// refused before they get here.
fn why(strike: Strike) -> String {
    if strike == Strike::Invalid {
        return "the state has another schema, or more bytes, than the manifest says; write what `state_schema` and `max_state_bytes` announce".to_owned();
    }
    strike.to_string()
}

/// What helps against a strike.
fn remedy(role: Role, strike: Strike) -> &'static str {
    match (strike, role) {
        (Strike::Trapped | Strike::Unavailable, _) => {
            "it must answer every question; look for an index out of range, a division by zero, an overflow or an `unwrap`"
        }
        (Strike::TimedOut, _) => {
            "every answer must be there within `budget_us`; look for a loop that depends on a number in the question"
        }
        (Strike::Exhausted, _) => {
            "look for memory that is never freed, or for a recursion; `memory_mib` is what it may have"
        }
        (Strike::Invalid, Role::Selector) => {
            "it may name only paths that are in the question, up and not masked, and hold, store or expire where there is none"
        }
        (Strike::Invalid, Role::Failover) => {
            "it may name only paths and dialables that are in the question, and move or hedge onto paths that are up"
        }
        (Strike::Invalid, Role::Reputation) => "a score goes from -1000 to 1000",
        (Strike::Invalid, Role::Anomaly) => {
            "a finding must be of a metric and a subject that the question shows, and there may be 64 of them"
        }
    }
}
