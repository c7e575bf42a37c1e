//! Running a test in a lab, wherever the test runs.

use std::process::Command;

use crate::error::LabError;
use crate::permission;
use crate::topology::Lab;

/// Runs `body` with a lab. Where this process lacks the rights, runs the test `name` of this
/// test program again in a user namespace; where that is refused too, says so and skips.
///
/// # Panics
/// Where `body` does, where the second run fails, and where a lab is permitted but broken.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub fn trial(name: &str, body: impl FnOnce(&mut Lab)) {
    match permission::check() {
        Ok(()) => body(&mut Lab::new(1).expect("a lab that is permitted can be built")),
        Err(refusal @ LabError::NotPermitted { .. }) => {
            if permission::is_isolated() {
                eprintln!("SKIPPED {name}: {refusal}");
            } else {
                again(name, &refusal);
            }
        }
        Err(broken) => panic!("{broken}"),
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn again(name: &str, refusal: &LabError) {
    let program = std::env::current_exe().expect("a running test has a path");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture"]);
    permission::isolate(&mut command);
    match command.status() {
        Ok(status) => assert!(status.success(), "{name} in a user namespace: {status}"),
        Err(error) => eprintln!("SKIPPED {name}: {refusal}; nor a user namespace: {error}"),
    }
}
