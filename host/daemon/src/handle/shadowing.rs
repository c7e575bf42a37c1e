//! Candidates beside the live policies: started, looked at, promoted or sent away.
//!
//! A candidate goes the whole way but for the last step, and then answers the questions that
//! the live policy is asked, in a thread of its own. There is at most one for each slot. What is
//! promoted is the very code that answered, whatever became of its file since.

use std::sync::Arc;

use pointsman_core::policy::Role;
use pointsman_engine::shadow::{Shadow, ShadowReport, Thresholds};

use super::swapping::wish;
use super::{Pointsman, Setup, SwapError, SwapOrder, Swapped};
use crate::policies::history::Cause;
use crate::policies::{Candidate, Found, Seated, Steps, Wish, module_text};
use crate::shell::Command;
use crate::shell::journal::unix_ms;
use crate::shell::sends::Stopped;
use crate::tasks::joined;

/// Questions that wait for a candidate: some hundred milliseconds of a busy node. More are
/// dropped, and counted.
const QUEUE: usize = 1024;

/// A candidate that answers beside the live policy.
#[derive(Clone, Debug)]
pub(crate) struct Shadowing {
    candidate: Candidate,
    seated: Seated,
    shadow: Arc<Shadow>,
    since_unix_ms: u64,
}

/// What was found of it so far.
#[derive(Clone, Debug)]
pub struct Shadowed {
    /// The candidate.
    pub candidate: Seated,
    /// Since when it answers, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
    /// How it compares with the live policy.
    pub report: ShadowReport,
    /// The steps that it made; none where it was there before.
    pub steps: Steps,
}

/// Why there is no shadow, or why it is not promoted.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The candidate can't be had.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// The very same policy is live: there is nothing to compare.
    #[error("{}: {title} is live already, so there is nothing to compare", role.name())]
    IsLive {
        /// Which slot.
        role: Role,
        /// The policy.
        title: String,
    },
    /// No candidate answers beside the live policy.
    #[error("{}: no candidate answers beside the live policy", .0.name())]
    None(Role),
    /// It does not keep the bounds.
    #[error("{}: {title} is not promoted: {}", role.name(), broken.join("; "))]
    Short {
        /// Which slot.
        role: Role,
        /// The candidate.
        title: String,
        /// What it does not keep, a sentence each.
        broken: Vec<String>,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for the candidate: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<Stopped> for ShadowError {
    fn from(stopped: Stopped) -> Self {
        Self::Swap(SwapError::Stopped(stopped))
    }
}

impl ShadowError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Swap(error) => error.remedy(),
            Self::IsLive { .. } => "name another module, or other settings".to_owned(),
            Self::None(role) => {
                format!("start one: pointsman policy shadow {} FILE", role.name())
            }
            Self::Short { role, .. } => format!(
                "let it answer for longer, give other bounds (see pointsman help policy promote), \
                 or insist: pointsman policy promote {} --force",
                role.name()
            ),
            Self::Thread(_) => "stop something else on this machine, and try again".to_owned(),
        }
    }
}

impl Pointsman {
    /// Has a candidate answer beside the live policy, in place of the one that did.
    pub async fn shadow_policy(&self, order: SwapOrder) -> Result<Shadowed, ShadowError> {
        let node = self.clone();
        let done = tokio::spawn(async move {
            let mut setup = node.inner.setup.lock().await;
            let wish = Wish { force: true, ..wish(&setup, order) };
            node.start_shadow(&mut setup, wish).await
        });
        joined(done).await
    }

    /// What was found of the candidate so far.
    pub fn shadow_report(&self, role: Role) -> Result<Shadowed, ShadowError> {
        let shadowing = self.shadowing(role).ok_or(ShadowError::None(role))?;
        Ok(shadowing.told(Steps::default()))
    }

    /// Sends the candidate away; tells what was found.
    pub async fn stop_shadow(&self, role: Role) -> Result<Shadowed, ShadowError> {
        let node = self.clone();
        let done = tokio::spawn(async move {
            let mut setup = node.inner.setup.lock().await;
            let told = node.shadow_report(role)?;
            node.end_shadow(&mut setup, role).await?;
            Ok::<_, ShadowError>(told)
        });
        joined(done).await
    }

