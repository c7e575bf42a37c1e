//! What a node starts with.
//!
//! Each slot gets what the config names, without probation: there is nothing yet that could
//! come back. A policy that was rolled back before is the exception. While it is in quarantine
//! it stays out; afterwards it may try again, but must prove itself. In both cases the slot
//! starts with the policy that proved itself last, if its copy is still whole, and else with
//! the native builtin.

use std::path::Path;

use pointsman_core::config::{Config, Module, PolicyConfig};
use pointsman_core::policy::Role;

use super::candidate::{Ready, Wish};
use super::history::Cause;
use super::seat::{SeatError, Step};
use super::slots::{Found, Leaving, Slots};
use super::source::{module_text, natives};

/// The slots at the start.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// A policy for each.
    pub(crate) leaving: Vec<Leaving>,
    /// What must prove itself once the node runs.
    pub(crate) later: Vec<Wish>,
}

/// Prepares what the config names for each slot, or what stands in for it.
pub(crate) async fn fill(
    slots: &Slots,
    config: &Config,
    folder: &Path,
) -> Result<Filled, SeatError> {
    let mut filled = Filled::default();
    for role in Role::ALL {
        let (ready, later) = fill_one(slots, role, config, folder).await?;
        filled.leaving.push(slots.leave(ready, &config.policy));
        filled.later.extend(later);
    }
    Ok(filled)
}

async fn fill_one(
    slots: &Slots,
    role: Role,
    config: &Config,
    folder: &Path,
) -> Result<(Ready, Option<Wish>), SeatError> {
    let wish = wish(role, config.slot(role).clone(), folder);
    let found = slots.prepare(wish.clone(), config, Vec::new()).await?;
    let (later, why) = match found {
        Found::Ready(ready) if slots.doubts(role, &ready.candidate.mark) => {
            (Some(wish.clone()), "it was rolled back before, and must prove itself".to_owned())
        }
        Found::Ready(ready) => return Ok((*ready, None)),
        Found::Held(held) => (None, held.to_string()),
        Found::Same(_) => (None, "it is live already".to_owned()),
    };
    let mut ready = stand_in(slots, role, config, folder).await?;
    let named = module_text(&wish.config.module);
    let note = format!("in place of {named}: {why}");
    tracing::warn!(role = role.name(), "starting with {} {note}", ready.about.seated.title());
    ready.about.seated.note = Some(note);
    Ok((ready, later))
}

async fn stand_in(
    slots: &Slots,
    role: Role,
    config: &Config,
    folder: &Path,
) -> Result<Ready, SeatError> {
    let pinned = config.slot(role).digest.as_ref();
    let kept = slots.kept(role).filter(|kept| pinned.is_none() || kept.digest.as_ref() == pinned);
    if let Some(kept) = kept {
        let wish = wish(role, kept, folder);
        match slots.prepare(wish, config, Vec::new()).await {
            Ok(Found::Ready(ready)) => return Ok(*ready),
            Ok(Found::Held(_) | Found::Same(_)) => {}
            Err(error) => {
                tracing::warn!(role = role.name(), %error, "the copy of the last policy is no use");
            }
        }
    }
    builtin(slots, role, config, folder).await
}

/// The default of the role, natively and with its own settings: it can't be held, because it is
/// what answers whenever a policy does not.
async fn builtin(
    slots: &Slots,
    role: Role,
    config: &Config,
    folder: &Path,
) -> Result<Ready, SeatError> {
    let none = || SeatError::new(role, Step::Read, "module", "there is no builtin of this role");
    let name = natives(role).first().ok_or_else(none)?;
    let module = Module::Builtin((*name).to_owned());
    let native =
        PolicyConfig { module, digest: None, settings: Vec::new(), ..config.slot(role).clone() };
    let insist = Wish { force: true, ..wish(role, native, folder) };
    match slots.prepare(insist, config, Vec::new()).await? {
        Found::Ready(ready) => Ok(*ready),
        Found::Held(_) | Found::Same(_) => Err(none()),
    }
}

fn wish(role: Role, config: PolicyConfig, folder: &Path) -> Wish {
    Wish {
        role,
        config,
        folder: folder.to_owned(),
        from: Cause::Start,
        who: "node".to_owned(),
        force: false,
        allow_downgrade: false,
    }
}
