//! Walking a TOML document by the table of keys, and collecting what is wrong with it.

use std::collections::BTreeMap;

use pointsman_sdk::Value;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::keys::{Field, Key};
use super::rules::Rule;
use super::suggest::nearest;
use super::{Allow, rules};
use crate::address::InvalidAddress;
use crate::id::PeerId;
use crate::input::{Address, Protocol};
use crate::limits::{ADDRESSES_PER_PEER_MAX, PEERS_MAX};

/// Something wrong at a place of the text.
pub(super) struct Fault {
    /// In bytes from the start of the text.
    pub(super) at: usize,
    pub(super) key: String,
    pub(super) message: String,
}

/// What reading found so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) faults: Vec<Fault>,
    /// Where the keys stand that were read; `None` where their value is faulty.
    pub(super) seen: BTreeMap<String, Option<usize>>,
    /// The text is no TOML: what is missing may only be lost.
    pub(super) is_broken: bool,
}

type Spot<'a, 'i> = &'a Spanned<DeValue<'i>>;

impl Reading {
    /// Reads a table. `inside` is the table's name within `keys`, `shown` its name for people.
    pub(super) fn table<T>(
        &mut self,
        table: &DeTable<'_>,
        keys: &[Key<T>],
        (inside, shown): (&str, &str),
        target: &mut T,
    ) {
        // A value of no extent stands in for one that the broken text does not have.
        for (name, value) in table.iter().filter(|(_, value)| !value.span().is_empty()) {
            let segment: &str = name.get_ref();
            let shown = joined(shown, &quoted(segment));
            let path = joined(inside, segment);
            // A quoted key may have dots that part no tables.
            let is_plain = !segment.contains('.');
            if let Some(key) = keys.iter().find(|key| is_plain && key.name == path) {
                self.key(key, value, &shown, target);
            } else if is_plain && keys.iter().any(|key| below(key.name, &path).is_some()) {
                match value.get_ref().as_table() {
                    Some(table) => self.table(table, keys, (&path, &shown), target),
                    None => self.wrong(value, &shown, "a table"),
                }
            } else {
                let message = unknown(segment, inside, keys);
                self.fault(name.span().start, &shown, message);
            }
        }
    }

    /// Reads an array of tables whose first key is required and unique.
    pub(super) fn each<T>(
        &mut self,
        array: &DeArray<'_>,
        shown: &str,
        keys: &[Key<T>],
        most: usize,
        blank: fn() -> T,
    ) -> Vec<T> {
        if let Some(extra) = array.get(most) {
            self.fault(extra.span().start, shown, format!("more than {most} tables"));
        }
        let mut names = BTreeMap::new();
        let mut items = Vec::new();
        for (index, element) in array.iter().take(most).enumerate() {
            let place = format!("{shown}[{index}]");
            let Some(table) = element.get_ref().as_table() else {
                self.wrong(element, &place, "a table");
                continue;
            };
            let mut item = blank();
            self.table(table, keys, ("", &place), &mut item);
            if let Some(key) = keys.first() {
                self.identity(key, (table, element), &place, (index, &mut names));
            }
            items.push(item);
        }
        items
    }

    /// Checks that a table has its first key, and that no table before it has the same.
    fn identity<'a, T>(
        &mut self,
        key: &Key<T>,
        (table, element): (&'a DeTable<'_>, Spot<'_, '_>),
        place: &str,
        (index, names): (usize, &mut BTreeMap<&'a str, usize>),
    ) {
        let shown = joined(place, key.name);
        let Some(value) = table.get(key.name) else {
            if !self.is_broken {
                let message = format!("is missing; it takes {}", key.field.takes());
                self.fault(element.span().start, &shown, message);
            }
            return;
        };
        let Some(name) = value.get_ref().as_str() else { return };
        if let Some(first) = names.insert(name, index) {
            names.insert(name, first);
            let array = place.split('[').next().unwrap_or_default();
            let message = format!("{} is that of {array}[{first}] too", brief(name));
            self.fault(value.span().start, &shown, message);
        }
    }

    fn key<T>(&mut self, key: &Key<T>, value: Spot<'_, '_>, shown: &str, target: &mut T) {
        let before = self.faults.len();
        if self.field(&key.field, value, shown, target).is_none() && self.faults.len() == before {
            self.wrong(value, shown, &key.field.takes());
        }
        let is_good = self.faults.len() == before;
        self.seen.insert(shown.to_owned(), is_good.then_some(value.span().start));
    }

