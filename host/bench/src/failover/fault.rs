//! What happens to the uplink in use.

use std::time::Duration;

use clap::ValueEnum;
use pointsman_lab::{Direction, Port};

/// A fault; carrier stays in every one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Swallows everything both ways
    Blackhole,
    /// Swallows only what the client sends
    OneWayUp,
    /// Swallows only what the client should receive
    OneWayDown,
    /// Loses 1 % of the frames both ways
    #[value(name = "loss-1")]
    Loss1,
    /// Loses 10 % of the frames both ways
    #[value(name = "loss-10")]
    Loss10,
    /// Loses 30 % of the frames both ways
    #[value(name = "loss-30")]
    Loss30,
    /// Stands still for 200 ms and loses nothing
    #[value(name = "pause-200")]
    Pause200,
    /// Falls to 1 Mbit/s with a queue of 1 MiB, upwards
    Bufferbloat,
}

impl Fault {
    /// Begins it.
    pub(crate) fn begin(self, port: &Port) {
        match self {
            Self::Blackhole => port.cut(&Direction::BOTH),
            Self::OneWayUp => port.cut(&[Direction::Up]),
            Self::OneWayDown => port.cut(&[Direction::Down]),
            Self::Loss1 => lose(port, 10_000),
            Self::Loss10 => lose(port, 100_000),
            Self::Loss30 => lose(port, 300_000),
            Self::Pause200 => port.pause(Duration::from_millis(200)),
            Self::Bufferbloat => port.change(&[Direction::Up], |now| {
                now.rate_kbps = 1_000;
                now.queue_bytes = 1 << 20;
            }),
        }
    }

    /// Takes it back.
    pub(crate) fn end(self, port: &Port) {
        port.change(&Direction::BOTH, |now| {
            now.cut = false;
            now.loss_ppm = 0;
            now.rate_kbps = 0;
        });
    }
}

fn lose(port: &Port, ppm: u32) {
    port.change(&Direction::BOTH, |now| now.loss_ppm = ppm);
}

/// What a value is called on the command line.
pub(crate) fn name<V: ValueEnum>(value: V) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
