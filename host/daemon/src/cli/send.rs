//! `pointsman send`: a message to a peer, or many to measure.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use pointsman_core::limits::MESSAGE_BYTES_MAX;

use super::load;
use super::{Context, Failure};
use crate::control::views::FateView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman send 12D3Koo… hello                    queued: the node tries until it expires
  pointsman send x7Qp hello --wait delivered       waits until the peer's node has it
  pointsman send x7Qp --file dice.bin --ttl 1h     a file, worth something for an hour
  date | pointsman send x7Qp --file -              what comes on standard input
  pointsman send x7Qp --count 100000 --size 1024   measures how fast it goes")]
pub(super) struct Args {
    /// The peer: its identity, or a beginning or end that only it has among the known ones.
    pub(super) peer: String,
    /// The message.
    #[arg(conflicts_with_all = ["file", "count"])]
    text: Option<String>,
    /// Send a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    file: Option<PathBuf>,
    /// How urgent it is [default: interactive; bulk with --count].
    #[arg(long, value_enum)]
    pub(super) class: Option<Class>,
    /// Deliver it after what was sent before it in its class.
    #[arg(long)]
    pub(super) ordered: bool,
    /// Return when the message is queued here, or delivered there.
    #[arg(long, value_enum, default_value = "queued", conflicts_with = "count")]
    wait: Wait,
    /// How long it is worth something: 500ms, 30s, 5m, 1h, 2d [default: as the config says].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) ttl: Option<Duration>,
    /// Send so many messages, and tell how they fared. Somebody must `pointsman listen` there:
    /// a node takes 32 MiB that nobody reads, and then waits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// Bytes of each of them.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, requires = "count")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=MESSAGE_BYTES_MAX as u64))]
    pub(super) size: u64,
    /// How many a second; as many as possible without it.
    #[arg(long, value_name = "N", requires = "count")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Class {
    /// Worth something only at once.
    Realtime,
    /// Somebody waits for it.
    Interactive,
    /// Nobody waits for it.
    Bulk,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wait {
    /// When this node has it.
    Queued,
    /// When the peer's node has it, or never will.
    Delivered,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    if let Some(count) = args.count {
        return load::run(args, count, context).await;
    }
    let payload = payload(args)?;
    let wait = match args.wait {
        Wait::Queued => "queued",
        Wait::Delivered => "delivered",
    };
    let query = query(&[
        ("peer", Some(args.peer.clone())),
        ("class", args.class.map(|class| class.name().to_owned())),
        ("ordered", Some(args.ordered.to_string())),
        ("ttl_ms", ttl_ms(args.ttl)),
        ("wait", Some(wait.to_owned())),
    ]);
    let fate: FateView = context.client().post(&format!("/v1/send{query}"), payload).await?;
    if args.json {
        context.out.json(&fate)?;
    }
    match (fate.fate.as_str(), fate.took_us) {
        ("queued", _) if !args.json => context.out.line("queued"),
        ("delivered", Some(took_us)) if !args.json => {
            let ms = took_us as f64 / 1000.0;
            context.out.line(&format!("delivered after {ms:.1} ms"))
        }
        ("queued" | "delivered", _) => Ok(()),
        ("expired", _) => Err(Failure::failed("the message expired before it was delivered")),
        _ => {
            let why = fate.refusal.as_deref().unwrap_or("no reason is given");
            Err(Failure::failed(format!("the node did not take the message: {why}")))
        }
    }
}

pub(super) fn ttl_ms(ttl: Option<Duration>) -> Option<String> {
    ttl.map(|ttl| ttl.as_millis().to_string())
}

fn payload(args: &Args) -> Result<Bytes, Failure> {
    match (&args.text, &args.file) {
        (Some(text), _) => Ok(Bytes::from(text.clone().into_bytes())),
        (None, Some(file)) if file == Path::new("-") => read(std::io::stdin().lock(), file),
        (None, Some(file)) => {
            let open = std::fs::File::open(file);
            read(open.map_err(|error| unreadable(file, &error))?, file)
        }
        (None, None) => Err(Failure::usage("say what to send: a text, --file or --count")),
    }
}

fn read(from: impl std::io::Read, name: &Path) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    let read = from.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &error))?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        let name = name.display();
        return Err(Failure::usage(format!("{name}: longer than {MESSAGE_BYTES_MAX} bytes")));
    }
    Ok(Bytes::from(bytes))
}

fn unreadable(name: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", name.display()))
}

/// A query out of those that are set, with what a URI can't have escaped.
pub(super) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let set = pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<_> = set.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// RFC 3986, 2.3: all but the unreserved characters as `%XX`.
pub(super) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A whole number and its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 500ms, 30s, 5m, 1h or 2d");
    let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..end].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[end..] {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "5", "h", "-1s", "1.5h", "99999999999999999999d", "1w"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_query_has_only_what_is_set_and_nothing_unescaped() {
        let pairs = [("peer", Some("a&b=ä".to_owned())), ("class", None)];
        assert_eq!(query(&pairs), "?peer=a%26b%3D%C3%A4");
        assert_eq!(query(&[("class", None)]), "");
    }
}
