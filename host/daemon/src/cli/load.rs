//! `pointsman send --count`: how many messages go through, and how fast.

use hyper::Method;

use super::send::{Args, query, ttl_ms};
use super::table::size;
use super::{Context, Failure};
use crate::control::views::LoadView;

/// Characters of the bar.
const BAR: u64 = 30;

pub(super) async fn run(args: &Args, count: u64, context: &mut Context) -> Result<(), Failure> {
    let query = query(&[
        ("peer", Some(args.peer.clone())),
        ("class", args.class.map(|class| class.name().to_owned())),
        ("ordered", Some(args.ordered.to_string())),
        ("ttl_ms", ttl_ms(args.ttl)),
        ("count", Some(count.to_string())),
        ("size", Some(args.size.to_string())),
        ("rate", args.rate.map(|rate| rate.to_string())),
    ]);
    let mut views =
        context.client().stream::<LoadView>(Method::POST, &format!("/v1/load{query}")).await?;
    let mut last = None;
    while let Some(view) = views.next().await? {
        context.out.progress(&bar(&view))?;
        last = Some(view);
    }
    let last = last.ok_or_else(|| Failure::failed("the node did not begin"))?;
    context.out.progress("")?;
    if args.json {
        context.out.json(&last)?;
    } else {
        context.out.line(&sum(&last))?;
    }
    match last.count - last.delivered {
        0 => Ok(()),
        missing => Err(Failure::failed(format!("{missing} messages were not delivered"))),
    }
}

fn bar(view: &LoadView) -> String {
    let done = view.delivered + view.expired + view.refused;
    let filled = (done * BAR / view.count.max(1)).min(BAR) as usize;
    let (full, empty) = ("█".repeat(filled), "░".repeat(BAR as usize - filled));
    format!("{full}{empty} {done} of {}, {}/s", view.count, per_second(view))
}

fn sum(view: &LoadView) -> String {
    let us = |value: Option<u64>| value.map_or("-".to_owned(), |us| format!("{us} µs"));
    let seconds = view.elapsed_us as f64 / 1e6;
    let rate = size((view.bytes_delivered as f64 / seconds.max(1e-6)) as u64);
    format!(
        "{} delivered, {} expired, {} refused in {seconds:.2} s: {} messages/s, {rate}/s; \
         acknowledged after {} (median), {} (p99), {} (longest)",
        view.delivered,
        view.expired,
        view.refused,
        per_second(view),
        us(view.took_us_p50),
        us(view.took_us_p99),
        us(view.took_us_max),
    )
}

fn per_second(view: &LoadView) -> u64 {
    (view.delivered as f64 / (view.elapsed_us as f64 / 1e6).max(1e-6)) as u64
}
