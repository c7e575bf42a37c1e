//! The engine's side: starts a child, hands it a job, and waits no longer than agreed.
//!
//! Whatever the child does (hang, crash, print nonsense without end, close its streams and stay)
//! ends in an error here, and the process ends with it.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::protocol::{ANSWER_BYTES_MAX, Answer, Job};
use crate::error::InspectError;
use crate::limits::Limits;

/// What is read of the child's complaints.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;
/// How long the complaints of a child that has ended may take to be read.
const COMPLAINT_WAIT: Duration = Duration::from_secs(1);
/// What allocators say when there is no more: Rust's, that of an arena, the system's.
const OUT_OF_MEMORY: [&str; 3] =
    ["memory allocation of", "out of memory", "Cannot allocate memory"];
/// Sent where a process used up its time on the processor (signal(7)).
const SIGXCPU: i32 = 24;

/// Has a child do the job.
pub(super) fn compile(
    program: &Path,
    arguments: &[OsString],
    job: &Job<'_>,
    limits: &Limits,
) -> Result<Vec<u8>, InspectError> {
    let unavailable = |error: io::Error| InspectError::NoCompiler {
        program: program.display().to_string(),
        why: error.to_string(),
    };
    let mut child = Running::start(program, arguments).map_err(unavailable)?;
    let Said { answer, complaint } = child.talk(job.to_bytes()).map_err(unavailable)?;
    let limit = Duration::from_millis(u64::from(limits.compile_ms));
    let received = answer.recv_timeout(limit);
    let status = child.end().map_err(unavailable)?;
    let bytes = match received {
        Ok(bytes) => bytes.map_err(unavailable)?,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            return Err(InspectError::SlowToCompile { limit_ms: limits.compile_ms });
        }
    };
    let is_garbage = !bytes.is_empty();
    match Answer::read(bytes) {
        Some(Answer::Code(code)) => Ok(code),
        Some(Answer::Refused(why)) if is_out_of_memory(&why) => {
            Err(InspectError::LargeToCompile { limit_bytes: limits.compile_bytes })
        }
        Some(Answer::Refused(why)) => Err(InspectError::Uncompilable(why)),
        None => {
            let said = complaint.recv_timeout(COMPLAINT_WAIT).unwrap_or_default();
            Err(what_happened(status, &said, is_garbage, limits))
        }
    }
}

/// Why there is no answer.
fn what_happened(
    status: ExitStatus,
    said: &str,
    is_garbage: bool,
    limits: &Limits,
) -> InspectError {
    if is_out_of_memory(said) {
        return InspectError::LargeToCompile { limit_bytes: limits.compile_bytes };
    }
    let how = match (status.signal(), status.code()) {
        (Some(SIGXCPU), _) => {
            return InspectError::SlowToCompile { limit_ms: limits.compile_ms };
        }
        (Some(_), _) if is_garbage => "it answered with something else than code".to_owned(),
        (Some(signal), _) => format!("it was ended by signal {signal}"),
        (None, Some(0)) => "it answered with something else than code".to_owned(),
        (None, code) => format!("it ended with exit code {}", code.unwrap_or_default()),
    };
    let first = said.lines().next().unwrap_or_default().escape_debug().to_string();
    let said = if first.is_empty() { String::new() } else { format!(" and said: {first}") };
    InspectError::CompilerFailed(format!("{how}{said}"))
}

/// What a child says, once it is whole.
struct Said {
    answer: Receiver<io::Result<Vec<u8>>>,
    complaint: Receiver<String>,
}

fn is_out_of_memory(said: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|words| said.contains(words))
}

/// A child that is ended with this.
struct Running(Child);

impl Running {
    /// Starts it without our environment, and in a folder that no file of ours is in.
    fn start(program: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Writes the job and reads both of its streams, on threads: none of the three waits for
    /// another, whatever the child does. They end with the child.
    fn talk(&mut self, job: Vec<u8>) -> io::Result<Said> {
        let missing = || io::Error::other("a stream of the child is missing");
        let mut input = self.0.stdin.take().ok_or_else(missing)?;
        let output = self.0.stdout.take().ok_or_else(missing)?;
        let errors = self.0.stderr.take().ok_or_else(missing)?;
        let (answered, answer) = sync_channel(1);
        let (complained, complaint) = sync_channel(1);
        // Where the child reads no more, or nobody listens any more, there is nothing to do.
        aside(move || drop(input.write_all(&job)))?;
        aside(move || drop(answered.send(read(output, ANSWER_BYTES_MAX))))?;
        aside(move || {
            let said = read(errors, COMPLAINT_BYTES_MAX).unwrap_or_default();
            drop(complained.send(String::from_utf8_lossy(&said).into_owned()));
        })?;
        Ok(Said { answer, complaint })
    }

    /// Ends it, where it has not ended, and tells how it did.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or does so now: either is fine.
        let _ = self.end();
    }
}

/// What is longer than this is cut off, and then it is no answer.
fn read(from: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn aside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("policy-compile".into()).spawn(work).map(drop)
}
