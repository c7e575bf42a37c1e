//! The metadata that a policy in C is linked with, `sdk/c/*.s`, is that of the contract.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const WIT: &str = include_str!("../../../../sdk/wit/policy.wit");
/// Bytes of metadata in a line of assembler.
const LINE_BYTES: usize = 24;

fn file(role: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/c").join(role).with_extension("s")
}

/// The section that says which types the functions of a core module have.
fn section(role: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", WIT).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(&format!("{role}-policy")));
    let encoding = wit_component::StringEncoding::UTF8;
    let world = world.expect("the contract has the world");
    wit_component::metadata::encode(&resolve, world, encoding, None, false)
        .expect("a world has metadata")
}

/// The section as assembler, for clang and every other user of LLVM.
fn assembler(role: &str) -> String {
    let mut text = format!(
        "# The types of a {role} policy, as a section of the module: made of ../wit/policy.wit\n\
         # by a test of host/engine, which says how to make it again. Holds no code.\n\
         \t.section\t\".custom_section.component-type:{role}-policy\",\"\",@\n"
    );
    for line in section(role).chunks(LINE_BYTES) {
        text.push_str("\t.ascii\t\"");
        for &byte in line {
            match byte {
                b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
                b' '..=b'~' => write!(text, "{}", char::from(byte)),
                _ => write!(text, "\\{byte:03o}"),
            }
            .expect("a String takes all that is written");
        }
        text.push_str("\"\n");
    }
    text
}

#[test]
fn the_metadata_for_c_is_that_of_the_contract() {
    for role in ["selector", "failover", "reputation", "anomaly"] {
        let (file, expected) = (file(role), assembler(role));
        if std::env::var_os("POINTSMAN_WRITE").is_some() {
            std::fs::write(&file, &expected).expect("the repository can be written");
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == expected,
            "sdk/c/{role}.s is not of sdk/wit/policy.wit any more: run this test with POINTSMAN_WRITE=1"
        );
    }
}
