//! `pointsman peers why`: why a peer is treated as it is.

use crate::cli::out::Tone;
use crate::cli::table::{Cell, Table, span};
use crate::cli::{Context, Failure};
use crate::control::views::{CauseView, WhyView};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman peers why 12D3KooWBtg3
  pointsman peers why 12D3KooWBtg3 --json | jq .score")]
pub(super) struct Args {
    /// The peer: its identity, or the beginning or end of it.
    peer: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    if !args.peer.bytes().all(|byte| byte.is_ascii_alphanumeric()) || args.peer.is_empty() {
        let error = format!("{:?} is no part of an identity: see pointsman peers", args.peer);
        return Err(Failure::usage(error));
    }
    let path = format!("/v1/peers/{}/why", args.peer);
    let why: WhyView = context.client().get(&path).await?;
    if args.json {
        return context.out.json(&why);
    }
    context.out.line(&why.sentence)?;
    context.out.line("")?;
    numbers(context, &why)?;
    if !why.causes.is_empty() {
        context.out.line("")?;
        causes(context, &why.causes)?;
    }
    Ok(())
}

fn numbers(context: &mut Context, why: &WhyView) -> Result<(), Failure> {
    let held =
        why.level_for_ms.map_or_else(|| "remembered".to_owned(), |ms| format!("for {}", span(ms)));
    let said = match why.hearsay_median {
        Some(median) => format!("median {median} of {}", why.hearsay_voices),
        None => "nobody said anything".to_owned(),
    };
    let subnets: Vec<String> =
        why.subnets.iter().map(|(subnet, score)| format!("{subnet} {score}")).collect();
    let next = why.next_dial_in_ms.map_or_else(|| "-".to_owned(), |ms| format!("in {}", span(ms)));
    let mut table = Table::new(["WHAT", "SCORE", ""]);
    table.row(["in all".into(), score(why.score), format!("{}, {held}", why.level).into()]);
    table.row(["seen first hand".into(), score(why.first_hand), seen(why).into()]);
    table.row(["by its subnets".into(), score(why.subnet), subnets.join(", ").into()]);
    table.row(["by what others say".into(), score(why.hearsay), said.into()]);
    table.row(["links".into(), why.links.to_string().into(), format!("next dial {next}").into()]);
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn seen(why: &WhyView) -> String {
    let kinds = why.seen.iter().filter(|(_, count)| **count > 0);
    let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{count} {kind}")).collect();
    kinds.join(", ")
}

fn causes(context: &mut Context, causes: &[CauseView]) -> Result<(), Failure> {
    let mut table = Table::new(["IT", "TIMES", "LAST"]);
    for cause in causes {
        let tone = if cause.bad { Tone::Bad } else { Tone::Good };
        table.row([
            Cell::toned(&cause.sentence, tone),
            cause.count.to_string().into(),
            format!("{} ago", span(cause.ms_ago)).into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

fn score(score: i32) -> Cell {
    Cell::toned(&score.to_string(), super::tone(score))
}
