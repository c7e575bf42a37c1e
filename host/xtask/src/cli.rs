//! The command line: which commands there are, and what they say of themselves.

use std::io::Write;
use std::process::ExitCode;

use crate::step::{Failure, say};
use crate::{commands, lab};

/// A command of `./x`.
#[derive(Debug)]
pub struct Command {
    /// What one types.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else one should know.
    pub details: &'static str,
    /// Whether it hands its arguments on; otherwise there must be none.
    pub takes_arguments: bool,
    run: fn(&[String]) -> Result<(), Failure>,
}

/// All of them, in the order of the help.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        summary: "Build everything and run the demo",
        details: "Prepares the Wasm toolchain, builds the policies, then runs `pointsman demo`.\n\
                  Arguments go to it: `./x demo --help` is the demo's own help.\n\
                  Without a Wasm toolchain the demo runs on the native builtin policies.",
        takes_arguments: true,
        run: commands::demo,
    },
    Command {
        name: "test",
        summary: "Build the policies and run all tests",
        details: "Prepares the Wasm toolchain, builds the policies and examples, installs dbus-daemon\n\
                  by apt-get where it is missing, then runs `cargo test --workspace` with the\n\
                  arguments given: `./x test failover`.",
        takes_arguments: true,
        run: commands::test,
    },
    Command {
        name: "policies",
        summary: "Build the shipped policies to target/policies/*.wasm",
        details: "Uses Rust's target wasm32-unknown-unknown. Where it is missing, tries\n\
                  `rustup target add` for a minute, then Debian's packages rustc-web, cargo-web,\n\
                  rust-web-src and lld with apt-get (as root, or by a sudo that asks nothing).",
        takes_arguments: false,
        run: commands::policies,
    },
    Command {
        name: "examples",
        summary: "Build policies in four languages to target/examples/*.wasm",
        details: "Those in examples/, and the templates of `pointsman policy new`, each by its own\n\
                  build.sh. Languages whose tools are not here are left out (`./x setup-ci`\n\
                  installs them: clang and lld, componentize-js, componentize-py).",
        takes_arguments: false,
        run: commands::examples,
    },
    Command {
        name: "lab",
        summary: "Run scenarios with virtual radios: real Bluetooth, no hardware",
        details: lab::HELP,
        takes_arguments: true,
        run: commands::lab,
    },
    Command {
        name: "lint",
        summary: "Check format, lints, documentation and dependencies",
        details: "cargo fmt --check, clippy on all targets, cargo doc, cargo-deny; warnings count.\n\
                  cargo-deny is used where it is installed (`./x setup-ci` does that); its\n\
                  advisories are checked where their database can be fetched.",
        takes_arguments: false,
        run: commands::lint,
    },
    Command {
        name: "ci",
        summary: "Everything that a commit must pass: test, lab and lint",
        details: "What .ci/run runs. Tests of the repository itself, such as the size of files and\n\
                  the truth of ARCHITECTURE.md, are among the tests. Of the lab, the short scenarios\n\
                  are run, where a kernel for it is here.",
        takes_arguments: false,
        run: commands::ci,
    },
    Command {
        name: "setup-ci",
        summary: "Install what `ci` needs beyond Rust and a C compiler",
        details: "rustfmt and clippy by rustup where they are missing; clang and lld by apt-get; and\n\
                  into the user's cache folder cargo-deny (about 90 s on two cores, once),\n\
                  componentize-js (30 s, 400 MB), componentize-py, and js-libp2p and py-libp2p, which\n\
                  tests of the daemon have a node talk to (2 min, 250 MB).",
        takes_arguments: false,
        run: commands::setup_ci,
    },
];

/// Runs the command that the arguments name. Exit codes: 0; 1 where the work failed; 64 for
/// wrong usage.
pub fn main(arguments: Vec<String>) -> ExitCode {
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(Failure::usage(overview()));
    };
    if is_help(name) || name == "help" {
        tell(&rest.first().and_then(|name| find(name)).map_or_else(overview, help));
        return Ok(());
    }
    let command = find(name)
        .ok_or_else(|| Failure::usage(format!("no command `{name}`\n\n{}", overview())))?;
    match rest.first() {
        Some(first) if is_help(first) && command.name != "demo" => {
            tell(&help(command));
            Ok(())
        }
        Some(first) if !command.takes_arguments => {
            Err(Failure::usage(format!("`{name}` takes no arguments, and got `{first}`")))
        }
        _ => (command.run)(rest),
    }
}

/// Help goes to standard output, and who reads it may stop early.
fn tell(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn is_help(word: &str) -> bool {
    matches!(word, "--help" | "-h")
}

fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

fn overview() -> String {
    let lines = COMMANDS.iter().map(|command| format!("  {:<10}{}", command.name, command.summary));
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("usage: ./x COMMAND\n\n{lines}\n\n`./x help COMMAND` tells more.")
}

fn help(command: &'static Command) -> String {
    let arguments = if command.takes_arguments { " [ARGUMENTS]" } else { "" };
    format!("usage: ./x {}{arguments}\n\n{}.\n\n{}", command.name, command.summary, command.details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(words: &[&str]) -> Option<u8> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        dispatch(&words).err().map(|failure| failure.code)
    }

    #[test]
    fn every_command_explains_itself() {
        for command in COMMANDS {
            assert_eq!(code(&["help", command.name]), None);
            assert!(help(command).contains(command.summary));
        }
        assert_eq!(code(&["lint", "--help"]), None);
    }

    #[test]
    fn a_wrong_command_line_is_refused_with_64() {
        assert_eq!(code(&[]), Some(64));
        assert_eq!(code(&["polish"]), Some(64));
        assert_eq!(code(&["policies", "fast"]), Some(64));
    }
}
