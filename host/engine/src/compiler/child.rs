//! The child's side: a process that reads a component, compiles it and writes the code.
//!
//! It is born with nothing but its three standard streams, limits itself before it reads
//! anything of the module, and ends after one job. The compiler can't be interrupted from
//! within; a process can.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::protocol::{Answer, Job};
use crate::code;

/// Files that the child may have open: its streams, and a few for what the runtime needs.
const FILES_MAX: u64 = 16;

/// The main of a process that [`Compiler::Child`](crate::Compiler::Child) starts: does one job
/// from standard input to standard output, and tells on standard error what is in its way.
pub fn compile_child_main() -> ExitCode {
    match work(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be there any more to read it; the exit code still tells.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    die_with_parent()?;
    let (job, length) = Job::read_head(input)?;
    limit(&job)?;
    let mut component = Vec::new();
    input.take(length).read_to_end(&mut component)?;
    if component.len() as u64 != length {
        return Err(io::Error::other("the module did not arrive whole"));
    }
    compile(&job, &component)?.write(output)
}

fn compile(job: &Job<'_>, component: &[u8]) -> io::Result<Answer> {
    let limits = job.limits().ok_or_else(|| io::Error::other("limits of another machine"))?;
    let engine = wasmtime::Engine::new(&code::config(&limits, job.reserve))
        .map_err(|error| io::Error::other(format!("{error:#}")))?;
    Ok(match engine.precompile_component(component) {
        Ok(code) => Answer::Code(code),
        Err(error) => Answer::Refused(format!("{error:#}")),
    })
}

/// From here on this process can't use more than the job grants, write a file, or leave a core.
fn limit(job: &Job<'_>) -> io::Result<()> {
    for (resource, most) in [
        (Resource::As, job.space_bytes),
        (Resource::Cpu, job.cpu_s),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        // Where less is allowed already, it can't be raised.
        let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// A child without parent compiles for nobody.
fn die_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}
