//! Whether what a module says of itself can be used: shown to people, kept in a log, and held
//! against its settings.

use pointsman_sdk::Manifest;

use crate::error::InspectError;
use crate::limits::{NAME_CHARS_MAX, SCHEMA_BYTES_MAX, STATE_BYTES_MAX};
use crate::schema::{self, Schema};

/// The manifest with its settings understood.
pub(crate) fn checked(manifest: Manifest) -> Result<(Manifest, Schema), InspectError> {
    let plain = |text: &str, others: &str| {
        let fits = !text.is_empty() && text.len() <= NAME_CHARS_MAX;
        fits && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    if !plain(&manifest.name, "-_") {
        let name = manifest.name.escape_debug().take(NAME_CHARS_MAX).collect::<String>();
        return Err(InspectError::BadManifest(format!(
            "the name {name:?} must be 1 to {NAME_CHARS_MAX} letters, digits and `-`"
        )));
    }
    if !plain(&manifest.version, "-.+") {
        return Err(InspectError::BadManifest(format!(
            "the version of {} must be like 1.2.3",
            manifest.name
        )));
    }
    if manifest.max_state_bytes as usize > STATE_BYTES_MAX {
        return Err(InspectError::BadManifest(format!(
            "{} wants {} bytes for what it learns, and at most {STATE_BYTES_MAX} are kept",
            manifest.name, manifest.max_state_bytes
        )));
    }
    if manifest.settings_schema.len() > SCHEMA_BYTES_MAX {
        return Err(InspectError::BadManifest(format!(
            "the settings of {} are described in {} bytes, and at most {SCHEMA_BYTES_MAX} are read",
            manifest.name,
            manifest.settings_schema.len()
        )));
    }
    match schema::parse(&manifest.settings_schema) {
        Ok(schema) => Ok((manifest, schema)),
        Err(error) => Err(InspectError::BadSchema { name: manifest.name, error }),
    }
}
