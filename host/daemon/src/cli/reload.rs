//! `pointsman reload`: the node reads its config again.

use bytes::Bytes;

use super::out::Tone;
use super::{Context, Failure};
use crate::control::views::ReloadView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman reload                         tells which keys changed
  pointsman check && pointsman reload      looks before it leaps

What can't change while the node runs is refused by name, and any error leaves the node as it
was. SIGHUP does the same.")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let reloaded: ReloadView = context.client().post("/v1/reload", Bytes::new()).await?;
    if args.json {
        return context.out.json(&reloaded);
    }
    match reloaded.changed.as_slice() {
        [] if reloaded.swapped.is_empty() => context.out.line("nothing changed")?,
        [] => {}
        changed => context.out.line(&format!("changed: {}", changed.join(", ")))?,
    }
    for swapped in &reloaded.swapped {
        context.out.line(swapped)?;
    }
    for note in &reloaded.notes {
        let note = context.out.paint(Tone::Wary, note);
        context.out.line(&note)?;
    }
    Ok(())
}
