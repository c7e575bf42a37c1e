//! Changing what is in a slot: by command, back again, and what the loop did by itself.

use pointsman_core::config::{Module, PolicyConfig};
use pointsman_core::policy::{Question, Role};
use pointsman_sdk::Value;

use super::{Pointsman, Setup};
use crate::policies::history::{Cause, Entry};
use crate::policies::{
    Candidate, Found, Held, Leaving, Live, SeatError, Step, Steps, Wish, module_text,
};
use crate::shell::Command;
use crate::shell::sends::Stopped;
use crate::tasks::joined;

/// What somebody wants in a slot.
#[derive(Clone, Debug)]
pub struct SwapOrder {
    /// Which slot.
    pub role: Role,
    /// What: native, in this binary, or a file by its full path.
    pub module: Module,
    /// With which settings; `None`: those that the config has for the slot.
    pub settings: Option<Vec<(String, Value)>>,
    /// Although it is quarantined; what it did is forgotten.
    pub force: bool,
    /// Although a newer version of it was live.
    pub allow_downgrade: bool,
    /// Who wants it, for the history.
    pub who: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Swapped {
    /// What is live now.
    pub live: Live,
    /// What stays warm, or was before where nothing does; `None` where the very same policy was
    /// live already.
    pub before: Option<Live>,
    /// For how long it must prove itself, in microseconds.
    pub probation_us: Option<u64>,
    /// The steps that were made.
    pub steps: Steps,
    /// What an operator should know.
    pub note: Option<String>,
}

/// Why a slot is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The candidate did not come so far.
    #[error("{}: {}: {}", .0.role.name(), .0.step, .0.message)]
    Refused(SeatError),
    /// It was rolled back lately.
    #[error("{}: {module} is in quarantine: {held}", role.name())]
    Held {
        /// Which slot.
        role: Role,
        /// As it was named.
        module: String,
        /// Why, and for how long.
        held: Held,
    },
    /// Nothing was there before.
    #[error("{}: nothing else was in this slot since the node started", .0.name())]
    NothingBefore(Role),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<SeatError> for SwapError {
    fn from(error: SeatError) -> Self {
        Self::Refused(error)
    }
}

impl SwapError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Refused(error) => format!(
                "the {} goes on as it was; pointsman policy check FILE says the same without a node",
                error.role.name()
            ),
            Self::Held { role, module, .. } => format!(
                "mend it, or insist: pointsman policy swap {} {module} --force",
                role.name()
            ),
            Self::NothingBefore(role) => {
                format!("name what you want: pointsman policy swap {} FILE", role.name())
            }
            Self::Stopped(_) => "start it again: pointsman run".to_owned(),
        }
    }
}

impl Swapped {
    /// What an operator should know.
    pub(crate) fn note(&self) -> Option<String> {
        let role = self.live.seated.role.name();
        self.note.as_ref().map(|note| format!("{role}: {note}"))
    }

    /// For people.
    pub(crate) fn sentence(&self) -> String {
        let Live { generation, seated, .. } = &self.live;
        let proof = match self.probation_us {
            Some(us) => format!(", and must prove itself for {} s", us.div_ceil(1_000_000)),
            None => String::new(),
        };
        format!(
            "{}: {} is live as generation {generation}{proof}",
            seated.role.name(),
            seated.title()
        )
    }
}

impl Pointsman {
    /// Puts another policy into a slot: it is built and proven first, and any failure leaves the
    /// slot as it was. It comes to its end even if nobody waits for it.
    pub async fn swap_policy(&self, order: SwapOrder) -> Result<Swapped, SwapError> {
        let node = self.clone();
        let done = tokio::spawn(async move {
            let mut setup = node.inner.setup.lock().await;
            let wish = wish(&setup, order);
            node.swap(&mut setup, wish).await
        });
        joined(done).await
    }

    /// Brings back what was in a slot before, and leaves it there. What is warm is back at once,
    /// even while another module is compiled.
    pub async fn roll_back_policy(&self, role: Role, who: String) -> Result<Swapped, SwapError> {
        let node = self.clone();
        let done = tokio::spawn(async move {
            node.returning().insert(role);
            let back = node.order_back(role).await;
            let mut setup = node.inner.setup.lock().await;
            let done = match back {
                Ok(Some(back)) => node.enter_back(&mut setup, role, back, &who).await,
                Ok(None) => node.roll_back(&mut setup, role, who).await,
                Err(stopped) => Err(stopped.into()),
            };
            node.returning().remove(&role);
            done
        });
        joined(done).await
    }

    /// What happened to a slot, or to all of them, oldest first.
    pub fn policy_history(&self, role: Option<Role>) -> Vec<Entry> {
        self.inner.book.history(role)
    }

    pub(super) async fn swap(&self, setup: &mut Setup, wish: Wish) -> Result<Swapped, SwapError> {
        let (role, module) = (wish.role, module_text(&wish.config.module));
        let recorded = self.recorded(role).await;
        let found = setup.slots.prepare(wish, &setup.config, recorded).await?;
        self.take(setup, role, module, found).await
    }

