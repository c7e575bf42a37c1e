//! Printing rows: as an aligned table, or as JSON.

use serde::Serialize;

/// Something with named columns.
pub(crate) trait Row: Serialize {
    /// Names with units.
    const COLUMNS: &'static [&'static str];
    /// As many as the columns.
    fn cells(&self) -> Vec<String>;
}

/// Prints all rows to standard output.
pub(crate) fn print<R: Row>(rows: &[R], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    let mut lines = vec![R::COLUMNS.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..R::COLUMNS.len()).map(width).collect();
    for line in &lines {
        let cell = |(text, width): (&String, &usize)| format!("{text:<width$}");
        let cells: Vec<_> = line.iter().zip(&widths).map(cell).collect();
        println!("{}", cells.join("  ").trim_end());
    }
    Ok(())
}
