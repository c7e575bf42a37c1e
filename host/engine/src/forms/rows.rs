//! Paths and dialables: flat rows of integers to the policy, tables to people.
//!
//! A value that is not known is left out. A list of another stride reads as rows of this
//! version, so what is written and read again has this version's stride.

use pointsman_core::limits::LINKS_PER_PEER_MAX;
use pointsman_sdk::failover::Dialable;
use pointsman_sdk::path::PathRow;
use pointsman_sdk::{Transport, UNKNOWN};

use super::field::{I32, Takes, U32};
use super::reading::{Reading, joined};
use super::tree::{Entry, Spot, value};
use super::write::Writer;

/// Dialables in one question that are read: the Node offers far fewer.
const DIALABLES_MAX: usize = 256;

/// The names of the bits of a path's flags.
const FLAGS: [&str; 8] =
    ["up", "suspect", "draining", "metered", "relayed", "probation", "app-limited", "masked"];

/// The names of transports, by their numbers.
const TRANSPORTS: [&str; Transport::ALL.len()] = {
    let mut names = [""; Transport::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Transport::ALL[at].name();
        at += 1;
    }
    names
};

/// A column of a row.
type Column = (&'static str, Takes);

const TRANSPORT: Column = ("transport", Takes::OpenName(&TRANSPORTS));

/// The columns of [`PathRow`], in their order.
const PATH: [Column; PathRow::STRIDE] = [
    ("id", U32),
    TRANSPORT,
    ("flags", Takes::Bits(&FLAGS)),
    ("uplink", U32),
    ("risk_group", U32),
    ("srtt_us", U32),
    ("rttvar_us", U32),
    ("min_rtt_us", U32),
    ("silent_us", U32),
    ("sample_age_ms", U32),
    ("rate_kbps", U32),
    ("room_bytes", U32),
    ("cwnd_bytes", U32),
    ("inflight_bytes", U32),
    ("queued_bytes", U32),
    ("late_ppm", U32),
    ("loss_ppm", U32),
    ("reliability_ppm", U32),
    ("mtu", U32),
    ("hops", U32),
    ("wake_uj", U32),
    ("nj_per_byte", U32),
    ("price_per_mib", U32),
    ("quota_left_kib", U32),
    ("rssi", I32),
    ("trend", I32),
    ("down_forecast_ms", U32),
    ("confidence", U32),
];

/// The columns of [`Dialable`], in their order.
const DIALABLE: [Column; Dialable::STRIDE] = [
    ("id", U32),
    TRANSPORT,
    ("uplink", U32),
    ("setup_ms", U32),
    ("success_ppm", U32),
    ("price_per_mib", U32),
];

/// What rows have where they are silent.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    path: [u32; PathRow::STRIDE],
    dialable: [u32; Dialable::STRIDE],
}

impl Default for Rows {
    fn default() -> Self {
        Self { path: [UNKNOWN; PathRow::STRIDE], dialable: [UNKNOWN; Dialable::STRIDE] }
    }
}

impl Reading {
    /// Takes what paths have where they are silent.
    pub(crate) fn default_path(&mut self, value: &Spot, shown: &str) {
        let mut row = self.rows.path;
        self.row(value, shown, &PATH, &mut row);
        self.rows.path = row;
    }

    /// The same for dialables.
    pub(crate) fn default_dialable(&mut self, value: &Spot, shown: &str) {
        let mut row = self.rows.dialable;
        self.row(value, shown, &DIALABLE, &mut row);
        self.rows.dialable = row;
    }

    /// The list of `paths`, where a table has it.
    pub(crate) fn paths(&mut self, entries: &[Entry], shown: &str, into: &mut Vec<u32>) {
        let default = self.rows.path;
        let most = LINKS_PER_PEER_MAX;
        self.rows(entries, &joined(shown, "paths"), (&PATH, &default, most), into);
    }

