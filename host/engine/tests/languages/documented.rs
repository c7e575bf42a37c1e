//! Leaves a path that stays silent while others progress.
use pointsman_sdk::failover::{Event, Failover, Question, Resend, Verdict};
use pointsman_sdk::path::flags::{DRAINING, MASKED, SUSPECT, UP};
use pointsman_sdk::{Fault, Manifest, Settings};

#[derive(Debug, Default)]
pub struct Mine(u32);
impl Failover for Mine {
    fn manifest() -> Manifest {
        Manifest::new("mine", "0.1.0").with_settings("silent_ms: integer 50..=60000 = 400  silence that moves\n")
    }
    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        self.0 = settings.integer("silent_ms", 50..=60_000, 400)? as u32 * 1_000;
        settings.only(&["silent_ms"])
    }
    fn decide(&self, q: &Question<'_>) -> Verdict {
        use Event::{Appeared, Lost, Recovered, Suspect, Tick};
        let paths = || q.paths.iter().enumerate().take(16);
        let others = paths().filter(|(at, path)| *at as u32 != q.at && path.is_sound());
        let others = others.fold(0_u16, |set, (at, _)| set | 1 << at);
        let path = paths().find(|(at, _)| *at as u32 == q.at).map(|(_, path)| path);
        let flags = path.map_or(0, |path| path.flags() & (UP | SUSPECT | DRAINING | MASKED));
        let silent_us = path.map_or(0, |path| path.silent_us().saturating_sub(q.loop_lag_us));
        let (one, budget_bytes) = (others & others.wrapping_neg(), q.hedge_budget_bytes);
        let to = |onto, resend, reason| Verdict::Move { onto, resend, reason };
        match q.event {
            Lost if others == 0 => Verdict::Store,
            Lost => to(others, Resend::Unacked, 4),
            Suspect | Tick if flags & !DRAINING != UP | SUSPECT => Verdict::Stay { reason: 1 },
            Suspect | Tick if others == 0 => Verdict::Probe { paths: 1 << q.at, reason: 6 },
            Suspect | Tick if q.others_progressed > 0 && silent_us > self.0 => to(others, Resend::Unacked, 3),
            Suspect | Tick if budget_bytes == 0 => Verdict::Stay { reason: 2 },
            Suspect | Tick => Verdict::Hedge { onto: one, budget_bytes, reason: 2 },
            Recovered | Appeared if flags & !MASKED == UP => to(others | 1 << q.at, Resend::None, 5),
            _ => Verdict::Abstain,
        }
    }
}
pointsman_sdk::export_failover!(Mine);
