//! Measures pointsman beside what others use: the same work, in one run, in turns.
//!
//! These are programs to look at, not tests: figures depend on the machine and on what else
//! runs there. Every table names its unit and how often it was repeated; `--json` prints the
//! same for programs. Contenders alternate round by round, so that a busy spell of the machine
//! meets all of them. Nothing leaves loopback and the lab's namespaces.

mod decision;
mod failover;
mod figures;
mod messages;
mod node;
mod swap;
mod table;
mod uplinks;

use clap::{Parser, Subcommand};

/// Measures pointsman beside what others use.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// Acknowledged messages of 1 KiB between two processes over loopback.
    Messages(messages::Arguments),
    /// One end of a `messages` round; started by it.
    #[command(hide = true)]
    MessagesEnd(messages::EndArguments),
    /// The gap at the receiver when an uplink fails, with two uplinks to one address.
    Failover(failover::Arguments),
    /// One end of a `failover` or `uplinks` trial; started by it.
    #[command(hide = true)]
    FailoverEnd(failover::node::EndArguments),
    /// What one decision costs, natively and behind each way to exchange a policy.
    Decision(decision::Arguments),
    /// Messages at full load while the selector is exchanged, against the same without.
    Swap(swap::Arguments),
    /// Two uplinks at once against each of them alone.
    Uplinks(uplinks::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().program {
        Program::Messages(arguments) => messages::run(&arguments),
        Program::MessagesEnd(arguments) => messages::run_end(&arguments),
        Program::Failover(arguments) => failover::run(&arguments),
        Program::FailoverEnd(arguments) => failover::node::run_end(&arguments),
        Program::Decision(arguments) => decision::run(&arguments),
        Program::Swap(arguments) => swap::run(&arguments),
        Program::Uplinks(arguments) => uplinks::run(&arguments),
    }
}
