//! What can go wrong with a module before it answers questions. Afterwards nothing is an error:
//! a module that fails a question is struck, and the builtin answers.

use pointsman_core::policy::{Role, Strike};

use crate::limits::STATE_BYTES_MAX;
use crate::schema::SchemaError;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine can't run compiled WebAssembly with these limits.
    #[error("the WebAssembly engine does not start: {0}; use `module = \"builtin:NAME\"`")]
    Unsupported(String),
    /// No thread for the time budgets.
    #[error("cannot start the thread that keeps policies within their time: {0}")]
    Thread(#[from] std::io::Error),
    /// The folder for compiled modules must not be used. Without a cache the engine starts.
    #[error("the folder for compiled policies, {folder}, is not used: {why}")]
    Cache {
        /// Which.
        folder: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Larger than a module may be.
    #[error(
        "the module has {size} bytes, and at most {max} are taken; build it with `opt-level = \"s\"` and `strip = true`"
    )]
    TooLarge {
        /// Its size.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// Machine code, which nobody can check.
    #[error(
        "this is a precompiled module (.cwasm), a program or a native library: it holds machine code that cannot be checked; give the .wasm file, which is built for wasm32"
    )]
    Precompiled,
    /// Some other file.
    #[error(
        "this is not a WebAssembly binary; give a .wasm file (a .wat text must be assembled first)"
    )]
    NotWasm,
    /// Damaged, or uses a proposal that policies may not use.
    #[error(
        "the module is damaged or uses a feature that policies may not use: {0}; build or copy it again, without threads, exceptions and 64-bit memory"
    )]
    Malformed(String),
    /// A core module that does not say what its functions are.
    #[error(
        "this is a core module without WIT metadata; build it with the SDK or with wit-bindgen for the world of its role, such as `selector-policy`"
    )]
    NoMetadata,
    /// A core module that lacks what its own metadata promises.
    #[error("the core module does not fit the world that its metadata names: {0}")]
    Incomplete(String),
    /// Exports none of the roles.
    #[error(
        "the module has no role: it must export pointsman:policy/selector@0.1.0, or failover, reputation or anomaly in its place, and exports [{exports}]"
    )]
    NoRole {
        /// What it exports.
        exports: String,
    },
    /// Exports two of the roles.
    #[error("the module has the roles {} and {} at once; make two modules of it", _0.name(), _1.name())]
    TwoRoles(Role, Role),
    /// Another version of the interface.
    #[error(
        "the module speaks version {found} of pointsman:policy, and this host speaks 0.1.x; build it against the SDK of this host"
    )]
    UnknownVersion {
        /// Its version.
        found: String,
    },
    /// An interface that every policy has is missing.
    #[error(
        "the module does not export pointsman:policy/{0}@0.1.0; the export macros of the SDK do"
    )]
    MissingExport(&'static str),
    /// Wants something of the host that policies don't get.
    #[error(
        "the module imports {0}; a policy may import nothing but pointsman:policy/host-log@0.1.0"
    )]
    ExtraImport(String),
    /// The compiler refuses it.
    #[error("the module does not compile: {0}")]
    Uncompilable(String),
    /// The compiler took too long.
    #[error(
        "the module does not compile within {} s; large functions take long: build it with `opt-level = \"s\"`, and split functions that a tool generated", *limit_ms as f64 / 1_000.0
    )]
    SlowToCompile {
        /// How long it may take, in milliseconds.
        limit_ms: u32,
    },
    /// The compiler used too much memory.
    #[error(
        "the module does not compile within {} MiB of memory; build it with `opt-level = \"s\"`, and split functions that a tool generated", limit_bytes >> 20
    )]
    LargeToCompile {
        /// What it may use, in bytes.
        limit_bytes: u64,
    },
    /// There is no child to compile it.
    #[error(
        "cannot start the compiler of modules, {program}: {why}; is it still installed, and may it be run?"
    )]
    NoCompiler {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// The child that compiled it gave no answer.
    #[error(
        "the compiler of modules failed: {0}; the module, or this installation, is broken: try one of the shipped policies"
    )]
    CompilerFailed(String),
    /// What the compiler gave is no code for this engine.
    #[error(
        "the compiler of modules gave code that does not fit this engine: {0}; restart the node if pointsman was updated under it"
    )]
    NotCode(String),
    /// An interface of ours with other types.
    #[error(
        "the module's interface has the right name and the wrong types; build it against the SDK of this host: {0}"
    )]
    WrongType(String),
    /// It failed before it was asked anything.
    #[error("the module failed in {step}: {strike}")]
    Failed {
        /// What it was doing.
        step: Step,
        /// How.
        strike: Strike,
    },
    /// What it says of itself is unusable.
    #[error("the module's manifest is unusable: {0}")]
    BadManifest(String),
    /// What it says of its settings can't be read.
    #[error("the description of settings in the manifest of {name} cannot be read: {error}")]
    BadSchema {
        /// Its name.
        name: String,
        /// Every line that is wrong.
        error: SchemaError,
    },
}

/// Why a policy could not be loaded into a slot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is no policy.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It is a policy for another slot.
    #[error("this is a {} policy, the slot wants a {} policy; name it under [policy.{}]", found.name(), wanted.name(), found.name())]
    WrongRole {
        /// What it is.
        found: Role,
        /// What the slot takes.
        wanted: Role,
    },
    /// Settings that it does not take.
    #[error("the policy {name} refuses its settings: {}", listed(wrong))]
    Settings {
        /// Its name.
        name: String,
        /// Each key with what is wrong and what it takes instead.
        wrong: Vec<(String, String)>,
    },
    /// Learned state that it does not read.
    #[error(
        "the policy {name} cannot read learned state of schema {schema}: it writes {own} and reads {reads:?}; start it without state, or name the schema in `reads_schemas`"
    )]
    State {
        /// Its name.
        name: String,
        /// Of the state.
        schema: u32,
        /// What it writes; 0 where it learns nothing.
        own: u32,
        /// What it can take over beside it.
        reads: Vec<u32>,
    },
    /// Learned state that is larger than any policy may have.
    #[error(
        "the learned state for the policy {name} has {bytes} bytes, and at most {STATE_BYTES_MAX} are taken"
    )]
    StateTooLarge {
        /// Its name.
        name: String,
        /// Of the state.
        bytes: usize,
    },
    /// It refuses for another reason.
    #[error("the policy {name} refuses its settings: {why}")]
    Refused {
        /// Its name.
        name: String,
        /// What it says.
        why: String,
    },
}

fn listed(wrong: &[(String, String)]) -> String {
    let each = wrong.iter().map(|(key, why)| format!("{key}: {why}"));
    each.collect::<Vec<_>>().join("; ")
}

/// The steps before the first question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Instantiation and start functions.
    Start,
    /// `lifecycle.describe`.
    Describe,
    /// `lifecycle.configure`.
    Configure,
}

impl core::fmt::Display for Step {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Start => "its start function",
            Self::Describe => "`describe`",
            Self::Configure => "`configure`",
        })
    }
}
