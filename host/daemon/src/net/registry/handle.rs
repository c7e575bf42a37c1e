//! What can be asked of a connection while it lives.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use pointsman_core::input::LinkSample;
use pointsman_radio::{Gauge, Reading};
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
    Radio(Gauge),
    Circuit,
}

impl LinkHandle {
    pub(in crate::net) fn quic(connection: quinn::Connection) -> Self {
        Self { below: Below::Quic(connection), loss: Arc::default() }
    }

    pub(in crate::net) fn tcp(stream: &Arc<TcpStream>) -> Self {
        Self { below: Below::Tcp(Arc::downgrade(stream)), loss: Arc::default() }
    }

    pub(in crate::net) fn radio(gauge: Gauge) -> Self {
        Self { below: Below::Radio(gauge), loss: Arc::default() }
    }

    /// Of a circuit, which nothing can be asked of: what it is made of is the relay's.
    pub(in crate::net) fn circuit() -> Self {
        Self { below: Below::Circuit, loss: Arc::default() }
    }

    /// What the protocol measured; all `None` of a connection that is gone. Loss is that of
    /// the packets since the sample before.
    pub fn sample(&self) -> LinkSample {
        match &self.below {
            Below::Quic(connection) => self.quic_sample(connection),
            Below::Tcp(stream) => self.tcp_sample(stream).unwrap_or_default(),
            Below::Radio(gauge) => gauge.read().map(radio_sample).unwrap_or_default(),
            Below::Circuit => LinkSample::default(),
        }
    }

    /// The connection that takes and gives datagrams; `None` where the protocol has none.
    pub fn datagrams(&self) -> Option<quinn::Connection> {
        match &self.below {
            Below::Quic(connection) => Some(connection.clone()),
            Below::Tcp(_) | Below::Radio(_) | Below::Circuit => None,
        }
    }

    /// Whether the connection is still there.
    pub fn is_alive(&self) -> bool {
        match &self.below {
            Below::Quic(connection) => connection.close_reason().is_none(),
            Below::Tcp(stream) => stream.strong_count() > 0,
            Below::Radio(gauge) => gauge.is_alive(),
            Below::Circuit => true,
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
            channel: None,
        }
    }

    fn tcp_sample(&self, stream: &Weak<TcpStream>) -> Option<LinkSample> {
        let info = TcpInfo::ask(&*stream.upgrade()?).ok()?;
        Some(LinkSample {
            rtt_us: Some(info.rtt_us),
            cwnd_bytes: Some(info.cwnd_bytes),
            queued_bytes: Some(info.notsent_bytes),
            loss_ppm: self.loss(info.segments_sent.into(), info.segments_resent.into()),
            channel: None,
        })
    }

    fn loss(&self, sent: u64, lost: u64) -> Option<u32> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).observe(sent, lost)
    }
}

fn radio_sample(reading: Reading) -> LinkSample {
    let saturated = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
    LinkSample {
        rtt_us: reading.srtt.map(|srtt| saturated(srtt.as_micros())),
        cwnd_bytes: Some(saturated(reading.window_bytes as u128)),
        queued_bytes: Some(saturated(reading.queued_bytes as u128)),
        loss_ppm: None,
        channel: Some((reading.carrier, u16::try_from(reading.value_bytes).unwrap_or(u16::MAX))),
    }
}
