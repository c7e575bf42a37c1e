//! `pointsman check`: everything that is wrong with a config, before a node runs with it.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use pointsman_core::config::ConfigError;
use pointsman_core::policy::Role;

use super::logging;
use super::{Context, Failure};
use crate::config_file::{self, LoadError, Loaded};
use crate::policies::trust::{Rules, Trust};
use crate::policies::{Policies, SeatError, Seated};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman check                         the config that `pointsman run` would read
  pointsman check --config table7.toml    this one

Exits with 0 where all is well, and with 64 otherwise.")]
pub(super) struct Args {
    /// The config; without it the one that `pointsman run` would read.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, serde::Serialize)]
struct CheckView {
    /// The file; `null` where there is none and the defaults hold.
    file: Option<String>,
    errors: Vec<ErrorAt>,
    policies: Vec<PolicyAt>,
}

#[derive(Debug, serde::Serialize)]
struct ErrorAt {
    line: usize,
    column: usize,
    key: String,
    message: String,
}

#[derive(Debug, serde::Serialize)]
struct PolicyAt {
    role: &'static str,
    module: String,
    name: String,
    version: String,
    digest: Option<String>,
    note: Option<String>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let (file, text, errors, seated) = match config_file::load(args.config.as_deref()) {
        Ok(loaded) => {
            let (seated, errors) = inspect(&loaded);
            (loaded.file, loaded.text, errors, seated)
        }
        Err(LoadError::Invalid { file, text, errors }) => (file, text, errors, Vec::new()),
        Err(error) => return Err(Failure::usage(error)),
    };
    let wrong = errors.len();
    if args.json {
        let file = file.map(|file| file.display().to_string());
        let errors = errors.into_iter().map(at).collect();
        let policies = seated.into_iter().map(policy).collect();
        context.out.json(&CheckView { file, errors, policies })?;
    } else if errors.is_empty() {
        tell(context, file.as_deref(), &seated)?;
    } else {
        let excerpts = std::io::stderr().is_terminal();
        let report = config_file::report(file.as_deref(), &text, &errors, excerpts);
        return Err(Failure::Usage(format!("{}\n{report}", count(wrong))));
    }
    if wrong > 0 { Err(Failure::Usage(count(wrong))) } else { Ok(()) }
}

fn count(wrong: usize) -> String {
    let plural = if wrong == 1 { "" } else { "s" };
    format!("the config has {wrong} error{plural}")
}

/// What only shows when the values are put to use: the policies and the log filter.
fn inspect(loaded: &Loaded) -> (Vec<Seated>, Vec<ConfigError>) {
    let policies = Policies::default();
    let folder = loaded.folder();
    let (mut seated, mut errors) = (Vec::new(), Vec::new());
    let mut note = |result: Result<Seated, SeatError>| match result {
        Ok(seat) => seated.push(seat),
        Err(error) => errors.push(place(&loaded.text, error)),
    };
    match Trust::new(&Rules::of(&loaded.config), &crate::app::state_folder(loaded)) {
        Ok(trust) => {
            for role in Role::ALL {
                note(policies.check(role, loaded.config.slot(role), folder, &trust));
            }
        }
        Err(error) => {
            let (line, column) = config_file::place_of(&loaded.text, "policy.keys");
            let (key, message) = ("policy.keys".to_owned(), error.to_string());
            errors.push(ConfigError { line, column, key, message });
        }
    }
    if let Err(message) = logging::parse(&loaded.config.log_level) {
        let (line, column) = config_file::place_of(&loaded.text, "log.level");
        errors.push(ConfigError { line, column, key: "log.level".to_owned(), message });
    }
    errors.sort_by_key(|error| (error.line, error.column));
    (seated, errors)
}

fn place(text: &str, error: SeatError) -> ConfigError {
    let key = error.place();
    let (line, column) = config_file::place_of(text, &key);
    ConfigError { line, column, key, message: error.message }
}

fn tell(
    context: &mut Context,
    file: Option<&std::path::Path>,
    seated: &[Seated],
) -> Result<(), Failure> {
    match file {
        Some(file) => context.out.line(&format!("{}: no errors", file.display()))?,
        None => context.out.line("no config file: the defaults hold")?,
    }
    for Seated { role, module, name, version, note, .. } in seated {
        let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        let line = format!("{}: {module} is {name} {version}", role.name());
        context.out.line(&format!("{}{note}", line.trim_end()))?;
    }
    Ok(())
}

fn at(error: ConfigError) -> ErrorAt {
    let ConfigError { line, column, key, message } = error;
    ErrorAt { line, column, key, message }
}

fn policy(seated: Seated) -> PolicyAt {
    let Seated { role, module, name, version, digest, note, .. } = seated;
    PolicyAt { role: role.name(), module, name, version, digest, note }
}
