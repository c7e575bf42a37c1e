//! Nodes of pointsman in this process, as an application embeds them.

use anyhow::Context;
use pointsman::config_file::Loaded;
use pointsman::{Followed, Happening, Pointsman};
use pointsman_core::output::Event;

/// How often it is asked where it listens.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(5);

/// A running node.
pub(crate) struct Running {
    /// The node.
    pub(crate) node: Pointsman,
}

/// Starts a node with this config; its identity is a new one, whose file is gone again when
/// this returns.
pub(crate) async fn start(config: &str) -> anyhow::Result<Running> {
    let folder = tempfile::tempdir()?;
    let text = format!("{config}\n[node]\nidentity = \"identity.key\"\n");
    let parsed = pointsman_core::config::parse(&text)
        .map_err(|errors| anyhow::anyhow!("the config of the measurement: {errors:?}"))?;
    let file = Some(folder.path().join("config.toml"));
    let loaded = Loaded { config: parsed, file, text };
    let node = pointsman::app::start(&loaded, Box::new(|_| Ok(()))).await?;
    Ok(Running { node })
}

impl Running {
    /// `IDENTITY ADDRESS`, as soon as it listens.
    pub(crate) async fn whereabouts(&self) -> anyhow::Result<String> {
        loop {
            let report = self.node.report().await?;
            if let Some(first) = report.listening.first() {
                return Ok(format!("{} {}", self.node.about().peer, first.address.text));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns when links are up over so many different uplinks.
    pub(crate) async fn linked(&self, uplinks: usize) -> anyhow::Result<()> {
        let mut events = self.node.events(0);
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < uplinks {
            let next = events.next().await.context("the node stopped")?;
            let Followed::Record(record) = next else { continue };
            if let Happening::Node { event: Event::LinkUp(_), link: Some(link), .. } = &record.what
            {
                seen.insert(link.uplink.clone());
            }
        }
        Ok(())
    }
}

/// The part of a config that names a peer, from its [`Running::whereabouts`].
pub(crate) fn peer_config(whereabouts: &str) -> anyhow::Result<String> {
    let (peer, address) = whereabouts.split_once(' ').context("IDENTITY ADDRESS")?;
    Ok(format!("[[peer]]\nid = \"{peer}\"\naddresses = [\"{address}\"]\n"))
}

/// Whose whereabouts they are.
pub(crate) fn peer_of(whereabouts: &str) -> anyhow::Result<pointsman_core::id::PeerId> {
    let (peer, _) = whereabouts.split_once(' ').context("IDENTITY ADDRESS")?;
    peer.parse().map_err(|_| anyhow::anyhow!("{peer} is no identity"))
}
