//! Tables whose columns align, and figures for people.

use super::out::{Out, Tone};

/// Space between two columns.
const GAP: &str = "  ";

/// Rows of cells below a row of names.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// A text and its tone.
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    pub(super) fn toned(text: &str, tone: Tone) -> Self {
        Self { text: text.to_owned(), tone: Some(tone) }
    }
}

impl Table {
    pub(super) fn new<const N: usize>(names: [&str; N]) -> Self {
        let names = names.iter().map(|name| Cell::toned(name, Tone::Dim)).collect();
        Self { rows: vec![names] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, without spaces at their ends.
    pub(super) fn lines(&self, out: &Out) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| line(row, &widths, out)).collect()
    }
}

fn line(row: &[Cell], widths: &[usize], out: &Out) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        match cell.tone {
            Some(tone) => line.push_str(&out.paint(tone, &cell.text)),
            None => line.push_str(&cell.text),
        }
        if index + 1 < row.len() {
            line.push_str(&" ".repeat(width - cell.text.chars().count()));
        }
    }
    line.trim_end().to_owned()
}

/// The end of an identity, which differs where the beginning is the same for all.
pub(super) fn short(peer: &str) -> String {
    let length = peer.chars().count();
    let end: String = peer.chars().skip(length.saturating_sub(8)).collect();
    if length > 8 { format!("…{end}") } else { end }
}

/// Microseconds as milliseconds, or `-`.
pub(super) fn ms(us: Option<u32>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.1} ms", f64::from(us) / 1000.0))
}

/// Bytes in binary units with three digits.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// A span of time in its two largest units.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () => format!("{seconds}.{} s", ms % 1000 / 100),
    }
}

/// A time of day in UTC, with milliseconds.
pub(super) fn time_of_day(unix_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000 % 86_400, unix_ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A day and a time of day in UTC, to the second.
pub(super) fn date_and_time(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Years begin in
/// March here, so that the day that leap years add is their last: H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms".
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_trailing_space() {
        let mut table = Table::new(["a", "long name", "c"]);
        table.row(["wider".into(), "x".into(), "".into()]);
        let lines = table.lines(&Out::plain());
        assert_eq!(lines[1], "wider  x");
        assert_eq!(lines[0].find('c'), Some(18));
    }

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(span(61_000), "1 min 1 s");
        assert_eq!(span(2_300), "2.3 s");
        assert_eq!(ms(Some(1_250)), "1.2 ms");
        assert_eq!(time_of_day(86_400_000 + 3_661_007), "01:01:01.007Z");
        assert_eq!(date_and_time(0), "1970-01-01 00:00:00Z");
        assert_eq!(date_and_time(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(date_and_time(1_798_761_599_999), "2026-12-31 23:59:59Z");
        assert_eq!(short("12D3KooWabcdefghij"), "…cdefghij");
    }
}
