//! `pointsman status`: the node as a whole.

use super::out::Tone;
use super::table::{Cell, Table, short, size, span};
use super::{Context, Failure};
use crate::control::views::{PolicyView, StatusView, UplinkView};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman status
  pointsman status --json | jq .counters
  pointsman --socket /tmp/b.sock status")]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let status: StatusView = context.client().get("/v1/status").await?;
    if args.json {
        return context.out.json(&status);
    }
    head(context, &status)?;
    if !status.uplinks.is_empty() {
        context.out.line("")?;
        uplinks(context, &status)?;
    }
    radios(context, &status)?;
    context.out.line("")?;
    policies(context, &status.policies)?;
    for finding in &status.findings {
        let tone = if finding.severity == "note" { Tone::Dim } else { Tone::Wary };
        let line = context.out.paint(tone, &finding.text);
        context.out.line(&line)?;
    }
    for limit in &status.limits_reached {
        let line = context.out.paint(Tone::Bad, &format!("limit reached: {limit}"));
        context.out.line(&line)?;
    }
    Ok(())
}

fn head(context: &mut Context, status: &StatusView) -> Result<(), Failure> {
    let config = status.config.as_deref().unwrap_or("none: the defaults hold");
    let count = |name: &str| status.counters.get(name).copied().unwrap_or(0);
    let peers = format!("{} known, {} linked", status.peers, status.peers_linked);
    let messages = format!(
        "{} delivered, {} received, {} expired, {} refused, {} under way",
        count("messages_delivered"),
        count("messages_received"),
        count("messages_expired"),
        count("messages_refused"),
        status.under_way,
    );
    let mail = format!(
        "{} listening; {} messages wait for a listener",
        status.mail.listeners, status.mail.unclaimed
    );
    let copies = size(count("duplicate_bytes_sent"));
    let faults = format!(
        "{} suspicions, {} moves, {} hedges ({copies} of copies)",
        count("suspicions"),
        count("moves"),
        count("hedges"),
    );
    let reached = reached(status);
    let version = format!("{}, process {}", status.version, status.pid);
    let lines = [
        ("peer", status.peer.as_str()),
        ("version", &version),
        ("up", &span(status.uptime_ms)),
        ("network", &status.network),
        ("config", config),
        ("reached", &reached),
        ("peers", &peers),
        ("links", &status.links.to_string()),
        ("messages", &messages),
        ("mail", &mail),
        ("faults", &faults),
    ];
    for (name, value) in lines {
        let name = context.out.paint(Tone::Dim, &format!("{name:9}"));
        context.out.line(&format!("{name} {value}"))?;
    }
    Ok(())
}

/// How others reach the node: directly, and through which relays.
fn reached(status: &StatusView) -> String {
    let direct = match status.reach.direct {
        Some(true) => "directly",
        Some(false) => "not directly",
        None => "nobody has tried it directly",
    };
    let confirmed = status.reach.reservations.iter().filter(|one| one.confirmed);
    let relays: Vec<_> = confirmed.map(|one| short(&one.relay)).collect();
    match relays.as_slice() {
        [] => direct.to_owned(),
        relays => format!("{direct}; through {}", relays.join(", ")),
    }
}

fn uplinks(context: &mut Context, status: &StatusView) -> Result<(), Failure> {
    let mut table = Table::new(["UPLINK", "STATE", "LISTENING", "TRAITS"]);
    for uplink in &status.uplinks {
        let on = status.listening.iter().filter(|one| one.uplink == uplink.name);
        let on: Vec<_> = on.map(|one| one.address.as_str()).collect();
        let listening = if on.is_empty() { "-".to_owned() } else { on.join(" ") };
        let traits = traits(uplink);
        table.row([uplink.name.as_str().into(), state(uplink), listening.into(), traits.into()]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))
}

/// A line for each adapter, and how many neighbours they hear.
fn radios(context: &mut Context, status: &StatusView) -> Result<(), Failure> {
    for radio in &status.radios {
        let tone = if radio.usable { Tone::Good } else { Tone::Dim };
        let heard = status.neighbours.iter();
        let heard = heard.filter(|one| Some(&one.uplink) == radio.adapter.as_ref()).count();
        let line = context.out.paint(tone, &radio.text);
        let line = if radio.usable { format!("{line}; {heard} in sight") } else { line };
        context.out.line(&line)?;
    }
    Ok(())
}

fn state(uplink: &UplinkView) -> Cell {
    match uplink.cut {
        None => Cell::toned("whole", Tone::Good),
        Some(cut) if cut.inbound && cut.outbound => Cell::toned("cut", Tone::Bad),
        Some(cut) if cut.inbound => Cell::toned("cut inbound", Tone::Wary),
        Some(_) => Cell::toned("cut outbound", Tone::Wary),
    }
}

fn traits(uplink: &UplinkView) -> String {
    let metered = uplink.metered.then_some("metered");
    let way_out = uplink.has_default_route.then_some("way out");
    let traits: Vec<_> = metered.into_iter().chain(way_out).collect();
    traits.join(", ")
}

/// The table of slots, as `pointsman policy list` prints it too.
pub(super) fn policies(context: &mut Context, policies: &[PolicyView]) -> Result<(), Failure> {
    let names = [
        "SLOT", "POLICY", "VERSION", "KIND", "GEN", "STATE", "ASKED", "BUILTIN", "STRIKES", "MEAN",
        "DIGEST",
    ];
    let mut table = Table::new(names);
    for policy in policies {
        let strikes = match policy.strikes {
            0 => Cell::from("0"),
            some => Cell::toned(&some.to_string(), Tone::Wary),
        };
        let state = if policy.on_probation {
            Cell::toned("on probation", Tone::Wary)
        } else {
            Cell::toned("live", Tone::Good)
        };
        let digest = policy.digest.as_deref().map_or("-", |digest| &digest[..digest.len().min(12)]);
        let version = if policy.version.is_empty() { "-" } else { &policy.version };
        table.row([
            policy.role.as_str().into(),
            Cell::toned(&policy.name, Tone::Strong),
            version.into(),
            policy.kind.as_str().into(),
            policy.generation.to_string().into(),
            state,
            policy.asked.to_string().into(),
            policy.answered_by_builtin.to_string().into(),
            strikes,
            policy.mean_cost_ns.map_or_else(|| "-".to_owned(), |ns| format!("{ns} ns")).into(),
            digest.into(),
        ]);
    }
    table.lines(&context.out).iter().try_for_each(|line| context.out.line(line))?;
    policies.iter().flat_map(notes).try_for_each(|note| context.out.line(&note))
}

/// What the table has no room for.
fn notes(policy: &PolicyView) -> Vec<String> {
    let PolicyView { role, .. } = policy;
    let warm = policy.warm.as_ref().map(|warm| {
        let number = warm.generation.unwrap_or_default();
        let name = format!("{} {}", warm.name, warm.version);
        format!("{role}: {} (generation {number}) stays warm meanwhile", name.trim_end())
    });
    let shadow = policy.shadow.as_ref().map(|shadow| {
        let name = format!("{} {}", shadow.name, shadow.version);
        format!("{role}: {} answers in its shadow: pointsman policy shadow {role}", name.trim_end())
    });
    let strike = policy.last_strike.as_ref().map(|why| format!("{role}: the last strike: {why}"));
    let note = policy.note.as_ref().map(|note| format!("{role}: {note}"));
    [warm, shadow, strike, note].into_iter().flatten().collect()
}
