//! The names of a link's substreams, and their negotiation.
//!
//! A link has one substream per channel, used in both directions and opened by the side that
//! dialled. Its protocol is `/pointsman/<network>/link/1/<channel>`, so two networks, or two
//! incompatible versions, have no substream in common.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::{Stream, StreamProtocol};
use pointsman_core::frame::Channel;

/// The protocols of a network's links, in the order of [`Channel::ALL`].
#[derive(Clone, Debug)]
pub struct Protocols {
    names: Arc<[StreamProtocol]>,
}

impl Protocols {
    /// For the network of this name. Bytes other than letters, digits, `-`, `_` and `.` are
    /// written as `~` and two hexadecimal digits, so that different names stay different.
    pub fn new(network: &str) -> Self {
        let network = plain(network);
        let named = |channel: &str| {
            StreamProtocol::try_from_owned(format!("/pointsman/{network}/link/1/{channel}"))
                .expect("it begins with a slash")
        };
        Self { names: ["control", "realtime", "interactive", "bulk"].map(named).into() }
    }

    /// The protocol of a channel.
    pub fn of(&self, channel: Channel) -> &StreamProtocol {
        &self.names[channel.index()]
    }

    /// Negotiates any of these channels.
    pub(super) fn offer(&self, channels: &[Channel]) -> Offer {
        Offer(channels.iter().map(|&channel| (self.of(channel).clone(), channel).into()).collect())
    }
}

fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte.into()),
            other => out.push_str(&format!("~{other:02x}")),
        }
    }
    out
}

/// A negotiation of channels: it gives the substream with the channel that it is for.
#[derive(Clone, Debug)]
pub struct Offer(Vec<Named>);

/// A channel under its protocol's name.
#[derive(Clone, Debug)]
pub struct Named {
    name: StreamProtocol,
    channel: Channel,
}

impl From<(StreamProtocol, Channel)> for Named {
    fn from((name, channel): (StreamProtocol, Channel)) -> Self {
        Self { name, channel }
    }
}

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.name.as_ref()
    }
}

impl UpgradeInfo for Offer {
    type Info = Named;
    type InfoIter = std::vec::IntoIter<Named>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, named: Named) -> Self::Future {
        ready(Ok((named.channel, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, named: Named) -> Self::Future {
        ready(Ok((named.channel, stream)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_named_after_its_network() {
        let protocols = Protocols::new("bitcraps");
        let names: Vec<_> = Channel::ALL.iter().map(|&c| protocols.of(c).to_string()).collect();
        assert_eq!(names[0], "/pointsman/bitcraps/link/1/control");
        assert_eq!(names[3], "/pointsman/bitcraps/link/1/bulk");
    }

    #[test]
    fn no_two_networks_share_a_protocol_name() {
        let names = ["a b", "a-b", "a/b", "a~20b", "ä", ""];
        let mut plain: Vec<_> = names.iter().map(|name| plain(name)).collect();
        assert!(plain.iter().all(|name| !name.contains('/')));
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), names.len());
    }
}
