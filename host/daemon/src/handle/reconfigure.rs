//! Taking over an edited config: what is new is built and proven first, and any failure leaves
//! the node as it was.

use std::collections::BTreeSet;

use pointsman_core::config::{Config, PeerConfig, diff};
use pointsman_core::id::PeerId;
use pointsman_core::input::Address;
use pointsman_core::policy::Role;

use super::{Pointsman, Setup, watched};
use crate::config_file::Loaded;
use crate::policies::history::Cause;
use crate::policies::{Candidate, Found, Leaving, SeatError, Wish};
use crate::shell::sends::Stopped;
use crate::shell::{Applied, Command};
use crate::tasks::joined;

/// Keys that the config can change at any time but this daemon only at its start.
const AT_START_ONLY: [&str; 1] = ["mdns.enabled"];

/// Why an edited config did not take effect. The node is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// These keys take effect only when the node starts.
    #[error("restart the node to change {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// A policy can't be loaded.
    #[error(transparent)]
    Policy(#[from] SeatError),
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Log(String),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// What an edited config did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// The keys that changed and took effect.
    pub changed: Vec<String>,
    /// Slots with another policy than before, each as a sentence.
    pub swapped: Vec<String>,
    /// What an operator should know: slots that are not as the config says.
    pub notes: Vec<String>,
}

/// What a new config does to the slots.
#[derive(Default)]
struct Proven {
    leaving: Vec<Leaving>,
    /// What is live already, read again.
    same: Vec<Candidate>,
    notes: Vec<String>,
}

impl Pointsman {
    /// Takes over an edited config, whoever edited it. What a module's file holds counts as
    /// edited with it.
    pub async fn reconfigure(&self, loaded: Loaded) -> Result<Reconfigured, ReconfigureError> {
        self.reconfigure_for(loaded, "node".to_owned()).await
    }

    /// The same, on behalf of somebody. It comes to its end even if nobody waits for it.
    pub(crate) async fn reconfigure_for(
        &self,
        loaded: Loaded,
        who: String,
    ) -> Result<Reconfigured, ReconfigureError> {
        let node = self.clone();
        joined(tokio::spawn(async move { node.take_over(loaded, who).await })).await
    }

    async fn take_over(
        &self,
        loaded: Loaded,
        who: String,
    ) -> Result<Reconfigured, ReconfigureError> {
        let mut setup = self.inner.setup.lock().await;
        let changes = diff(&setup.config, &loaded.config);
        let late = |key: &str| AT_START_ONLY.contains(&key);
        let restart = changes.iter().filter(|change| change.needs_restart || late(change.key));
        let restart: Vec<_> = restart.map(|change| change.key.to_owned()).collect();
        if !restart.is_empty() {
            return Err(ReconfigureError::NeedsRestart(restart));
        }
        let Proven { leaving, same, mut notes } = self.prove(&setup, &loaded, &who).await?;
        if setup.config.log_level != loaded.config.log_level {
            (setup.set_log_filter)(&loaded.config.log_level).map_err(ReconfigureError::Log)?;
        }
        let keys: Vec<_> = changes.iter().map(|change| change.key.to_owned()).collect();
        let applied = Box::new(applied(&setup.config, &loaded, &keys));
        self.order(|reply| Command::Apply(applied, reply)).await?;
        for role in Role::ALL {
            if setup.config.slot(role) != loaded.config.slot(role) {
                setup.slots.configured(role, loaded.config.slot(role));
            }
        }
        setup.folder = loaded.folder().to_owned();
        setup.files.set(watched(&loaded.config, loaded.file.as_deref(), loaded.folder()));
        setup.watch.configure(loaded.config.uplinks.clone(), loaded.config.other_uplinks);
        setup.radios.send_replace(loaded.config.uplinks.clone());
        let rules = &loaded.config.policy;
        self.inner.decisions.set(rules.log_mib, rules.sample);
        setup.config = loaded.config;
        self.sample(&setup).await?;
        for one in same {
            setup.slots.renewed(one).await;
        }
        let mut swapped = Vec::new();
        for one in leaving {
            let placed = self.place(&mut setup, one).await?;
            notes.extend(placed.note());
            swapped.push(placed.sentence());
        }
        Ok(Reconfigured { changed: keys, swapped, notes })
    }

    /// Prepares what the config now names for each slot. A slot that a command filled stays
    /// until its own keys are edited; one whose policy is in quarantine stays as it is, unless
    /// the edit is what names it. Where other signatures are demanded, what stays must have one.
    async fn prove(&self, setup: &Setup, loaded: &Loaded, who: &str) -> Result<Proven, SeatError> {
        let mut proven = Proven::default();
        for role in Role::ALL {
            let (old, new) = (setup.config.slot(role), loaded.config.slot(role));
            let edited = old != new;
            let distrusts = setup.config.policy.keys != loaded.config.policy.keys;
            if setup.slots.commanded(role) && !edited {
                if distrusts {
                    proven.same.extend(setup.slots.still_trusted(role, &loaded.config).await?);
                }
                continue;
            }
            let wish = Wish {
                role,
                config: new.clone(),
                folder: loaded.folder().to_owned(),
                from: if edited { Cause::Config } else { Cause::File },
                who: who.to_owned(),
                force: false,
                allow_downgrade: false,
            };
            let config = &loaded.config;
            let recorded = self.recorded(role).await;
            match setup.slots.prepare(wish, config, recorded).await? {
                Found::Same(candidate) => proven.same.push(*candidate),
                Found::Held(held) if edited => {
                    return Err(SeatError::held(role, &held));
                }
                Found::Held(held) => {
                    if distrusts {
                        proven.same.extend(setup.slots.still_trusted(role, config).await?);
                    }
                    proven.notes.push(SeatError::held(role, &held).to_string());
                }
                Found::Ready(ready) => {
                    proven.leaving.push(setup.slots.leave(*ready, &config.policy))
                }
            }
        }
        Ok(proven)
    }
}

/// What changes in the loop beside the slots.
fn applied(old: &Config, loaded: &Loaded, keys: &[String]) -> Applied {
    let (before, after) = (addresses(&old.peers), addresses(&loaded.config.peers));
    Applied {
        node: crate::app::node_config(&loaded.config),
        allow: crate::app::admitted(&loaded.config),
        added: after.iter().filter(|one| !before.contains(one)).cloned().collect(),
        removed: before.iter().filter(|one| !after.contains(one)).cloned().collect(),
        dht: loaded.config.dht.clone(),
        wanted: wanted(&old.peers, &loaded.config.peers),
        keys: keys.to_vec(),
    }
}

/// Static peers are wanted as long as they are configured.
fn wanted(before: &[PeerConfig], after: &[PeerConfig]) -> Vec<(PeerId, bool)> {
    let ids = |peers: &[PeerConfig]| peers.iter().map(|peer| peer.id).collect::<BTreeSet<_>>();
    let (before, after) = (ids(before), ids(after));
    let gone = before.difference(&after).map(|&peer| (peer, false));
    gone.chain(after.difference(&before).map(|&peer| (peer, true))).collect()
}

fn addresses(peers: &[PeerConfig]) -> Vec<(PeerId, Address)> {
    let of = |peer: &PeerConfig| {
        let id = peer.id;
        peer.addresses.iter().map(move |address| (id, address.clone())).collect::<Vec<_>>()
    };
    peers.iter().flat_map(of).collect()
}
