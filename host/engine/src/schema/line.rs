//! One line of a description: `key: kind = default  what it means`.

use core::ops::RangeInclusive;

use pointsman_sdk::Value;

use super::{Key, Kind, check};

/// Characters of a key.
const KEY_CHARS_MAX: usize = 64;
/// Shown where a line has another form altogether.
const FORM: &str = "a line is `key: kind = default  what it means`, such as `limit: integer 0..=100 = 10  most of them`";

/// Reads a line; the error says what was expected.
pub(super) fn parse(line: &str) -> Result<Key, String> {
    let (name, rest) = line.split_once(':').ok_or_else(|| format!("no `:` after a key; {FORM}"))?;
    let name = name.trim();
    let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > KEY_CHARS_MAX || !name.chars().all(is_key) {
        return Err(format!("{name:?} is no key: it has small letters, digits and `_`; {FORM}"));
    }
    let (kind, rest) = rest
        .split_once('=')
        .map_or(Err(()), |(kind, rest)| {
            // The `=` of a range is not the one before the default.
            match kind.strip_suffix("..") {
                Some(_) => match rest.split_once('=') {
                    Some((end, rest)) => Ok((format!("{kind}={end}"), rest)),
                    None => Err(()),
                },
                None => Ok((kind.to_owned(), rest)),
            }
        })
        .map_err(|()| format!("`{name}` has no default: add ` = ` and a value; {FORM}"))?;
    let kind = kind_of(kind.trim()).map_err(|why| format!("`{name}`: {why}"))?;
    let (default, meaning) =
        default_of(&kind, rest.trim_start()).map_err(|why| format!("`{name}`: {why}"))?;
    check::value(&kind, &default).map_err(|why| format!("the default of `{name}`: it {why}"))?;
    let meaning = meaning.trim();
    if meaning.is_empty() {
        return Err(format!("`{name}` is not explained: add two spaces and what it means"));
    }
    Ok(Key { name: name.to_owned(), kind, default, meaning: meaning.to_owned() })
}

fn kind_of(text: &str) -> Result<Kind, String> {
    let (word, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let argument = argument.trim();
    match word {
        "boolean" if argument.is_empty() => Ok(Kind::Boolean),
        "boolean" => Err(format!("`boolean` stands alone, and {argument:?} follows it")),
        "integer" => Ok(Kind::Integer(range(word, argument)?)),
        "integers" => Ok(Kind::Integers(range(word, argument)?)),
        "text" => Ok(Kind::Text(choices(argument)?)),
        "texts" => Ok(Kind::Texts(choices(argument)?)),
        _ => {
            Err(format!("{word:?} is no kind; there is boolean, integer, text, integers and texts"))
        }
    }
}

fn range(word: &str, text: &str) -> Result<RangeInclusive<i64>, String> {
    let form = || format!("`{word}` needs its range, such as `{word} 0..=100`");
    let (start, end) = text.split_once("..=").ok_or_else(form)?;
    let number = |text: &str| text.trim().replace('_', "").parse::<i64>().map_err(|_| form());
    let (start, end) = (number(start)?, number(end)?);
    if start <= end { Ok(start..=end) } else { Err(format!("the range {start}..={end} is empty")) }
}

fn choices(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let choices: Vec<_> = text.split('|').map(|choice| choice.trim().to_owned()).collect();
    let is_word = |choice: &String| !choice.is_empty() && !choice.contains(char::is_whitespace);
    if choices.iter().all(is_word) {
        Ok(choices)
    } else {
        Err(format!("{text:?} are no choices; write them as `one|two`, without spaces in a choice"))
    }
}

/// The default, and what follows it.
fn default_of<'a>(kind: &Kind, text: &'a str) -> Result<(Value, &'a str), String> {
    let wanted = || format!("its default is not what it takes, which is {kind}");
    match kind {
        Kind::Boolean => {
            let (word, rest) = word(text);
            Ok((Value::Boolean(word.parse().map_err(|_| wanted())?), rest))
        }
        Kind::Integer(_) => {
            let (word, rest) = word(text);
            Ok((Value::Integer(word.replace('_', "").parse().map_err(|_| wanted())?), rest))
        }
        Kind::Text(choices) => {
            let (value, rest) = item(text).ok_or_else(wanted)?;
            if choices.is_empty() && !text.starts_with('"') {
                return Err("its default must be in quotes, because it takes any text".to_owned());
            }
            Ok((Value::Text(value), rest))
        }
        Kind::Integers(_) => {
            let (items, rest) = list(text)?;
            let numbers = items.iter().map(|item| item.replace('_', "").parse());
            Ok((Value::Integers(numbers.collect::<Result<_, _>>().map_err(|_| wanted())?), rest))
        }
        Kind::Texts(_) => {
            let (items, rest) = list(text)?;
            Ok((Value::Texts(items), rest))
        }
    }
}

/// Up to the next space.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// A text in quotes, without escapes; or a word that ends where a list goes on.
fn item(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (inside, rest) = quoted.split_once('"')?;
        return Some((inside.to_owned(), rest));
    }
    let ends = |c: char| c.is_whitespace() || c == ',' || c == ']';
    let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    (!word.is_empty()).then(|| (word.to_owned(), rest))
}

/// A list in brackets, and what follows it.
fn list(text: &str) -> Result<(Vec<String>, &str), String> {
    let form = || "its default is a list, such as `[]` or `[1, 2]`".to_owned();
    let mut rest = text.strip_prefix('[').ok_or_else(form)?.trim_start();
    let mut items = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((items, after));
        }
        let (value, after) = item(rest).ok_or_else(form)?;
        items.push(value);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(']') => {}
            None => return Err(form()),
        }
    }
}
