//! A text as a tree, whether it was TOML or JSON: what the forms read.
//!
//! Every value knows where it stands in the text, so that an error can name the line. The tree
//! is as large as its text: who reads a hostile one bounds that.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it begins, in bytes from the start of the text; 0 in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    pub(crate) at: usize,
    pub(crate) node: Node,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Flag(bool),
    Number(i128),
    Text(String),
    List(Vec<Spot>),
    Table(Vec<Entry>),
    /// What no form takes, such as a date; its kind for people.
    Other(&'static str),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: usize,
    pub(crate) name: String,
    pub(crate) value: Spot,
}

impl Spot {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Node::Text(text) = &self.node { Some(text) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Node::List(list) = &self.node { Some(list) } else { None }
    }

    pub(crate) fn table(&self) -> Option<&[Entry]> {
        if let Node::Table(entries) = &self.node { Some(entries) } else { None }
    }

    /// For people: the value that stands there.
    pub(crate) fn told(&self) -> String {
        match &self.node {
            Node::Flag(flag) => flag.to_string(),
            Node::Number(number) => number.to_string(),
            Node::Text(text) => brief(text),
            Node::List(_) => "a list".to_owned(),
            Node::Table(_) => "a table".to_owned(),
            Node::Other(kind) => (*kind).to_owned(),
        }
    }
}

/// The value of a key.
pub(crate) fn value<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Spot> {
    entries.iter().find(|entry| entry.name == name).map(|entry| &entry.value)
}

/// The entries of a table, in the order of the text.
pub(crate) fn of_toml(table: &DeTable<'_>) -> Vec<Entry> {
    // A value of no extent stands in for one that a broken text does not have.
    let whole = table.iter().filter(|(_, value)| !value.span().is_empty());
    let mut entries: Vec<_> = whole
        .map(|(name, value)| Entry {
            at: name.span().start,
            name: name.get_ref().to_string(),
            value: toml_spot(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn toml_spot(value: &Spanned<DeValue<'_>>) -> Spot {
    let node = match value.get_ref() {
        DeValue::Boolean(flag) => Node::Flag(*flag),
        DeValue::String(text) => Node::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Node::Other("a number of more than 128 bits"), Node::Number),
        DeValue::Array(array) => Node::List(array.iter().map(toml_spot).collect()),
        DeValue::Table(table) => Node::Table(of_toml(table)),
        DeValue::Float(_) => Node::Other("a number with a fraction"),
        DeValue::Datetime(_) => Node::Other("a date or time"),
    };
    Spot { at: value.span().start, node }
}

/// A JSON value; of a key that is given twice, the last counts.
pub(crate) fn of_json(value: Json) -> Spot {
    let node = match value {
        Json::Bool(flag) => Node::Flag(flag),
        Json::String(text) => Node::Text(text),
        Json::Number(number) => {
            number.as_i128().map_or(Node::Other("a number with a fraction"), Node::Number)
        }
        Json::Array(list) => Node::List(list.into_iter().map(of_json).collect()),
        Json::Object(entries) => Node::Table(
            entries
                .into_iter()
                .map(|(name, value)| Entry { at: 0, name, value: of_json(value) })
                .collect(),
        ),
        Json::Null => Node::Other("null"),
    };
    Spot { at: 0, node }
}

/// A text in quotes, control characters escaped, cut where it is long.
pub(crate) fn brief(text: &str) -> String {
    let cut: String = text.chars().take(64).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}
