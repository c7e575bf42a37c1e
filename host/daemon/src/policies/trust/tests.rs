//! Modules that are signed, not signed, badly signed, and old.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::KeyPair;
use tempfile::TempDir;

use super::*;

const BYTES: &[u8] = b"\0asm, or whatever it is";
const COMMENT: &str = "earliest 1.2.0, of the release team";

/// A folder with `p.wasm` and, if wanted, its signature.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(signature: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.wasm"), BYTES).unwrap();
        if let Some(text) = signature {
            fs::write(folder.path().join("p.wasm.minisig"), text).unwrap();
        }
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("p.wasm")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn floor(&self) -> PathBuf {
        self.state().join("policy-versions.json")
    }

    fn trust(&self, keys: &[String]) -> Trust {
        let rules = Rules { keys: keys.to_vec(), pins: Vec::new() };
        Trust::new(&rules, &self.state()).unwrap()
    }

    fn vouch(&self, keys: &[String]) -> Result<Vouched, TrustError> {
        let origin = Origin::read(&self.file());
        let found = Found { role: Role::Selector, bytes: BYTES, origin: Some(&origin) };
        self.trust(keys).vouch(&found)
    }

    /// A new process asks for this version.
    fn admit(&self, keys: &[String], version: &str, force: bool) -> Result<Admitted, TrustError> {
        let origin = Origin::read(&self.file());
        let found = Found { role: Role::Selector, bytes: BYTES, origin: Some(&origin) };
        let name = "earliest";
        let candidate = Candidate { found, name, version, allow_downgrade: force };
        self.trust(keys).admit(&candidate)
    }

    fn live(&self, keys: &[String], version: &str, force: bool) {
        let admitted = self.admit(keys, version, force).unwrap();
        self.trust(keys).went_live(&admitted).unwrap();
    }
}

fn key() -> (KeyPair, String) {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let public = pair.pk.to_base64();
    (pair, public)
}

fn signed(pair: &KeyPair, bytes: &[u8]) -> String {
    let made = minisign::sign(None, &pair.sk, Cursor::new(bytes), Some(COMMENT), None);
    made.unwrap().to_string()
}

/// A place whose module is signed by the key.
fn sound() -> (Place, Vec<String>) {
    let (pair, public) = key();
    (Place::new(Some(&signed(&pair, BYTES))), vec![public])
}

fn refused(place: &Place, keys: &[String]) -> String {
    place.vouch(keys).expect_err("it must be refused").to_string()
}

#[test]
fn bytes_that_were_read_before_their_file_was_replaced_keep_their_signature() {
    let (place, keys) = sound();
    let origin = Origin::read(&place.file());
    fs::write(place.file(), "newer").unwrap();
    fs::write(place.folder.path().join("p.wasm.minisig"), "newer").unwrap();
    let found = Found { role: Role::Selector, bytes: BYTES, origin: Some(&origin) };
    place.trust(&keys).vouch(&found).expect("its own signature speaks for it");
    assert!(place.vouch(&keys).is_err(), "what lies there now has another one");
}

#[test]
fn a_signed_module_is_told_with_its_key_and_comment() {
    let (place, mut keys) = sound();
    keys.insert(0, key().1);
    let vouched = place.vouch(&keys).unwrap();
    let signer = vouched.signer.unwrap();
    assert_eq!((signer.key.len(), signer.comment.as_str()), (16, COMMENT));
    assert_eq!(vouched.digest.len(), 64);
}

/// Signs as minisign did at first: the file itself, not a hash of it.
fn legacy(bytes: &[u8]) -> (String, String) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let line =
        |algorithm: &[u8], rest: &[u8]| STANDARD.encode([algorithm, b"12345678", rest].concat());
    let signature = pair.sign(bytes);
    let whole = pair.sign(&[signature.as_ref(), b"old"].concat());
    let text = format!(
        "untrusted comment: by hand\n{}\ntrusted comment: old\n{}\n",
        line(b"Ed", signature.as_ref()),
        STANDARD.encode(whole.as_ref())
    );
    (text, line(b"Ed", pair.public_key().as_ref()))
}

#[test]
fn the_older_form_of_signatures_is_taken_and_checked_as_well() {
    let (text, public) = legacy(BYTES);
    let signer =
        Place::new(Some(&text)).vouch(std::slice::from_ref(&public)).unwrap().signer.unwrap();
    assert_eq!((signer.key.as_str(), signer.comment.as_str()), ("3837363534333231", "old"));
    let (_, other) = legacy(BYTES);
    let said = refused(&Place::new(Some(&text)), &[other]);
    assert!(said.contains("does not fit"), "the number is the same, the key is not: {said}");
    let (other, public) = legacy(b"something else");
    assert!(refused(&Place::new(Some(&other)), &[public]).contains("does not fit"));
}

