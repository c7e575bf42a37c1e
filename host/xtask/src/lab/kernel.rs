//! The lab's kernel: Linux that runs as a process (ARCH=um), with Bluetooth and virtual radios.
//!
//! Looked for in three places, and built from the distribution's source where it is in none:
//! that takes a quarter of an hour, once.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::digest::Fnv;
use crate::step::{Failure, run, say};
use crate::{apt, place};

/// Names a kernel to use instead of any other.
const CHOSEN: &str = "POINTSMAN_LAB_KERNEL";

/// How many processes of make build it; all processors without it.
const JOBS: &str = "POINTSMAN_LAB_JOBS";

/// What the build needs, on Debian and Ubuntu.
const PACKAGES: [&str; 9] =
    ["linux-source", "flex", "bison", "bc", "make", "gcc", "libc6-dev", "m4", "xz-utils"];

/// Lines that make prints for the whole kernel; only for showing how far it is.
const LINES: u32 = 1550;

/// How often the build says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// A kernel that is here: the chosen one, the kept one, or the one of a lab beside the project
/// that has the same settings.
pub fn find() -> Result<Option<PathBuf>, Failure> {
    if let Some(chosen) = env::var_os(CHOSEN).map(PathBuf::from) {
        if chosen.is_file() {
            return Ok(Some(chosen));
        }
        return Err(Failure::new(format!(
            "{CHOSEN} names {}, and there is no such file: name a kernel, or unset it",
            chosen.display()
        )));
    }
    let kept = kept()?;
    if kept.is_file() {
        return Ok(Some(kept));
    }
    Ok(match beside()? {
        Some(packed) => unpack(&packed, &kept)?.then_some(kept),
        None => None,
    })
}

/// A kernel, built if it must be.
pub fn find_or_build() -> Result<PathBuf, Failure> {
    if let Some(kernel) = find()? {
        return Ok(kernel);
    }
    let kept = kept()?;
    build(&kept)?;
    Ok(kept)
}

fn config() -> PathBuf {
    place::radio().join("kernel.config")
}

/// Where a kernel with our settings is kept.
fn kept() -> Result<PathBuf, Failure> {
    let text = fs::read_to_string(config()).map_err(|error| failed(&config(), &error))?;
    let mut hash = Fnv::default();
    for setting in settings(&text) {
        hash.bytes(setting.as_bytes());
    }
    Ok(place::cache("lab").join(format!("linux-um-{:016x}", hash.number())))
}

/// The settings of a config, without what is only for its reader.
fn settings(text: &str) -> Vec<&str> {
    let mut settings: Vec<_> =
        text.lines().map(str::trim).filter(|line| line.starts_with("CONFIG_")).collect();
    settings.sort_unstable();
    settings
}

/// The packed kernel of a lab beside the project, where it was built with the same settings.
fn beside() -> Result<Option<PathBuf>, Failure> {
    let root = place::root();
    let ours = fs::read_to_string(config()).map_err(|error| failed(&config(), &error))?;
    // A checkout may lie a folder deeper than the project's first one.
    let labs = root.ancestors().skip(1).take(2).map(|folder| folder.join("shared").join("lab"));
    Ok(labs.map(|lab| (lab.join("uml.config"), lab.join("linux-um.xz"))).find_map(
        |(config, packed)| {
            let theirs = fs::read_to_string(config).ok()?;
            (settings(&theirs) == settings(&ours) && packed.is_file()).then_some(packed)
        },
    ))
}

/// Unpacks a kernel; false where that can't be done.
fn unpack(packed: &Path, kept: &Path) -> Result<bool, Failure> {
    if place::program("xz").is_none() {
        apt::install(&["xz-utils"]);
    }
    let output = Command::new("xz").arg("-dc").arg(packed).stderr(Stdio::inherit()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        say(&format!("{} can't be unpacked: is xz here?", packed.display()));
        return Ok(false);
    };
    keep(&output.stdout, kept).map_err(|error| failed(kept, &error))?;
    say(&format!("the lab's kernel: unpacked from {}", packed.display()));
    Ok(true)
}

/// Writes a program so that nobody sees half of it.
fn keep(bytes: &[u8], kept: &Path) -> io::Result<()> {
    fs::create_dir_all(kept.parent().unwrap_or(kept))?;
    let new = kept.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, bytes)?;
    #[cfg(unix)]
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::rename(new, kept)
}

/// Builds it from the distribution's source.
fn build(kept: &Path) -> Result<(), Failure> {
    say("the lab's kernel: none is here, so it is built once: some 15 minutes of one processor,");
    say(&format!("140 MB to fetch, 2 GB while it lasts. {CHOSEN}=FILE names one instead."));
    let source = source()?;
    let folder = kept.with_extension("build");
    let result = build_in(&folder, &source, kept);
    if result.is_ok() {
        let _ = fs::remove_dir_all(&folder);
    }
    result
}

