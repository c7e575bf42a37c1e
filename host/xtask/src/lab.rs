//! `./x lab`: scenarios with radios, in a guest of which all radios are virtual.
//!
//! The guest is Linux that runs as a process of this machine, with the real kernel's Bluetooth,
//! the real bluetoothd and the pointsman of this tree. What it is made of and the scenarios lie in
//! `host/lab/radio/`.

pub mod guest;
pub mod kernel;
pub mod report;
pub mod root;
pub mod scenario;

use std::env;
use std::io::Write;
use std::path::PathBuf;

use self::guest::Guest;
use self::report::{Outcome, Report};
use self::scenario::Scenario;
use crate::commands::cargo;
use crate::place;
use crate::step::{self, Failure, say};

/// What `./x help lab` says.
pub const HELP: &str = "\
Boots Linux as a process, with virtual radios and the real bluetoothd, and runs scenarios
in it with the pointsman of this tree, one after the other; all of them without a name.

  --list             the scenarios, and what they show
  --keep             keep what a scenario wrote, in target/lab/SCENARIO (a failure keeps it)
  --json             print the results as JSON
  --binary FILE      test this pointsman, built on this machine or an older one of its release
  --set NAME=VALUE   set a variable of the scenario, such as ROUNDS=20

The guest's kernel is $POINTSMAN_LAB_KERNEL, or what an earlier run has kept, or that of
../shared/lab where its settings are ours. Otherwise it is built once, from Debian's or
Ubuntu's linux-source: some 15 minutes of one processor. Its root is made once, by
mmdebstrap, in half a minute. Both are kept in the user's cache folder.
host/lab/radio/README.md tells how to write a scenario.";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    names: Vec<String>,
    list: bool,
    keep: bool,
    json: bool,
    binary: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

/// Does what the arguments say.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = parse(arguments)?;
    if options.list {
        return tell(&scenario::list(&scenario::all()?));
    }
    let scenarios = scenario::chosen(&options.names)?;
    let (kernel, root) = (kernel::find_or_build()?, root::find_or_make()?);
    let binary = binary(options.binary.as_ref())?;
    let guest =
        Guest { kernel: &kernel, root: &root, binary: &binary, settings: &options.settings };
    say(&format!("the lab: at most {} s", guest::limit(&scenarios).as_secs()));
    let mut reports = Vec::new();
    for scenario in &scenarios {
        reports.push(one(&guest, scenario, options.keep)?);
    }
    tell(&if options.json { report::json(&reports) } else { report::table(&reports) })?;
    judge(&reports)
}

/// Runs the scenarios that every commit must pass, where a kernel is here: building one takes
/// longer than all the rest of the checks.
pub fn run_for_ci() -> Result<(), Failure> {
    if kernel::find()?.is_none() {
        say("the lab: left out, no kernel for it is here (`./x lab` builds one, once)");
        return Ok(());
    }
    let scenarios = scenario::all()?.into_iter().filter(|scenario| scenario.ci);
    run(&scenarios.map(|scenario| scenario.name).collect::<Vec<_>>())
}

/// Runs one, and says what came of it.
fn one(guest: &Guest<'_>, scenario: &Scenario, keep: bool) -> Result<Report, Failure> {
    let Scenario { name, summary, .. } = scenario;
    say(&format!("{name}: {summary}"));
    let report = guest.run(scenario)?;
    if report.outcome.is_bad() {
        say(&format!("{name}: the ends of its logs\n{}", report.tails()));
    }
    if report.outcome.is_bad() || keep {
        say(&format!("{name}: its files are in {}", report.share.display()));
    } else {
        let _ = std::fs::remove_dir_all(&report.share);
    }
    if let Outcome::Skipped(why) = &report.outcome {
        say(&format!("{name}: skipped, {why}"));
    }
    Ok(report)
}

/// Fails where one failed.
fn judge(reports: &[Report]) -> Result<(), Failure> {
    let bad = reports.iter().filter(|report| report.outcome.is_bad());
    let bad: Vec<&str> = bad.map(|report| report.scenario.as_str()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the lab: {} failed. `./x lab {}` runs only what failed.",
        bad.join(", "),
        bad.join(" ")
    )))
}

/// The pointsman to test: the named one, or that of this tree, built now.
fn binary(named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(file) = named {
        return file.canonicalize().map_err(|error| {
            Failure::new(format!("{}: {error}: name a pointsman with --binary", file.display()))
        });
    }
    let mut command = cargo();
    command.args(["build", "-p", "pointsman"]);
    step::run("building pointsman", &mut command, "What is wrong is said above.")?;
    Ok(place::target().join("debug").join("pointsman"))
}

/// Reads the command line.
fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = |what: &str| {
            let missing = || Failure::usage(format!("`{word}` needs {what} after it"));
            words.next().cloned().ok_or_else(missing)
        };
        match word.as_str() {
            "--list" => options.list = true,
            "--keep" => options.keep = true,
            "--json" => options.json = true,
            "--binary" => options.binary = Some(from_here(&value("a file")?)),
            "--set" => options.settings.push(setting(&value("NAME=VALUE")?)?),
            option if option.starts_with('-') => {
                return Err(Failure::usage(format!("no option `{option}`\n\n{HELP}")));
            }
            name => options.names.push(name.to_owned()),
        }
    }
    Ok(options)
}

/// A file as the person names it: `./x` runs this in the root of the repository.
fn from_here(path: &str) -> PathBuf {
    env::current_dir().map_or_else(|_| PathBuf::from(path), |here| here.join(path))
}

/// A variable's name and value; a shell must be able to read it.
fn setting(text: &str) -> Result<(String, String), Failure> {
    let split = text.split_once('=').filter(|(name, _)| {
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    });
    let (name, value) = split.ok_or_else(|| {
        Failure::usage(format!("`{text}` is no NAME=VALUE with a name of capital letters"))
    })?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Results go to standard output, and who reads them may stop early.
fn tell(text: &str) -> Result<(), Failure> {
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, u8> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        parse(&words).map_err(|failure| failure.code)
    }

    #[test]
    fn options_and_names_may_stand_in_any_order() {
        let options = parsed(&["discover", "--keep", "--set", "ROUNDS=2", "restart"])
            .expect("it is a command line");
        assert_eq!(options.names, ["discover", "restart"]);
        assert_eq!(options.settings, [("ROUNDS".to_owned(), "2".to_owned())]);
        assert!(options.keep && !options.json);
    }

    #[test]
    fn a_wrong_option_is_refused_with_64() {
        for words in [&["--fast"][..], &["--set"], &["--set", "rounds=2"], &["--binary"]] {
            assert_eq!(parsed(words), Err(64), "{words:?}");
        }
    }
}
