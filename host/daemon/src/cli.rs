//! The command line: one definition, from which parser, help, manual pages and completions
//! come.
//!
//! A command is a file below; it parses its arguments, asks the node at the control socket or
//! builds one, and writes through `out`. Exit codes: 0 done, 1 failed, 64 wrong usage or
//! config, 69 no node there.

mod check;
mod compile;
mod completions;
mod demo;
mod dht;
mod events;
mod failure;
mod identity;
mod links;
mod listen;
mod load;
mod logging;
mod man;
mod metrics;
mod out;
mod peers;
mod policy;
mod reload;
mod run;
mod send;
mod status;
mod stop;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::control::client::Client;
use crate::{places, policies};
use failure::{Failure, USAGE};
use out::Out;

/// Stands at the junction of your networks: finds the other nodes, keeps several links to
/// each, and lets policies in WebAssembly decide which one carries what.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, max_term_width = 100)]
#[command(after_help = "Examples:
  pointsman run                            a node with the defaults
  pointsman send 12D3Koo… hello            a message to a peer
  pointsman listen                         what arrives here
  pointsman events --follow                what happens
  pointsman help COMMAND                   more of one command, with examples

Exit codes: 0 done, 1 failed, 64 wrong usage or config, 69 no node there")]
struct Cli {
    /// The control socket of the node that is meant.
    #[arg(long, global = true, value_name = "PATH", env = places::SOCKET_VARIABLE)]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node until it is told to stop.
    Run(run::Args),
    /// Shows five nodes, a failure and a return, without any config.
    Demo(demo::Args),
    /// Checks a config and its policies, and tells every error at once.
    Check(check::Args),
    /// Tells how the node is.
    Status(status::Args),
    /// Lists the peers.
    Peers(peers::Args),
    /// Lists the links.
    Links(links::Args),
    /// Sends a message to a peer, or many to measure.
    Send(send::Args),
    /// Prints the messages that arrive.
    Listen(listen::Args),
    /// Prints what happened.
    Events(events::Args),
    /// Lists the policies, or looks at a module.
    Policy(policy::Args),
    /// Prints what is measured and counted, as OpenMetrics text.
    Metrics(metrics::Args),
    /// Looks into the network's phone book.
    Dht(dht::Args),
    /// Has the node read its config again.
    Reload(reload::Args),
    /// Stops the node.
    Stop(stop::Args),
    /// Prints the identity, or makes one.
    Identity(identity::Args),
    /// Compiles a module for the node that starts it.
    #[command(name = compile::NAME, hide = true)]
    Compile(compile::Args),
    /// Prints completions for a shell.
    Completions(completions::Args),
    /// Prints the manual, or writes its pages.
    Man(man::Args),
}

/// What every command needs.
struct Context {
    socket: PathBuf,
    out: Out,
}

impl Context {
    fn client(&self) -> Client {
        Client::new(&self.socket)
    }
}

/// Runs the command of this process, whose program is `pointsman`: so modules are compiled in
/// children that run it, too.
pub fn main() -> ExitCode {
    policies::compile_in_children(compile::NAME);
    run(std::env::args_os())
}

/// Runs a command; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Where even this can't be printed, the exit code still tells.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let socket = cli.socket.unwrap_or_else(places::default_socket);
    let mut context = Context { socket, out: Out::stdout() };
    match execute(cli.command, &mut context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(command: Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(&args, context),
        Command::Demo(args) => wait(demo::run(&args)),
        Command::Check(args) => check::run(&args, context),
        Command::Compile(compile::Args {}) => compile::run(),
        Command::Identity(args) => identity::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Status(args) => wait(status::run(&args, context)),
        Command::Peers(args) => wait(peers::run(&args, context)),
        Command::Links(args) => wait(links::run(&args, context)),
        Command::Send(args) => wait(send::run(&args, context)),
        Command::Listen(args) => wait(listen::run(&args, context)),
        Command::Events(args) => wait(events::run(&args, context)),
        Command::Policy(args) => wait(policy::run(&args, context)),
        Command::Metrics(args) => wait(metrics::run(&args, context)),
        Command::Dht(args) => wait(dht::run(&args, context)),
        Command::Reload(args) => wait(reload::run(&args, context)),
        Command::Stop(args) => wait(stop::run(&args, context)),
    }
}

/// Runs a client's few waits on this thread.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("pointsman "), "{} shows no example", command.get_name());
        }
    }
}
