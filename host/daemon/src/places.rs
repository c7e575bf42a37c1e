//! Where files are: the config, the control socket, the state, the cache.
//!
//! Follows the XDG base directory specification for people and the file system hierarchy for
//! services. Nothing here creates or reads a file.

use std::env;
use std::path::{Path, PathBuf};

/// Variable that names the control socket for every command.
pub const SOCKET_VARIABLE: &str = "POINTSMAN_SOCKET";

/// Where a config is looked for, in this order.
pub fn config_candidates() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(folder) = folder_of("XDG_CONFIG_HOME", ".config") {
        candidates.push(folder.join("pointsman/config.toml"));
    }
    candidates.push(PathBuf::from("/etc/pointsman/config.toml"));
    candidates
}

/// The control socket where nothing else is said: in `$XDG_RUNTIME_DIR/pointsman`, for root in
/// `/run/pointsman`, and else in a folder of this user below the folder for temporary files.
pub fn default_socket() -> PathBuf {
    let uid = rustix::process::getuid();
    let folder = match absolute("XDG_RUNTIME_DIR") {
        Some(folder) => folder.join("pointsman"),
        None if uid.is_root() && Path::new("/run").is_dir() => PathBuf::from("/run/pointsman"),
        None => env::temp_dir().join(format!("pointsman-{}", uid.as_raw())),
    };
    folder.join("node.sock")
}

/// The folder for what must survive: `$XDG_STATE_HOME/pointsman`, for root without a home
/// `/var/lib/pointsman`.
pub fn state_folder() -> PathBuf {
    folder_of("XDG_STATE_HOME", ".local/state")
        .map_or_else(|| PathBuf::from("/var/lib/pointsman"), |folder| folder.join("pointsman"))
}

/// The folder for compiled policies, which can be removed at any time:
/// `$XDG_CACHE_HOME/pointsman/compiled`, for root without a home below `/var/cache`.
pub fn compiled_folder() -> PathBuf {
    let cache = folder_of("XDG_CACHE_HOME", ".cache");
    cache.unwrap_or_else(|| PathBuf::from("/var/cache")).join("pointsman/compiled")
}

fn folder_of(variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// A relative path in such a variable is invalid, and counts as not set.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
