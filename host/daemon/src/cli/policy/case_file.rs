//! Reading a case file from the command line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use pointsman_engine::cases::{CASES_BYTES_MAX, Cases};

use crate::cli::Failure;

/// Reads and parses a case file; every error of it at once, a line each.
pub(super) fn read(file: &Path) -> Result<Cases, Failure> {
    let unreadable = |error| Failure::usage(format!("{}: {error}", file.display()));
    let mut text = String::new();
    // One byte more tells a file that is too large.
    let most = CASES_BYTES_MAX as u64 + 1;
    File::open(file)
        .map_err(unreadable)?
        .take(most)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Cases::parse(&text).map_err(|errors| {
        let count = errors.len();
        let plural = if count == 1 { "" } else { "s" };
        let told = errors.iter().map(|error| format!("\n  {}:{error}", file.display()));
        Failure::Usage(format!(
            "the case file has {count} error{plural}{}",
            told.collect::<String>()
        ))
    })
}
