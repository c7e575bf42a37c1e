//! What a verdict may say: only what its question offered.
//!
//! A verdict that names anything else is a strike, whoever gave it. Nothing here knows who is
//! in a slot.

use pointsman_sdk::failover::{Dialable, Verdict as FailoverVerdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::selector::{Mode, Verdict as SelectorVerdict};
use pointsman_sdk::{Path, Paths};

use crate::policy::{FailoverQuestion, SelectorQuestion, Strike};

/// The verdict if it names only what was offered; `None` where it abstains.
pub(in crate::policy) fn vet(
    question: &SelectorQuestion,
    bits: u64,
) -> Result<Option<SelectorVerdict>, Strike> {
    let verdict = SelectorVerdict::unpack(bits).map_err(|_| Strike::Invalid)?;
    let usable = |path: Path<'_>| path.flags() & (flags::UP | flags::MASKED) == flags::UP;
    match verdict.mode {
        Mode::Abstain => Ok(None),
        Mode::Send | Mode::Stripe | Mode::Duplicate => {
            let offered = is_offered(Paths::new(&question.paths), verdict.paths, usable);
            if offered { Ok(Some(verdict)) } else { Err(Strike::Invalid) }
        }
        Mode::Hold | Mode::Store | Mode::Expire => {
            Ok(Some(SelectorVerdict { paths: 0, ..verdict }))
        }
    }
}

/// The verdict if it names only what was offered, a hedge cut to its budget; `None` where it
/// abstains.
pub(in crate::policy) fn vet_failover(
    question: &FailoverQuestion,
    verdict: FailoverVerdict,
) -> Result<Option<FailoverVerdict>, Strike> {
    use FailoverVerdict::{Abstain, Close, Dial, Hedge, Move, Probe, Stay, Store};
    let paths = Paths::new(&question.paths);
    let is_fine = match verdict {
        Abstain => return Ok(None),
        Stay { .. } | Store => true,
        Hedge { onto, .. } | Move { onto, .. } => is_offered(paths, onto, |path| path.is_up()),
        Probe { paths: set, .. } => is_offered(paths, set, |_| true),
        Dial(id) => Dialable::read(&question.dialables).any(|dial| dial.id == id),
        Close(position) => paths.at(position as usize).is_some(),
    };
    let vetted = if let Hedge { onto, budget_bytes, reason } = verdict {
        let budget_bytes = budget_bytes.min(question.hedge_budget_bytes);
        Hedge { onto, budget_bytes, reason }
    } else {
        verdict
    };
    is_fine.then_some(Some(vetted)).ok_or(Strike::Invalid)
}

/// Whether a set names at least one path, and none that is not there or not usable.
fn is_offered(paths: Paths<'_>, set: u16, usable: impl Fn(Path<'_>) -> bool) -> bool {
    let named = |position: &usize| set >> position & 1 == 1;
    set != 0 && (0..16).filter(named).all(|position| paths.at(position).is_some_and(&usable))
}
