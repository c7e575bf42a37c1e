//! Listening to all nodes at once: their events, the messages that reach them, and how far
//! their sending is, in one bounded stream.

use std::time::Instant;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::DemoError;
use super::cast::Cast;
use crate::control::client::ViewStream;
use crate::control::views::{DeliveryView, EventView, FollowedView, LoadView};

/// What is heard and not yet told; who speaks waits above that.
const HEARD_MAX: usize = 1_024;

/// Something that a node said.
#[derive(Debug)]
pub(super) struct Heard {
    /// Which node.
    pub(super) node: usize,
    /// When it was heard.
    pub(super) at: Instant,
    /// What.
    pub(super) what: Word,
}

#[derive(Debug)]
pub(super) enum Word {
    Event(Box<EventView>),
    Arrival(DeliveryView),
    Load(LoadView),
    /// A stream ended: the node is gone.
    Silence(String),
}

/// The tasks that listen; they end with this value.
#[derive(Debug)]
pub(super) struct Ears {
    heard: mpsc::Receiver<Heard>,
    tell: mpsc::Sender<Heard>,
    tasks: JoinSet<()>,
}

impl Ears {
    /// Follows the events of every node from its start, and takes its messages.
    pub(super) async fn open(cast: &Cast) -> Result<Self, DemoError> {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let mut ears = Self { heard, tell, tasks: JoinSet::new() };
        for (node, actor) in cast.actors.iter().enumerate() {
            let events = actor.api.events().await?;
            ears.follow(node, events, true, |view| match view {
                FollowedView::Event(event) => Some(Word::Event(event)),
                FollowedView::Missed { .. } => None,
            });
            let arrivals = actor.api.listen().await?;
            ears.follow(node, arrivals, true, |view| Some(Word::Arrival(view)));
        }
        Ok(ears)
    }

    /// Follows a node's sending until it is done.
    pub(super) fn add_load(&mut self, node: usize, load: ViewStream<LoadView>) {
        self.follow(node, load, false, |view| Some(Word::Load(view)));
    }

    /// What is said next.
    pub(super) async fn next(&mut self) -> Heard {
        self.heard.recv().await.expect("this value holds a sender")
    }

    fn follow<T: DeserializeOwned + Send + 'static>(
        &mut self,
        node: usize,
        mut stream: ViewStream<T>,
        endless: bool,
        word: fn(T) -> Option<Word>,
    ) {
        let tell = self.tell.clone();
        self.tasks.spawn(async move {
            loop {
                let next = stream.next().await;
                let at = Instant::now();
                let what = match next {
                    Ok(Some(view)) => match word(view) {
                        Some(what) => what,
                        None => continue,
                    },
                    Ok(None) if !endless => return,
                    Ok(None) => Word::Silence("it stopped".to_owned()),
                    Err(error) => Word::Silence(error.to_string()),
                };
                let ends = matches!(what, Word::Silence(_));
                if tell.send(Heard { node, at, what }).await.is_err() || ends {
                    return;
                }
            }
        });
    }
}
