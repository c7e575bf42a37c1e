//! `pointsman policy`: what decides here, and whether a module could.

mod new;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, Failure, status};
use crate::control::views::PolicyView;
use crate::policies::Policies;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy list                    what is in the slots of the running node
  pointsman policy check mine.wasm         whether this module is a policy, and which
  pointsman policy new mine --role failover
                                           a folder that builds to a policy as it is")]
pub(super) struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Lists the slots of the running node and what is in them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Looks at a module without a node: its role, version, settings, and what is wrong.
    Check {
        /// The module.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes a folder that builds to a policy as it is, in Rust, C, JavaScript or Python.
    New(new::Args),
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
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        PolicyCommand::List { json } => {
            let policies: Vec<PolicyView> = context.client().get("/v1/policies").await?;
            if *json { context.out.json(&policies) } else { status::policies(context, &policies) }
        }
        PolicyCommand::Check { file, json } => check(file, *json, context),
        PolicyCommand::New(args) => new::run(args, context),
    }
}

fn check(file: &Path, json: bool, context: &mut Context) -> Result<(), Failure> {
    let found = Policies::default().inspect(file).map_err(Failure::usage)?;
    let settings: Vec<_> = found.manifest.settings_schema.lines().map(str::to_owned).collect();
    let view = ModuleView {
        file: file.display().to_string(),
        role: found.role.name(),
        interface_version: found.version,
        name: found.manifest.name,
        version: found.manifest.version,
        digest: found.digest,
        bytes: found.size,
        imports: found.imports,
        settings,
    };
    if json {
        return context.out.json(&view);
    }
    let ModuleView { file, role, interface_version, name, version, digest, bytes, .. } = &view;
    context.out.line(&format!("{file}: {name} {version}, a {role}"))?;
    context.out.line(&format!("interface  pointsman:policy {interface_version}"))?;
    context.out.line(&format!("size       {bytes} bytes"))?;
    context.out.line(&format!("digest     {digest}"))?;
    for setting in &view.settings {
        context.out.line(&format!("setting    {setting}"))?;
    }
    Ok(())
}
