//! The way of a candidate, from a name to a policy that is ready for its slot.
//!
//! Whoever wants it there, the way is the same: the bytes are read, pin, signature and version
//! are looked at, it is compiled, configured, handed what it learned before, and tried. Nothing
//! here touches the node: what comes out is ready, or an error that says in which step it ended
//! and what to do. All of it blocks, so it runs in a thread of its own, never on the loop.

use std::path::{Path, PathBuf};

use pointsman_core::config::PolicyConfig;
use pointsman_core::policy::builtin::{self, BuiltinError};
use pointsman_core::policy::{Policy, Question, Role};
use pointsman_engine::{LoadError, Module, Terms};
use pointsman_sdk::{Fault, Manifest, Settings, State};

use super::Policies;
use super::history::Cause;
use super::quarantine::Mark;
use super::seat::{Kind, SeatError, Seated, Step, Steps};
use super::source::{self, Code, Wasm, digest_hex, module_text};
use super::trust::{self, Admitted, Trust};
use crate::aside::LearnerSeat;

/// What somebody wants in a slot.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Which slot.
    pub(crate) role: Role,
    /// What, and on which terms.
    pub(crate) config: PolicyConfig,
    /// File paths start from here.
    pub(crate) folder: PathBuf,
    /// What makes it come.
    pub(crate) from: Cause,
    /// Who: a user, or `node`.
    pub(crate) who: String,
    /// Although it is quarantined.
    pub(crate) force: bool,
    /// Although a newer version was live.
    pub(crate) allow_downgrade: bool,
}

impl Wish {
    /// Whether somebody chose it beside the config, which does not count until it is edited.
    pub(crate) fn is_commanded(&self) -> bool {
        matches!(self.from, Cause::Command | Cause::Promote | Cause::Rollback)
    }
}

/// What a candidate is built with.
pub(crate) struct Tools<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) trust: &'a Trust,
    /// Questions that were asked on this node.
    pub(crate) recorded: &'a [Question],
    /// What a policy that says this of itself can take over of what was learned in the slot.
    pub(crate) learned: &'a dyn Fn(&Manifest) -> Option<State>,
}

/// Code that was found for a wish.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) wish: Wish,
    pub(crate) code: Code,
    pub(crate) mark: Mark,
    pub(crate) steps: Steps,
}

/// A policy that has passed every step but the last.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) candidate: Candidate,
    pub(crate) policy: Policy,
    /// What is told of it, and its compiled code.
    pub(crate) about: About,
}

/// What is known of a policy that was built.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) seated: Seated,
    /// What learns for it; `None` where nothing does, and for roles that are not in line.
    pub(crate) learner: Option<LearnerSeat>,
    /// Why it may be loaded; `None` for a native policy.
    pub(crate) admitted: Option<Admitted>,
}

impl Candidate {
    /// Reads the code that is wished for.
    pub(crate) fn find(wish: Wish) -> Result<Self, SeatError> {
        let mut steps = Steps::default();
        let code = steps
            .take(Step::Read, || source::find(wish.role, &wish.config.module, &wish.folder))?;
        Ok(Self::of(wish, code, steps))
    }

    /// Code that was read before.
    pub(crate) fn of(wish: Wish, code: Code, steps: Steps) -> Self {
        let settings = terms_digest(&wish.config);
        let mark = Mark { code: code.identity(), settings };
        Self { wish, code, mark, steps }
    }

    /// Looks at pin and signature, before anything of it is compiled. What is in this binary came
    /// with it.
    pub(crate) fn trusted(mut self, trust: &Trust) -> Result<Self, SeatError> {
        let role = self.wish.role;
        match (&self.code, self.wish.config.digest.is_some()) {
            (Code::Wasm(wasm), _) => {
                let vouch = || trust.vouch(&found(role, wasm));
                let vouched = self.steps.take(Step::Trust, vouch);
                vouched.map_err(|error| SeatError::new(role, Step::Trust, error.key(), error))?;
            }
            (Code::Native { name, .. }, true) => {
                let why =
                    format!("builtin:{name} has no digest; remove policy.{}.digest", role.name());
                return Err(SeatError::new(role, Step::Trust, "digest", why));
            }
            (Code::Native { .. }, false) => {}
        }
        Ok(self)
    }

    /// Goes the rest of the way. An embedded module that can't run here is no mistake of
    /// whoever wants it: its native twin takes its place, with a note.
    pub(crate) fn build(mut self, tools: &Tools<'_>) -> Result<Ready, SeatError> {
        match self.code.clone() {
            Code::Native { name, note } => self.native(&name, note, tools),
            Code::Wasm(wasm) => match self.module(&wasm, tools) {
                Ok((policy, about)) => Ok(Ready { candidate: self, policy, about }),
                Err(SeatError { step: Step::Compile, message, .. }) if wasm.twin.is_some() => {
                    let name = wasm.twin.unwrap_or_default();
                    let note = format!("native builtin: the module in this binary: {message}");
                    self.native(&name, Some(note), tools)
                }
                Err(error) => Err(error.in_file(wasm.file.as_deref())),
            },
        }
    }

