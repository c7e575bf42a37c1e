//! `pointsman-bluez`: a bus with a BlueZ on it, and a prompt to move things about.
//!
//! It ends with its input, or at the word `quit`.

#[cfg(target_os = "linux")]
mod console;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    console::run(&clap::Parser::parse())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
