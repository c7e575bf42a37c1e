//! One step of the work: a program that is run, announced before and judged after.

#![expect(clippy::print_stderr, reason = "progress is what this tool says to people")]

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a program with a time limit is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why the work stopped, in words for the person who ran it: what failed, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// What is to be said.
    pub message: String,
    /// The exit code: 1 for work that failed, 64 for wrong usage.
    pub code: u8,
}

impl Failure {
    /// Work that failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 64 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Tells the person what happens.
pub fn say(line: &str) {
    eprintln!("x: {line}");
}

/// Announces the program, runs it with this one's output, and fails where it fails.
pub fn run(what: &str, command: &mut Command, remedy: &str) -> Result<(), Failure> {
    say(what);
    let begun = Instant::now();
    let status = command.status().map_err(|error| unstartable(command, &error))?;
    if status.success() {
        say(&format!("{what}: done in {:.1} s", begun.elapsed().as_secs_f32()));
        return Ok(());
    }
    Err(Failure::new(format!("{what} failed ({status}). {remedy}\n   {}", shown(command))))
}

/// Runs the program without a word and gives what it printed, where it succeeds.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the program for at most that time, then ends it. Gives what it said on standard
/// error where it failed.
pub fn within(limit: Duration, command: &mut Command) -> Result<(), String> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| unstartable(command, &error).message)?;
    // Read beside it: a program that fills the pipe would otherwise never end.
    let errors = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).trim().to_owned()
        })
    });
    let Some(status) = wait(&mut child, limit).map_err(|error| error.to_string())? else {
        return Err(format!("no end after {} s", limit.as_secs()));
    };
    if status.success() {
        return Ok(());
    }
    Err(errors.and_then(|reader| reader.join().ok()).unwrap_or_default())
}

/// Runs the program for at most that time, then ends it with all that it started. Tells whether
/// it ended by itself, well or not.
pub fn ended(limit: Duration, command: &mut Command) -> Result<bool, Failure> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn().map_err(|error| unstartable(command, &error))?;
    let group = format!("-{}", child.id());
    let status = wait(&mut child, limit).map_err(|error| Failure::new(error.to_string()))?;
    // A process outlives its parent; its group is all that is known of it.
    let _ = ask(Command::new("kill").args(["-KILL", "--", &group]));
    Ok(status.is_some())
}

/// Waits until the program ends; ends it when the time is up, and gives `None`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn unstartable(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure::new(format!("{program} could not be started: {error}"))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let begun = Instant::now();
        let error = within(Duration::from_millis(200), &mut shell("read line < /dev/zero"))
            .expect_err("it never ends by itself");
        assert!(error.starts_with("no end"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_that_ends_badly_has_still_ended_by_itself() {
        let ended = |script| ended(Duration::from_millis(500), &mut shell(script));
        assert!(ended("exit 3").expect("a shell is here"));
        assert!(!ended("read line < /dev/zero & wait").expect("a shell is here"));
    }

    #[test]
    fn what_a_failing_program_says_is_handed_on() {
        let error = within(Duration::from_secs(20), &mut shell("echo no such thing >&2; exit 3"))
            .expect_err("it exits 3");
        assert_eq!(error, "no such thing");
    }

    #[test]
    fn a_failed_step_names_the_command_and_the_remedy() {
        let failure = run("counting", &mut shell("exit 4"), "Count again.").expect_err("exit 4");
        assert_eq!(failure.code, 1);
        assert!(failure.message.contains("Count again."), "{failure}");
        assert!(failure.message.contains("sh -c exit 4"), "{failure}");
    }
}
