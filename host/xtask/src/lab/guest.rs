//! One boot of the guest: runs a scenario and reads what it left in the share.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::report::{Outcome, Report, Value};
use super::scenario::Scenario;
use crate::place;
use crate::step::{self, Failure};

/// Exit status of a scenario that can't be judged here, as automake has it.
const SKIPPED: &str = "77";

/// Memory of the guest; what it does not touch costs nothing.
const MEMORY: &str = "mem=768M";

/// What a boot is made of.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The kernel, a program.
    pub kernel: &'a Path,
    /// The folder with its root.
    pub root: &'a Path,
    /// The pointsman under test.
    pub binary: &'a Path,
    /// What the person set for the scenario: names and values.
    pub settings: &'a [(String, String)],
}

impl Guest<'_> {
    /// Runs the scenario; what comes of it is a report, whatever it is.
    pub fn run(&self, scenario: &Scenario) -> Result<Report, Failure> {
        let share = place::target().join("lab").join(&scenario.name);
        let failed = |error: io::Error| Failure::new(format!("{}: {error}", share.display()));
        let _ = fs::remove_dir_all(&share);
        fs::create_dir_all(&share).map_err(failed)?;
        fs::write(share.join("settings"), self.settings_of(scenario)).map_err(failed)?;
        let console = File::create(share.join("console.log")).map_err(failed)?;
        let mut command = self.command(&share)?;
        command.stdin(Stdio::null()).stdout(console.try_clone().map_err(failed)?).stderr(console);
        let begun = Instant::now();
        let ended = step::ended(scenario.limit, &mut command)?;
        let outcome = if ended { outcome(&share) } else { Outcome::TimedOut };
        let values = values(&fs::read_to_string(share.join("results")).unwrap_or_default());
        let took = begun.elapsed();
        Ok(Report { scenario: scenario.name.clone(), outcome, took, values, share })
    }

    /// How the kernel is started. A word of its command line can't have a space in it.
    fn command(&self, share: &Path) -> Result<Command, Failure> {
        let product = self.binary.parent().unwrap_or(Path::new("/"));
        let mut words = vec![
            MEMORY.to_owned(),
            "rootfstype=hostfs".to_owned(),
            "ro".to_owned(),
            "init=/lab-init".to_owned(),
            "quiet".to_owned(),
            "con=null".to_owned(),
            "con0=null,fd:1".to_owned(),
            "con1=null".to_owned(),
            "ssl=null".to_owned(),
        ];
        let radio = place::radio();
        let folders =
            [("rootflags", self.root), ("share", share), ("lab", &radio), ("product", product)];
        for (name, folder) in folders {
            let folder = folder
                .canonicalize()
                .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
            let path = folder.to_string_lossy();
            if path.contains(|c: char| c.is_whitespace() || c == ',') {
                return Err(Failure::new(format!(
                    "the lab can't use the folder `{path}`: there may be no space or comma in it"
                )));
            }
            words.push(format!("{name}={path}"));
        }
        let mut command = Command::new(self.kernel);
        command.args(words);
        Ok(command)
    }

    /// Variables of the scenario, as a shell reads them.
    fn settings_of(&self, scenario: &Scenario) -> String {
        let binary = self.binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = [("SCENARIO", scenario.name.clone()), ("PRODUCT", format!("/product/{binary}"))];
        let theirs = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let all = ours.into_iter().chain(theirs);
        all.map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', "'\\''"))).collect()
    }
}

/// What became of it, by what the guest left.
fn outcome(share: &Path) -> Outcome {
    let status = fs::read_to_string(share.join("status")).unwrap_or_default();
    match status.trim() {
        "0" => Outcome::Passed,
        SKIPPED => Outcome::Skipped(
            fs::read_to_string(share.join("skipped")).unwrap_or_default().trim().to_owned(),
        ),
        "" => {
            let console = fs::read(share.join("console.log")).unwrap_or_default();
            fallen(&String::from_utf8_lossy(&console)).map_or(Outcome::NotBooted, Outcome::Panicked)
        }
        status => Outcome::Failed(status.to_owned()),
    }
}

/// The last words of a kernel that fell.
fn fallen(console: &str) -> Option<String> {
    let words = console.lines().find_map(|line| line.split_once("Kernel panic - "));
    words.map(|(_, words)| words.to_owned())
}

/// What the scenario measured: lines with a name, a value and a unit, with tabs between.
fn values(text: &str) -> Vec<Value> {
    let fields = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        Some(Value { name: fields.next()?, value: fields.next()?, unit: fields.next()? })
    };
    text.lines().filter_map(fields).collect()
}

/// The logs in the share, with the console first and the program's own last.
pub fn logs(share: &Path) -> Vec<PathBuf> {
    let entries = share.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut logs: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .filter(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
        .collect();
    logs.sort_by_key(|path| (!path.ends_with("console.log"), path.clone()));
    logs
}

/// How long the scenarios may take together.
pub fn limit(scenarios: &[Scenario]) -> Duration {
    scenarios.iter().map(|scenario| scenario.limit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_read_and_a_half_line_is_not() {
        let read = values("gap\t12.5\tms\nlost\t0\t\ngap\n");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].name.as_str(), read[0].value.as_str()), ("gap", "12.5"));
    }

    #[test]
    fn a_kernel_that_fell_is_told_from_one_that_never_stood() {
        let console = "lab: up\nKernel panic - not syncing: fault at addr 0x122\n";
        assert_eq!(fallen(console).as_deref(), Some("not syncing: fault at addr 0x122"));
        assert_eq!(fallen("no ptrace"), None);
    }

    #[test]
    fn a_setting_with_a_quote_stays_one_word_for_the_shell() {
        let guest = Guest {
            kernel: Path::new("linux"),
            root: Path::new("/"),
            binary: Path::new("/bin/sh"),
            settings: &[("TEXT".to_owned(), "it's".to_owned())],
        };
        let scenario = Scenario {
            name: "meet".to_owned(),
            summary: String::new(),
            limit: Duration::from_secs(1),
            ci: false,
        };
        let text = guest.settings_of(&scenario);
        assert!(text.contains(r"TEXT='it'\''s'"), "{text}");
        assert!(text.contains("PRODUCT='/product/sh'"), "{text}");
    }
}
