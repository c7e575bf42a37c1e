//! The last policy of each role that has proven itself, kept in the state folder.
//!
//! It is what a node starts with while the one that the config names is in quarantine: code and
//! settings as they were when they proved themselves. A module's bytes are copied, because its
//! file may be the very one that was replaced by the bad one; its signature lies beside it. The
//! copy is an ordinary candidate: it goes the whole way, signature and trial included, and a
//! copy that does not have the digest it was kept under is none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pointsman_core::config::{Module, PolicyConfig};
use pointsman_core::limits::MODULE_BYTES_MAX;
use pointsman_core::policy::Role;
use pointsman_sdk::Value;
use serde::{Deserialize, Serialize};

use super::source::{Code, Wasm, digest_hex};
use super::state;

const RECORD_BYTES_MAX: usize = 1 << 20;
/// A signature with ordinary comments takes 300 bytes.
const SIGNATURE_BYTES_MAX: usize = 8 << 10;

/// What is kept beside the bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// `builtin`, `embedded` or `file`.
    kind: String,
    /// The name of a builtin or an embedded module; the path of a file.
    name: String,
    digest: Option<String>,
    budget_us: u32,
    mean_us: u32,
    memory_mib: u32,
    settings: Vec<(String, serde_json::Value)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a policy in place of the one before.
    pub(crate) fn keep(&self, role: Role, config: &PolicyConfig, code: &Code) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&record(config, code))?;
        let is_kept = state::read(&self.record(role), RECORD_BYTES_MAX)?.as_ref() == Some(&text);
        if is_kept && self.find(role).is_some() && self.is_signed_alike(role, code) {
            return Ok(());
        }
        if let Code::Wasm(wasm) = code
            && let Some(file) = &wasm.file
        {
            let copy = self.module(role);
            if same(&copy, file) {
                return Ok(());
            }
            state::write(&copy, &wasm.bytes)?;
            match signed(file) {
                Some(text) => state::write(&signature(&copy), &text)?,
                None => remove(&signature(&copy))?,
            }
        }
        state::write(&self.record(role), &text)
    }

    /// What was kept last, as a config for the slot; `None` where nothing usable was.
    pub(crate) fn find(&self, role: Role) -> Option<PolicyConfig> {
        let text = state::read(&self.record(role), RECORD_BYTES_MAX).ok()??;
        let record: Record = serde_json::from_slice(&text).ok()?;
        let module = match record.kind.as_str() {
            "builtin" => Module::Builtin(record.name),
            "embedded" => Module::Embedded(record.name),
            "file" => Module::File(self.checked(role, record.digest.as_deref()?)?),
            _ => return None,
        };
        let settings = record.settings.into_iter().map(|(key, json)| Some((key, value(json)?)));
        Some(PolicyConfig {
            module,
            digest: record.digest,
            budget_us: record.budget_us,
            mean_us: record.mean_us,
            memory_mib: record.memory_mib,
            settings: settings.collect::<Option<_>>()?,
        })
    }

    /// Whether the copy's signature is the one that lies beside the module: that may have come
    /// later than the module.
    fn is_signed_alike(&self, role: Role, code: &Code) -> bool {
        match code {
            Code::Wasm(Wasm { file: Some(file), .. }) => signed(file) == signed(&self.module(role)),
            Code::Wasm(_) | Code::Native { .. } => true,
        }
    }

    /// The path of the copy, if it is the module that it should be.
    fn checked(&self, role: Role, digest: &str) -> Option<String> {
        let file = self.module(role);
        let bytes = state::read(&file, MODULE_BYTES_MAX).ok()??;
        (digest_hex(&bytes) == digest).then(|| file.into_os_string().into_string().ok())?
    }

    fn module(&self, role: Role) -> PathBuf {
        self.folder.join(format!("{}.wasm", role.name()))
    }

    fn record(&self, role: Role) -> PathBuf {
        self.folder.join(format!("{}.json", role.name()))
    }
}

/// The signature of a module, where there is one.
fn signed(module: &Path) -> Option<Vec<u8>> {
    state::read(&signature(module), SIGNATURE_BYTES_MAX).ok().flatten()
}