#[test]
fn without_a_signature_a_file_is_refused_with_the_command_that_makes_one() {
    let said = refused(&Place::new(None), &[key().1]);
    assert!(said.contains("is not signed: there is no") && said.contains("minisign -Sm"), "{said}");
}

#[test]
fn an_empty_or_stripped_signature_counts_as_none() {
    let (pair, public) = key();
    let whole = signed(&pair, BYTES);
    let lines: Vec<_> = whole.lines().collect();
    let nothing = STANDARD.encode([0; 74]);
    let stripped = [
        String::new(),
        "\n\n\n\n".to_owned(),
        lines[..1].join("\n"),
        lines[..2].join("\n"),
        lines[..3].join("\n"),
        format!("{}\n\n{}\n\n", lines[0], lines[2]),
        format!("{}\n{nothing}\n{}\n{}\n", lines[0], lines[2], lines[3]),
        "\u{0}".repeat(400),
        "a".repeat(9_000),
    ];
    for text in stripped {
        let said = refused(&Place::new(Some(&text)), std::slice::from_ref(&public));
        assert!(said.contains("holds no minisign signature"), "{text:?}: {said}");
    }
    let place = Place::new(None);
    fs::create_dir(place.folder.path().join("p.wasm.minisig")).unwrap();
    assert!(refused(&place, &[public]).contains("it is no regular file"));
}

#[test]
fn a_key_that_is_not_listed_is_named_with_those_that_are() {
    let (place, _) = sound();
    let (other, public) = key();
    let number = format!("{:016X}", u64::from_le_bytes(other.pk.keynum().try_into().unwrap()));
    let said = refused(&place, &[public]);
    assert!(said.contains(&format!("policy.keys has only {number}")), "{said}");
    // A number of zeros, as of a key that somebody forgot to give one.
    let (text, _) = legacy(BYTES);
    let line = text.lines().nth(1).unwrap().to_owned();
    let mut bytes = STANDARD.decode(&line).unwrap();
    bytes[2..10].fill(0);
    let text = text.replace(&line, &STANDARD.encode(bytes));
    let said = refused(&Place::new(Some(&text)), &[key().1]);
    assert!(said.contains("made with the key 0000000000000000"), "{said}");
}

#[test]
fn a_signature_of_other_content_does_not_fit() {
    let (pair, public) = key();
    let said = refused(&Place::new(Some(&signed(&pair, b"something else"))), &[public]);
    assert!(said.contains("p.wasm.minisig does not fit"), "{said}");
}

#[test]
fn a_trusted_comment_that_was_changed_does_not_fit() {
    let (pair, public) = key();
    let text = signed(&pair, BYTES).replace("1.2.0", "9.9.9");
    let said = refused(&Place::new(Some(&text)), &[public]);
    assert!(said.contains("its trusted comment is not what the owner"), "{said}");
}

#[test]
fn without_keys_nothing_is_demanded_and_what_is_in_this_binary_is_exempt() {
    let vouched = Place::new(Some("garbage")).vouch(&[]).unwrap();
    assert_eq!(vouched.signer, None);
    let embedded = Found { role: Role::Selector, bytes: BYTES, origin: None };
    let place = Place::new(None);
    let trust = place.trust(&[key().1]);
    let found = Candidate { found: embedded, name: "x", version: "old", allow_downgrade: false };
    let admitted = trust.admit(&found).unwrap();
    trust.went_live(&admitted).unwrap();
    assert!(!place.state().exists(), "nothing was written");
}

#[test]
fn a_text_that_is_no_key_is_refused_as_such() {
    let public = key().1;
    let other = format!("SSS{}", &public[3..]);
    for text in ["", "RWQ", &other, &public[..55]] {
        let rules = Rules { keys: vec![text.to_owned()], pins: Vec::new() };
        let error = Trust::new(&rules, Path::new("state")).expect_err(text);
        assert_eq!(error.key(), "policy.keys");
        assert!(error.to_string().contains("is no minisign public key"), "{error}");
    }
}

