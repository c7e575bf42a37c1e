//! The nodes of a demonstration: real processes of this program, each with an identity, a
//! config and a control socket in a folder that vanishes afterwards.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pointsman_core::id::PeerId;
use tempfile::TempDir;

use super::api::Api;
use super::stage::{Stage, listen_config};
use super::{DemoError, NODES};
use crate::identity;

/// A node answers on its control socket within this, on a busy machine too.
const START_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether it answers: the socket's appearance cannot be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a node gets to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Of a node's log, for the error message when it does not come up.
const LOG_LINES: usize = 5;

/// One node.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) peer: PeerId,
    pub(super) api: Api,
    process: Child,
    folder: PathBuf,
}

/// All of them. Dropping it kills them and removes their folder.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) actors: Vec<Actor>,
    _folder: TempDir,
}

impl Cast {
    /// Writes identities and configs, starts the processes and waits until all answer.
    pub(super) async fn start(stage: &Stage) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("pointsman-demo-").tempdir()?;
        let folders: Vec<_> = (0..NODES).map(|node| folder.path().join(node.to_string())).collect();
        let mut peers = Vec::with_capacity(NODES);
        for folder in &folders {
            fs::create_dir(folder)?;
            let keypair = identity::create(&folder.join("identity.key"))?;
            peers.push(identity::peer_id(&keypair));
        }
        let mut cast = Self { actors: Vec::with_capacity(NODES), _folder: folder };
        for (node, folder) in folders.into_iter().enumerate() {
            fs::write(folder.join("config.toml"), config(stage, node, &peers))?;
            let process = stage.spawn(node, command(&folder)?)?;
            let api = Api::new(folder.join("node.sock"));
            cast.actors.push(Actor { peer: peers[node], api, process, folder });
        }
        for actor in &mut cast.actors {
            actor.wait_until_it_answers().await?;
        }
        Ok(cast)
    }

    /// Which node has this identity.
    pub(super) fn number(&self, peer: &str) -> Option<usize> {
        self.actors.iter().position(|actor| actor.peer.to_string() == peer)
    }

    /// A sentence of a node with `node 3` in the place of that node's identity.
    pub(super) fn with_numbers(&self, text: &str) -> String {
        let named = self.actors.iter().enumerate();
        named.fold(text.to_owned(), |text, (node, actor)| {
            text.replace(&actor.peer.to_string(), &format!("node {}", node + 1))
        })
    }

    /// Asks all to stop, waits, and kills who does not.
    pub(super) async fn stop(mut self) {
        for actor in &self.actors {
            // Who does not answer any more is killed below.
            let _ = actor.api.stop().await;
        }
        let deadline = Instant::now() + STOP_WITHIN;
        for actor in &mut self.actors {
            while matches!(actor.process.try_wait(), Ok(None)) && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

impl Actor {
    async fn wait_until_it_answers(&mut self) -> Result<(), DemoError> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let Err(error) = self.api.status().await else { return Ok(()) };
            if let Some(status) = self.process.try_wait()? {
                let why = format!("it ended ({status}): {}", self.last_words());
                return Err(DemoError::NodeDown(why));
            }
            if Instant::now() >= deadline {
                let why = format!("it does not answer ({error}): {}", self.last_words());
                return Err(DemoError::NodeDown(why));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(folder: &Path) -> Result<Command, DemoError> {
    let mut command = Command::new(std::env::current_exe()?);
    let log = File::create(folder.join("log"))?;
    command.arg("run").arg("--config").arg(folder.join("config.toml"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// Every node knows those after it by address, so that each pair is dialled from one side.
fn config(stage: &Stage, node: usize, peers: &[PeerId]) -> String {
    let mut text = String::from(
        "[network]\nname = \"pointsman-demo\"\n\n[node]\nidentity = \"identity.key\"\n\n\
         [control]\nsocket = \"node.sock\"\n\n[mdns]\nenabled = false\n[bluetooth]\nenabled = false\n[nat]\nupnp = false\n\n\
         [uplinks]\nothers = false\n\n",
    );
    text += &listen_config();
    for uplink in stage.uplinks(node) {
        text += &uplink.config();
    }
    for (other, peer) in peers.iter().enumerate().skip(node + 1) {
        let addresses = stage.uplinks(other).map(|uplink| format!("\"{}\"", uplink.multiaddr()));
        text += &format!("[[peer]]\nid = \"{peer}\"\naddresses = [{}]\n\n", addresses.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_config_is_valid_and_names_the_nodes_after_it() {
        let stage = Stage::Loopback { why: String::new() };
        let folder = tempfile::tempdir().unwrap();
        let peers: Vec<_> = (0..NODES)
            .map(|node| identity::create(&folder.path().join(node.to_string())).unwrap())
            .map(|keypair| identity::peer_id(&keypair))
            .collect();
        for node in 0..NODES {
            let text = config(&stage, node, &peers);
            let config = pointsman_core::config::parse(&text).expect(&text);
            assert_eq!(config.uplinks.len(), 2);
            let named: Vec<_> = config.peers.iter().map(|peer| peer.id).collect();
            assert_eq!(named, peers[node + 1..]);
        }
    }
}
