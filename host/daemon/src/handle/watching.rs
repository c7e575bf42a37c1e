//! Edits that are noticed by themselves: the config, and the modules and signatures that it
//! names.
//!
//! What changed is taken over as by `pointsman reload`, on nobody's behalf. What is wrong with it
//! is told in the journal, and the node stays as it was; the next edit is the next try. A burst
//! of edits comes as one. With `policy.watch = false` nothing is watched.

use std::path::{Path, PathBuf};
use std::sync::Weak;

use pointsman_core::config::{Config, Module};
use pointsman_core::policy::Role;
use tokio::sync::mpsc;

use super::{Inner, Pointsman};
use crate::config_file;
use crate::shell::journal::Happening;
use crate::tasks::off_loop;
use crate::watch::Changed;

/// The files whose edits count under this config.
pub(crate) fn watched(config: &Config, file: Option<&Path>, folder: &Path) -> Vec<PathBuf> {
    if !config.policy.watch {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = file.map(Path::to_owned).into_iter().collect();
    for role in Role::ALL {
        if let Module::File(path) = &config.slot(role).module {
            let module = folder.join(path);
            let mut signature = module.clone().into_os_string();
            signature.push(".minisig");
            files.extend([module, PathBuf::from(signature)]);
        }
    }
    files.dedup();
    files
}

/// Takes edits over until the node or its watch is gone. What was edited before the watch began
/// is looked for first.
pub(crate) async fn follow_edits(node: Weak<Inner>, mut changes: mpsc::Receiver<Changed>) {
    let mut changed = Some(Changed { files: Vec::new() });
    while let Some(Changed { files }) = changed {
        let Some(inner) = node.upgrade() else { return };
        Pointsman { inner }.take_edits(&files).await;
        changed = changes.recv().await;
    }
}

impl Pointsman {
    async fn take_edits(&self, files: &[PathBuf]) {
        let Some(file) = self.about().config_file.clone() else { return };
        if !self.inner.setup.lock().await.config.policy.watch {
            return;
        }
        let path = file.clone();
        let done = match off_loop(move || config_file::load(Some(&path))).await {
            Ok(loaded) => {
                let done = self.reconfigure_for(loaded, "node".to_owned()).await;
                done.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match done {
            Ok(done) => {
                done.swapped.iter().for_each(|one| tracing::info!("{one}"));
                done.notes.iter().for_each(|note| tracing::warn!("{note}"));
            }
            Err(why) => {
                let names = files.iter().map(|file| file.display().to_string());
                let what = names.collect::<Vec<_>>().join(", ");
                let what = if what.is_empty() { file.display().to_string() } else { what };
                self.inner.journal.write(Happening::EditRefused { what, why });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_and_what_it_names_are_watched_unless_it_says_no() {
        let mut config = Config::default();
        let (file, folder) = (Path::new("/etc/config.toml"), Path::new("/etc"));
        assert_eq!(watched(&config, Some(file), folder), [file]);
        assert!(watched(&config, None, folder).is_empty());
        config.failover.module = Module::File("mine.wasm".to_owned());
        let expected = ["/etc/config.toml", "/etc/mine.wasm", "/etc/mine.wasm.minisig"];
        assert_eq!(watched(&config, Some(file), folder), expected.map(PathBuf::from));
        config.policy.watch = false;
        assert!(watched(&config, Some(file), folder).is_empty());
    }
}
