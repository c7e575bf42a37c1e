//! What may wake the loop: one closed enum, and the one place that waits for it.

use tokio::time::{Instant, sleep_until};

use super::mail::Mail;
use super::sends::Submission;
use super::{Command, Sources};
use crate::aside::AsideFact;
use crate::net::{LinkFact, NetFact};
use crate::power::Power;
use crate::radio::RadioNews;
use crate::uplinks::UplinkFact;

/// Something happened outside of the Node.
#[derive(Debug)]
pub(super) enum Event {
    /// The Node's deadline has come.
    Due,
    /// A link came, brought something, or went.
    Link(LinkFact),
    /// An operator or the API wants something.
    Ordered(Command),
    /// Applications took messages.
    MailTaken,
    /// An application sends a message.
    Submitted(Submission),
    /// An interface came, changed or went.
    Uplink(UplinkFact),
    /// A dial, a listener or discovery has news.
    Net(NetFact),
    /// A Bluetooth adapter has news.
    Radio(RadioNews),
    /// Battery or mains changed.
    Powered(Power),
    /// A policy off the loop answered.
    Aside(AsideFact),
    /// The node shall stop.
    Stop,
}

impl Sources {
    /// Waits for the next event, the most urgent first. The timer comes last because every
    /// turn reads the clock anyway. [`Event::Stop`] comes only while the node is not
    /// stopping yet.
    pub(super) async fn next(
        &mut self,
        mail: &Mail,
        due: Option<Instant>,
        stopping: bool,
    ) -> Event {
        let timer = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // An error means that no handle is left, so that nobody could use the node.
            _ = self.stop.wait_for(|&stop| stop), if !stopping => Event::Stop,
            Some(fact) = self.links.recv() => Event::Link(fact),
            Some(command) = self.commands.recv() => Event::Ordered(command),
            () = mail.taken() => Event::MailTaken,
            Some(submission) = self.submissions.recv() => Event::Submitted(submission),
            Some(fact) = self.uplinks.recv() => Event::Uplink(fact),
            Some(fact) = self.net.recv() => Event::Net(fact),
            Some(news) = self.radio.recv() => Event::Radio(news),
            Ok(()) = self.power.changed() => Event::Powered(*self.power.borrow_and_update()),
            Some(fact) = self.aside.recv() => Event::Aside(fact),
            () = timer => Event::Due,
        }
    }
}
