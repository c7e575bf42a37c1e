//! Policies from the config to the Node: where a module comes from, and what is in the slots.
//!
//! A module is a file, one of those that [`embedded`] lists, or a native builtin. It is loaded
//! and configured here, off the loop, and handed to the Node ready to be asked. Where the
//! config names an embedded module and this binary has none that runs, the native policy of
//! the same name takes its place, and [`Seated::note`] says so.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pointsman_core::config::{Module, PolicyConfig};
use pointsman_core::limits::MODULE_BYTES_MAX;
use pointsman_core::policy::builtin::{self, BuiltinError};
use pointsman_core::policy::{Failover, Role, Selector};
use pointsman_engine::{
    Engine, EngineError, InspectError, Inspection, LoadError, Module as Opened, Setup, Terms,
};
use pointsman_sdk::{Fault, Settings};

/// The modules in this binary: name and bytes.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Told of a slot whose module should be embedded and is not.
pub const NATIVE_BUILTINS: &str = "native builtins: this binary was built without a Wasm toolchain";

/// Names of the modules in this binary.
pub fn embedded() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|&(name, _)| name)
}

/// Where the code in a slot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Compiled into this binary.
    Builtin,
    /// A module in this binary.
    Embedded,
    /// A module in a file.
    File,
}

impl Kind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Embedded => "embedded",
            Self::File => "file",
        }
    }
}

/// What is in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// Which slot.
    pub role: Role,
    /// As the config names it.
    pub module: String,
    /// Where its code comes from.
    pub kind: Kind,
    /// Its own name.
    pub name: String,
    /// Its version; empty for a builtin.
    pub version: String,
    /// SHA-256 of the module in hexadecimal; `None` for a builtin.
    pub digest: Option<String>,
    /// What an operator should know.
    pub note: Option<String>,
}

/// Why a slot of the config can't be filled.
#[derive(Debug, thiserror::Error)]
#[error("policy.{}.{key}: {message}", role.name())]
pub struct SeatError {
    /// Which slot.
    pub role: Role,
    /// Which key below `policy.ROLE` is at fault: `module`, or `settings` with a key of it.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why a file is no policy.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than a module may be.
    #[error("{}: larger than {MODULE_BYTES_MAX} bytes", file.display())]
    TooLarge {
        /// Which.
        file: PathBuf,
    },
    /// There is no engine to look at it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is no policy that can run here.
    #[error("{}: {source}", file.display())]
    Inspect {
        /// Which.
        file: PathBuf,
        /// Why.
        source: InspectError,
    },
}

/// Loads policies. The engine starts with the first module that is not native.
#[derive(Debug, Default)]
pub struct Policies {
    engine: OnceLock<Engine>,
}

/// Code that was found.
enum Code {
    Native { name: String, note: Option<String> },
    File { bytes: Vec<u8> },
    Embedded { name: String, bytes: &'static [u8] },
}

impl Policies {
    /// Loads the selector of a config; file paths start from `folder`.
    pub fn selector(
        &self,
        config: &PolicyConfig,
        folder: &Path,
    ) -> Result<(Box<dyn Selector>, Seated), SeatError> {
        let wasm = |module: &Opened, terms: &Terms<'_>| {
            Ok(Box::new(module.selector(terms)?) as Box<dyn Selector>)
        };
        self.seat(Role::Selector, config, folder, builtin::selector, wasm)
    }

    /// Loads the failover policy of a config; file paths start from `folder`.
    pub fn failover(
        &self,
        config: &PolicyConfig,
        folder: &Path,
    ) -> Result<(Box<dyn Failover>, Seated), SeatError> {
        let wasm = |module: &Opened, terms: &Terms<'_>| {
            Ok(Box::new(module.failover(terms)?) as Box<dyn Failover>)
        };
        self.seat(Role::Failover, config, folder, builtin::failover, wasm)
    }

    /// Loads a policy by whichever of the two its code needs. An embedded module that can't
    /// run here is no mistake of the config: its native twin takes its place.
    fn seat<P: ?Sized>(
        &self,
        role: Role,
        config: &PolicyConfig,
        folder: &Path,
        native: impl Fn(&str, &Settings) -> Result<Box<P>, BuiltinError>,
        wasm: impl Fn(&Opened, &Terms<'_>) -> Result<Box<P>, LoadError>,
    ) -> Result<(Box<P>, Seated), SeatError> {
        let settings = Settings::new(config.settings.clone());
        let native = |name: String, note| {
            let policy = native(&name, &settings).map_err(|error| unfit(role, &error))?;
            Ok((policy, Seated::native(role, config, name, note)))
        };
        let wasm = |bytes: &[u8], kind| {
            let engine = self.engine().map_err(|error| fault(role, "module", error))?;
            let module = engine.open(bytes).map_err(|error| fault(role, "module", error))?;
            let terms = Terms {
                settings: &settings,
                learned: None,
                call_us: config.budget_us,
                memory_bytes: (config.memory_mib as usize) << 20,
            };
            let policy = wasm(&module, &terms).map_err(|error| refused(role, &error))?;
            Ok((policy, Seated::wasm(role, config, kind, module.inspection().clone())))
        };
        match find(role, &config.module, folder)? {
            Code::Native { name, note } => native(name, note),
            Code::File { bytes } => wasm(&bytes, Kind::File),
            Code::Embedded { name, bytes } => match wasm(bytes, Kind::Embedded) {
                Err(error) if error.key == "module" && natives(role).contains(&name.as_str()) => {
                    let why = error.message;
                    native(name, Some(format!("native builtin: the module in this binary: {why}")))
                }
                result => result,
            },
        }
    }

    /// What a file is, without any settings.
    pub fn inspect(&self, file: &Path) -> Result<Inspection, FileError> {
        let bytes = read(file)?;
        let inspect = |source| FileError::Inspect { file: file.to_owned(), source };
        let module = self.engine()?.open(&bytes).map_err(inspect)?;
        Ok(module.inspection().clone())
    }

    fn engine(&self) -> Result<&Engine, EngineError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::new(Setup::default())?;
        Ok(self.engine.get_or_init(|| engine))
    }
}

