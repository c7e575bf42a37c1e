//! What the node measures and counts, as OpenMetrics text (<https://openmetrics.io>).
//!
//! Everything comes from the same report as `status`, at the moment of the request: nothing is
//! kept between two. Names end in their unit; counters in `_total`.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::views::{DhtView, LinkView, PeerView, PolicyView, StatusView};

/// Media type of the text.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of what the text is made.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) status: StatusView,
    pub(super) peers: Vec<PeerView>,
    pub(super) links: Vec<LinkView>,
    pub(super) dht: Option<DhtView>,
}

/// Counted values that are no counters: they may fall, or are a maximum.
const GAUGES: [&str; 1] = ["loop_lag_us_max"];

impl Metrics {
    /// The text.
    pub(super) fn text(self) -> Result<String, Error> {
        let mut registry = Registry::with_prefix("pointsman");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut sheet = Sheet { encoder };
        sheet.node(&self.status)?;
        sheet.policies(&self.status.policies)?;
        sheet.peers(&self.peers)?;
        sheet.links(&self.links)?;
        self.dht.as_ref().map_or(Ok(()), |dht| sheet.dht(dht))
    }
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// The text while it is written.
struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Sheet<'_> {
    fn node(&mut self, status: &StatusView) -> Result<(), Error> {
        let version = [("version", status.version.as_str()), ("peer", status.peer.as_str())];
        self.gauges("build", "Who runs, and which version", [(version, 1.0)])?;
        self.gauge("uptime_seconds", "Since the start", status.uptime_ms as f64 / 1e3)?;
        self.gauge("peers", "Peers that are known", status.peers as f64)?;
        self.gauge("peers_linked", "Peers with a usable link", status.peers_linked as f64)?;
        self.gauge("links", "Links of any state", status.links as f64)?;
        self.gauge("neighbours", "Nodes in radio range", status.neighbours.len() as f64)?;
        self.gauge("findings", "What is out of the ordinary now", status.findings.len() as f64)?;
        let reached = status.limits_reached.len() as f64;
        self.gauge("limits_reached", "Limits that are reached now", reached)?;
        let unclaimed = status.mail.unclaimed as f64;
        self.gauge("mail_unclaimed", "Messages that wait for a listener to come", unclaimed)?;
        for (name, &count) in &status.counters {
            if GAUGES.contains(&name.as_str()) {
                self.gauge(name, "See pointsman status", count as f64)?;
            } else {
                self.counter(name, count)?;
            }
        }
        Ok(())
    }

    fn policies(&mut self, policies: &[PolicyView]) -> Result<(), Error> {
        let row = |policy: &'_ PolicyView| policy.generation as f64;
        let rows = policies.iter().map(|one| ([("slot", one.role.as_str())], row(one)));
        self.gauges("policy_generation", "Generation of what is in a slot", rows)
    }

    fn peers(&mut self, peers: &[PeerView]) -> Result<(), Error> {
        let each = || peers.iter().map(|peer| ([("peer", peer.peer.as_str())], peer));
        let standings = each().map(|(labels, peer)| (labels, f64::from(peer.standing)));
        self.gauges("peer_standing", "How far a peer is trusted, -1000 to 1000", standings)?;
        let waiting = each().map(|(labels, peer)| {
            let bytes: u64 = peer.queues.iter().map(|queue| queue.bytes).sum();
            (labels, bytes as f64)
        });
        self.gauges("peer_queued_bytes", "What waits for a peer", waiting)?;
        let delivered = each()
            .map(|(labels, peer)| (labels, peer.queues.iter().map(|queue| queue.delivered).sum()));
        self.counters("peer_delivered", "Messages that a peer acknowledged", delivered)?;
        let received = each().map(|(labels, peer)| (labels, peer.received));
        self.counters("peer_received", "Messages of a peer that were delivered here", received)
    }

    fn links(&mut self, links: &[LinkView]) -> Result<(), Error> {
        let numbers: Vec<String> = links.iter().map(|link| link.link.to_string()).collect();
        let each = || {
            links.iter().zip(&numbers).map(|(link, number)| {
                let labels = [
                    ("link", number.as_str()),
                    ("peer", link.peer.as_str()),
                    ("transport", link.transport.as_str()),
                    ("protocol", link.protocol.as_str()),
                    ("uplink", link.uplink.as_str()),
                ];
                (labels, link)
            })
        };
        let seconds = |us: u32| f64::from(us) / 1e6;
        let rtts = each().filter_map(|(labels, link)| Some((labels, seconds(link.srtt_us?))));
        self.gauges("link_rtt_seconds", "Smoothed round-trip time", rtts)?;
        let rates =
            each().filter_map(|(labels, link)| Some((labels, f64::from(link.rate_kbps?) * 125.0)));
        self.gauges("link_rate_bytes_per_second", "Delivery rate", rates)?;
        let shares = each().map(|(labels, link)| (labels, f64::from(link.reliability_ppm) / 1e6));
        self.gauges("link_usable_ratio", "Share of the time that it was usable", shares)?;
        let sent = each().map(|(labels, link)| (labels, link.sent_bytes));
        self.counters("link_sent_bytes", "Packets sent", sent)?;
        let received = each().map(|(labels, link)| (labels, link.received_bytes));
        self.counters("link_received_bytes", "Packets received", received)?;
        let copies = each().map(|(labels, link)| (labels, link.duplicate_bytes));
        self.counters("link_duplicate_bytes", "Copies sent for another link", copies)
    }

    fn dht(&mut self, dht: &DhtView) -> Result<(), Error> {
        let server = f64::from(u8::from(dht.mode == "server"));
        self.gauge("dht_server", "Whether it answers others", server)?;
        self.gauge("dht_peers", "Peers in the routing table", dht.peers as f64)?;
        self.gauge("dht_records", "Signed records of others", dht.records as f64)?;
        self.gauge("dht_queries", "Lookups and crawls under way", dht.queries as f64)?;
        if let Some(size) = dht.size {
            self.gauge("dht_network_nodes", "Nodes in the network, estimated", size.nodes)?;
        }
        dht.counters
            .iter()
            .try_for_each(|(name, &count)| self.counter(&format!("dht_{name}"), count))
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        ConstGauge::new(value).encode(self.family(name, help, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, value: u64) -> Result<(), Error> {
        let family = self.family(name, "Since the start", MetricType::Counter)?;
        ConstCounter::new(value).encode(family)
    }

    fn gauges<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a, N>, f64)>,
    ) -> Result<(), Error> {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (labels, value) in rows {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counters<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a, N>, u64)>,
    ) -> Result<(), Error> {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (labels, value) in rows {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &'s str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, Error> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }
}
