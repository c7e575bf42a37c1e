//! The three nodes of the table, in this process: each with its own identity and two uplinks on
//! loopback.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use pointsman::config_file::{self, Loaded};
use pointsman::{Followed, Happening, Pointsman, app};
use pointsman_core::output::Event;

/// Nothing that is waited for here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The uplinks of a node: two addresses of loopback stand for two interfaces.
pub(crate) const UPLINKS: [&str; 2] = ["wifi", "mobile"];

/// Starts a node in a folder of its own. It dials those that are there already.
pub(crate) async fn start(
    folder: &Path,
    number: usize,
    policy: &Path,
    others: &[(Pointsman, Vec<String>)],
) -> anyhow::Result<Pointsman> {
    let folder = folder.join(format!("seat-{number}"));
    std::fs::create_dir(&folder)?;
    let file = folder.join("config.toml");
    std::fs::write(&file, config(number, policy, others))?;
    let loaded: Loaded = config_file::load(Some(&file))?;
    Ok(app::start(&loaded, Box::new(|_| Ok(()))).await?)
}

fn config(number: usize, policy: &Path, others: &[(Pointsman, Vec<String>)]) -> String {
    let mut text = format!(
        "network.name = \"craps-table\"\n\
         node.identity = \"identity\"\n\
         listen = {{ quic = 0, tcp = 0 }}\n\
         mdns.enabled = false\n\
         bluetooth.enabled = false\n\
         uplinks.others = false\n\
         policy.selector.module = {:?}\n",
        policy.display().to_string()
    );
    for (index, name) in UPLINKS.iter().enumerate() {
        let host = 1 + 2 * number + index;
        text += &format!(
            "[[uplink]]\nname = {name:?}\ninterface = \"lo\"\naddress = \"127.0.0.{host}\"\n"
        );
    }
    for (node, addresses) in others {
        text += &format!("[[peer]]\nid = \"{}\"\naddresses = {addresses:?}\n", node.about().peer);
    }
    text
}

/// Where a node listens, once it does so on every uplink by both protocols.
pub(crate) async fn listening(node: &Pointsman) -> anyhow::Result<Vec<String>> {
    until(node, |happening| {
        let Happening::Listening(addresses) = happening else { return None };
        (addresses.len() == 2 * UPLINKS.len()).then(|| addresses.clone())
    })
    .await
}

/// Returns when the node has so many links.
pub(crate) async fn linked(node: &Pointsman, links: usize) -> anyhow::Result<()> {
    let mut up = std::collections::BTreeSet::new();
    until(node, |happening| {
        let Happening::Node { event: Event::LinkUp(link), .. } = happening else { return None };
        up.insert(*link);
        (up.len() >= links).then_some(())
    })
    .await
}

/// Follows what happened at a node from its start on, until something is found.
async fn until<T>(
    node: &Pointsman,
    mut find: impl FnMut(&Happening) -> Option<T>,
) -> anyhow::Result<T> {
    let mut events = node.events(0);
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        let next = next.context("the node does not get ready")?.context("the node stopped")?;
        if let Followed::Record(record) = next
            && let Some(found) = find(&record.what)
        {
            return Ok(found);
        }
    }
}