    /// Lets a candidate in, or tells why not.
    pub(super) async fn take(
        &self,
        setup: &mut Setup,
        role: Role,
        module: String,
        found: Found,
    ) -> Result<Swapped, SwapError> {
        match found {
            Found::Held(held) => Err(SwapError::Held { role, module, held }),
            Found::Same(candidate) => {
                let steps = candidate.steps.clone();
                setup.slots.renewed(*candidate).await;
                let live = setup.slots.live(role).map(|record| record.live.clone());
                let live = live.expect("what is the same as the live one is live");
                Ok(Swapped { live, before: None, probation_us: None, steps, note: None })
            }
            Found::Ready(ready) => {
                let leaving = setup.slots.leave(*ready, &setup.config.policy);
                Ok(self.place(setup, leaving).await?)
            }
        }
    }

    /// Hands a policy to whoever asks it, and enters it.
    pub(super) async fn place(
        &self,
        setup: &mut Setup,
        leaving: Leaving,
    ) -> Result<Swapped, Stopped> {
        let probation = leaving.probation;
        let (placed, record, mut steps) = setup.slots.send_off(leaving);
        let role = record.live.seated.role;
        let before = setup.slots.live(role).map(|before| before.live.clone());
        let began = std::time::Instant::now();
        if let Some(placed) = placed {
            self.order(|reply| Command::Swap(placed, reply)).await?;
        }
        steps.0.push((Step::Swap, began.elapsed()));
        let (live, note) = (record.live.clone(), record.live.seated.note.clone());
        let configured = module_text(&setup.config.slot(role).module);
        setup.slots.entered(record, probation.is_some(), &configured).await;
        let warm = setup.slots.before(role).filter(|_| setup.slots.on_probation(role));
        let before = warm.map(|warm| warm.live.clone()).or(before);
        Ok(Swapped { live, before, probation_us: probation.map(|one| one.us), steps, note })
    }

    /// Has what is warm come back, without waiting for whoever changes the slots: the generation
    /// that went, and the one that is back. `None` where nothing is warm.
    async fn order_back(&self, role: Role) -> Result<Option<(u64, u64)>, Stopped> {
        match role {
            Role::Selector | Role::Failover => {
                self.order(|reply| Command::RollBack(role, reply)).await
            }
            Role::Reputation | Role::Anomaly => Ok(self.inner.aside.roll_back(role).await),
        }
    }

    /// Enters what an operator's order brought back. By now something newer may be live.
    async fn enter_back(
        &self,
        setup: &mut Setup,
        role: Role,
        (generation, to): (u64, u64),
        who: &str,
    ) -> Result<Swapped, SwapError> {
        let why = format!("{who} asked for it");
        let done = setup.slots.rolled_back(role, generation, to, &why, false).await;
        let (gone, back) = done.map_or((None, None), |done| (Some(done.gone), done.back));
        let live = back.or_else(|| setup.slots.live(role).map(|record| record.live.clone()));
        let live = live.ok_or(SwapError::NothingBefore(role))?;
        Ok(Swapped { live, before: gone, probation_us: None, steps: Steps::default(), note: None })
    }

    /// Loads again what was there before. Whoever asks for it wants just that, so neither a
    /// quarantine nor a newer version that was live is in its way.
    async fn roll_back(
        &self,
        setup: &mut Setup,
        role: Role,
        who: String,
    ) -> Result<Swapped, SwapError> {
        let before = setup.slots.before(role).cloned().ok_or(SwapError::NothingBefore(role))?;
        // It may have come in while we waited for the setup.
        if setup.slots.on_probation(role)
            && let Some(back) = self.order_back(role).await?
        {
            return self.enter_back(setup, role, back, &who).await;
        }
        let wish =
            Wish { from: Cause::Rollback, who, force: true, allow_downgrade: true, ..before.wish };
        let Some(code) = before.code else { return self.swap(setup, wish).await };
        let module = module_text(&wish.config.module);
        let candidate = Candidate::of(wish, code, Steps::default());
        let recorded = self.recorded(role).await;
        let found = setup.slots.prepare_found(candidate, &setup.config, recorded).await?;
        self.take(setup, role, module, found).await
    }

    /// Has the Node tell as many decisions as the config and the shadows want.
    pub(super) async fn sample(&self, setup: &Setup) -> Result<(), Stopped> {
        let shadowed: Vec<Role> = self.shadows().keys().copied().collect();
        let is_aside = |role: &Role| matches!(role, Role::Reputation | Role::Anomaly);
        self.inner.aside.compare(shadowed.iter().any(is_aside));
        let all = shadowed.iter().any(|role| !is_aside(role));
        let every = if all { 1 } else { setup.config.policy.sample };
        self.order(|reply| Command::Sample { every, reply }).await
    }

    /// Questions that were asked on this node, to try a candidate with.
    pub(super) async fn recorded(&self, role: Role) -> Vec<Question> {
        self.inner.decisions.recent(role)
    }
}

/// What an order comes to under this config.
pub(super) fn wish(setup: &Setup, order: SwapOrder) -> Wish {
    let SwapOrder { role, module, settings, force, allow_downgrade, who } = order;
    let configured = setup.config.slot(role).clone();
    let settings = settings.unwrap_or_else(|| configured.settings.clone());
    Wish {
        role,
        config: PolicyConfig { module, settings, ..configured },
        folder: setup.folder.clone(),
        from: Cause::Command,
        who,
        force,
        allow_downgrade,
    }
}
