//! `pointsman man`: the manual.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::{Cli, Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman man | man -l -                        reads it
  pointsman man --to ~/.local/share/man/man1      writes all pages")]
pub(super) struct Args {
    /// Write a page for each command into this folder.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    match &args.to {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(Failure::failed)?;
            Ok(clap_mangen::generate_to(Cli::command(), folder)?)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            context.out.bytes(&page)
        }
    }
}
