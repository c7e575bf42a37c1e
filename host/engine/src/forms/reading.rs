//! Reading forms out of a tree, and collecting everything that is wrong with it.

use pointsman_core::config::nearest;

use super::field::{Field, Test};
use super::rows::Rows;
use super::tree::{Entry, Spot, brief};

/// Something wrong at a place of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In bytes from the start of the text.
    pub(crate) at: usize,
    /// The key with its tables, such as `case[2].paths[0].flags`.
    pub(crate) key: String,
    pub(crate) message: String,
}

/// What reading found so far.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) faults: Vec<Fault>,
    /// What a row has where it is silent.
    pub(crate) rows: Rows,
}

/// What a case says that a field must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which, in the table of fields.
    pub(crate) field: usize,
    pub(crate) value: i128,
}

impl Reading {
    /// The entries of what must be a table.
    pub(crate) fn table<'a>(&mut self, value: &'a Spot, shown: &str) -> Option<&'a [Entry]> {
        let entries = value.table();
        if entries.is_none() {
            self.wrong(value, shown, "a table");
        }
        entries
    }

    /// The items of what must be a list of at most so many.
    pub(crate) fn list<'a>(
        &mut self,
        value: &'a Spot,
        shown: &str,
        most: usize,
        takes: &str,
    ) -> &'a [Spot] {
        let Some(list) = value.list() else {
            self.wrong(value, shown, takes);
            return &[];
        };
        if let Some(extra) = list.get(most) {
            self.fault(extra.at, shown, format!("has more than {most} items"));
        }
        list.get(..most).unwrap_or(list)
    }

    /// Sets the fields of a target that a table names. Keys in `others` belong to somebody
    /// else.
    pub(crate) fn fields<T>(
        &mut self,
        entries: &[Entry],
        shown: &str,
        fields: &[Field<T>],
        others: &[&str],
        target: &mut T,
    ) {
        for (field, value) in self.named(entries, shown, fields, others) {
            if field.test == Test::Equal {
                (field.set)(target, value);
            }
        }
    }

    /// What a table says that fields must be.
    pub(crate) fn wanted<T>(
        &mut self,
        entries: &[Entry],
        shown: &str,
        fields: &[Field<T>],
    ) -> Vec<Wanted> {
        let named = self.named(entries, shown, fields, &[]);
        let index = |name| fields.iter().position(|field| field.name == name);
        let wanted =
            |(field, value): (&Field<T>, _)| Some(Wanted { field: index(field.name)?, value });
        named.into_iter().filter_map(wanted).collect()
    }

    /// The fields that a table names, with their values.
    fn named<'f, T>(
        &mut self,
        entries: &[Entry],
        shown: &str,
        fields: &'f [Field<T>],
        others: &[&str],
    ) -> Vec<(&'f Field<T>, i128)> {
        let mut named = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| !others.contains(&entry.name.as_str())) {
            let Some(field) = fields.iter().find(|field| field.name == entry.name) else {
                let known = fields.iter().map(|field| field.name).chain(others.iter().copied());
                self.unknown(entry, shown, &known.collect::<Vec<_>>());
                continue;
            };
            match field.takes.read(&entry.value) {
                Some(value) => named.push((field, value)),
                None => {
                    self.wrong(&entry.value, &joined(shown, field.name), &field.takes.told());
                }
            }
        }
        named
    }

    /// Any key but these is a fault.
    pub(crate) fn only(&mut self, entries: &[Entry], shown: &str, known: &[&str]) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
            self.unknown(entry, shown, known);
        }
    }

    fn unknown(&mut self, entry: &Entry, shown: &str, known: &[&str]) {
        let message = match nearest(&entry.name, known.iter().copied()) {
            Some(near) => format!("there is no such key; did you mean `{near}`?"),
            None => format!("there is no such key; known here are {}", known.join(", ")),
        };
        self.fault(entry.at, &joined(shown, &bare(&entry.name)), message);
    }

    pub(crate) fn wrong(&mut self, value: &Spot, shown: &str, takes: &str) {
        self.fault(value.at, shown, format!("takes {takes}, not {}", value.told()));
    }

    pub(crate) fn missing(&mut self, at: usize, shown: &str, takes: &str) {
        self.fault(at, shown, format!("is missing; it takes {takes}"));
    }

    pub(crate) fn fault(&mut self, at: usize, key: &str, message: String) {
        let fault = Fault { at, key: key.to_owned(), message };
        self.faults.push(fault);
    }
}

/// A key below a table.
pub(crate) fn joined(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// A key as it must be written.
fn bare(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(is_bare);
    if plain { name.to_owned() } else { brief(name) }
}
