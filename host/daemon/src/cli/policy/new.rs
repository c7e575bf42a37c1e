//! `pointsman policy new`: a folder that builds to a policy as it is.
//!
//! It writes one folder, once, and never over anything: a folder with something in it is
//! refused before the first file. What is written stands in [`template`].

mod template;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use super::super::{Context, Failure};
use template::{File, Template};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pointsman policy new my-failover --role failover
  pointsman policy new quick --role selector --lang c
  pointsman policy new mine --role selector --lang python --sdk ../pointsman/sdk

The folder has all that it takes, the SDK included; its README.md tells the next steps.")]
pub(super) struct Args {
    /// The folder to make: it must be new or empty. Its name becomes the policy's.
    folder: PathBuf,
    /// What the policy decides.
    #[arg(long)]
    role: Role,
    /// The language to write it in.
    #[arg(long, default_value = "rust")]
    lang: Language,
    /// The policy's name, where it is not the folder's.
    #[arg(long)]
    name: Option<String>,
    /// Use the SDK in this folder (`sdk/` of pointsman's repository) instead of copying it.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Which path carries the next packet.
    Selector,
    /// When and where traffic moves.
    Failover,
    /// How far a peer is to be trusted.
    Reputation,
    /// What is out of the ordinary.
    Anomaly,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Selector => "selector",
            Self::Failover => "failover",
            Self::Reputation => "reputation",
            Self::Anomaly => "anomaly",
        }
    }
}

/// A language with templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Rust, with the SDK.
    Rust,
    /// C, without a libc.
    C,
    /// JavaScript, by componentize-js.
    Js,
    /// Python, by componentize-py.
    Python,
}

/// What was made.
#[derive(Debug, serde::Serialize)]
struct NewView {
    folder: String,
    name: String,
    role: &'static str,
    language: &'static str,
    files: Vec<String>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let name = name(args)?;
    vacant(&args.folder)?;
    let sdk = args.sdk.as_deref().map(|sdk| sdk_from(&args.folder, sdk)).transpose()?;
    let Args { role, lang, .. } = *args;
    let template = Template { name: &name, role, language: lang, sdk: sdk.as_deref() };
    let files = template.files();
    for file in &files {
        write(&args.folder, file).map_err(|error| {
            let at = args.folder.join(&file.path);
            Failure::failed(format!("{}: {error}; the folder is incomplete", at.display()))
        })?;
    }
    let view = NewView {
        folder: args.folder.display().to_string(),
        name,
        role: role.name(),
        language: lang.title(),
        files: files.into_iter().map(|file| file.path).collect(),
    };
    if args.json { context.out.json(&view) } else { tell(&view, context) }
}

fn tell(view: &NewView, context: &mut Context) -> Result<(), Failure> {
    let NewView { folder, name, role, language, .. } = view;
    context.out.line(&format!("{folder}: {name}, a {role} policy in {language}. Now:"))?;
    context.out.line(&format!("  cd {folder}"))?;
    context.out.line("  ./build.sh")?;
    context.out.line(&format!("  pointsman policy test {name}.wasm --cases cases.toml"))?;
    context.out.line("README.md tells how to make it live.")
}

/// The policy's name, given or the folder's, if it is one that every language takes.
fn name(args: &Args) -> Result<String, Failure> {
    let folder = || args.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(folder).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let ends = !name.ends_with('-') && name.len() <= NAME_CHARS_MAX;
    if !begins || !ends || !name.chars().all(plain) {
        return Err(Failure::Usage(format!(
            "{name:?} cannot be a policy's name: it takes small letters, digits and `-`, begins with a letter, and has at most {NAME_CHARS_MAX} characters; give one with --name"
        )));
    }
    if TAKEN.contains(&name.as_str()) {
        return Err(Failure::Usage(format!(
            "{name:?} is the name of a library that policies use; give another one with --name"
        )));
    }
    Ok(name)
}

/// Longest name of a policy that the engine takes.
const NAME_CHARS_MAX: usize = 64;
/// Names of crates that one of the same name would hide.
const TAKEN: [&str; 6] = ["alloc", "core", "pointsman-sdk", "std", "test", "wit-bindgen"];

/// Whether the folder is new, or has nothing in it but git's own.
fn vacant(folder: &Path) -> Result<(), Failure> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::Usage(format!("{}: {error}", folder.display()))),
    };
    let found = entries.flatten().find(|entry| entry.file_name() != ".git");
    found.map_or(Ok(()), |entry| {
        Err(Failure::Usage(format!(
            "{} is not empty ({} is in it); give a folder that is new or empty",
            folder.display(),
            entry.file_name().display()
        )))
    })
}

/// The SDK's folder as seen from the new one, if there is an SDK in it.
fn sdk_from(folder: &Path, sdk: &Path) -> Result<String, Failure> {
    if !sdk.join("wit/policy.wit").is_file() {
        return Err(Failure::Usage(format!(
            "{} holds no SDK (no wit/policy.wit in it): give `sdk/` of pointsman's repository, or leave --sdk out to have it copied",
            sdk.display()
        )));
    }
    let path = if sdk.is_absolute() {
        sdk.to_path_buf()
    } else {
        let whole = |path: &Path| std::path::absolute(path).map_err(Failure::failed);
        let sdk = fs::canonicalize(sdk).map_err(Failure::failed)?;
        relative(&plain(&whole(folder)?), &sdk)
    };
    let text = path.to_string_lossy();
    if text.contains(['\'', '"', '\\', '\n']) || text.contains("{{") {
        return Err(Failure::Usage(format!(
            "{text} has a character that the build scripts cannot name; move the SDK elsewhere"
        )));
    }
    Ok(text.into_owned())
}

/// Without `.` and `..`; what is there already without symbolic links too.
fn plain(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(path);
    let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
    let mut plain = fs::canonicalize(there).unwrap_or_else(|_| there.to_path_buf());
    for part in rest.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::Normal(name) => plain.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// How to get from one absolute folder to another.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

fn write(folder: &Path, file: &File) -> io::Result<()> {
    let path = folder.join(&file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if file.is_executable() {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o777);
    }
    io::Write::write_all(&mut options.open(path)?, file.text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_between_two_folders_goes_up_and_down() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/a/examples/mine", "/a/sdk"), Path::new("../../sdk"));
        assert_eq!(way("/a", "/a/sdk"), Path::new("sdk"));
        assert_eq!(way("/b/mine", "/a/sdk"), Path::new("../../a/sdk"));
    }

    #[test]
    fn a_path_through_folders_that_are_not_there_yet_is_made_plain() {
        assert_eq!(plain(Path::new("/nowhere/at/../all/.")), Path::new("/nowhere/all"));
    }
}
