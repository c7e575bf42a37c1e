//! `pointsman identity`: who this node is.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, Failure, run::load};
use crate::app::identity_file;
use crate::identity;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  pointsman identity                          of the node that `pointsman run` would start
  pointsman identity --config table7.toml
  pointsman identity new table7.key           makes one, never over another")]
pub(super) struct Args {
    /// The config that names the identity file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<IdentityCommand>,
}

#[derive(Debug, Subcommand)]
enum IdentityCommand {
    /// Makes a new identity.
    New {
        /// Where to write it; without it where `pointsman run` would look.
        file: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.command {
        None => {
            let file = identity_file(&load(args.config.as_deref())?);
            let keypair = identity::load(&file).map_err(Failure::failed)?;
            tell(context, &file, &keypair, args.json)
        }
        Some(IdentityCommand::New { file, json }) => {
            let file = match file {
                Some(file) => file.clone(),
                None => identity_file(&load(None)?),
            };
            let keypair = identity::create(&file).map_err(Failure::failed)?;
            tell(context, &file, &keypair, *json)
        }
    }
}

fn tell(
    context: &mut Context,
    file: &Path,
    keypair: &libp2p::identity::Keypair,
    json: bool,
) -> Result<(), Failure> {
    let peer = identity::peer_id(keypair).to_string();
    if json {
        let file = file.display().to_string();
        return context.out.json(&serde_json::json!({ "peer": peer, "file": file }));
    }
    context.out.line(&peer)
}
