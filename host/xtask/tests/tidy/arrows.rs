//! The dependencies between crates are the arrows that ARCHITECTURE.md draws.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{file, files_ending, none};

/// What a manifest depends on: names of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    pub(crate) normal: BTreeSet<String>,
    pub(crate) tests: BTreeSet<String>,
}

impl Dependencies {
    /// Only the crates of this house.
    fn own(self, house: &BTreeSet<String>) -> Self {
        let own = |names: BTreeSet<String>| names.intersection(house).cloned().collect();
        Self { normal: own(self.normal), tests: own(self.tests) }
    }
}

/// The members of the workspace by package name: path of the manifest, and dependencies.
pub(crate) fn manifests() -> BTreeMap<String, (String, Dependencies)> {
    let members = file("Cargo.toml").text;
    let member = |path: &str| {
        path.strip_suffix("/Cargo.toml")
            .is_some_and(|folder| members.contains(&format!("    \"{folder}\",\n")))
    };
    let manifests = files_ending("/Cargo.toml").into_iter().filter(|file| member(&file.path));
    manifests.map(|file| (package(&file.text), (file.path, parse(&file.text)))).collect()
}

fn package(manifest: &str) -> String {
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""));
    name.and_then(|rest| rest.split('"').next()).expect("a member has a name").to_owned()
}

/// Reads the tables of dependencies, the ones of single targets included.
fn parse(manifest: &str) -> Dependencies {
    let mut dependencies = Dependencies::default();
    let mut section = "";
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            continue;
        }
        let Some((key, _)) = line.split_once('=') else { continue };
        let name = key.split('.').next().unwrap_or_default().trim().trim_matches('"');
        if section.ends_with("dev-dependencies") {
            dependencies.tests.insert(name.to_owned());
        } else if section.ends_with("dependencies") && section != "workspace.dependencies" {
            dependencies.normal.insert(name.to_owned());
        }
    }
    dependencies
}

/// The rows of the table of arrows.
fn drawn() -> BTreeMap<String, Dependencies> {
    let text = file("ARCHITECTURE.md").text;
    let (_, after) = text.split_once("\n## Arrows\n").expect("a chapter on arrows");
    let rows = after.lines().take_while(|line| !line.starts_with("## "));
    let cells = rows.filter(|line| line.starts_with("| `")).map(|row| {
        let names = |cell: &str| -> BTreeSet<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let cells: Vec<_> = row.trim_matches('|').split('|').map(names).collect();
        let [of, normal, tests] = cells.try_into().expect("three cells in a row of arrows");
        (of.into_iter().next().expect("a crate"), Dependencies { normal, tests })
    });
    cells.collect()
}

#[test]
fn the_arrows_between_crates_are_those_of_architecture() {
    let manifests = manifests();
    let house: BTreeSet<String> = manifests.keys().cloned().collect();
    let drawn = drawn();
    let mut findings = Vec::new();
    for name in house.iter().filter(|name| !drawn.contains_key(*name)) {
        findings.push(format!("{name} has no row"));
    }
    for (name, arrows) in &drawn {
        let Some((path, found)) = manifests.get(name) else {
            findings.push(format!("{name} has a row, and is no member of the workspace"));
            continue;
        };
        let found = found.clone().own(&house);
        if &found != arrows {
            findings.push(format!("{path}: {found:?}, and drawn is {arrows:?}"));
        }
    }
    none(&findings, "the arrows in ARCHITECTURE.md are not those of the manifests");
}

#[test]
fn a_heavy_library_is_known_to_its_rooms_only() {
    let rooms = [
        ("wasmtime", &["host/engine/Cargo.toml"][..]),
        ("libp2p", &["host/daemon/Cargo.toml", "host/dht/Cargo.toml"]),
        ("quinn", &["host/daemon/Cargo.toml"]),
        ("redb", &["host/store/Cargo.toml"]),
    ];
    let mut findings = Vec::new();
    for (path, dependencies) in manifests().into_values() {
        let all: BTreeSet<_> = dependencies.normal.union(&dependencies.tests).collect();
        for (library, homes) in rooms {
            if all.iter().any(|name| *name == library) && !homes.contains(&path.as_str()) {
                findings.push(format!("{path} depends on {library}; only {homes:?} may"));
            }
        }
        // The daemon's tests build hostile modules with it.
        if dependencies.normal.contains("wit-component") && path != "host/engine/Cargo.toml" {
            findings.push(format!("{path} makes components; only host/engine does"));
        }
    }
    none(&findings, "a library left its room");
}

#[test]
fn what_builds_everything_else_is_built_of_the_standard_library_alone() {
    let (_, xtask) = manifests().remove("xtask").expect("it is a member");
    assert_eq!(xtask.normal, BTreeSet::new());
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let careless = files_ending("/Cargo.toml").into_iter().filter(|manifest| {
        manifests().values().any(|(path, _)| path == &manifest.path)
            && !manifest.text.contains("[lints]\nworkspace = true")
    });
    none(&careless.map(|file| file.path).collect::<Vec<_>>(), "no `[lints] workspace = true`");
}
