//! Where things are: the repository, cargo's build folder, the tools.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    // Set by cargo when it runs this; the compiled-in folder is for a binary run by hand.
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).map_or_else(|| here.clone(), Path::to_path_buf)
}

/// Cargo's build folder: `$CARGO_TARGET_DIR`, or `target` in the repository.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The build folder for WebAssembly. Always in the repository: cargo names a module after its
/// crate alone, so two checkouts that share a folder would be handed each other's.
pub fn wasm_target() -> PathBuf {
    root().join("target").join("wasm")
}

/// Where the built policies go, whatever the build folder is: the daemon embeds them from
/// there.
pub fn policies_out() -> PathBuf {
    root().join("target").join("policies")
}

/// Where `setup-ci` puts tools.
pub fn tools() -> PathBuf {
    cache("tools")
}

/// Where things of that kind are kept for all checkouts: in the user's cache, or in the build
/// folder where the user has none.
pub fn cache(kind: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    match cache.filter(|cache| cache.is_dir()) {
        Some(cache) => cache.join("pointsman").join(kind),
        None => target().join(kind),
    }
}

/// The lab of radios: what its guest is made of, and the scenarios.
pub fn radio() -> PathBuf {
    root().join("host").join("lab").join("radio")
}

/// The first program of that name on the search path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}
