//! Running a test whose process has a bus of its own for the system's.

use std::process::Command;

use crate::bluez::Bluez;
use crate::bus::{ADDRESS_VARIABLE, Bus};

/// Set in a process that was started with a bus of ours: the file that says that the body ran.
const INSIDE: &str = "POINTSMAN_BLUEZ_TRIAL";

/// Runs `body` with a BlueZ of so many adapters, in a process where every Bluetooth library
/// finds it: the test `name` of this test program is run again, with the bus in its environment.
/// The body runs in a runtime of several threads. The name is the whole one, with the modules.
///
/// # Panics
/// Where `body` does, and where there can be no bus; the message then says what to install.
pub fn trial(name: &str, adapters: usize, body: impl AsyncFnOnce(Bluez)) {
    let Some(proof) = std::env::var_os(INSIDE) else { return again(name) };
    let address = std::env::var(ADDRESS_VARIABLE).expect("it was set together with the other");
    let bluez = Bluez::start(&address, adapters).unwrap_or_else(|error| panic!("{error}"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(body(bluez));
    std::fs::write(proof, "").expect("its folder was made for it");
    // A library may have left a task that waits for good.
    runtime.shutdown_background();
}

fn again(name: &str) {
    let bus = Bus::start().unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let proof = folder.path().join("ran");
    let program = std::env::current_exe().expect("a running test has a path");
    let status = Command::new(program)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, &proof)
        .env(ADDRESS_VARIABLE, bus.address())
        .status()
        .expect("this program can be started again");
    assert!(status.success(), "{name}, with a bus of its own: {status}");
    // Without a test of that name the program ran none, and found that fine.
    assert!(proof.exists(), "no test is named {name}; its modules belong to its name");
}
