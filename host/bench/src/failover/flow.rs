//! Numbered messages on their way, and what came of them.

use std::time::{Duration, Instant};

/// Length of a message; its first eight bytes are its number.
pub(crate) const MESSAGE_BYTES: usize = 1_024;
/// How long a stopped flow waits for what is still under way.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// How a flow sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many messages a second, evenly.
    Steady {
        /// Messages a second.
        per_second: u32,
    },
    /// As much as it goes.
    Full,
}

/// Messages under way from the client to the server.
pub(crate) trait Flow {
    /// How many new messages arrived so far.
    fn arrived(&self) -> u64;

    /// Stops sending, waits until all has arrived or [`DRAIN`] has passed.
    fn stop(self: Box<Self>) -> anyhow::Result<Report>;
}

/// What came of a flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// When each message was handed over, by its number.
    pub(crate) sent: Vec<Instant>,
    /// Number and time of every new message at the receiver, in the order of arrival.
    pub(crate) arrivals: Vec<(u64, Instant)>,
    /// Messages that the receiver's application was given more than once.
    pub(crate) duplicates: u64,
}

impl Report {
    /// Messages that never arrived.
    pub(crate) fn lost(&self) -> u64 {
        (self.sent.len() - self.arrivals.len().min(self.sent.len())) as u64
    }

    /// The longest time without a new message, from the last arrival before `begin` on.
    pub(crate) fn longest_gap_since(&self, begin: Instant) -> Duration {
        let gaps = self.arrivals.windows(2).filter(|pair| pair[1].1 >= begin);
        gaps.map(|pair| pair[1].1.duration_since(pair[0].1)).max().unwrap_or_default()
    }

    /// From hand-over to arrival, of the messages handed over since `begin`.
    pub(crate) fn latencies_since(&self, begin: Instant) -> impl Iterator<Item = Duration> {
        let sent_at = |number: u64| self.sent.get(usize::try_from(number).ok()?).copied();
        self.arrivals.iter().filter_map(move |(number, arrived)| {
            let sent = sent_at(*number)?;
            (sent >= begin).then(|| arrived.saturating_duration_since(sent))
        })
    }
}

/// Waits for the next message's time; message 0 is due at `start`.
pub(crate) fn wait_for_turn(start: Instant, number: u64, pace: Pace) {
    let Pace::Steady { per_second } = pace else { return };
    let due = start + Duration::from_secs(1) * number as u32 / per_second;
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(arrivals_ms: &[(u64, u64)], sent_ms: &[u64]) -> (Report, Instant) {
        let start = Instant::now();
        let at = |ms: &u64| start + Duration::from_millis(*ms);
        let arrivals = arrivals_ms.iter().map(|(number, ms)| (*number, at(ms))).collect();
        let sent = sent_ms.iter().map(at).collect();
        (Report { sent, arrivals, duplicates: 0 }, start)
    }

    #[test]
    fn the_gap_counts_from_the_last_arrival_before_the_fault() {
        let (report, start) = report(&[(0, 0), (1, 50), (2, 300), (3, 310)], &[0, 5, 10, 15]);
        let gap = report.longest_gap_since(start + Duration::from_millis(60));
        assert_eq!(gap, Duration::from_millis(250));
        assert_eq!(report.lost(), 0);
    }

    #[test]
    fn latency_follows_the_number_and_not_the_order() {
        let (report, start) = report(&[(1, 30), (0, 40)], &[10, 20, 25]);
        let latencies: Vec<_> =
            report.latencies_since(start).map(|time| time.as_millis()).collect();
        assert_eq!(latencies, [10, 30]);
        assert_eq!(report.lost(), 1);
    }
}
