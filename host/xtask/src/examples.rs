//! Building policies in every language: those of `examples/`, and what the templates of
//! `pointsman policy new` have beyond them, become `target/examples/NAME.wasm`.
//!
//! Each is built by its own `build.sh`, as its author would. Where a language's tools are not
//! here its policies are left out, which is said, and tests of them say so too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::digest::Fnv;
use crate::place;
use crate::step::{self, Failure, say};
use crate::tools::{self, Language};
use crate::wasm;

/// The policies of the templates that no example is.
const TEMPLATES: [(&str, Language); 4] = [
    ("selector", Language::Rust),
    ("failover", Language::C),
    ("failover", Language::Js),
    ("failover", Language::Python),
];

/// A folder that builds to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Of the policy and of its module.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it is written in.
    pub language: Language,
}

/// Where the modules go.
pub fn out() -> PathBuf {
    place::root().join("target").join("examples")
}

/// Builds them all, JavaScript beside the rest: it takes as long as all others together.
pub fn build() -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::new(format!("{}: {error}", out().display()));
    fs::create_dir_all(out()).map_err(broken)?;
    let mut examples = found().map_err(broken)?;
    for (role, language) in TEMPLATES {
        examples.push(filled(role, language).map_err(broken)?);
    }
    let (js, rest): (Vec<_>, Vec<_>) =
        examples.into_iter().partition(|example| example.language == Language::Js);
    let in_turn = |examples: Vec<Example>| examples.iter().try_for_each(make);
    thread::scope(|scope| {
        let beside = scope.spawn(|| in_turn(js));
        let here = in_turn(rest);
        beside.join().expect("building reports failures and does not panic").and(here)
    })
}

/// The folders of `examples/` that build to a policy, or have one that does in `policy/`, in
/// the order of their names.
pub fn found() -> io::Result<Vec<Example>> {
    let mut found = Vec::new();
    for entry in place::root().join("examples").read_dir()? {
        let example = entry?.path();
        let name = example.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folders = [example.join("policy"), example];
        let Some(folder) = folders.into_iter().find(|folder| folder.join("build.sh").is_file())
        else {
            continue;
        };
        let Some(language) = Language::of(&folder) else { continue };
        found.push(Example { name, folder, language });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The folder that a template makes, with the SDK where it is. What `policy new` does, in as
/// much as a build needs of it: this runs before pointsman itself is built.
fn filled(role: &str, language: Language) -> io::Result<Example> {
    let name = format!("{role}-{}", language.name());
    let folder = out().join("templates").join(&name);
    let templates = place::root().join("sdk/templates").join(language.name());
    let sdk = place::root().join("sdk");
    let words = [
        ("{{name}}", name.as_str()),
        ("{{crate}}", &name.replace('-', "_")),
        ("{{role}}", role),
        ("{{sdk}}", &sdk.to_string_lossy()),
        ("{{rust}}", &wasm::wanted_version()),
    ];
    for entry in templates.read_dir()? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(target) = target(&file, role).filter(|_| path.is_file()) else { continue };
        let text = words
            .iter()
            .fold(fs::read_to_string(&path)?, |text, (key, word)| text.replace(key, word));
        let file = folder.join(target);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        fs::write(file, text)?;
    }
    Ok(Example { name, folder, language })
}

/// What becomes of a template's file for this role, if it is one of this role's.
fn target(file: &str, role: &str) -> Option<PathBuf> {
    let (stem, ending) = file.split_once('.').unwrap_or((file, ""));
    match (stem, ending) {
        ("selector" | "failover" | "reputation" | "anomaly", _) if stem != role => None,
        (_, "rs") => Some(PathBuf::from("src/lib.rs")),
        (_, "c" | "js" | "py") => Some(PathBuf::from(format!("policy.{ending}"))),
        (_, "toml.in") => Some(PathBuf::from("Cargo.toml")),
        _ => Some(PathBuf::from(file)),
    }
}

/// Builds one, unless the same was built before. What was built is kept by what it was made of,
/// in cargo's build folder, because JavaScript and Python take half a minute each.
fn make(example: &Example) -> Result<(), Failure> {
    let Example { name, folder, language } = example;
    let module = out().join(name).with_extension("wasm");
    if let Some(what) = language.missing() {
        // An old module would be taken for this one.
        let _ = fs::remove_file(&module);
        say(&format!("{name}: not built, {what} is not here (`./x setup-ci` installs it)"));
        return Ok(());
    }
    let broken = |error: io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let kept = place::target().join("examples").join(format!("{name}-{:016x}", made_of(example)));
    if !kept.is_file() {
        let built = run(example)?;
        fs::create_dir_all(place::target().join("examples")).map_err(broken)?;
        fs::copy(&built, &kept).and_then(|_| fs::remove_file(&built)).map_err(broken)?;
    }
    fs::copy(&kept, &module).map_err(broken)?;
    say(&format!("target/examples/{name}.wasm"));
    Ok(())
}

/// Runs its build script; gives the module.
fn run(example: &Example) -> Result<PathBuf, Failure> {
    let Example { name, folder, language } = example;
    let broken = |error: io::Error| Failure::new(format!("{}: {error}", folder.display()));
    lend_tools(folder, *language).map_err(broken)?;
    let mut script = Command::new("sh");
    script.arg("build.sh").current_dir(folder);
    wasm::clean(&mut script);
    script.env("CARGO_TARGET_DIR", place::wasm_target().join("examples"));
    step::run(&format!("building {name}"), &mut script, "What is wrong is said above.")?;
    Ok(folder.join(name).with_extension("wasm"))
}

fn lend_tools(folder: &Path, language: Language) -> io::Result<()> {
    match language {
        Language::Rust | Language::C => Ok(()),
        Language::Js => tools::lend(&tools::node_modules(), &folder.join("node_modules")),
        Language::Python => tools::lend(&tools::venv(), &folder.join(".venv")),
    }
}

/// A number of all that goes into a module: its folder, and what its language takes of the SDK.
fn made_of(example: &Example) -> u64 {
    let sdk = place::root().join("sdk");
    let part = match example.language {
        Language::Rust => Some("src"),
        Language::C => Some("c"),
        Language::Js | Language::Python => None,
    };
    let parts = [Some(example.folder.clone()), Some(sdk.join("wit")), part.map(|p| sdk.join(p))];
    let mut hash = Fnv::default();
    for part in parts.into_iter().flatten() {
        hash.folder(&part);
    }
    hash.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_an_example_and_every_role_of_packets_is_built_in_it() {
        let names = found().expect("the folder is there");
        for language in Language::ALL {
            assert!(names.iter().any(|example| example.language == language), "{language:?}");
        }
        assert!(names.iter().any(|example| example.name == "my-failover"));
    }

    #[test]
    fn what_a_module_is_made_of_changes_with_the_contract_and_not_with_what_was_built() {
        let examples = found().expect("the folder is there");
        let numbers: Vec<_> = examples.iter().map(made_of).collect();
        assert_eq!(examples.iter().map(made_of).collect::<Vec<_>>(), numbers);
        let other = Example { language: Language::C, ..examples[0].clone() };
        assert_ne!(made_of(&other), numbers[0]);
    }

    #[test]
    fn a_template_of_another_role_is_left_out() {
        assert_eq!(target("failover.c", "selector"), None);
        assert_eq!(target("selector.rs", "selector"), Some(PathBuf::from("src/lib.rs")));
        assert_eq!(target("build.mjs", "selector"), Some(PathBuf::from("build.mjs")));
        assert_eq!(target("Cargo.toml.in", "failover"), Some(PathBuf::from("Cargo.toml")));
    }
}
