//! Whether a value is one that a setting takes, and which key was meant.

use pointsman_sdk::Value;

use super::{Key, Kind};

/// Whether the kind takes the value; otherwise what it takes instead.
pub(super) fn value(kind: &Kind, value: &Value) -> Result<(), String> {
    let one_of = |choices: &[String], text: &String| choices.is_empty() || choices.contains(text);
    let fits = match (kind, value) {
        (Kind::Boolean, Value::Boolean(_)) => true,
        (Kind::Integer(range), Value::Integer(number)) => range.contains(number),
        (Kind::Integers(range), Value::Integers(numbers)) => {
            numbers.iter().all(|number| range.contains(number))
        }
        (Kind::Text(choices), Value::Text(text)) => one_of(choices, text),
        (Kind::Texts(choices), Value::Texts(texts)) => {
            texts.iter().all(|text| one_of(choices, text))
        }
        // An empty list has no kind of its own.
        (Kind::Integers(_), Value::Texts(none)) => none.is_empty(),
        (Kind::Texts(_), Value::Integers(none)) => none.is_empty(),
        (
            Kind::Boolean | Kind::Integer(_) | Kind::Text(_) | Kind::Integers(_) | Kind::Texts(_),
            _,
        ) => false,
    };
    if fits { Ok(()) } else { Err(format!("takes {kind}")) }
}

/// What to say of a key that is not described.
pub(super) fn unknown(name: &str, keys: &[Key]) -> String {
    if keys.is_empty() {
        return "this policy takes no settings".to_owned();
    }
    let distance = |key: &&Key| edits(name, &key.name);
    let meant = keys.iter().min_by_key(distance).filter(|key| {
        // A third of the letters: more is another word.
        edits(name, &key.name) <= name.len().max(key.name.len()).div_ceil(3)
    });
    let known: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    match meant {
        Some(key) => format!("not a setting; did you mean `{}`?", key.name),
        None => format!("not a setting; known are {}", known.join(", ")),
    }
}

/// How many letters must be put in, taken out or exchanged to make one word of the other
/// (Levenshtein's distance), of the first letters of each: a key is short.
fn edits(one: &str, other: &str) -> usize {
    const LETTERS_MAX: usize = 64;
    let other: Vec<char> = other.chars().take(LETTERS_MAX).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(LETTERS_MAX).enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (at, &wanted) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != wanted);
            diagonal = row[at + 1];
            row[at + 1] = exchanged.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