    fn native(
        mut self,
        name: &str,
        note: Option<String>,
        tools: &Tools<'_>,
    ) -> Result<Ready, SeatError> {
        let Wish { role, config, .. } = &self.wish;
        let (role, settings) = (*role, Settings::new(config.settings.clone()));
        let learned = builtin::learner(role, name).and_then(|it| (tools.learned)(&it));
        let build = || builtin::learned_policy(role, name, &settings, learned.as_ref());
        let policy = self.steps.take(Step::Configure, build).map_err(|e| unfit(role, &e))?;
        let seated = Seated {
            role,
            module: module_text(&self.wish.config.module),
            kind: Kind::Builtin,
            name: name.to_owned(),
            version: String::new(),
            digest: None,
            note,
        };
        let learner = LearnerSeat::native(role, 0, name, &settings, learned.clone());
        let about = About { seated, learner, admitted: None };
        Ok(Ready { candidate: self, policy, about })
    }

    fn module(&mut self, wasm: &Wasm, tools: &Tools<'_>) -> Result<(Policy, About), SeatError> {
        let Wish { role, config, allow_downgrade, .. } = self.wish.clone();
        let steps = &mut self.steps;
        let module = steps
            .take(Step::Compile, || tools.policies.open(&wasm.bytes))
            .map_err(|error| SeatError::new(role, Step::Compile, "module", error))?;
        let manifest = module.inspection().manifest.clone();
        let (name, version) = (manifest.name.as_str(), manifest.version.as_str());
        let found = found(role, wasm);
        let admitted = tools
            .trust
            .admit(&trust::Candidate { found, name, version, allow_downgrade })
            .map_err(|error| SeatError::new(role, Step::Trust, error.key(), error))?;
        let settings = Settings::new(config.settings.clone());
        let learned = (tools.learned)(&manifest);
        let terms = Terms {
            settings: &settings,
            learned: learned.as_ref(),
            call_us: config.budget_us,
            memory_bytes: (config.memory_mib as usize) << 20,
        };
        let policy = steps
            .take(Step::Configure, || build(role, &module, &terms))
            .map_err(|error| refused(role, &error))?;
        steps
            .take(Step::Trial, || module.trial(&terms, tools.recorded))
            .map_err(|error| SeatError::new(role, Step::Trial, "module", error))?;
        let learner = match role {
            Role::Selector | Role::Failover => LearnerSeat::of(&module, 0, &terms),
            Role::Reputation | Role::Anomaly => Ok(None),
        };
        let learner = learner.map_err(|error| refused(role, &error))?;
        let seated = Seated {
            role,
            module: module_text(&config.module),
            kind: wasm.kind,
            name: manifest.name,
            version: manifest.version,
            digest: Some(wasm.digest.clone()),
            note: None,
        };
        Ok((policy, About { seated, learner, admitted: Some(admitted) }))
    }
}

fn found(role: Role, wasm: &Wasm) -> trust::Found<'_> {
    trust::Found { role, bytes: &wasm.bytes, file: wasm.file.as_deref() }
}

/// The policy, if it is one for this slot.
fn build(role: Role, module: &Module, terms: &Terms<'_>) -> Result<Policy, LoadError> {
    let found = module.inspection().role;
    if found != role {
        return Err(LoadError::WrongRole { found, wanted: role });
    }
    module.policy(terms)
}

/// Settings in another order are the same settings. The bounds count, too: what was too slow or
/// too large for some may be neither for others.
fn terms_digest(config: &PolicyConfig) -> String {
    let PolicyConfig { budget_us, mean_us, memory_mib, settings, .. } = config;
    let mut lines: Vec<_> =
        settings.iter().map(|(key, value)| format!("{key} = {value:?}\n")).collect();
    lines.sort();
    lines.push(format!("{budget_us} {mean_us} {memory_mib}\n"));
    digest_hex(lines.concat().as_bytes())
}

/// Goes the whole way with what a config names, without a node and its recorded questions.
pub(super) fn check(
    policies: &Policies,
    role: Role,
    config: &PolicyConfig,
    folder: &Path,
    trust: &Trust,
) -> Result<Seated, SeatError> {
    let wish = Wish {
        role,
        config: config.clone(),
        folder: folder.to_owned(),
        from: Cause::Start,
        who: String::new(),
        force: true,
        allow_downgrade: true,
    };
    let candidate = Candidate::find(wish)?.trusted(trust)?;
    let tools = Tools { policies, trust, recorded: &[], learned: &|_| None };
    Ok(candidate.build(&tools)?.about.seated)
}

fn unfit(role: Role, error: &BuiltinError) -> SeatError {
    let key = match error {
        BuiltinError::Unknown { .. } => "module".to_owned(),
        BuiltinError::Refused { fault: Fault::BadSetting { key, .. }, .. } => {
            format!("settings.{key}")
        }
        BuiltinError::Refused { .. } => "settings".to_owned(),
    };
    SeatError::new(role, Step::Configure, &key, error)
}

fn refused(role: Role, error: &LoadError) -> SeatError {
    let (step, key) = match error {
        LoadError::Inspect(_) | LoadError::WrongRole { .. } => (Step::Compile, "module".to_owned()),
        LoadError::Settings { wrong, .. } => match wrong.as_slice() {
            [(key, _)] => (Step::Configure, format!("settings.{key}")),
            _ => (Step::Configure, "settings".to_owned()),
        },
        LoadError::Refused { .. } => (Step::Configure, "settings".to_owned()),
        LoadError::State { .. } | LoadError::StateTooLarge { .. } => {
            (Step::Configure, "module".to_owned())
        }
    };
    SeatError::new(role, step, &key, error)
}