/// Where the signature of a module is.
fn signature(module: &Path) -> PathBuf {
    let mut name = module.as_os_str().to_owned();
    name.push(".minisig");
    PathBuf::from(name)
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn record(config: &PolicyConfig, code: &Code) -> Record {
    let (kind, name) = match &config.module {
        Module::Builtin(name) => ("builtin", name),
        Module::Embedded(name) => ("embedded", name),
        Module::File(path) => ("file", path),
    };
    let digest = match code {
        Code::Native { .. } => None,
        Code::Wasm(wasm) => Some(wasm.digest.clone()),
    };
    let settings = config.settings.iter().map(|(key, value)| (key.clone(), json(value)));
    Record {
        kind: kind.to_owned(),
        name: name.clone(),
        digest,
        budget_us: config.budget_us,
        mean_us: config.mean_us,
        memory_mib: config.memory_mib,
        settings: settings.collect(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Boolean(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Integers(numbers) => serde_json::json!({ "integers": numbers }),
        Value::Texts(texts) => serde_json::json!({ "texts": texts }),
    }
}

fn value(json: serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Bool(flag) => Some(Value::Boolean(flag)),
        serde_json::Value::Number(number) => number.as_i64().map(Value::Integer),
        serde_json::Value::String(text) => Some(Value::Text(text)),
        serde_json::Value::Object(mut lists) => {
            if let Some(numbers) = lists.remove("integers") {
                return serde_json::from_value(numbers).ok().map(Value::Integers);
            }
            serde_json::from_value(lists.remove("texts")?).ok().map(Value::Texts)
        }
        serde_json::Value::Null | serde_json::Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use pointsman_core::config::Config;

    use super::super::source;
    use super::*;

    fn config(module: Module) -> PolicyConfig {
        let settings = vec![
            ("flag".to_owned(), Value::Boolean(true)),
            ("number".to_owned(), Value::Integer(-7)),
            ("text".to_owned(), Value::Text("x".to_owned())),
            ("numbers".to_owned(), Value::Integers(vec![])),
            ("texts".to_owned(), Value::Texts(vec!["a".to_owned()])),
        ];
        PolicyConfig { module, settings, ..Config::default().selector }
    }

    #[test]
    fn a_module_comes_back_with_its_bytes_settings_and_signature() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.wasm");
        fs::write(&file, "as it proved itself").unwrap();
        let config = config(Module::File(file.display().to_string()));
        let code = source::find(Role::Selector, &config.module, Path::new("/")).unwrap();
        let kept = Kept::new(folder.path().join("kept"));
        kept.keep(Role::Selector, &config, &code).unwrap();
        fs::write(signature(&file), "signed").unwrap();
        kept.keep(Role::Selector, &config, &code).unwrap();
        fs::write(&file, "replaced").unwrap();

        let found = kept.find(Role::Selector).unwrap();
        assert_eq!(found.settings, config.settings);
        let again = source::find(Role::Selector, &found.module, Path::new("/")).unwrap();
        assert_eq!(again.identity(), code.identity());
        let Module::File(copy) = &found.module else { panic!("it is a file") };
        assert_eq!(fs::read_to_string(signature(Path::new(copy))).unwrap(), "signed");
        kept.keep(Role::Selector, &found, &again).expect("the copy itself may be kept");
        assert_eq!(kept.find(Role::Failover), None);
    }

    #[test]
    fn a_copy_that_was_changed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.wasm");
        fs::write(&file, "sound").unwrap();
        let config = config(Module::File(file.display().to_string()));
        let code = source::find(Role::Selector, &config.module, Path::new("/")).unwrap();
        let kept = Kept::new(folder.path().join("kept"));
        kept.keep(Role::Selector, &config, &code).unwrap();
        fs::write(kept.module(Role::Selector), "something else").unwrap();
        assert_eq!(kept.find(Role::Selector), None);
    }

    #[test]
    fn a_builtin_is_kept_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(Module::Builtin("fastest-first".to_owned()));
        let code = Code::Native { name: "fastest-first".to_owned(), note: None };
        let kept = Kept::new(folder.path().to_owned());
        kept.keep(Role::Selector, &config, &code).unwrap();
        assert_eq!(kept.find(Role::Selector), Some(config));
    }
}
