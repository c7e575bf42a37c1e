//! What is in a slot, and why something is not.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use pointsman_core::policy::Role;

use super::quarantine::Held;

/// Where the code in a slot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Compiled into this binary.
    Builtin,
    /// A module in this binary.
    Embedded,
    /// A module in a file.
    File,
}

impl Kind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Embedded => "embedded",
            Self::File => "file",
        }
    }
}

/// The key of the config that lists who may sign modules.
pub(super) const KEYS: &str = "policy.keys";

/// What is in a slot, or could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// Which slot.
    pub role: Role,
    /// As the config or a command names it.
    pub module: String,
    /// Where its code comes from.
    pub kind: Kind,
    /// Its own name.
    pub name: String,
    /// Its version; empty for a builtin.
    pub version: String,
    /// SHA-256 of the module in hexadecimal; `None` for a builtin.
    pub digest: Option<String>,
    /// What an operator should know.
    pub note: Option<String>,
}

impl Seated {
    /// Name, version and the beginning of its digest, for people.
    pub fn title(&self) -> String {
        let version = if self.version.is_empty() { "" } else { " " };
        let digest = match &self.digest {
            Some(digest) => format!(" ({})", &digest[..digest.len().min(12)]),
            None => " (builtin)".to_owned(),
        };
        format!("{}{version}{}{digest}", self.name, self.version)
    }
}

/// The steps from a file to a live policy, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its bytes were read, and their digest taken.
    Read,
    /// It was neither quarantined nor live already.
    Admit,
    /// Pin, signature and version were looked at.
    Trust,
    /// It was checked, compiled and asked who it is.
    Compile,
    /// It took its settings, and what was learned.
    Configure,
    /// It answered the questions of the trial.
    Trial,
    /// It came into the slot.
    Swap,
}

impl Step {
    /// Its name in JSON and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Admit => "admit",
            Self::Trust => "trust",
            Self::Compile => "compile",
            Self::Configure => "configure",
            Self::Trial => "trial",
            Self::Swap => "swap",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How long each step took that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps(pub Vec<(Step, Duration)>);

impl Steps {
    /// Does a step, and notes its time, whatever comes of it.
    pub(crate) fn take<T>(&mut self, step: Step, work: impl FnOnce() -> T) -> T {
        let began = std::time::Instant::now();
        let done = work();
        self.0.push((step, began.elapsed()));
        done
    }
}

/// Why a policy does not come into its slot. The node is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", place(*role, key))]
pub struct SeatError {
    /// Which slot.
    pub role: Role,
    /// In which step.
    pub step: Step,
    /// Which key below `policy.ROLE` is at fault: `module`, `digest`, or `settings` with a key
    /// of it; or `policy.keys`.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Keys are listed once, for all slots.
fn place(role: Role, key: &str) -> String {
    match key {
        KEYS => KEYS.to_owned(),
        _ => format!("policy.{}.{key}", role.name()),
    }
}

impl SeatError {
    pub(crate) fn new(role: Role, step: Step, key: &str, why: impl fmt::Display) -> Self {
        Self { role, step, key: key.to_owned(), message: why.to_string() }
    }

    /// The key at fault, with all that stands above it.
    pub fn place(&self) -> String {
        place(self.role, &self.key)
    }

    /// The same, with the file that the module came from, where it is one and at fault.
    pub(crate) fn in_file(self, file: Option<&Path>) -> Self {
        match file {
            Some(file) if self.key == "module" => {
                Self { message: format!("{}: {}", file.display(), self.message), ..self }
            }
            Some(_) | None => self,
        }
    }

    /// It was rolled back lately.
    pub(crate) fn held(role: Role, held: &Held) -> Self {
        let insist = format!("pointsman policy swap {} FILE --force", role.name());
        let message = format!("in quarantine: {held}; mend it, or insist: {insist}");
        Self::new(role, Step::Admit, "module", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_key_that_is_at_fault() {
        let told = |key| SeatError::new(Role::Failover, Step::Trust, key, "why").to_string();
        assert_eq!(told("module"), "policy.failover.module: why");
        assert_eq!(told(KEYS), "policy.keys: why");
    }
}
