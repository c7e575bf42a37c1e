//! A scenario: a script that runs in the guest, and what its first lines say of it.
//!
//! ```text
//! #!/bin/bash
//! # What it shows, in a line.
//! # limit: 90 s
//! # ci: yes
//! ```

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::place;
use crate::step::Failure;

/// How long a scenario may take that names no limit.
const LIMIT_S: u64 = 120;

/// What is known of a scenario before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name: the script's, without the ending.
    pub name: String,
    /// What it shows.
    pub summary: String,
    /// How long it may take, on an idle machine.
    pub limit: Duration,
    /// Whether a commit must pass it.
    pub ci: bool,
}

/// All of them, in the order of their names.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    let folder = place::radio().join("scenarios");
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "sh") {
            found.push(read(&path, &fs::read_to_string(&path).map_err(failed)?));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Those with the names, in the order of the names; all of them where there is no name.
pub fn chosen(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let all = all()?;
    if names.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| {
        let found = all.iter().find(|scenario| scenario.name == *name).cloned();
        found.ok_or_else(|| Failure::usage(format!("no scenario `{name}`\n\n{}", list(&all))))
    };
    names.iter().map(find).collect()
}

/// The scenarios as a person reads them.
pub fn list(scenarios: &[Scenario]) -> String {
    let lines = scenarios.iter().map(|Scenario { name, summary, limit, ci }| {
        let ci = if *ci { "ci" } else { "" };
        format!("  {name:<12}{:>4} s {ci:<3} {summary}", limit.as_secs())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads a script's first lines.
fn read(path: &Path, text: &str) -> Scenario {
    let comments = text.lines().skip(1).map_while(|line| line.strip_prefix("# "));
    let mut scenario = Scenario {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        summary: String::new(),
        limit: Duration::from_secs(LIMIT_S),
        ci: false,
    };
    for line in comments {
        match line.split_once(": ") {
            Some(("limit", time)) => {
                let seconds = time.trim_end_matches(" s").parse().unwrap_or(LIMIT_S);
                scenario.limit = Duration::from_secs(seconds);
            }
            Some(("ci", word)) => scenario.ci = word == "yes",
            _ if scenario.summary.is_empty() => scenario.summary = line.to_owned(),
            _ => {}
        }
    }
    scenario
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_it_shows_and_how_long_it_may_take() {
        let text = "#!/bin/bash\n# Two nodes meet.\n# More of it.\n# limit: 7 s\n# ci: yes\n\nset -e\n# ci: no\n";
        let scenario = read(Path::new("scenarios/meet.sh"), text);
        let limit = Duration::from_secs(7);
        let (name, summary) = ("meet".to_owned(), "Two nodes meet.".to_owned());
        assert_eq!(scenario, Scenario { name, summary, limit, ci: true });
    }

    #[test]
    fn every_scenario_of_the_tree_has_a_summary_and_ci_is_short() {
        let all = all().expect("they are in the tree");
        assert!(all.iter().all(|scenario| !scenario.summary.is_empty()));
        let ci = all.iter().filter(|scenario| scenario.ci).map(|scenario| scenario.limit);
        assert!(ci.sum::<Duration>() <= Duration::from_secs(300), "a commit waits for these");
    }

    #[test]
    fn a_name_that_is_none_is_wrong_usage() {
        assert_eq!(chosen(&["polish".to_owned()]).expect_err("there is none").code, 64);
    }
}
