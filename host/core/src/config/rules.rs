//! What the texts of a config may be.

use core::net::IpAddr;

use super::{DhtMode, Module};
use crate::limits::FRAME_TEXT_BYTES_MAX;

/// What a text must be.
pub(super) struct Rule {
    /// For people.
    pub(super) says: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

/// The name is also an mDNS service's, so it follows RFC 6335, 5.1.
pub(super) const NETWORK: Rule = Rule {
    says: "1 to 15 small letters, digits and single hyphens inside, with a letter among them",
    holds: |text| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=15).contains(&text.len())
            && text.bytes().all(allowed)
            && text.bytes().any(|b| b.is_ascii_lowercase())
            && text.split('-').all(|word| !word.is_empty())
    },
};

pub(super) const DHT_MODE: Rule = Rule {
    says: "\"auto\", \"client\" or \"server\"",
    holds: |text| ["auto", "client", "server"].contains(&text),
};

/// What a text for which that rule holds means.
pub(super) fn dht_mode(text: &str) -> DhtMode {
    match text {
        "client" => DhtMode::Client,
        "server" => DhtMode::Server,
        _ => DhtMode::Auto,
    }
}

/// Linux takes paths of up to 4095 bytes.
pub(super) const PATH: Rule = Rule {
    says: "the path of a file, relative to this one",
    holds: |text| (1..=4095).contains(&text.len()) && !text.contains('\0'),
};

/// A socket's address has 104 bytes on macOS and 108 on Linux, the closing zero included.
pub(super) const SOCKET: Rule = Rule {
    says: "a path of at most 103 bytes, relative to this file",
    holds: |text| (1..=103).contains(&text.len()) && !text.contains('\0'),
};

/// It is told to peers in the hello, so it fits there.
pub(super) const UPLINK: Rule = Rule {
    says: "a name without spaces of at most 128 bytes; only its last character may be *",
    holds: |text| {
        let stem = text.strip_suffix('*').unwrap_or(text);
        text.len() <= FRAME_TEXT_BYTES_MAX
            && !text.is_empty()
            && is_word(stem)
            && !stem.contains('*')
    },
};
const _: () = assert!(FRAME_TEXT_BYTES_MAX == 128, "the rule's text tells the bound");

/// An interface's name has 16 bytes in the kernel, the closing zero included.
pub(super) const INTERFACE: Rule = Rule {
    says: "the name of an interface, at most 15 bytes",
    holds: |text| (1..=15).contains(&text.len()) && is_word(text) && !text.contains('/'),
};

/// BlueZ names them `hci` and a number; CoreBluetooth and WinRT have one without a name of ours.
pub(super) const ADAPTER: Rule = Rule {
    says: "the name of a Bluetooth adapter such as \"hci0\", at most 15 bytes",
    holds: |text| (1..=15).contains(&text.len()) && is_word(text) && !text.contains('/'),
};

pub(super) const IP: Rule = Rule {
    says: "an IPv4 or IPv6 address without prefix length",
    holds: |text| text.parse::<IpAddr>().is_ok(),
};

pub(super) const RISK_GROUP: Rule = Rule {
    says: "a name without spaces of at most 64 bytes",
    holds: |text| (1..=64).contains(&text.len()) && is_word(text),
};

pub(super) const DIGEST: Rule = Rule {
    says: "a SHA-256 as 64 hexadecimal digits in lower case, as `pointsman policy check` tells it",
    holds: |text| {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == 64 && text.bytes().all(digit)
    },
};

/// The second line of a `.pub` file: two letters, a key number and an Ed25519 key, 42 bytes in
/// base64.
pub(super) const MINISIGN_KEY: Rule = Rule {
    says: "a minisign public key: the 56 characters of the second line of its .pub file",
    holds: |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
        text.len() == 56 && text.starts_with("RW") && text.bytes().all(allowed)
    },
};

pub(super) const LOG_LEVEL: Rule = Rule {
    says: "off, error, warn, info, debug or trace, or several of target=level with commas between",
    holds: |text| text.len() <= 1024 && text.split(',').all(|part| is_directive(part.trim())),
};

fn is_word(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_directive(text: &str) -> bool {
    let (target, level) = text.split_once('=').unwrap_or(("all", text));
    let in_target = |b: u8| b.is_ascii_alphanumeric() || b"_-:.".contains(&b);
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    !target.is_empty() && target.bytes().all(in_target) && levels.contains(&level)
}

/// Reads where a policy's code comes from; `None` where the text is none of the forms.
pub(super) fn module(text: &str, builtins: &[&str]) -> Option<Module> {
    let head = text.split('/').next().unwrap_or_default();
    match head.split_once(':') {
        Some(("builtin", _)) => {
            let name = text.strip_prefix("builtin:").filter(|name| builtins.contains(name))?;
            Some(Module::Builtin(name.to_owned()))
        }
        Some(("embedded", _)) => {
            let name = text.strip_prefix("embedded:").filter(|name| is_policy_name(name))?;
            Some(Module::Embedded(name.to_owned()))
        }
        Some(_) => None,
        None => {
            let is_file = (PATH.holds)(text) && text.len() > ".wasm".len();
            (is_file && text.ends_with(".wasm")).then(|| Module::File(text.to_owned()))
        }
    }
}

/// Words of small letters and digits joined by hyphens.
fn is_policy_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 64 && text.split('-').all(|word| !word.is_empty() && word.bytes().all(allowed))
}