    /// Puts a value where it belongs; `None` if it is not what the field takes.
    fn field<T>(
        &mut self,
        field: &Field<T>,
        value: Spot<'_, '_>,
        shown: &str,
        target: &mut T,
    ) -> Option<()> {
        let given = value.get_ref();
        match field {
            Field::Flag(set) => set(target, given.as_bool()?),
            Field::Number { range, unit: _, set } => {
                let number = integer(given.as_integer()?)?;
                set(target, u64::try_from(number).ok().filter(|number| range.contains(number))?);
            }
            Field::Signed { range, unit: _, set } => {
                let number = integer(given.as_integer()?)?;
                set(target, i64::try_from(number).ok().filter(|number| range.contains(number))?);
            }
            Field::Text { rule, set } => {
                set(target, given.as_str().filter(|text| (rule.holds)(text))?.to_owned());
            }
            Field::Port(set) => set(target, port(given)?),
            Field::Peer(set) => {
                let id = self.peer(value, shown);
                id.into_iter().for_each(|id| set(target, id));
            }
            Field::Addresses(set) => {
                let texts = self.list(given.as_array()?, ADDRESSES_PER_PEER_MAX, shown);
                set(target, self.map(&texts, shown, Self::address));
            }
            Field::PeersAt { most, set } => {
                let texts = self.list(given.as_array()?, *most, shown);
                set(target, self.map(&texts, shown, Self::peer_at));
            }
            Field::Allow(set) => {
                let allow = match given.as_array() {
                    None => given.as_str().filter(|&text| text == "all").map(|_| Allow::All)?,
                    Some(array) => {
                        let ids = self.list(array, PEERS_MAX, shown);
                        Allow::Listed(self.map(&ids, shown, Self::peer))
                    }
                };
                set(target, allow);
            }
            Field::Texts { rule, most, called: _, set } => {
                let texts = self.list(given.as_array()?, *most, shown);
                set(target, self.texts(&texts, shown, rule));
            }
            Field::Module { builtins, set } => {
                set(target, rules::module(given.as_str()?, builtins)?)
            }
            Field::Settings(set) => set(target, self.settings(given.as_table()?, shown)),
            Field::Each { keys: _, read } => read(self, target, given.as_array()?, shown),
        }
        Some(())
    }

    fn list<'a, 'i>(
        &mut self,
        array: &'a DeArray<'i>,
        most: usize,
        shown: &str,
    ) -> Vec<Spot<'a, 'i>> {
        if let Some(extra) = array.get(most) {
            self.fault(extra.span().start, shown, format!("more than {most}"));
        }
        array.iter().take(most).collect()
    }

    fn map<R>(
        &mut self,
        values: &[Spot<'_, '_>],
        shown: &str,
        read: fn(&mut Self, Spot<'_, '_>, &str) -> Option<R>,
    ) -> Vec<R> {
        let each = values.iter().enumerate();
        each.filter_map(|(i, value)| read(self, value, &format!("{shown}[{i}]"))).collect()
    }

