//! `pointsman completions`: for shells.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Context, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman completions bash > ~/.local/share/bash-completion/completions/pointsman
  pointsman completions fish > ~/.config/fish/completions/pointsman.fish")]
pub(super) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pointsman", &mut script);
    context.out.bytes(&script)
}
