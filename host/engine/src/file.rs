//! What a module's bytes say before anything of them is compiled: the role, the interface's
//! version, the imports. Nothing is run here.

use core::fmt::Write as _;

use pointsman_core::limits::MODULE_BYTES_MAX;
use pointsman_core::policy::Role;
use sha2::{Digest, Sha256};
use wasmparser::{CanonicalFunction, CanonicalOption, Parser, Payload, Validator, WasmFeatures};

use crate::error::InspectError;
use crate::pace::give_way;

/// The package of the interfaces.
pub(crate) const PACKAGE: &str = "pointsman:policy/";
/// The versions that this host speaks: all that begin so.
pub(crate) const VERSION: &str = "0.1";
/// What a module may import.
const IMPORTS: [&str; 2] = ["host-log", "types"];
/// Under which name a component exports the core module that it was made of, where the module
/// may be run without it. No interface is called so.
pub(crate) const CORE_MODULE: &str = "core-module";
/// What every policy exports beside the interface of its role.
const EXPORTS: [&str; 2] = ["lifecycle", "learner"];
/// The proposals that a module may use. Left out is what is not deterministic, what needs a
/// collector or threads, and what no policy needs.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::COMPONENT_MODEL);

/// A module that passed every check that needs no compiler.
#[derive(Debug)]
pub(crate) struct File {
    /// A component, made of the core module where the bytes were one.
    pub(crate) component: Vec<u8>,
    pub(crate) facts: Facts,
}

/// What is known of a module that passed. Bytes that passed once always do, so it is kept with
/// their code, and neither they nor the component are looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) imports: Vec<String>,
}

impl File {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, InspectError> {
        if bytes.starts_with(b"\x7fELF") {
            return Err(InspectError::Precompiled);
        }
        let is_core = Parser::is_core_wasm(bytes);
        let mut component = if Parser::is_component(bytes) {
            bytes.to_vec()
        } else if is_core {
            component_of(bytes)?
        } else {
            return Err(InspectError::NotWasm);
        };
        Validator::new_with_features(FEATURES)
            .validate_all(&component)
            .map_err(|error| InspectError::Malformed(error.to_string()))?;
        give_way();
        let Outline { imports, exports, is_utf8 } = Outline::of(&component)?;
        check_imports(&imports)?;
        let (role, version) = role(&exports)?;
        if is_core && is_utf8 && role == Role::Selector {
            export_core_module(&mut component);
        }
        let imports = imports.into_iter().filter(|name| !is_types(name)).collect();
        Ok(Self { component, facts: Facts { role, version, imports } })
    }
}

impl Facts {
    /// They and the code, as one file: their length, one line each, the code.
    pub(crate) fn before(&self, code: &[u8]) -> Vec<u8> {
        let mut lines = vec![self.role.name(), &self.version];
        lines.extend(self.imports.iter().map(String::as_str));
        let text = lines.join("\n");
        let length = (text.len() as u32).to_le_bytes();
        [&length, text.as_bytes(), code].concat()
    }

    /// They and the code out of such a file.
    pub(crate) fn split(kept: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = kept.split_first_chunk()?;
        let (text, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let mut lines = core::str::from_utf8(text).ok()?.split('\n').map(str::to_owned);
        let role = lines.next()?;
        let role = *Role::ALL.iter().find(|known| known.name() == role)?;
        let (version, imports) = (lines.next()?, lines.collect());
        Some((Self { role, version, imports }, code))
    }
}

/// Makes a core module with WIT metadata a component.
fn component_of(module: &[u8]) -> Result<Vec<u8>, InspectError> {
    Validator::new_with_features(FEATURES)
        .validate_all(module)
        .map_err(|error| InspectError::Malformed(error.to_string()))?;
    give_way();
    let has_metadata = Parser::new(0).parse_all(module).any(|payload| {
        matches!(payload, Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type"))
    });
    if !has_metadata {
        return Err(InspectError::NoMetadata);
    }
    wit_component::ComponentEncoder::default()
        .validate(false)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| InspectError::Incomplete(format!("{error:#}")))
}

/// Has a component export its first core module, which is the one that it was made of.
///
/// An export section of the component model's binary format: its number and size, one export
/// with its name, that it is core module 0, and no type.
fn export_core_module(component: &mut Vec<u8>) {
    let name = CORE_MODULE.as_bytes();
    let length = name.len() as u8;
    component.extend([11, length + 7, 1, 0, length]);
    component.extend(name);
    component.extend([0, 0x11, 0, 0]);
}

/// What the outermost component says of itself.
#[derive(Debug, Default)]
struct Outline {
    imports: Vec<String>,
    exports: Vec<String>,
    /// No string of a core module is in any other encoding.
    is_utf8: bool,
}

impl Outline {
    fn of(component: &[u8]) -> Result<Self, InspectError> {
        let mut outline = Self { is_utf8: true, ..Self::default() };
        outline.read(component).map_err(|error| InspectError::Malformed(error.to_string()))?;
        Ok(outline)
    }

