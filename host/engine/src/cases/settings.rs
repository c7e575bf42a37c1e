//! The settings of a case, and what its policy learned before.

use pointsman_sdk::{Settings, State, Value};

use crate::forms::{Entry, Field, I64, Node, Reading, Spot, Takes, U32, joined, value};

/// Most bytes of learned state in a case.
const STATE_BYTES_MAX: usize = 1 << 20;

/// What a setting takes, whatever it is.
const SETTING: &str = "true, false, a whole number of 64 bits, a text, or a list of either of \
                       the last two";

/// The default's settings with those of a case over them.
pub(super) fn settings(
    reading: &mut Reading,
    default: &Settings,
    entries: &[Entry],
    shown: &str,
) -> Settings {
    let mut settings: Vec<_> =
        default.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for entry in entries {
        let Some(value) = setting(&entry.value) else {
            reading.wrong(&entry.value, &joined(shown, &entry.name), SETTING);
            continue;
        };
        match settings.iter_mut().find(|(key, _)| *key == entry.name) {
            Some((_, known)) => *known = value,
            None => settings.push((entry.name.clone(), value)),
        }
    }
    Settings::new(settings)
}

fn setting(given: &Spot) -> Option<Value> {
    let small = |spot: &Spot| I64.read(spot).map(|number| number as i64);
    match &given.node {
        Node::Flag(flag) => Some(Value::Boolean(*flag)),
        Node::Number(_) => small(given).map(Value::Integer),
        Node::Text(text) => Some(Value::Text(text.clone())),
        Node::List(list) => {
            let numbers: Option<Vec<_>> = list.iter().map(small).collect();
            let texts = || list.iter().map(|item| item.text().map(str::to_owned)).collect();
            numbers.map(Value::Integers).or_else(|| Option::map(texts(), Value::Texts))
        }
        Node::Table(_) | Node::Other(_) => None,
    }
}

/// `learned = { schema = 1, hex = "00ff" }`.
pub(super) fn learned(reading: &mut Reading, given: &Spot, shown: &str) -> Option<State> {
    const SCHEMA: [Field<State>; 1] = [field!(schema, U32, u32)];
    let entries = reading.table(given, shown)?;
    let mut state = State::default();
    reading.fields(entries, shown, &SCHEMA, &["hex"], &mut state);
    if value(entries, "schema").is_none() {
        reading.missing(given.at, &joined(shown, "schema"), &Takes::told(U32));
    }
    let takes = "bytes as pairs of hexadecimal digits, such as \"00ff\"";
    let hex = joined(shown, "hex");
    match value(entries, "hex") {
        None => reading.missing(given.at, &hex, takes),
        Some(text) => match text.text().and_then(bytes) {
            Some(bytes) => state.bytes = bytes,
            None => reading.wrong(text, &hex, takes),
        },
    }
    Some(state)
}

/// The bytes of a text of hexadecimal digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if digits.len() % 2 != 0 || digits.len() > 2 * STATE_BYTES_MAX {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| Some((digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?) as u8);
    digits.chunks_exact(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pairs_of_digits() {
        assert_eq!(bytes("00fF"), Some(vec![0, 255]));
        assert_eq!(bytes(""), Some(Vec::new()));
        for wrong in ["0", "0g", "é"] {
            assert_eq!(bytes(wrong), None);
        }
    }
}