impl Seated {
    fn native(role: Role, config: &PolicyConfig, name: String, note: Option<String>) -> Self {
        let (module, version) = (module_text(&config.module), String::new());
        Self { role, module, kind: Kind::Builtin, name, version, digest: None, note }
    }

    fn wasm(role: Role, config: &PolicyConfig, kind: Kind, inspection: Inspection) -> Self {
        let Inspection { digest, manifest, .. } = inspection;
        Self {
            role,
            module: module_text(&config.module),
            kind,
            name: manifest.name,
            version: manifest.version,
            digest: Some(digest),
            note: None,
        }
    }
}

/// A module as the config writes it.
pub fn module_text(module: &Module) -> String {
    match module {
        Module::Builtin(name) => format!("builtin:{name}"),
        Module::Embedded(name) => format!("embedded:{name}"),
        Module::File(path) => path.clone(),
    }
}

fn find(role: Role, module: &Module, folder: &Path) -> Result<Code, SeatError> {
    match module {
        Module::Builtin(name) => Ok(Code::Native { name: name.clone(), note: None }),
        Module::Embedded(name) => find_embedded(role, name),
        Module::File(path) => match read(&folder.join(path)) {
            Ok(bytes) => Ok(Code::File { bytes }),
            Err(error) => Err(fault(role, "module", error)),
        },
    }
}

fn find_embedded(role: Role, name: &str) -> Result<Code, SeatError> {
    if let Some((_, bytes)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
        return Ok(Code::Embedded { name: name.to_owned(), bytes });
    }
    let natives = natives(role);
    if natives.contains(&name) {
        return Ok(Code::Native { name: name.to_owned(), note: Some(NATIVE_BUILTINS.to_owned()) });
    }
    let known: Vec<_> = embedded().chain(natives.iter().copied()).collect();
    let message = format!("no module {name:?} is in this binary; there is {}", known.join(", "));
    Err(SeatError { role, key: "module".to_owned(), message })
}

fn natives(role: Role) -> &'static [&'static str] {
    match role {
        Role::Selector => &builtin::SELECTORS,
        Role::Failover => &builtin::FAILOVERS,
        Role::Reputation => &builtin::REPUTATIONS,
        Role::Anomaly => &builtin::ANOMALIES,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |source| FileError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file).map_err(unreadable)?;
    open.take(MODULE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(FileError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}

fn fault(role: Role, key: &str, why: impl std::fmt::Display) -> SeatError {
    SeatError { role, key: key.to_owned(), message: why.to_string() }
}

fn unfit(role: Role, error: &BuiltinError) -> SeatError {
    match error {
        BuiltinError::Unknown { .. } => fault(role, "module", error),
        BuiltinError::Refused { fault: Fault::BadSetting { key, .. }, .. } => {
            fault(role, &format!("settings.{key}"), error)
        }
        BuiltinError::Refused { .. } => fault(role, "settings", error),
    }
}

fn refused(role: Role, error: &LoadError) -> SeatError {
    let key = match error {
        LoadError::Settings { wrong, .. } => match wrong.as_slice() {
            [(key, _)] => &format!("settings.{key}"),
            _ => "settings",
        },
        LoadError::Refused { .. } => "settings",
        LoadError::Inspect(_)
        | LoadError::WrongRole { .. }
        | LoadError::State { .. }
        | LoadError::StateTooLarge { .. } => "module",
    };
    fault(role, key, error)
}

#[cfg(test)]
mod tests {
    use pointsman_core::config::Config;
    use pointsman_sdk::Value;

    use super::*;

    fn config(module: Module) -> PolicyConfig {
        PolicyConfig { module, ..Config::default().selector }
    }

    #[test]
    fn an_embedded_module_that_is_missing_is_answered_for_by_its_native_twin() {
        let embedded = config(Module::Embedded("fastest-first".into()));
        let (_, seated) = Policies::default()
            .selector(&embedded, Path::new("."))
            .expect("there is a native policy of that name at least");
        assert_eq!(seated.name, "fastest-first");
        match seated.kind {
            Kind::Builtin => assert_eq!(seated.note.as_deref(), Some(NATIVE_BUILTINS)),
            Kind::Embedded => assert!(seated.digest.is_some()),
            Kind::File => panic!("no file was named"),
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_at_the_module_key() {
        for module in [Module::Builtin("x".into()), Module::Embedded("x".into())] {
            let error = Policies::default()
                .failover(&config(module), Path::new("."))
                .expect_err("no policy is called x");
            assert_eq!((error.role, error.key.as_str()), (Role::Failover, "module"));
        }
    }

    #[test]
    fn a_bad_setting_of_a_builtin_is_named_by_its_key() {
        let settings = vec![("colour".to_owned(), Value::Boolean(true))];
        let config = PolicyConfig { settings, ..config(Module::Builtin("standby".into())) };
        let error = Policies::default().failover(&config, Path::new(".")).expect_err("no colour");
        assert_eq!(error.key, "settings.colour");
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = config(Module::File("nowhere.wasm".into()));
        let error = Policies::default()
            .selector(&missing, Path::new("/"))
            .expect_err("there is no such file");
        assert!(error.message.contains("/nowhere.wasm"), "{error}");
    }
}
