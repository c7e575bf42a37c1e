//! Running a test whose process has a bus of its own for the system's.

use std::process::Command;

use crate::bluez::Bluez;
use crate::bus::{ADDRESS_VARIABLE, Bus};

/// Set in a process that was started with a bus of ours.
const INSIDE: &str = "POINTSMAN_BLUEZ_TRIAL";

/// Runs `body` with a BlueZ of so many adapters, in a process where every Bluetooth library
/// finds it: the test `name` of this test program is run again, with the bus in its environment.
/// The body runs in a runtime of several threads.
///
/// # Panics
/// Where `body` does, and where there can be no bus; the message then says what to install.
pub fn trial(name: &str, adapters: usize, body: impl AsyncFnOnce(Bluez)) {
    if std::env::var_os(INSIDE).is_none() {
        return again(name);
    }
    let address = std::env::var(ADDRESS_VARIABLE).expect("it was set together with the other");
    let bluez = Bluez::start(&address, adapters).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(body(bluez));
    // A library may have left a task that waits for good.
    runtime.shutdown_background();
}

fn again(name: &str) {
    let bus = Bus::start().unwrap_or_else(|error| panic!("{error}"));
    let program = std::env::current_exe().expect("a running test has a path");
    let status = Command::new(program)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env(ADDRESS_VARIABLE, bus.address())
        .status()
        .expect("this program can be started again");
    assert!(status.success(), "{name}, with a bus of its own: {status}");
}
