//! Two nodes in this process, through the library.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pointsman::{Filter, Followed, Happening, Message, Pointsman, Stopped, TrySendError};
use pointsman::{app, config_file};
use pointsman_core::id::PeerId;
use pointsman_core::output::{Fate, Refusal};
use pointsman_sdk::selector::Class;
use tempfile::TempDir;

/// Nothing that is waited for here takes so long on any machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
[network]
name = "library-test"
[node]
identity = "identity"
[listen]
quic = 0
tcp = 0
[mdns]
enabled = false
[bluetooth]
enabled = false
[uplinks]
others = false
[[uplink]]
name = "a"
interface = "lo"
address = "127.0.0.1"
"#;

async fn start(folder: &Path, more: &str) -> Pointsman {
    let file = folder.join("config.toml");
    std::fs::write(&file, format!("{CONFIG}{more}")).unwrap();
    let loaded = config_file::load(Some(&file)).unwrap();
    app::start(&loaded, Box::new(|_| Ok(()))).await.unwrap()
}

/// Two nodes, of which the second knows where the first one listens.
async fn pair() -> (Pointsman, Pointsman, [TempDir; 2]) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let there = start(folders[0].path(), "").await;
    let addresses = listening(&there).await;
    let peer = format!("[[peer]]\nid = \"{}\"\naddresses = {addresses:?}\n", there.about().peer);
    let here = start(folders[1].path(), &peer).await;
    (there, here, folders)
}

/// Where a node listens, once it does so by both protocols.
async fn listening(node: &Pointsman) -> Vec<String> {
    let mut events = node.events(0);
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let Followed::Record(record) = next
            && let Happening::Listening(addresses) = &record.what
            && addresses.len() == 2
        {
            return addresses.clone();
        }
    }
}

fn message(peer: PeerId, text: String) -> Message {
    Message::new(peer, Class::Interactive, Bytes::from(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_messages_is_delivered_once_each_and_in_order_where_asked() {
    const COUNT: u64 = 3000;
    let (there, here, _folders) = pair().await;
    let (to, mut sender) = (there.about().peer, here.sender(64));
    let mut listener = there.listen(Filter { peer: Some(here.about().peer), class: None });
    let sending = tokio::spawn(async move {
        let (mut fates, mut sent) = (Vec::new(), 0);
        while (fates.len() as u64) < COUNT {
            while sent < COUNT {
                let ordered = Message { ordered: true, ..message(to, sent.to_string()) };
                match sender.try_send(ordered) {
                    Ok(number) => assert_eq!(number, sent),
                    Err(TrySendError::WindowFull(_)) => break,
                    Err(TrySendError::Busy(_)) => {
                        sender.ready().await.unwrap();
                        continue;
                    }
                    Err(error @ TrySendError::Stopped(_)) => panic!("{error}"),
                }
                sent += 1;
            }
            sender.fates(&mut fates).await.unwrap();
        }
        fates
    });
    let mut got = Vec::new();
    while (got.len() as u64) < COUNT {
        let taken = listener.recv_many(&mut got, 100);
        assert!(tokio::time::timeout(PATIENCE, taken).await.unwrap() > 0);
    }
    let texts = got.iter().map(|one| String::from_utf8_lossy(&one.payload).into_owned());
    assert!(texts.eq((0..COUNT).map(|number| number.to_string())));
    let mut fates = sending.await.unwrap();
    assert!(fates.iter().all(|(_, fate)| matches!(fate, Fate::Delivered { .. })));
    fates.sort_by_key(|(number, _)| *number);
    assert!(fates.iter().map(|(number, _)| *number).eq(0..COUNT));
    assert!(here.shutdown().await && there.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_taken_says_why() {
    let (there, here, _folders) = pair().await;
    let empty = message(there.about().peer, String::new());
    let ticket = here.send(empty).await.unwrap();
    assert_eq!(ticket.last().await, Ok(Fate::Refused(Refusal::Empty)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_uplink_cannot_be_cut_and_the_known_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), "").await;
    listening(&node).await;
    let error = node.set_cut("wlan9", true, true).await.unwrap().unwrap_err();
    assert_eq!((error.name.as_str(), error.known.as_str()), ("wlan9", "a"));
    assert_eq!(node.set_cut("a", false, true).await.unwrap(), Ok(()));
    assert_eq!(node.report().await.unwrap().cuts, [("a".to_owned(), false, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stopped_answers_nothing_and_ends_its_followers_and_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), "").await;
    let (mut events, mut listener) = (node.events(0), node.listen(Filter::default()));
    let nobody = PeerId([7; 32]);
    let under_way = node.send(message(nobody, "x".to_owned())).await.unwrap();
    assert!(node.shutdown().await);
    assert_eq!(under_way.last().await, Err(Stopped));
    assert_eq!(node.status().await.err(), Some(Stopped));
    assert_eq!(node.send(message(nobody, "y".to_owned())).await.err(), Some(Stopped));
    assert_eq!(listener.recv().await, None);
    while let Some(next) = events.next().await {
        assert!(matches!(next, Followed::Record(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_last_handle_is_dropped_stops() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(folder.path(), "").await;
    let mut events = node.events(0);
    drop(node);
    while tokio::time::timeout(PATIENCE, events.next()).await.unwrap().is_some() {}
}
