//! What `policy new` writes: files of the repository's `sdk/` folder, which the build script
//! embeds, with a few words put in.
//!
//! The cases of a role are one file for all languages, because the policies of the templates
//! are the same in all of them; a test of the engine holds them to it.

use super::{Language, Role};

/// The files below `sdk/`, by their path in it.
static SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// A file of the new folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// From the folder on.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn is_executable(&self) -> bool {
        self.path.ends_with(".sh")
    }
}

/// What is wanted.
#[derive(Debug)]
pub(super) struct Template<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
    pub(super) language: Language,
    /// Where the SDK is, from the new folder on; `None` to copy it.
    pub(super) sdk: Option<&'a str>,
}

impl Language {
    /// Its name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Js => "JavaScript",
            Self::Python => "Python",
        }
    }

    /// Its folder among the templates.
    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    /// The policy itself: how its template ends, and its path in the new folder.
    fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Rust => ("rs", "src/lib.rs"),
            Self::C => ("c", "policy.c"),
            Self::Js => ("js", "policy.js"),
            Self::Python => ("py", "policy.py"),
        }
    }

    /// What else there is: template, and path in the new folder.
    fn others(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => &[("Cargo.toml.in", "Cargo.toml")],
            Self::C => &[],
            Self::Js => &[
                ("package.json", "package.json"),
                ("package-lock.json", "package-lock.json"),
                ("build.mjs", "build.mjs"),
            ],
            Self::Python => &[("requirements.txt", "requirements.txt")],
        }
    }

    /// Whether a module brings an interpreter along, and so needs more than the defaults.
    fn is_interpreted(self) -> bool {
        match self {
            Self::Rust | Self::C => false,
            Self::Js | Self::Python => true,
        }
    }
}

impl Template<'_> {
    /// All files, in the order of their paths.
    pub(super) fn files(&self) -> Vec<File> {
        let own = |name: &str| format!("templates/{}/{name}", self.language.folder());
        let (ending, source) = self.language.source();
        let mut files = vec![
            self.file("README.md", "templates/README.md"),
            self.file("cases.toml", &format!("templates/cases/{}.toml", self.role.name())),
            self.file(".gitignore", &own("gitignore")),
            self.file("build.sh", &own("build.sh")),
            self.file(source, &own(&format!("{}.{ending}", self.role.name()))),
        ];
        let others = self.language.others().iter();
        files.extend(others.map(|(template, path)| self.file(path, &own(template))));
        if self.sdk.is_none() {
            files.extend(self.copied());
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// The parts of the SDK that the language needs, as they are.
    fn copied(&self) -> Vec<File> {
        let role = self.role.name();
        let (header, metadata) = (format!("c/{role}.h"), format!("c/{role}.s"));
        let is_needed = |path: &str| match self.language {
            Language::Rust => path.starts_with("src/"),
            Language::C => path == "c/pointsman.h" || path == header || path == metadata,
            Language::Js | Language::Python => false,
        };
        let parts = SDK.iter().filter(|(path, _)| path.starts_with("wit/") || is_needed(path));
        let mut files: Vec<File> = parts
            .map(|(path, text)| File { path: format!("sdk/{path}"), text: (*text).to_owned() })
            .collect();
        if self.language == Language::Rust {
            files.push(self.file("sdk/Cargo.toml", "templates/rust/sdk/Cargo.toml.in"));
        }
        files
    }

    fn file(&self, path: &str, template: &str) -> File {
        File { path: path.to_owned(), text: self.filled(embedded(template)) }
    }

    /// The template with the words of this policy in it.
    fn filled(&self, text: &str) -> String {
        let needs = embedded(&format!("templates/{}/needs.md", self.language.folder()));
        let sdk_note = match self.sdk {
            Some(_) => "It uses the SDK in `{{sdk}}`.",
            None => "`sdk/` is the part of pointsman's SDK that it uses.",
        };
        let interpreted = self.language.is_interpreted();
        let slot = if interpreted { embedded("templates/slot.md") } else { "" };
        // The others are asked now and then, and hundreds of questions take days.
        let bounds = if self.role == Role::Selector { "" } else { " --compared-min 10" };
        let words = [
            ("slot", slot),
            ("bounds", bounds),
            ("needs", needs.trim_end()),
            ("sdk_note", sdk_note),
            ("name", self.name),
            ("crate", &self.name.replace('-', "_")),
            ("role", self.role.name()),
            ("language", self.language.title()),
            ("source", self.language.source().1),
            ("sdk", self.sdk.unwrap_or("sdk")),
            ("rust", env!("CARGO_PKG_RUST_VERSION")),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        words.iter().fold(text.to_owned(), |text, (key, word)| {
            text.replace(&format!("{{{{{key}}}}}"), word)
        })
    }
}

/// A file below `sdk/`.
fn embedded(path: &str) -> &'static str {
    let found = SDK.iter().find(|(name, _)| *name == path);
    found.map(|(_, text)| *text).expect("a test makes every template")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn all() -> impl Iterator<Item = (Template<'static>, Vec<File>)> {
        let pairs = Language::value_variants()
            .iter()
            .flat_map(|&language| Role::value_variants().iter().map(move |&role| (language, role)));
        pairs.flat_map(|(language, role)| {
            [None, Some("../../sdk")].map(|sdk| {
                let template = Template { name: "my-own", role, language, sdk };
                let files = template.files();
                (template, files)
            })
        })
    }

    #[test]
    fn every_language_has_every_role_and_no_word_is_left_open() {
        for (template, files) in all() {
            for file in &files {
                assert!(!file.text.contains("{{"), "{template:?} {}", file.path);
                assert!(!file.text.trim().is_empty(), "{template:?} {}", file.path);
            }
            for path in ["README.md", "build.sh", "cases.toml", ".gitignore"] {
                assert!(files.iter().any(|file| file.path == path), "{template:?} {path}");
            }
        }
    }

    #[test]
    fn the_contract_goes_along_unless_it_is_used_where_it_is() {
        for (template, files) in all() {
            let wit = files.iter().find(|file| file.path == "sdk/wit/policy.wit");
            assert_eq!(wit.is_some(), template.sdk.is_none(), "{template:?}");
        }
    }

    #[test]
    fn the_sdk_that_goes_along_depends_on_what_that_of_the_workspace_does() {
        let workspace = include_str!("../../../../../../Cargo.toml");
        let copied = embedded("templates/rust/sdk/Cargo.toml.in");
        let bindgen = copied.lines().find(|line| line.starts_with("wit-bindgen = "));
        let bindgen = bindgen.expect("it needs the bindings");
        assert!(workspace.lines().any(|line| line == bindgen), "{bindgen}");
        for word in ["edition = \"2024\"", "license = \"MIT OR Apache-2.0\""] {
            assert!(workspace.contains(word) && copied.contains(word), "{word}");
        }
    }
}
