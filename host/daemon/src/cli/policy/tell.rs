//! What came of a change of a slot, for people.

use crate::cli::out::Tone;
use crate::cli::table::span;
use crate::cli::{Context, Failure};
use crate::control::views::{SeatView, StepView, SwapView};

/// Steps that take no time worth telling.
const QUIET: [&str; 2] = ["admit", "swap"];

pub(super) fn swapped(context: &mut Context, view: &SwapView) -> Result<(), Failure> {
    let live = title(&view.live);
    if !view.changed {
        let line = format!("{}: {live} is live already; nothing changed", view.role);
        return context.out.line(&line);
    }
    steps(context, &view.steps)?;
    let live = context.out.paint(Tone::Good, &live);
    let number = view.live.generation.unwrap_or_default();
    context.out.line(&format!("{}: {live} is live, generation {number}", view.role))?;
    if let (Some(ms), Some(before)) = (view.probation_ms, &view.before) {
        let (span, before, role) = (span(ms), title(before), &view.role);
        context.out.line(&format!("it must prove itself for {span}; {before} stays warm"))?;
        context.out.line(&format!("to go back: pointsman policy rollback {role}"))?;
    }
    match &view.note {
        Some(note) => {
            let note = context.out.paint(Tone::Wary, note);
            context.out.line(&note)
        }
        None => Ok(()),
    }
}

/// The steps that were made, a line each.
pub(super) fn steps(context: &mut Context, steps: &[StepView]) -> Result<(), Failure> {
    for step in steps.iter().filter(|step| !QUIET.contains(&step.step.as_str())) {
        let name = context.out.paint(Tone::Dim, &format!("{:9}", step.step));
        context.out.line(&format!("{name} {:>8.1} ms", step.ms))?;
    }
    Ok(())
}

/// Name, version and the beginning of the digest.
pub(super) fn title(seat: &SeatView) -> String {
    let digest = seat.digest.as_deref().map_or("builtin", |one| &one[..one.len().min(12)]);
    match seat.version.as_str() {
        "" => format!("{} ({digest})", seat.name),
        version => format!("{} {version} ({digest})", seat.name),
    }
}
