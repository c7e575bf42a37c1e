//! The program, as a person would use it.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

#[test]
fn the_program_names_its_bus_and_obeys() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pointsman-bluez"))
        .args(["--adapters", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(first.starts_with("export DBUS_SYSTEM_BUS_ADDRESS='unix:path="), "{first}");
    input.write_all(b"off hci1\nrssi hci0 hci1 -60\nrestart\nnonsense\nshow\n").unwrap();
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("ok\nok\nok\nnot a command"), "{rest}");
    assert!(rest.contains("name: \"hci1\"") && rest.contains("powered: false"), "{rest}");
    assert!(program.wait().unwrap().success());
}
