//! A network coordinator whose decisions are WebAssembly policies.
//!
//! The daemon as a library: [`app::start`] gives a [`Pointsman`], which sends and receives
//! messages and tells what the node knows, in this process. The `pointsman` command is the
//! same with a control socket in front of it.

pub mod app;
pub mod aside;
pub mod cli;
pub mod clock;
pub mod config_file;
pub mod control;
pub mod decision_log;
pub mod demo;
mod handle;
pub mod identity;
pub mod net;
pub mod places;
pub mod policies;
mod power;
pub mod radio;
mod remembering;
mod shell;
mod tasks;
pub mod uplinks;
pub mod watch;

pub use handle::{
    About, Pointsman, ReconfigureError, Reconfigured, ShadowError, Shadowed, SwapError, SwapOrder,
    Swapped,
};
pub use shell::journal::{Followed, Follower, Happening, LinkInfo, Quarantined, Record};
pub use shell::mail::{Filter, Receiver, Waiting};
pub use shell::sends::{Message, Sender, Stopped, Ticket, TrySendError, is_final};
pub use shell::{CutError, OpenFinding, Report, Tally};
