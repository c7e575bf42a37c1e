//! From a checked module to code that this machine runs: taken from the cache, or compiled here
//! or in a child, and then kept.
//!
//! Code is never taken from anywhere else, because nobody can check it: what a module may
//! contain is checked before it is compiled, and machine code may contain anything.

mod child;
mod process;
mod protocol;

use std::ffi::OsString;
use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::code::Reserve;
use crate::error::InspectError;
use crate::file::{Facts, File};
use crate::limits::Limits;
use crate::pace::give_way;

pub use child::compile_child_main;

/// Where modules are compiled.
#[derive(Clone, Debug, Default)]
pub enum Compiler {
    /// In this process: for a library inside another program. A module that is slow to compile
    /// can't be stopped, and one that makes the compiler use much memory uses ours.
    #[default]
    InProcess,
    /// In a child process, within limits of time and memory, and without our environment.
    Child {
        /// A program whose main is [`compile_child_main`], by its absolute path.
        program: PathBuf,
        /// What makes it that.
        arguments: Vec<OsString>,
    },
}

/// All that makes code of modules.
#[derive(Debug)]
pub(crate) struct Forge {
    pub(crate) compiler: Compiler,
    pub(crate) cache: Option<Cache>,
    pub(crate) limits: Limits,
    pub(crate) reserve: Reserve,
}

/// A module whose code can run.
pub(crate) struct Forged {
    pub(crate) component: Component,
    pub(crate) facts: Facts,
    /// SHA-256 of the bytes that it came of, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) was_compiled: bool,
}

impl Forge {
    /// Makes code of a module's bytes, which have this digest, if they pass every check that needs no compiler: those in
    /// the cache did.
    pub(crate) fn make(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: String,
    ) -> Result<Forged, InspectError> {
        if let Some((facts, component)) = self.cached(engine, &digest) {
            return Ok(Forged { component, facts, digest, was_compiled: false });
        }
        let File { component, facts } = File::read(bytes)?;
        give_way();
        let code = self.compile(engine, &component)?;
        let component =
            runnable(engine, &code).map_err(|error| InspectError::NotCode(format!("{error:#}")))?;
        if let Some(cache) = &self.cache {
            cache.keep(&digest, &facts.before(&code));
        }
        Ok(Forged { component, facts, digest, was_compiled: true })
    }

    fn cached(&self, engine: &Engine, digest: &str) -> Option<(Facts, Component)> {
        let cache = self.cache.as_ref()?;
        let kept = cache.find(digest)?;
        let found = Facts::split(&kept).ok_or_else(|| "it names no policy".to_owned());
        let found = found.and_then(|(facts, code)| {
            let component = runnable(engine, code).map_err(|error| format!("{error:#}"))?;
            Ok((facts, component))
        });
        found.map_err(|why| cache.discard(digest, &why)).ok()
    }

    fn compile(&self, engine: &Engine, component: &[u8]) -> Result<Vec<u8>, InspectError> {
        match &self.compiler {
            Compiler::InProcess => engine
                .precompile_component(component)
                .map_err(|error| InspectError::Uncompilable(format!("{error:#}"))),
            Compiler::Child { program, arguments } => {
                let job = protocol::Job::new(&self.limits, self.reserve, component);
                process::compile(program, arguments, &job, &self.limits)
            }
        }
    }
}

/// Makes compiled code ready to run.
#[expect(
    unsafe_code,
    reason = "machine code can't be checked, so that it is ours must be known beforehand: it \
              was compiled just now in this process or by this program's child, or comes from \
              the cache, which gives out only what an engine with the folder's secret key kept"
)]
fn runnable(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: see the reason above. Code of another version of wasmtime, or of another
    // configuration, is told apart by wasmtime itself and refused.
    unsafe { Component::deserialize(engine, code) }
}
