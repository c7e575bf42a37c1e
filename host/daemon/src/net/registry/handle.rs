//! What can be asked of a connection while it lives.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use pointsman_core::input::LinkSample;
use tokio::net::TcpStream;

use super::loss::Loss;
use super::tcp_info::TcpInfo;

/// A way to a connection below its multiplexer. Cheap to clone; it does not keep the
/// connection open: its multiplexer closes it when it is dropped.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    below: Below,
    loss: Arc<Mutex<Loss>>,
}

#[derive(Clone, Debug)]
enum Below {
    Quic(quinn::Connection),
    Tcp(Weak<TcpStream>),
}

impl LinkHandle {
    pub(in crate::net) fn quic(connection: quinn::Connection) -> Self {
        Self { below: Below::Quic(connection), loss: Arc::default() }
    }

    pub(in crate::net) fn tcp(stream: &Arc<TcpStream>) -> Self {
        Self { below: Below::Tcp(Arc::downgrade(stream)), loss: Arc::default() }
    }

    /// What the protocol measured; all `None` of a connection that is gone. Loss is that of
    /// the packets since the sample before.
    pub fn sample(&self) -> LinkSample {
        match &self.below {
            Below::Quic(connection) => self.quic_sample(connection),
            Below::Tcp(stream) => self.tcp_sample(stream).unwrap_or_default(),
        }
    }

    /// The connection that takes and gives datagrams; `None` where the protocol has none.
    pub fn datagrams(&self) -> Option<quinn::Connection> {
        match &self.below {
            Below::Quic(connection) => Some(connection.clone()),
            Below::Tcp(_) => None,
        }
    }

    /// Whether the connection is still there.
    pub fn is_alive(&self) -> bool {
        match &self.below {
            Below::Quic(connection) => connection.close_reason().is_none(),
            Below::Tcp(stream) => stream.strong_count() > 0,
        }
    }

    fn quic_sample(&self, connection: &quinn::Connection) -> LinkSample {
        if connection.close_reason().is_some() {
            return LinkSample::default();
        }
        let path = connection.stats().path;
        LinkSample {
            rtt_us: Some(u32::try_from(path.rtt.as_micros()).unwrap_or(u32::MAX)),
            cwnd_bytes: Some(u32::try_from(path.cwnd).unwrap_or(u32::MAX)),
            queued_bytes: None,
            loss_ppm: self.loss(path.sent_packets, path.lost_packets),
        }
    }

    fn tcp_sample(&self, stream: &Weak<TcpStream>) -> Option<LinkSample> {
        let info = TcpInfo::ask(&*stream.upgrade()?).ok()?;
        Some(LinkSample {
            rtt_us: Some(info.rtt_us),
            cwnd_bytes: Some(info.cwnd_bytes),
            queued_bytes: Some(info.notsent_bytes),
            loss_ppm: self.loss(info.segments_sent.into(), info.segments_resent.into()),
        })
    }

    fn loss(&self, sent: u64, lost: u64) -> Option<u32> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).observe(sent, lost)
    }
}