fn build_in(folder: &Path, source: &Path, kept: &Path) -> Result<(), Failure> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(source).arg("--strip-components=1").arg("-C").arg(folder);
    run("unpacking the kernel's source", &mut tar, "It needs 1.5 GB of free space.")?;
    let mut configure = make(folder);
    configure.arg("allnoconfig").env("KCONFIG_ALLCONFIG", config()).stdout(Stdio::null());
    run("configuring the kernel", &mut configure, "What is missing is said above.")?;
    compile(folder)?;
    let built = folder.join("linux");
    let _ = Command::new("strip").arg(&built).status();
    let bytes = fs::read(&built).map_err(|error| failed(&built, &error))?;
    keep(&bytes, kept).map_err(|error| failed(kept, &error))
}

/// Runs make in that folder for Linux as a process, with patience.
fn make(folder: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "10", "make", "ARCH=um", "-C"]).arg(folder);
    command
}

/// Compiles, and says now and then how far it is.
fn compile(folder: &Path) -> Result<(), Failure> {
    let jobs = env::var(JOBS)
        .ok()
        .or_else(|| thread::available_parallelism().ok().map(|number| number.to_string()));
    let jobs = format!("-j{}", jobs.as_deref().unwrap_or("1"));
    let mut command = make(folder);
    command.args([&jobs, "linux"]).stdin(Stdio::null()).stdout(Stdio::piped());
    say(&format!("compiling the kernel (make {jobs})"));
    let begun = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| Failure::new(format!("make could not be started: {error}")))?;
    let mut said = Instant::now();
    let lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    for (done, _) in (1_u32..).zip(lines) {
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let minutes = begun.elapsed().as_secs() / 60;
            say(&format!("compiling the kernel: {done} of some {LINES} steps, {minutes} min"));
        }
    }
    let status = child.wait().map_err(|error| failed(folder, &error))?;
    if status.success() {
        say(&format!("compiling the kernel: done in {} s", begun.elapsed().as_secs()));
        return Ok(());
    }
    Err(Failure::new(format!(
        "compiling the kernel failed ({status}); what is wrong is said above. \
         Its folder is left for you: {}",
        folder.display()
    )))
}

/// The newest source of a kernel that the distribution has.
fn source() -> Result<PathBuf, Failure> {
    apt::install(&PACKAGES);
    newest(Path::new("/usr/src")).ok_or_else(|| {
        Failure::new(format!(
            "no kernel source in /usr/src. On Debian: sudo apt-get install {}\n   \
             Elsewhere: build one with ARCH=um and {}, and name it in {CHOSEN}",
            PACKAGES.join(" "),
            config().display()
        ))
    })
}

/// The archive with the highest version: Debian puts it there, Ubuntu into a folder below.
fn newest(folder: &Path) -> Option<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let is_source = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("linux-source-"))
    };
    let found = inside(folder).into_iter().filter(is_source);
    let files = found.flat_map(|path| if path.is_dir() { inside(&path) } else { vec![path] });
    files.filter(|path| is_source(path) && version(path).is_some()).max_by_key(|path| version(path))
}

/// The version of an archive, as numbers.
fn version(path: &Path) -> Option<Vec<u32>> {
    let name = path.file_name()?.to_str()?.strip_prefix("linux-source-")?;
    let numbers = name.strip_suffix(".tar.xz").or_else(|| name.strip_suffix(".tar.bz2"))?;
    numbers.split('.').map(|number| number.parse().ok()).collect()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_the_same_in_any_order_and_with_any_words_between() {
        let plain = settings("CONFIG_BT=y\nCONFIG_NET=y\n");
        assert_eq!(settings("# Radio\nCONFIG_NET=y\n\nCONFIG_BT=y"), plain);
        assert_ne!(settings("CONFIG_NET=y\nCONFIG_BT=n"), plain);
    }

    #[test]
    fn the_newest_source_is_the_one_with_the_highest_number() {
        let of = |name: &str| version(Path::new(name));
        assert!(of("linux-source-6.10.tar.xz") > of("linux-source-6.9.tar.xz"));
        assert_eq!(of("linux-source-6.8.0.tar.bz2"), Some(vec![6, 8, 0]));
        assert_eq!(of("linux-source-6.1"), None);
    }

    #[test]
    fn our_config_has_what_a_scenario_cannot_do_without() {
        let text = fs::read_to_string(config()).expect("it is in the tree");
        for setting in ["CONFIG_BT_HCIVHCI=y", "CONFIG_HOSTFS=y", "CONFIG_UML_RANDOM=y"] {
            assert!(settings(&text).contains(&setting), "{setting}");
        }
    }
}