    fn read(&mut self, component: &[u8]) -> wasmparser::Result<()> {
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload?;
            if matches!(payload, Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) {
                depth += 1;
            } else if matches!(payload, Payload::End(_)) {
                depth = depth.saturating_sub(1);
            } else if depth == 0 {
                self.read_section(payload)?;
            }
        }
        Ok(())
    }

    fn read_section(&mut self, section: Payload<'_>) -> wasmparser::Result<()> {
        if let Payload::ComponentImportSection(section) = section {
            for import in section {
                self.imports.push(import?.name.name.to_owned());
            }
        } else if let Payload::ComponentExportSection(section) = section {
            for export in section {
                self.exports.push(export?.name.name.to_owned());
            }
        } else if let Payload::ComponentCanonicalSection(section) = section {
            for function in section {
                self.is_utf8 &= is_utf8(&function?);
            }
        }
        Ok(())
    }
}

fn is_utf8(function: &CanonicalFunction) -> bool {
    let (CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. }) =
        function
    else {
        return true;
    };
    let others = [CanonicalOption::UTF16, CanonicalOption::CompactUTF16];
    !options.iter().any(|option| others.contains(option))
}

/// The interface and version of a name of our package.
pub(crate) fn interface(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

/// Types are nothing to call, and every module imports them.
fn is_types(name: &str) -> bool {
    interface(name).is_some_and(|(interface, _)| interface == "types")
}

fn is_spoken(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('.'))
}

fn check_imports(imports: &[String]) -> Result<(), InspectError> {
    for name in imports {
        match interface(name) {
            Some((import, version)) if IMPORTS.contains(&import) => {
                if !is_spoken(version) {
                    return Err(InspectError::UnknownVersion { found: version.to_owned() });
                }
            }
            Some(_) | None => return Err(InspectError::ExtraImport(name.clone())),
        }
    }
    Ok(())
}

/// The role, and the version of its interface.
fn role(exports: &[String]) -> Result<(Role, String), InspectError> {
    let find = |wanted: &str| {
        let found = exports.iter().filter_map(|name| interface(name));
        found.filter(|(name, _)| *name == wanted).map(|(_, version)| version).next()
    };
    let mut found = Role::ALL.iter().filter_map(|&role| Some((role, find(role.name())?)));
    let (role, version) =
        found.next().ok_or_else(|| InspectError::NoRole { exports: exports.join(", ") })?;
    if let Some((other, _)) = found.next() {
        return Err(InspectError::TwoRoles(role, other));
    }
    if !is_spoken(version) {
        return Err(InspectError::UnknownVersion { found: version.to_owned() });
    }
    for name in EXPORTS {
        match find(name) {
            None => return Err(InspectError::MissingExport(name)),
            Some(version) if !is_spoken(version) => {
                return Err(InspectError::UnknownVersion { found: version.to_owned() });
            }
            Some(_) => {}
        }
    }
    Ok((role, version.to_owned()))
}

/// SHA-256 in hexadecimal. Nothing that is too large to be a module is looked at.
pub(crate) fn digest(bytes: &[u8]) -> Result<String, InspectError> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(InspectError::TooLarge { size: bytes.len(), max: MODULE_BYTES_MAX });
    }
    Ok(Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_module_is_kept_with_its_code() {
        let log = format!("{PACKAGE}host-log@0.1.0");
        for imports in [Vec::new(), vec![log.clone()], vec![log.clone(), log]] {
            let facts = Facts { role: Role::Anomaly, version: "0.1.7".to_owned(), imports };
            let kept = facts.before(b"code\n");
            assert_eq!(Facts::split(&kept), Some((facts, b"code\n".as_slice())));
            assert_eq!(Facts::split(&kept[..8]), None);
        }
        assert_eq!(Facts::split(b"\x04\0\0\0ELF\n"), None);
    }
}
