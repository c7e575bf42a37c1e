//! The service's connection to its bus. It ends when this is dropped.

use std::sync::Arc;

use dbus::channel::{Channel, MatchingReceiver, Sender};
use dbus::message::{MatchRule, Message};
use dbus::nonblock::{NonblockReply, SyncConnection};
use dbus_tokio::connection::{self, IOResource};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::tree::Out;

/// The name that clients call.
const NAME: &str = "org.bluez";

/// Clients that come and go.
const OWNERS: &str = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'";

/// What the bus brings.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A call or a signal.
    Message(Message),
    /// The answer to a call of ours, by its number.
    Answer(u64, Message),
}

/// A connection that has the name `org.bluez`.
pub(crate) struct Wire {
    connection: Arc<SyncConnection>,
    incoming: UnboundedSender<Incoming>,
    /// None once it is closed.
    reader: Option<JoinHandle<()>>,
}

impl Wire {
    /// Connects, listens, and then takes the name.
    pub(crate) async fn open(
        address: &str,
        incoming: UnboundedSender<Incoming>,
    ) -> Result<Self, dbus::Error> {
        let mut channel = Channel::open_private(address)?;
        channel.register()?;
        let (resource, connection): (IOResource<SyncConnection>, _) =
            connection::from_channel(channel)?;
        let reader = tokio::spawn(async move {
            // It ends with an error only, and then the service is off the bus.
            let _ = resource.await;
        });
        let wire = Self { connection, incoming, reader: Some(reader) };
        let incoming = wire.incoming.clone();
        wire.connection.start_receive(
            MatchRule::new(),
            Box::new(move |message, _| incoming.send(Incoming::Message(message)).is_ok()),
        );
        wire.connection.add_match_no_cb(OWNERS).await?;
        wire.connection.request_name(NAME, false, true, true).await?;
        Ok(wire)
    }

    /// Closes the connection: once this is over, the bus knows, or is about to.
    pub(crate) async fn close(mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
            let _ = reader.await;
        }
    }

    /// Sends what the service has to say, in order. What can't be sent is lost with the bus.
    pub(crate) fn send(&self, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Send(message) => {
                    let _ = self.connection.send(message);
                }
                Out::Call(number, message) => {
                    let incoming = self.incoming.clone();
                    let answer = move |message: Message, _: &SyncConnection| {
                        let _ = incoming.send(Incoming::Answer(number, message));
                    };
                    let _ = self.connection.send_with_reply(message, Box::new(answer));
                }
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}
