//! The documents: their links lead somewhere, their commands exist, the config is explained.

use std::collections::BTreeSet;

use xtask::cli::COMMANDS;
use xtask::place;

use crate::tree::{File, file, files_ending, none};

/// The targets of the links in a document.
fn links(document: &File) -> Vec<&str> {
    let after = document.text.split("](").skip(1);
    after.filter_map(|rest| rest.split(')').next()).map(str::trim).collect()
}

/// The anchor that a heading gets, as forges make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with a link, if anything.
fn broken(document: &File, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
    let base = place::root().join(document.folder());
    let target = if path.is_empty() { place::root().join(&document.path) } else { base.join(path) };
    if !target.exists() {
        return Some(format!("{}: {link} leads nowhere", document.path));
    }
    let text = std::fs::read_to_string(&target).unwrap_or_default();
    let found =
        text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == wanted);
    (!wanted.is_empty() && !found).then(|| format!("{}: no heading for {link}", document.path))
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut findings = Vec::new();
    for document in files_ending(".md") {
        findings.extend(links(&document).iter().filter_map(|link| broken(&document, link)));
    }
    none(&findings, "links");
}

#[test]
fn a_broken_link_is_noticed() {
    let document = |text: &str| File { path: "README.md".into(), text: text.into() };
    let check = |text| {
        let document = document(text);
        links(&document).into_iter().find_map(|link| broken(&document, link))
    };
    assert_eq!(check("see [rooms](ARCHITECTURE.md#rooms) and [it](https://example.org/x)"), None);
    assert!(check("[gone](GONE.md)").is_some());
    assert!(check("[cellar](ARCHITECTURE.md#cellar)").is_some());
}

#[test]
fn every_command_of_x_in_the_documents_exists() {
    let mut findings = Vec::new();
    for document in files_ending(".md") {
        for word in document.text.split("./x ").skip(1) {
            let end = word.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            let name = &word[..end.unwrap_or(word.len())];
            if !COMMANDS.iter().any(|command| command.name == name) && name != "help" {
                findings.push(format!("{}: ./x {name}", document.path));
            }
        }
    }
    none(&findings, "commands that `./x` does not have");
}

/// The keys that a config sets or shows as a comment (`# key = value`), with the line of each.
fn config_keys(text: &str) -> Vec<(usize, String)> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches("# ").trim_start_matches('#');
        if line.starts_with('[') && line.trim_end().ends_with(']') {
            table = line.trim().trim_matches(|c| c == '[' || c == ']').to_owned();
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim_end();
            let plain = key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.');
            if plain && !key.is_empty() {
                keys.push((index, format!("{table}.{key}")));
            }
        }
    }
    keys
}

/// Whether a line of words explains the key: on its line, or above it with only other keys
/// between.
fn explained(text: &str, at: usize, keys: &BTreeSet<usize>) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    if lines[at].trim_start_matches('#').contains(" # ") {
        return true;
    }
    let above = (0..at).rev().find(|index| !keys.contains(index));
    above.is_some_and(|index| {
        let words = lines[index].trim_start_matches('#').trim();
        lines[index].starts_with('#') && !words.is_empty() && !words.starts_with('[')
    })
}

#[test]
fn every_key_of_the_default_config_is_explained() {
    if !place::root().join("config.toml").exists() {
        return;
    }
    let text = file("config.toml").text;
    let keys = config_keys(&text);
    let lines: BTreeSet<usize> = keys.iter().map(|(line, _)| *line).collect();
    let silent = keys.iter().filter(|(line, _)| !explained(&text, *line, &lines));
    let findings: Vec<_> = silent.map(|(line, key)| format!("line {}: {key}", line + 1)).collect();
    none(&findings, "keys of config.toml without a word on them");
}

#[test]
fn every_key_that_the_parser_documents_is_in_the_default_config() {
    if !place::root().join("config.toml").exists() {
        return;
    }
    let text = file("config.toml").text;
    let shown: BTreeSet<String> = config_keys(&text).into_iter().map(|(_, key)| key).collect();
    let source = file("host/core/src/config.rs").text;
    let documented = source.lines().filter_map(|line| line.trim().strip_prefix("/// `"));
    let keys = documented.filter_map(|rest| rest.split('`').next());
    let dotted = |key: &&str| {
        key.contains('.') && key.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
    };
    // A key may also be a table of its own: `delivery.ttl_ms`.
    let is_shown = |key: &str| {
        shown.contains(key) || shown.iter().any(|found| found.starts_with(&format!("{key}.")))
    };
    let missing: Vec<String> =
        keys.filter(dotted).filter(|key| !is_shown(key)).map(str::to_owned).collect();
    none(&missing, "keys that config.toml does not show");
}

#[test]
fn a_key_without_a_word_is_noticed() {
    let text = "# Ports of this node.\n[listen]\n# UDP, 0 for any.\nquic = 0\n\ntcp = 0\n";
    let keys = config_keys(text);
    let lines: BTreeSet<usize> = keys.iter().map(|(line, _)| *line).collect();
    let silent: Vec<_> = keys.iter().filter(|(at, _)| !explained(text, *at, &lines)).collect();
    assert_eq!(silent, [&(5, "listen.tcp".to_owned())]);
}
