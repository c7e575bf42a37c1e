//! pointsman's own messages, by its API in this process: ordered, of class bulk, one link.

use bytes::Bytes;
use pointsman::{Filter, Message, TrySendError};
use pointsman_core::output::Fate;
use pointsman_sdk::selector::Class;

use super::stream::Watch;
use super::{MESSAGE_BYTES, Measured, Work};
use crate::node::{peer_config, peer_of, start};

/// Deliveries taken at once.
const BATCH: usize = 256;

/// The receiver prints who and where it is; the sender gets that as `to`. `protocol` is `quic`
/// or `tcp`.
pub(crate) async fn end(protocol: &str, to: Option<&str>, work: Work) -> anyhow::Result<Measured> {
    let common = format!(
        "[network]\nname = \"pointsman-bench\"\n[mdns]\nenabled = false\n[bluetooth]\nenabled = false\n[nat]\nupnp = false\n\
         [peers]\nmax_links = 1\n[uplinks]\nothers = false\n\
         [[uplink]]\nname = \"lo\"\naddress = \"127.0.0.1\"\n\
         [listen]\nquic = {}\ntcp = {}\n",
        if protocol == "quic" { "0" } else { "false" },
        if protocol == "tcp" { "0" } else { "false" },
    );
    match to {
        None => receiver(&common, work).await,
        Some(to) => sender(&common, to, work).await,
    }
}

async fn receiver(config: &str, work: Work) -> anyhow::Result<Measured> {
    let running = start(config).await?;
    let mut arrivals = running.node.listen(Filter::default());
    println!("{}", running.whereabouts().await?);
    running.linked(1).await?;
    let watch = Watch::start();
    let mut received = 0;
    let mut batch = Vec::with_capacity(BATCH);
    while received < work.messages {
        let count = arrivals.recv_many(&mut batch, BATCH).await;
        anyhow::ensure!(count > 0, "the node stopped after {received}");
        received += count as u64;
        anyhow::ensure!(batch.drain(..).all(|one| one.payload.len() == MESSAGE_BYTES), "lengths");
    }
    let measured = watch.stop();
    // It has to answer the last messages still: it lives as long as this process.
    std::mem::forget(running);
    Ok(measured)
}

async fn sender(config: &str, to: &str, work: Work) -> anyhow::Result<Measured> {
    let running = start(&format!("{config}{}", peer_config(to)?)).await?;
    let peer = peer_of(to)?;
    running.linked(1).await?;
    let payload = Bytes::from(vec![0x5a; MESSAGE_BYTES]);
    let mut sender = running.node.sender(usize::try_from(work.window)?);
    let mut fates = Vec::new();
    let (mut sent, mut delivered) = (0, 0);
    let watch = Watch::start();
    while delivered < work.messages {
        while sent < work.messages && sender.room() > 0 {
            let mut message = Message::new(peer, Class::Bulk, payload.clone());
            message.ordered = true;
            match sender.try_send(message) {
                Ok(_) => sent += 1,
                Err(TrySendError::Busy(_)) => sender.ready().await?,
                Err(error) => return Err(error.into()),
            }
        }
        sender.fates(&mut fates).await?;
        for (number, fate) in fates.drain(..) {
            anyhow::ensure!(matches!(fate, Fate::Delivered { .. }), "{number}: {fate:?}");
            delivered += 1;
        }
    }
    Ok(watch.stop())
}