    fn peer(&mut self, value: Spot<'_, '_>, shown: &str) -> Option<PeerId> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, shown, "a peer id as text");
            return None;
        };
        let id = text.parse::<PeerId>();
        id.map_err(|error| self.refused(value, shown, text, &error)).ok()
    }

    fn address(&mut self, value: Spot<'_, '_>, shown: &str) -> Option<Address> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, shown, "an address as text");
            return None;
        };
        Address::parse(text).map_err(|error| self.refused(value, shown, text, &error)).ok()
    }

    fn peer_at(&mut self, value: Spot<'_, '_>, shown: &str) -> Option<(Address, PeerId)> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, shown, "an address as text");
            return None;
        };
        let read =
            Address::parse_with_peer(text).and_then(|(address, peer)| match address.protocol {
                Protocol::Circuit => Err(InvalidAddress::new("a relay is not behind another one")),
                Protocol::Quic | Protocol::Tcp | Protocol::Bluetooth => Ok((address, peer)),
            });
        read.map_err(|error| self.refused(value, shown, text, &error)).ok()
    }

    fn texts(&mut self, values: &[Spot<'_, '_>], shown: &str, rule: &Rule) -> Vec<String> {
        let mut texts = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            match value.get_ref().as_str().filter(|text| (rule.holds)(text)) {
                Some(text) => texts.push(text.to_owned()),
                None => self.wrong(value, &format!("{shown}[{i}]"), rule.says),
            }
        }
        texts
    }

    /// A policy's settings, in the order of the text.
    fn settings(&mut self, table: &DeTable<'_>, shown: &str) -> Vec<(String, Value)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut settings = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            match setting(value.get_ref()) {
                Some(setting) => settings.push((name.get_ref().to_string(), setting)),
                None => {
                    let takes = "true, false, a whole number of 64 bits, a text, \
                                 or a list of either of the last two";
                    self.wrong(value, &joined(shown, &quoted(name.get_ref())), takes);
                }
            }
        }
        settings
    }

    fn wrong(&mut self, value: Spot<'_, '_>, shown: &str, takes: &str) {
        let message = format!("takes {takes}, not {}", given(value.get_ref()));
        self.fault(value.span().start, shown, message);
    }

    fn refused(
        &mut self,
        value: Spot<'_, '_>,
        shown: &str,
        text: &str,
        error: &dyn core::error::Error,
    ) {
        self.fault(value.span().start, shown, format!("{}: {error}", brief(text)));
    }

    pub(super) fn fault(&mut self, at: usize, key: &str, message: String) {
        self.faults.push(Fault { at, key: key.to_owned(), message });
    }
}

fn unknown<T>(segment: &str, inside: &str, keys: &[Key<T>]) -> String {
    let here = || keys.iter().filter_map(|key| first_below(key.name, inside));
    if let Some(near) = nearest(segment, here()) {
        return format!("there is no such key; did you mean `{}`?", joined(inside, near));
    }
    let same_elsewhere = keys.iter().find(|key| key.name.rsplit('.').next() == Some(segment));
    if let Some(key) = same_elsewhere {
        return format!("there is no such key here; did you mean `{}`?", key.name);
    }
    let mut known: Vec<_> = here().collect();
    known.dedup();
    format!("there is no such key; known here are {}", known.join(", "))
}

/// What is left of a key's name inside a table.
fn below<'a>(name: &'a str, table: &str) -> Option<&'a str> {
    if table.is_empty() { Some(name) } else { name.strip_prefix(table)?.strip_prefix('.') }
}

fn first_below<'a>(name: &'a str, table: &str) -> Option<&'a str> {
    below(name, table)?.split('.').next()
}

fn joined(table: &str, name: &str) -> String {
    if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
}

/// A key as it must be written.
fn quoted(segment: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if !segment.is_empty() && segment.len() <= 64 && segment.bytes().all(is_bare) {
        segment.to_owned()
    } else {
        brief(segment)
    }
}

/// A text in quotes, control characters escaped, cut where it is long.
fn brief(text: &str) -> String {
    let cut: String = text.chars().take(64).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// For people: the value that stands there.
fn given(value: &DeValue<'_>) -> String {
    if let Some(text) = value.as_str() {
        return brief(text);
    }
    if let Some(integer) = value.as_integer() {
        return integer.to_string().chars().take(40).collect();
    }
    if let Some(flag) = value.as_bool() {
        return flag.to_string();
    }
    let kind = value.type_str();
    let article = if kind.starts_with('a') { "an" } else { "a" };
    format!("{article} {kind}")
}

fn integer(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn port(value: &DeValue<'_>) -> Option<Option<u16>> {
    match value.as_bool() {
        Some(true) => None,
        Some(false) => Some(None),
        None => u16::try_from(integer(value.as_integer()?)?).ok().map(Some),
    }
}

fn setting(value: &DeValue<'_>) -> Option<Value> {
    let small = |value: &DeValue<'_>| i64::try_from(integer(value.as_integer()?)?).ok();
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    if let Some(array) = value.as_array() {
        let integers = array.iter().map(|element| small(element.get_ref())).collect();
        return match integers {
            Some(integers) => Some(Value::Integers(integers)),
            None => {
                let texts: Option<_> = array.iter().map(|e| text(e.get_ref())).collect();
                texts.map(Value::Texts)
            }
        };
    }
    let flag = value.as_bool().map(Value::Boolean);
    flag.or_else(|| small(value).map(Value::Integer)).or_else(|| text(value).map(Value::Text))
}
