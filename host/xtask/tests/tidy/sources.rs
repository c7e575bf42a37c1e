//! What holds for every file, whatever it does.

use crate::tree::{File, files, files_ending, none};

/// Longest file that one can still hold in mind.
const LINES_MAX: usize = 500;

/// Files that a tool writes, or that are words of others.
const NOT_WRITTEN: [&str; 3] = ["Cargo.lock", "package-lock.json", "LICENSE-APACHE"];

/// A pattern that this file itself may spell without being found by it.
fn spelled(parts: &[&str]) -> String {
    parts.concat()
}

fn is_module(file: &File) -> bool {
    file.is(".rs") && !file.is("/build.rs")
}

/// The lines of a file that only tests are made of.
fn test_lines(file: &File) -> Vec<(usize, &str)> {
    let whole = file.path.contains("/tests/") || file.path.contains("/benches/");
    let begin = file.text.lines().position(|line| line.trim() == "#[cfg(test)]");
    let from = if whole { 0 } else { begin.unwrap_or(usize::MAX) };
    file.code().filter(|(number, _)| *number > from).collect()
}

#[test]
fn no_file_is_longer_than_one_can_hold_in_mind() {
    let written = files().into_iter().filter(|file| !NOT_WRITTEN.iter().any(|name| file.is(name)));
    let long = written.filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    none(&long.collect::<Vec<_>>(), "split by responsibility; 500 lines at most");
}

#[test]
fn every_module_begins_by_saying_what_it_owns() {
    let silent = files().into_iter().filter(|file| {
        is_module(file) && !file.text.starts_with("//! ") && !file.text.starts_with("#!")
    });
    none(&silent.map(|file| file.path).collect::<Vec<_>>(), "no `//!` at the beginning");
}

#[test]
fn nothing_is_left_to_do_and_no_test_is_left_out() {
    let patterns = [
        spelled(&["to", "do!("]),
        spelled(&["unimplem", "ented!("]),
        spelled(&["#[ig", "nore"]),
        spelled(&["#[cfg(any", "())]"]),
    ];
    let mut findings = Vec::new();
    for file in files_ending(".rs") {
        for (number, line) in file.code() {
            if let Some(pattern) = patterns.iter().find(|pattern| line.contains(*pattern)) {
                findings.push(format!("{}:{number}: {pattern}", file.path));
            }
        }
    }
    none(&findings, "what is not done is not in the tree");
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let pattern = spelled(&["sle", "ep("]);
    let mut findings = Vec::new();
    for file in files_ending(".rs") {
        for (number, _) in test_lines(&file).iter().filter(|(_, line)| line.contains(&pattern)) {
            findings.push(format!("{}:{number}", file.path));
        }
    }
    none(&findings, "wait for what should happen, with a time limit");
}

#[test]
fn no_path_of_a_developer_s_machine_is_in_the_tree() {
    let homes = [["/ro", "ot/"], ["/wo", "rk/"], ["/ho", "me/"], ["/Us", "ers/"]];
    let mut findings = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            if homes.iter().any(|home| begins_a_path(line, &home.concat())) {
                findings.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none(&findings, "a path that only one machine has");
}

/// Whether the text stands in the line where an absolute path begins.
fn begins_a_path(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"-_./}$".contains(c))
    })
}

#[test]
fn a_path_is_told_from_a_part_of_one() {
    let home = ["/wo", "rk/"].concat();
    assert!(begins_a_path(&format!("see `{home}tree`"), &home));
    assert!(!begins_a_path(&format!("see `host{home}tree`"), &home));
}