    /// What a candidate must have shown where nobody says otherwise: an answer may cost what it
    /// may cost in the slot's probation.
    pub async fn promotion_bounds(&self, role: Role) -> Thresholds {
        let mean_us = self.inner.setup.lock().await.config.slot(role).mean_us;
        Thresholds { mean_ns_max: mean_us.saturating_mul(1_000), ..Thresholds::default() }
    }

    /// Puts the candidate into the slot, if it keeps the bounds, or without looking at them.
    pub async fn promote_policy(
        &self,
        role: Role,
        bounds: Option<Thresholds>,
        who: String,
    ) -> Result<Swapped, ShadowError> {
        let node = self.clone();
        let done = tokio::spawn(async move {
            let mut setup = node.inner.setup.lock().await;
            node.promote(&mut setup, role, bounds, who).await
        });
        joined(done).await
    }

    async fn start_shadow(&self, setup: &mut Setup, wish: Wish) -> Result<Shadowed, ShadowError> {
        let role = wish.role;
        let recorded = self.recorded(role).await;
        let found = setup.slots.prepare(wish, &setup.config, recorded).await;
        let ready = match found.map_err(SwapError::from)? {
            Found::Ready(ready) => *ready,
            Found::Same(_) | Found::Held(_) => {
                let title = setup.slots.live(role).map(|live| live.live.seated.title());
                return Err(ShadowError::IsLive { role, title: title.unwrap_or_default() });
            }
        };
        let shadowing = Shadowing {
            seated: ready.about.seated,
            shadow: Arc::new(Shadow::start(ready.policy, QUEUE)?),
            candidate: ready.candidate,
            since_unix_ms: unix_ms(),
        };
        let (shadow, seated) = (Arc::clone(&shadowing.shadow), shadowing.seated.clone());
        let told = shadowing.told(shadowing.candidate.steps.clone());
        self.shadows().insert(role, shadowing);
        self.order(|reply| Command::Shadow { role, shadow: Some(shadow), reply }).await?;
        self.sample(setup).await?;
        setup.slots.shadowed(role, Some(seated));
        Ok(told)
    }

    async fn end_shadow(&self, setup: &mut Setup, role: Role) -> Result<(), Stopped> {
        self.shadows().remove(&role);
        setup.slots.shadowed(role, None);
        self.order(|reply| Command::Shadow { role, shadow: None, reply }).await?;
        self.sample(setup).await
    }

    async fn promote(
        &self,
        setup: &mut Setup,
        role: Role,
        bounds: Option<Thresholds>,
        who: String,
    ) -> Result<Swapped, ShadowError> {
        let shadowing = self.shadowing(role).ok_or(ShadowError::None(role))?;
        if let Some(bounds) = &bounds
            && let Err(broken) = shadowing.shadow.report().passes(bounds)
        {
            let title = shadowing.seated.title();
            return Err(ShadowError::Short { role, title, broken });
        }
        let Candidate { wish, code, .. } = shadowing.candidate;
        let module = module_text(&wish.config.module);
        let force = bounds.is_none();
        let wish = Wish { from: Cause::Promote, who, force, ..wish };
        let candidate = Candidate::of(wish, code, Steps::default());
        let recorded = self.recorded(role).await;
        let found = setup.slots.prepare_found(candidate, &setup.config, recorded).await;
        let swapped = self.take(setup, role, module, found.map_err(SwapError::from)?).await?;
        self.end_shadow(setup, role).await?;
        Ok(swapped)
    }

    fn shadowing(&self, role: Role) -> Option<Shadowing> {
        self.shadows().get(&role).cloned()
    }
}

impl Shadowing {
    fn told(&self, steps: Steps) -> Shadowed {
        Shadowed {
            candidate: self.seated.clone(),
            since_unix_ms: self.since_unix_ms,
            report: self.shadow.report(),
            steps,
        }
    }
}
