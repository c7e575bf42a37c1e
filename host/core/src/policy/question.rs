//! Questions as the host keeps them: owned, so that they can be recorded and asked again.

use pointsman_sdk::anomaly::Series;
use pointsman_sdk::reputation::{Observation, Standing};
use pointsman_sdk::{PathRow, Paths, failover, selector};

use super::Role;

/// A question to a selector: the arguments of `choose`, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectorQuestion {
    /// See [`selector::Question::now_us`].
    pub now_us: u64,
    /// See [`selector::Question::seed`].
    pub seed: u64,
    /// See [`selector::Question::peer`].
    pub peer: u32,
    /// See [`selector::Question::class`].
    pub class: u32,
    /// See [`selector::Question::flags`].
    pub flags: u32,
    /// See [`selector::Question::head_bytes`].
    pub head_bytes: u32,
    /// See [`selector::Question::head_age_us`].
    pub head_age_us: u32,
    /// See [`selector::Question::deadline_left_us`].
    pub deadline_left_us: u32,
    /// See [`selector::Question::backlog_bytes`].
    pub backlog_bytes: u32,
    /// See [`selector::Question::backlog_above_bytes`].
    pub backlog_above_bytes: u32,
    /// See [`selector::Question::duplicate_budget_bytes`].
    pub duplicate_budget_bytes: u32,
    /// See [`selector::Question::tried_paths`].
    pub tried_paths: u32,
    /// See [`selector::Question::standing`].
    pub standing: i32,
    /// See [`selector::Question::battery_permille`].
    pub battery_permille: u32,
    /// The stride, then a row for each path.
    pub paths: Vec<u32>,
}

impl SelectorQuestion {
    /// The same as the SDK's borrowed form.
    pub fn view(&self) -> selector::Question<'_> {
        selector::Question {
            now_us: self.now_us,
            seed: self.seed,
            peer: self.peer,
            class: self.class,
            flags: self.flags,
            head_bytes: self.head_bytes,
            head_age_us: self.head_age_us,
            deadline_left_us: self.deadline_left_us,
            backlog_bytes: self.backlog_bytes,
            backlog_above_bytes: self.backlog_above_bytes,
            duplicate_budget_bytes: self.duplicate_budget_bytes,
            tried_paths: self.tried_paths,
            standing: self.standing,
            battery_permille: self.battery_permille,
            paths: Paths::new(&self.paths),
        }
    }
}

/// A question to a failover policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailoverQuestion {
    /// See [`failover::Question::now_us`].
    pub now_us: u64,
    /// See [`failover::Question::seed`].
    pub seed: u64,
    /// See [`failover::Question::peer`].
    pub peer: u32,
    /// See [`failover::Question::event`].
    pub event: failover::Event,
    /// See [`failover::Question::at`].
    pub at: u32,
    /// See [`failover::Question::oldest_unacked_us`].
    pub oldest_unacked_us: u32,
    /// See [`failover::Question::unacked_bytes`].
    pub unacked_bytes: [u32; 3],
    /// See [`failover::Question::misses`].
    pub misses: u32,
    /// See [`failover::Question::others_progressed`].
    pub others_progressed: u32,
    /// See [`failover::Question::loop_lag_us`].
    pub loop_lag_us: u32,
    /// See [`failover::Question::moves_last_60s`].
    pub moves_last_60s: u32,
    /// See [`failover::Question::since_move_ms`].
    pub since_move_ms: u32,
    /// See [`failover::Question::deadline_min_us`].
    pub deadline_min_us: u32,
    /// See [`failover::Question::hedge_budget_bytes`].
    pub hedge_budget_bytes: u32,
    /// See [`failover::Question::store_left_kib`].
    pub store_left_kib: u32,
    /// The stride, then a row for each path.
    pub paths: Vec<u32>,
    /// The stride, then a row for each dialable.
    pub dialables: Vec<u32>,
}

impl FailoverQuestion {
    /// The same as the SDK's borrowed form.
    pub fn view(&self) -> failover::Question<'_> {
        failover::Question {
            now_us: self.now_us,
            seed: self.seed,
            peer: self.peer,
            event: self.event,
            at: self.at,
            oldest_unacked_us: self.oldest_unacked_us,
            unacked_bytes: self.unacked_bytes,
            misses: self.misses,
            others_progressed: self.others_progressed,
            loop_lag_us: self.loop_lag_us,
            moves_last_60s: self.moves_last_60s,
            since_move_ms: self.since_move_ms,
            deadline_min_us: self.deadline_min_us,
            hedge_budget_bytes: self.hedge_budget_bytes,
            store_left_kib: self.store_left_kib,
            paths: Paths::new(&self.paths),
            dialables: &self.dialables,
        }
    }
}

/// A question to a reputation policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReputationQuestion {
    /// The Node's clock in milliseconds.
    pub now_ms: u64,
    /// The standing so far.
    pub was: Standing,
    /// What was seen since, in the order of time.
    pub seen: Vec<Observation>,
}

/// A question to an anomaly policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnomalyQuestion {
    /// The Node's clock in milliseconds.
    pub now_ms: u64,
    /// The measures.
    pub window: Vec<Series>,
}

/// A question to any policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// To a selector.
    Selector(SelectorQuestion),
    /// To a failover policy.
    Failover(FailoverQuestion),
    /// To a reputation policy.
    Reputation(ReputationQuestion),
    /// To an anomaly policy.
    Anomaly(AnomalyQuestion),
}

impl Question {
    /// Whom it is for.
    pub fn role(&self) -> Role {
        match self {
            Self::Selector(_) => Role::Selector,
            Self::Failover(_) => Role::Failover,
            Self::Reputation(_) => Role::Reputation,
            Self::Anomaly(_) => Role::Anomaly,
        }
    }
}

/// An empty list of paths: the stride alone.
pub fn empty_paths() -> Vec<u32> {
    vec![PathRow::STRIDE as u32]
}