#[test]
fn a_pinned_digest_holds_for_its_role_wherever_the_module_comes_from() {
    let digest = Place::new(None).vouch(&[]).unwrap().digest;
    let pinned = |digest: &str| {
        let rules = Rules { keys: Vec::new(), pins: vec![(Role::Selector, digest.to_owned())] };
        Trust::new(&rules, Path::new("state")).unwrap()
    };
    let found = |role| Found { role, bytes: BYTES, origin: None };
    assert!(pinned(&digest).vouch(&found(Role::Selector)).is_ok());
    let other = pinned(&"0".repeat(64));
    assert!(other.vouch(&found(Role::Failover)).is_ok());
    let error = other.vouch(&found(Role::Selector)).expect_err("pinned to another");
    assert_eq!(error.key(), "digest");
    assert!(error.to_string().contains(&digest), "{error}");
}

#[test]
fn the_rules_of_a_config_are_its_keys_and_pins() {
    let mut config = Config::default();
    config.policy.keys = vec!["k".to_owned()];
    config.failover.digest = Some("d".to_owned());
    let rules = Rules::of(&config);
    assert_eq!(rules.pins, [(Role::Failover, "d".to_owned())]);
    assert_eq!(rules.keys, ["k"]);
}

#[test]
fn an_older_version_than_was_live_is_refused_even_by_a_new_process() {
    let (place, keys) = sound();
    place.live(&keys, "1.10.0", false);
    place.live(&keys, "1.9.0", true);
    place.live(&keys, "1.10.0", false);
    assert_eq!(fs::metadata(place.floor()).unwrap().permissions().mode() & 0o777, 0o600);
    for version in ["1.10.0", "1.10.0+build", "1.10.1-rc.1", "2.0.0"] {
        place.admit(&keys, version, false).expect(version);
    }
    for version in ["1.9.99", "1.2.0", "1.10.0-rc.1"] {
        let said = place.admit(&keys, version, false).expect_err(version).to_string();
        let wanted = "of the selector policy earliest, and 1.10.0 was live already";
        assert!(said.starts_with("downgrade: ") && said.contains(wanted), "{said}");
        assert!(said.contains("--allow-downgrade"), "{said}");
    }
    let left = fs::read_dir(place.state()).unwrap().count();
    assert_eq!(left, 1, "no draft is left behind");
}

#[test]
fn what_was_only_tried_forbids_nothing() {
    let (place, keys) = sound();
    place.live(&keys, "1.0.0", false);
    place.admit(&keys, "2.0.0", false).unwrap();
    place.admit(&keys, "1.0.0", false).expect("2.0.0 never went live");
}

#[test]
fn a_downgrade_that_an_operator_allowed_holds_after_a_restart() {
    let (place, keys) = sound();
    place.live(&keys, "2.0.0", false);
    assert!(place.admit(&keys, "1.0.0", true).unwrap().is_downgrade);
    assert!(place.admit(&keys, "1.0.0", false).is_err(), "it is not live yet");
    place.live(&keys, "1.0.0", true);
    assert!(!place.admit(&keys, "1.0.0", false).unwrap().is_downgrade);
}

#[test]
fn versions_that_cannot_be_compared_are_refused() {
    let (place, keys) = sound();
    for version in ["1", "1.2", "latest", "v1.2.3", "1.2.3.4", "01.2.3", ""] {
        let said = place.admit(&keys, version, true).expect_err(version).to_string();
        assert!(said.contains("give it as major.minor.patch"), "{said}");
    }
}

#[test]
fn a_memory_of_versions_that_cannot_be_trusted_admits_nothing() {
    let (place, keys) = sound();
    place.live(&keys, "1.0.0", false);
    let sound = fs::read_to_string(place.floor()).unwrap();
    let damaged = [
        String::new(),
        sound[..sound.len() / 2].to_owned(),
        sound.replace("\"format\": 1", "\"format\": 2"),
        sound.replace("1.0.0", "one"),
        sound.replace("selector", "elector"),
        sound.replace("\"role\"", "\"rolle\""),
        " ".repeat(300_000),
    ];
    for text in damaged {
        fs::write(place.floor(), &text).unwrap();
        let said = place.admit(&keys, "3.0.0", false).expect_err("damaged").to_string();
        assert!(said.contains("can't be trusted") && said.contains("or remove it"), "{said}");
    }
    fs::write(place.floor(), &sound).unwrap();
    fs::set_permissions(place.floor(), fs::Permissions::from_mode(0o666)).unwrap();
    let said = place.admit(&keys, "3.0.0", false).expect_err("open to others").to_string();
    assert!(said.contains("others may write it"), "{said}");
    fs::rename(place.floor(), place.state().join("elsewhere")).unwrap();
    place.admit(&keys, "0.1.0", false).expect("an operator may remove it");
    symlink("elsewhere", place.floor()).unwrap();
    assert!(place.admit(&keys, "3.0.0", false).is_err(), "a link is not followed");
}
