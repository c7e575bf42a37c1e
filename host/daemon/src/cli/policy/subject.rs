//! A policy that a command asks without a node: a file, a builtin, or a module in this binary.

use std::path::Path;

use pointsman_core::config::{PolicyConfig, parse};
use pointsman_core::policy::builtin;
use pointsman_core::policy::{Policy, Role};
use pointsman_engine::{Limits, Module, Terms};
use pointsman_sdk::{Settings, State};

use super::swap::settings_text;
use crate::cli::Failure;
use crate::policies::{Policies, embedded, embedded_bytes, natives, read};

/// How long one answer may take, in microseconds: here nobody waits for it, and a busy machine
/// is no fault of the policy.
const CALL_US: u32 = 200_000;

/// What is asked.
pub(super) enum Subject {
    /// Compiled into this binary.
    Native(String),
    /// A module, compiled.
    Module(Box<Module>),
}

impl Subject {
    /// Finds what a command names.
    pub(super) fn find(what: &str) -> Result<Self, Failure> {
        if let Some(name) = what.strip_prefix("builtin:") {
            return match roles_of(name).next() {
                Some(_) => Ok(Self::Native(name.to_owned())),
                None => Err(unknown(what, &Role::ALL.map(natives).concat())),
            };
        }
        let policies = Policies::default();
        let opened = match what.strip_prefix("embedded:") {
            Some(name) => match embedded_bytes(name) {
                Some(bytes) => policies.open(bytes),
                None => return Err(unknown(what, &embedded().collect::<Vec<_>>())),
            },
            None => policies.open(&read(Path::new(what)).map_err(Failure::usage)?),
        };
        let module = opened.map_err(|error| Failure::usage(format!("{what}: {error}")))?;
        Ok(Self::Module(Box::new(module)))
    }

    /// What it decides: that of a builtin is the first role that has one of its name.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Native(name) => roles_of(name).next().unwrap_or(Role::Selector),
            Self::Module(module) => module.inspection().role,
        }
    }

    /// Its name and version, for people.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Native(name) => format!("{name} (builtin)"),
            Self::Module(module) => {
                let manifest = &module.inspection().manifest;
                format!("{} {}", manifest.name, manifest.version)
            }
        }
    }

    /// A fresh one with these settings; otherwise why there is none.
    pub(super) fn policy(
        &self,
        settings: &Settings,
        learned: Option<&State>,
    ) -> Result<Policy, String> {
        let role = self.role();
        match self {
            Self::Native(name) => builtin::learned_policy(role, name, settings, learned)
                .map_err(|error| error.to_string()),
            Self::Module(module) => {
                // The most that a slot can give: a bound and no reservation, and it makes
                // interpreters run here without a word.
                let memory_bytes = Limits::default().memory_bytes;
                let terms = Terms { settings, learned, call_us: CALL_US, memory_bytes };
                module.policy(&terms).map_err(|error| error.to_string())
            }
        }
    }

    /// A fresh one with the settings of a file.
    pub(super) fn configured(&self, file: Option<&Path>) -> Result<Policy, Failure> {
        let settings = match file {
            None => Settings::default(),
            Some(file) => settings(self.role(), file)?,
        };
        self.policy(&settings, None).map_err(Failure::usage)
    }
}

/// The builtin that a role has where nothing is configured.
pub(super) fn default_builtin(role: Role) -> Subject {
    Subject::Native(natives(role).first().copied().unwrap_or_default().to_owned())
}

fn roles_of(name: &str) -> impl Iterator<Item = Role> {
    Role::ALL.into_iter().filter(move |role| natives(*role).contains(&name))
}

fn unknown(what: &str, known: &[&str]) -> Failure {
    let place = what.split(':').next().unwrap_or_default();
    let known: Vec<_> = known.iter().map(|name| format!("{place}:{name}")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::usage(format!("{what}: there is no such policy in this binary; there is {known}"))
}

/// The settings of a file with what would stand below `[policy.ROLE.settings]`.
fn settings(role: Role, file: &Path) -> Result<Settings, Failure> {
    let text = format!("[policy.{}.settings]\n{}", role.name(), settings_text(file)?);
    let config = parse(&text).map_err(|errors| {
        let told = errors.iter().map(|error| {
            let line = error.line.saturating_sub(1);
            format!("{}:{line}:{}: {}", file.display(), error.column, error.message)
        });
        Failure::Usage(told.collect::<Vec<_>>().join("\n"))
    })?;
    let PolicyConfig { settings, .. } = config.slot(role).clone();
    Ok(Settings::new(settings))
}
