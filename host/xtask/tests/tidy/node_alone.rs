//! A Node for WebAssembly, made from a config and run: linked to see what it would need from
//! a host. It is never run.

use pointsman_core::Node;
use pointsman_core::config;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::input::Input;

/// Where the config is left by who would call it.
static CONFIG: [std::sync::atomic::AtomicU8; 4096] =
    [const { std::sync::atomic::AtomicU8::new(0) }; 4096];

/// Runs a Node through one tick; gives the number of its orders and what it knows.
#[unsafe(no_mangle)]
pub extern "C" fn run(length: usize, session: u64, now: u64) -> usize {
    let bytes = CONFIG.iter().take(length).map(|b| b.load(std::sync::atomic::Ordering::Relaxed));
    let Ok(text) = String::from_utf8(bytes.collect()) else { return 0 };
    let Ok(config) = config::parse(&text) else { return 0 };
    let mut node = Node::new(PeerId([7; 32]), config.node, session);
    node.handle(Time(now), Input::Tick { lag_us: 0 });
    let mut orders = 0;
    while let Some(order) = node.poll() {
        orders += format!("{order:?}").len();
    }
    orders + format!("{:?} {:?}", node.deadline(), node.snapshot()).len()
}