    /// The list of `dialables`, where a table has it.
    pub(crate) fn dialables(&mut self, entries: &[Entry], shown: &str, into: &mut Vec<u32>) {
        let default = self.rows.dialable;
        let most = DIALABLES_MAX;
        self.rows(entries, &joined(shown, "dialables"), (&DIALABLE, &default, most), into);
    }

    fn rows<const N: usize>(
        &mut self,
        entries: &[Entry],
        shown: &str,
        (columns, default, most): (&[Column; N], &[u32; N], usize),
        into: &mut Vec<u32>,
    ) {
        let name = shown.rsplit('.').next().unwrap_or(shown);
        let Some(list) = value(entries, name) else { return };
        into.clear();
        into.push(N as u32);
        for (index, item) in self.list(list, shown, most, "a list of tables").iter().enumerate() {
            let mut row = *default;
            self.row(item, &format!("{shown}[{index}]"), columns, &mut row);
            into.extend_from_slice(&row);
        }
    }

    fn row(&mut self, value: &Spot, shown: &str, columns: &[Column], row: &mut [u32]) {
        let Some(entries) = self.table(value, shown) else { return };
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        self.only(entries, shown, &names);
        for ((name, takes), cell) in columns.iter().zip(row) {
            let Some(given) = entries.iter().find(|entry| entry.name == *name) else { continue };
            match takes.read(&given.value) {
                // What is negative is kept as its two's complement.
                Some(number) => *cell = number as u32,
                None => self.wrong(&given.value, &joined(shown, name), &takes.told()),
            }
        }
    }
}

/// Writes the paths of a question.
pub(crate) fn write_paths(writer: &mut Writer, list: &[u32]) {
    write_rows(writer, "paths", &PATH, list);
}

/// Writes the dialables of a question.
pub(crate) fn write_dialables(writer: &mut Writer, list: &[u32]) {
    write_rows(writer, "dialables", &DIALABLE, list);
}

fn write_rows(writer: &mut Writer, name: &str, columns: &[Column], list: &[u32]) {
    writer.key(name);
    let stride = list.first().map_or(1, |&stride| (stride as usize).max(1));
    writer.list(|w| {
        for row in list.get(1..).unwrap_or_default().chunks_exact(stride) {
            w.item();
            w.table(|w| {
                let known = columns.iter().zip(row).filter(|&(_, &cell)| cell != UNKNOWN);
                for ((name, takes), &cell) in known {
                    w.key(name);
                    let is_signed = *takes == I32;
                    takes.write(w, if is_signed { i128::from(cell as i32) } else { cell.into() });
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use pointsman_sdk::path::flags;

    use super::*;

    /// The names of a struct's fields, in their order.
    fn fields(debug: &str) -> Vec<&str> {
        let inside = debug.split_once('{').map_or("", |(_, inside)| inside);
        inside.split(',').filter_map(|field| field.split(':').next()).map(str::trim).collect()
    }

    #[test]
    fn the_columns_are_the_fields_of_the_sdk_in_their_order() {
        let row = format!("{:?}", PathRow::default());
        assert_eq!(fields(&row), PATH.map(|(name, _)| name));
        let list = [Dialable::STRIDE as u32, 0, 0, 0, 0, 0, 0];
        let dialable = Dialable::read(&list).next().expect("one row");
        assert_eq!(fields(&format!("{dialable:?}")), DIALABLE.map(|(name, _)| name));
    }

    #[test]
    fn the_names_of_the_flags_are_in_the_order_of_their_bits() {
        let bits = [
            flags::UP,
            flags::SUSPECT,
            flags::DRAINING,
            flags::METERED,
            flags::RELAYED,
            flags::PROBATION,
            flags::APP_LIMITED,
            flags::MASKED,
        ];
        assert_eq!(bits, core::array::from_fn(|index| 1 << index));
        assert_eq!((FLAGS[1], FLAGS[7]), ("suspect", "masked"));
    }
}
