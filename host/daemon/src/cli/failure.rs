//! How a command fails: what it says, and what it exits with.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::control::client::ClientError;

/// It failed.
const FAILED: u8 = 1;
/// Wrong usage or config: `EX_USAGE` of sysexits(3).
pub(super) const USAGE: u8 = 64;
/// No node there: `EX_UNAVAILABLE` of sysexits(3).
const NO_NODE: u8 = 69;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was tried in vain.
    Failed(String),
    /// It makes no sense as it was asked, or as the config says.
    Usage(String),
    /// There is no node to ask.
    NoNode(String),
    /// Whoever read the output has seen enough.
    PipeClosed,
}

impl Failure {
    pub(super) fn failed(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }

    pub(super) fn usage(why: impl Display) -> Self {
        Self::Usage(why.to_string())
    }

    /// Says why on standard error.
    pub(super) fn report(self) -> ExitCode {
        let (code, why) = match self {
            Self::Failed(why) => (FAILED, why),
            Self::Usage(why) => (USAGE, why),
            Self::NoNode(why) => (NO_NODE, why),
            Self::PipeClosed => return ExitCode::SUCCESS,
        };
        // Where nobody can be told, the exit code still tells.
        let _ = writeln!(io::stderr(), "pointsman: {why}");
        ExitCode::from(code)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoNode { .. } => Self::NoNode(error.to_string()),
            ClientError::NotAllowed { .. }
            | ClientError::Refused { .. }
            | ClientError::Broken { .. } => Self::failed(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::PipeClosed;
        }
        Self::failed(error)
    }
}
