//! `pointsman policy swap`: another policy from the next question on.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pointsman_core::limits::CONFIG_BYTES_MAX;

use super::slot::Slot;
use super::tell;
use crate::cli::send::query;
use crate::cli::{Context, Failure};
use crate::control::views::SwapView;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy swap selector mine.wasm            a file
  pointsman policy swap failover builtin:standby      the native policy
  pointsman policy swap selector embedded:thrifty     a module of this binary
  pointsman policy swap selector mine.wasm --settings mine.toml

The file is read, its digest, signature and version are checked, it is compiled, configured and
tried, and only then takes the slot, between two questions: no packet waits for it. What was
live stays warm while the new one must prove itself (policy.probation_ms), and comes back by
itself if it fails, costs too much, or makes traffic worse; then the new one is quarantined.
Whatever goes wrong before, the node stays as it was, and the answer says why.

The swap holds until the next edit of that slot's keys in config.toml, or a restart: to make it
last, write it there.")]
pub(super) struct Args {
    /// The slot.
    slot: Slot,
    /// A .wasm file, `builtin:NAME` or `embedded:NAME`.
    #[arg(value_name = "FILE")]
    module: String,
    /// Settings for it: a file with what would stand below [policy.SLOT.settings]. Without it
    /// those of config.toml.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Take it although it is quarantined, and forget what it did.
    #[arg(long)]
    force: bool,
    /// Take it although a newer version of it was live here.
    #[arg(long)]
    allow_downgrade: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let module = named(&args.module)?;
    let settings = args.settings.as_deref().map(settings_text).transpose()?;
    let query = query(&[
        ("module", Some(module)),
        ("force", args.force.then(|| "true".to_owned())),
        ("allow_downgrade", args.allow_downgrade.then(|| "true".to_owned())),
        ("own_settings", settings.is_some().then(|| "true".to_owned())),
    ]);
    let path = format!("/v1/policies/{}/swap{query}", args.slot.name());
    let body = Bytes::from(settings.unwrap_or_default());
    let swapped: SwapView = context.client().post(&path, body).await?;
    if args.json { context.out.json(&swapped) } else { tell::swapped(context, &swapped) }
}

/// A module as the node understands it, wherever it runs: a path in full.
pub(super) fn named(module: &str) -> Result<String, Failure> {
    if module.starts_with("builtin:") || module.starts_with("embedded:") {
        return Ok(module.to_owned());
    }
    let path = std::path::absolute(module).map_err(|error| unreadable(module, &error))?;
    // The node says more of what is wrong with a file; a typing error is told at once.
    std::fs::metadata(&path).map_err(|error| unreadable(module, &error))?;
    let path = path.into_os_string().into_string();
    path.map_err(|_| Failure::usage(format!("{module}: the path is not UTF-8; rename it")))
}

/// A file of settings, as text.
pub(super) fn settings_text(file: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let fail = |error| unreadable(&file.display().to_string(), &error);
    let mut text = String::new();
    let open = std::fs::File::open(file).map_err(fail)?;
    open.take(CONFIG_BYTES_MAX as u64).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{name}: {error}"))
}
