//! `pointsman policy check`: the way of a candidate without a node.

use std::path::{Path, PathBuf};

use pointsman_core::config::{Config, Module, PolicyConfig, parse};
use pointsman_core::policy::Role;
use pointsman_engine::Inspection;

use super::swap::settings_text;
use crate::cli::out::Tone;
use crate::cli::table::size;
use crate::cli::{Context, Failure};
use crate::policies::trust::{Rules, Trust};
use crate::policies::{OpenError, Policies, SeatError, read};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy check mine.wasm                       what it is, and that it holds
  pointsman policy check mine.wasm --settings mine.toml  with these settings
  pointsman policy check mine.wasm --json | jq -r .digest

It goes the way that a node would have it go: whole file, imports, compilation, settings, and the
trial, which asks the same questions in another order and of a fresh instance, because a policy
may keep nothing between two questions. Digest pins, signatures and quarantine are the node's.
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
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let file = &args.file;
    let policies = Policies::default();
    let bytes = read(file).map_err(Failure::usage)?;
    let module = policies.open(&bytes).map_err(|error| unfit(file, &error))?;
    let found = module.inspection().clone();
    let config = config(found.role, file, args.settings.as_deref())?;
    let nothing_demanded = Trust::new(&Rules::default(), Path::new(".")).map_err(Failure::usage)?;
    policies
        .check(found.role, &config, Path::new(""), &nothing_demanded)
        .map_err(|error| refused(file, &error))?;
    let view = view(file, found);
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

/// What a config would say that names this module, and else has the defaults.
fn config(role: Role, file: &Path, settings: Option<&Path>) -> Result<PolicyConfig, Failure> {
    let path = file.to_str().ok_or_else(|| Failure::usage("the path is not UTF-8; rename it"))?;
    let module = Module::File(path.to_owned());
    let Some(settings) = settings else {
        let config = Config::default().slot(role).clone();
        return Ok(PolicyConfig { module, settings: Vec::new(), ..config });
    };
    let text = format!("[policy.{}.settings]\n{}", role.name(), settings_text(settings)?);
    let config = parse(&text).map_err(|errors| {
        let told = errors.iter().map(|error| {
            let line = error.line.saturating_sub(1);
            format!("{}:{line}:{}: {}", settings.display(), error.column, error.message)
        });
        Failure::Usage(told.collect::<Vec<_>>().join("\n"))
    })?;
    Ok(PolicyConfig { module, ..config.slot(role).clone() })
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
    context.out.line(&format!("next       pointsman policy swap {role} {file}"))
}
