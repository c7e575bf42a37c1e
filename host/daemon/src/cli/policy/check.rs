//! `pointsman policy check`: the way of a candidate without a node.

use std::path::{Path, PathBuf};

use pointsman_core::config::{Config, Module, PolicyConfig, parse};
use pointsman_core::policy::Role;
use pointsman_engine::{Inspection, Limits, Module as Compiled, Terms};
use pointsman_sdk::Settings;

use super::swap::settings_text;
use crate::cli::out::Tone;
use crate::cli::table::size;
use crate::cli::{Context, Failure};
use crate::policies::trust::{Rules, Trust};
use crate::policies::{OpenError, Policies, SeatError, read};

/// How long one answer may take here, in microseconds: the most that a slot can give.
const BUDGET_US: u32 = 100_000;

/// From this size on it takes seconds to compile a module.
const SLOW_BYTES: usize = 1 << 20;

/// On a node an answer takes longer than alone on a machine: less than this share of what a slot
/// gives by default is taken to fit into it.
const MEAN_SHARE: u64 = 2;

/// What a slot must say for an interpreter, such as those of JavaScript and Python.
const FOR_INTERPRETERS: &str = "memory_mib = 64\nbudget_us = 10000\nmean_us = 500";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy check mine.wasm                       what it is, and that it holds
  pointsman policy check mine.wasm --settings mine.toml  with these settings
  pointsman policy check mine.wasm --json | jq -r .digest

It goes the way that a node would have it go: whole file, imports, compilation, settings, and the
trial, which asks the same questions in another order and of a fresh instance, because a policy
may keep nothing between two questions. Digest pins, signatures and quarantine are the node's.
It gives the module all memory and time that a slot can give, and says where it needs more than
a slot gives by default.
Exits with 0 where a node would take it, and with 64 otherwise.")]
pub(super) struct Args {
    /// The module.
    file: PathBuf,
    /// Settings for it: a file with what would stand below [policy.SLOT.settings].
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a module is.
#[derive(Debug, serde::Serialize)]
struct ModuleView {
    file: String,
    role: &'static str,
    interface_version: String,
    name: String,
    version: String,
    digest: String,
    bytes: usize,
    imports: Vec<String>,
    settings: Vec<String>,
    learns: bool,
    /// What the slot must say beyond its defaults, as lines of TOML.
    slot: Option<String>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let file = &args.file;
    let policies = Policies::default();
    let bytes = read(file).map_err(Failure::usage)?;
    if bytes.len() > SLOW_BYTES {
        context.out.progress("compiling; a large module takes half a minute the first time")?;
    }
    let opened = policies.open(&bytes);
    context.out.progress("")?;
    let module = opened.map_err(|error| unfit(file, &error))?;
    let found = module.inspection().clone();
    let config = config(found.role, file, args.settings.as_deref())?;
    let given = Config::default().slot(found.role).clone();
    let nothing_demanded = Trust::new(&Rules::default(), Path::new(".")).map_err(Failure::usage)?;
    policies
        .check(found.role, &config, Path::new(""), &nothing_demanded)
        .map_err(|error| refused(file, &error))?;
    let slot = wants(&module, &config, &given).map(str::to_owned);
    let view = ModuleView { slot, ..view(file, found) };
    if args.json { context.out.json(&view) } else { tell(context, &view) }
}

fn unfit(file: &Path, error: &OpenError) -> Failure {
    Failure::usage(format!("{}: {error}", file.display()))
}

fn refused(file: &Path, error: &SeatError) -> Failure {
    let SeatError { step, key, message, .. } = error;
    let at = if key.starts_with("settings") { format!("{key}: ") } else { String::new() };
    let file = file.display();
    let why = message.strip_prefix(&format!("{file}: ")).unwrap_or(message);
    Failure::usage(format!("{file}: {step}: {at}{why}"))
}

/// What its slot must say for it to run there, where the defaults don't do: an interpreter needs
/// more memory to start, or its answers take longer.
fn wants(module: &Compiled, config: &PolicyConfig, given: &PolicyConfig) -> Option<&'static str> {
    let settings = Settings::new(config.settings.clone());
    let terms = |slot: &PolicyConfig| Terms {
        settings: &settings,
        learned: None,
        call_us: slot.budget_us,
        memory_bytes: (slot.memory_mib as usize) << 20,
    };
    let mean_ns_max = u64::from(given.mean_us) * 1_000 / MEAN_SHARE;
    let fits = module.policy(&terms(given)).is_ok()
        && module.trial(&terms(config), &[]).is_ok_and(|trial| trial.mean_ns <= mean_ns_max);
    (!fits).then_some(FOR_INTERPRETERS)
}

/// What a config would say that names this module, gives it all that a slot can give, and else
/// has the defaults: what it needs more than the defaults is no fault of the module.
fn config(role: Role, file: &Path, settings: Option<&Path>) -> Result<PolicyConfig, Failure> {
    let path = file.to_str().ok_or_else(|| Failure::usage("the path is not UTF-8; rename it"))?;
    let module = Module::File(path.to_owned());
    let Some(settings) = settings else {
        let config = Config::default().slot(role).clone();
        return Ok(generous(PolicyConfig { module, settings: Vec::new(), ..config }));
    };
    let text = format!("[policy.{}.settings]\n{}", role.name(), settings_text(settings)?);
    let config = parse(&text).map_err(|errors| {
        let told = errors.iter().map(|error| {
            let line = error.line.saturating_sub(1);
            format!("{}:{line}:{}: {}", settings.display(), error.column, error.message)
        });
        Failure::Usage(told.collect::<Vec<_>>().join("\n"))
    })?;
    Ok(generous(PolicyConfig { module, ..config.slot(role).clone() }))
}

fn generous(config: PolicyConfig) -> PolicyConfig {
    let memory_mib = (Limits::default().memory_bytes >> 20) as u32;
    PolicyConfig { memory_mib, budget_us: BUDGET_US, ..config }
}

fn view(file: &Path, found: Inspection) -> ModuleView {
    ModuleView {
        file: file.display().to_string(),
        role: found.role.name(),
        interface_version: found.version,
        learns: found.manifest.state_schema != 0,
        settings: found.manifest.settings_schema.lines().map(str::to_owned).collect(),
        name: found.manifest.name,
        version: found.manifest.version,
        digest: found.digest,
        bytes: found.size,
        imports: found.imports,
        slot: None,
    }
}

fn tell(context: &mut Context, view: &ModuleView) -> Result<(), Failure> {
    let ModuleView { file, role, interface_version, name, version, digest, bytes, .. } = view;
    let article = if *role == "anomaly" { "an" } else { "a" };
    let good = context.out.paint(Tone::Good, "ready for its slot");
    context.out.line(&format!("{file}: {name} {version}, {article} {role} policy, {good}"))?;
    context.out.line(&format!("interface  pointsman:policy {interface_version}"))?;
    context.out.line(&format!("size       {}", size(*bytes as u64)))?;
    context.out.line(&format!("digest     {digest}"))?;
    if view.learns {
        context.out.line("learns     from what became of its decisions")?;
    }
    for setting in &view.settings {
        context.out.line(&format!("setting    {setting}"))?;
    }
    if let Some(slot) = &view.slot {
        let slot = slot.replace('\n', ", ");
        let more = "it takes more than a slot gives by default; under";
        context.out.line(&format!("slot       {more} [policy.{role}]: {slot}"))?;
    }
    context.out.line(&format!("next       pointsman policy swap {role} {file}"))
}
