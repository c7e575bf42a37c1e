//! Devices that nobody's program is behind: they advertise, and never answer.

use std::collections::BTreeMap;

/// A device that only advertises. Connecting to it fails after the usual wait.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Its address, such as `C0:FF:EE:00:00:01`.
    pub address: String,
    /// Whether the address is a random one.
    pub random: bool,
    /// Service UUIDs, 128 bits each, in lower case.
    pub uuids: Vec<String>,
    /// Bytes by the number of a manufacturer.
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    /// The bytes of its name. What is not UTF-8 arrives as BlueZ hands it on: bytes that are not
    /// ASCII become spaces, and a zero ends it.
    pub name: Option<Vec<u8>>,
    /// How strongly every adapter hears it, in dBm.
    pub rssi_dbm: i16,
}

/// A name as the bus can carry it.
pub(crate) fn readable(name: &[u8]) -> String {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name
            .iter()
            .map(|byte| if byte.is_ascii() { char::from(*byte) } else { ' ' })
            .collect::<String>()
            .trim()
            .to_owned(),
    }
}
