//! What the kernel lets this process do, and what a person can do where it refuses.
//!
//! Root may make network namespaces. Anybody else first needs a user namespace, and those can
//! only be entered by a process with one thread, so [`isolate`] prepares a command (usually
//! this very program again) to start inside one, where it counts as root over its networks.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::set_parent_process_death_signal;
use rustix::process::{Pid, Signal, getgid, getpid, getppid, getuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::error::LabError;
use crate::namespace::Namespace;

/// Set in a process that was started by [`isolate`], so that it does not try again.
pub const ISOLATED: &str = "POINTSMAN_LAB_ISOLATED";

/// Whether this process may build a lab: tries it, with a namespace and a device that vanish
/// at once.
pub fn check() -> Result<(), LabError> {
    Namespace::new()?.tap("probe").map(drop)
}

/// Whether this user may open the device that makes TAP devices; without it no lab can be
/// built, in a user namespace either.
pub fn device_is_open() -> bool {
    open_device().is_ok()
}

fn open_device() -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun")
}

/// Whether this process was started by [`isolate`].
pub fn is_isolated() -> bool {
    std::env::var_os(ISOLATED).is_some()
}

/// Lets `command` start in a user namespace and a network namespace of its own, as their root,
/// and die with this process. Spawning it fails with a permission error where the kernel
/// refuses; [`explain`] turns that into words.
#[expect(unsafe_code, reason = "a user namespace can only be entered between fork and exec")]
pub fn isolate(command: &mut Command) {
    let user_map = id_map(getuid().as_raw());
    let group_map = id_map(getgid().as_raw());
    command.env(ISOLATED, "1");
    die_with_parent(command);
    let enter = move || {
        leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)?;
        write(c"/proc/self/setgroups", c"deny")?;
        write(c"/proc/self/uid_map", &user_map)?;
        write(c"/proc/self/gid_map", &group_map)
    };
    // SAFETY: the closure only makes system calls on memory prepared before the fork.
    unsafe { command.pre_exec(enter) };
}

/// Lets `command` be killed when the thread that spawns it ends, and so with the process too.
#[expect(unsafe_code, reason = "the death signal must be asked for between fork and exec")]
pub fn die_with_parent(command: &mut Command) {
    let parent: Pid = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() {
            Some(now) if now == parent => Ok(()),
            // The parent died before the signal was asked for.
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: the closure only makes system calls.
    unsafe { command.pre_exec(bind) };
}

/// An error of this lab from the kernel's refusal, with what helps on this machine.
pub fn explain(what: &'static str, source: io::Error) -> LabError {
    let refused = [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound];
    if refused.contains(&source.kind()) {
        return LabError::NotPermitted { what, remedy: remedy(), source };
    }
    LabError::io(what)(source)
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn leave_network() -> io::Result<()> {
    leave(UnshareFlags::NEWNET)
}

#[expect(unsafe_code, reason = "rustix counts every unshare as unsafe because of CLONE_FILES")]
fn leave(what: UnshareFlags) -> io::Result<()> {
    // SAFETY: descriptors stay shared: CLONE_FILES is not among the flags that callers pass.
    unsafe { unshare_unsafe(what) }?;
    Ok(())
}

fn id_map(outside: u32) -> CString {
    CString::new(format!("0 {outside} 1")).expect("digits contain no zero byte")
}

/// Without allocation, because it runs between fork and exec.
fn write(path: &std::ffi::CStr, text: &std::ffi::CStr) -> io::Result<()> {
    let file = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text.to_bytes())?;
    Ok(())
}

fn remedy() -> String {
    let mut ways = vec!["run it as root".to_owned()];
    let blocked =
        |path: &str, bad: &str| fs::read_to_string(path).is_ok_and(|value| value.trim() == bad);
    if blocked("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        ways.push("`sysctl kernel.unprivileged_userns_clone=1`".into());
    }
    if blocked("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        ways.push("`sysctl kernel.apparmor_restrict_unprivileged_userns=0`".into());
    }
    if blocked("/proc/sys/user/max_user_namespaces", "0") {
        ways.push("`sysctl user.max_user_namespaces=1000`".into());
    }
    match open_device() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ways.push("`modprobe tun` (there is no /dev/net/tun)".into());
        }
        Err(_) => ways.push("`chmod 666 /dev/net/tun`".into()),
    }
    format!("what helps: {}", ways.join(", or "))
}
