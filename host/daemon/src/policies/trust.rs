//! Which modules may be loaded at all: digest pins, signatures, and no way back to an older
//! version.
//!
//! Where the config pins a digest, a module must have it. Where it lists keys, a module from a
//! *file* must be signed by one of them, in minisign's format and in a file beside it; what is
//! missing, empty or not understood counts as not signed. Modules in this binary and builtins
//! came with the program, so whoever trusts it trusts them. Of a signed policy the highest
//! version that was live is remembered in the state folder, and an older one is refused: its
//! signature stays valid for ever, and its faults with it.
//!
//! Nothing here runs a module: [`Trust::vouch`] judges bytes before anything is compiled. It
//! judges them with the signature that was read with them, so that a module that comes back
//! after its file was replaced is still the module that was signed.

mod floor;
mod signature;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use pointsman_core::config::Config;
use pointsman_core::policy::Role;
use semver::Version;

use super::seat::KEYS;
use floor::Floor;
use signature::Key;

pub use floor::FloorError;
pub use signature::Origin;
pub(crate) use signature::signature_of;

/// What the config demands of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Public keys in minisign's base64; `policy.keys`.
    pub keys: Vec<String>,
    /// Roles with the SHA-256 that their module must have, in lower-case hexadecimal;
    /// `policy.ROLE.digest`.
    pub pins: Vec<(Role, String)>,
}

impl Rules {
    /// Those of a config.
    pub fn of(config: &Config) -> Self {
        let pin = |role| Some((role, config.slot(role).digest.clone()?));
        let pins = Role::ALL.into_iter().filter_map(pin).collect();
        Self { keys: config.policy.keys.clone(), pins }
    }
}

/// A module as it was found, before anything of it ran.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The slot that it is for.
    pub role: Role,
    /// All of it.
    pub bytes: &'a [u8],
    /// Where it was read, with its signature; `None` for a module in this binary.
    pub origin: Option<&'a Origin>,
}

/// A module that said who it is, and wants to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The module.
    pub found: Found<'a>,
    /// Its own name.
    pub name: &'a str,
    /// Its own version.
    pub version: &'a str,
    /// An operator said that it may be older than what was live.
    pub allow_downgrade: bool,
}

/// What speaks for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Its SHA-256, in lower-case hexadecimal.
    pub digest: String,
    /// Who signed it; `None` where no signature is demanded.
    pub signer: Option<Signer>,
}

/// Whose signature a module has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key's number, as minisign shows it: 16 hexadecimal digits.
    pub key: String,
    /// The trusted comment, which is signed, too.
    pub comment: String,
}

/// A module that may be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The slot that it is for.
    pub role: Role,
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What speaks for it.
    pub vouched: Vouched,
    /// It is older than what was live, and an operator allowed that.
    pub is_downgrade: bool,
}

/// Why a module may not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// `policy.keys` has something that is no key.
    #[error("{key:?} is no minisign public key: {why}; give the second line of the .pub file")]
    BadKey {
        /// As in the config.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is not the module that the config pins.
    #[error(
        "{module} has the digest {found}, and policy.{}.digest wants {wanted}; put back the module that was checked, or set the new digest if this one was", role.name()
    )]
    OtherDigest {
        /// The slot.
        role: Role,
        /// The module.
        module: String,
        /// Its SHA-256.
        found: String,
        /// The pinned one.
        wanted: String,
    },
    /// There is no signature.
    #[error(
        "{} is not signed: there is no {}, and policy.keys demands one; run `minisign -Sm {}` with the secret key of one of them", file.display(), signature.display(), file.display()
    )]
    Unsigned {
        /// The module.
        file: PathBuf,
        /// Where its signature should be.
        signature: PathBuf,
    },
    /// The signature's file can't be read.
    #[error("the signature {}: {why}", signature.display())]
    Unreadable {
        /// Which.
        signature: PathBuf,
        /// Why.
        why: String,
    },
    /// The signature's file holds something else.
    #[error(
        "{} holds no minisign signature: {why}; sign the module again, or copy the whole file", signature.display()
    )]
    NoSignature {
        /// Which.
        signature: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Signed with a key that the config does not list.
    #[error(
        "{} was made with the key {key}, and policy.keys has only {known}; sign the module with one of these, or add that public key if you trust its owner", signature.display()
    )]
    UnknownKey {
        /// Which.
        signature: PathBuf,
        /// The number of its key.
        key: String,
        /// The numbers of those that are listed.
        known: String,
    },
    /// The signature is of something else.
    #[error(
        "{} does not fit {}: the module, the signature or its trusted comment is not what the owner of the key {key} signed; fetch both files again, or sign the module again", signature.display(), file.display()
    )]
    BadSignature {
        /// The module.
        file: PathBuf,
        /// Its signature.
        signature: PathBuf,
        /// The number of the key that it claims.
        key: String,
    },
    /// Its version can't be compared.
    #[error(
        "the version {version:?} of the policy {name} can't be compared with others: {why}; give it as major.minor.patch"
    )]
    NoVersion {
        /// The policy.
        name: String,
        /// What it says.
        version: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is older than what was live.
    #[error(
        "downgrade: this is version {version} of the {} policy {name}, and {highest} was live already; load a newer one, or allow this one with `--allow-downgrade` or by removing it from {}", role.name(), floor.display()
    )]
    Downgrade {
        /// The slot.
        role: Role,
        /// The policy.
        name: String,
        /// Its version.
        version: String,
        /// The highest that was live.
        highest: String,
        /// The file that remembers it.
        floor: PathBuf,
    },
    /// What was live is not known.
    #[error(transparent)]
    Floor(#[from] FloorError),
}

impl TrustError {
    /// The key that an operator would look at: below `policy.ROLE`, or `policy.keys`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::OtherDigest { .. } => "digest",
            Self::BadKey { .. } => KEYS,
            Self::Unsigned { .. }
            | Self::Unreadable { .. }
            | Self::NoSignature { .. }
            | Self::UnknownKey { .. }
            | Self::BadSignature { .. }
            | Self::NoVersion { .. }
            | Self::Downgrade { .. }
            | Self::Floor(_) => "module",
        }
    }
}

/// Judges modules by the rules of a config.
#[derive(Debug)]
pub struct Trust {
    keys: Vec<Key>,
    pins: Vec<(Role, String)>,
    floor: Floor,
}

impl Trust {
    /// By these rules; what was live is remembered in that folder. Reads and writes nothing
    /// yet.
    pub fn new(rules: &Rules, state_folder: &Path) -> Result<Self, TrustError> {
        let keys = rules.keys.iter().map(|text| Key::read(text)).collect::<Result<_, _>>()?;
        Ok(Self { keys, pins: rules.pins.clone(), floor: Floor::new(state_folder) })
    }

    /// Whether a module's bytes may be looked at any further: its digest and its signature.
    /// Ask this before the module is compiled; [`Self::admit`] asks it again.
    pub fn vouch(&self, found: &Found<'_>) -> Result<Vouched, TrustError> {
        let digest = hexadecimal(digest(&SHA256, found.bytes).as_ref());
        for (_, wanted) in self.pins.iter().filter(|(role, _)| *role == found.role) {
            if *wanted != digest {
                let module = found.origin.map(|origin| origin.file().display().to_string());
                return Err(TrustError::OtherDigest {
                    role: found.role,
                    module: module.unwrap_or_else(|| "the module in this binary".to_owned()),
                    found: digest,
                    wanted: wanted.clone(),
                });
            }
        }
        let signer = match found.origin {
            Some(origin) if !self.keys.is_empty() => {
                Some(signature::verify(&self.keys, origin, found.bytes)?)
            }
            Some(_) | None => None,
        };
        Ok(Vouched { digest, signer })
    }

    /// Whether a module may be loaded: what [`Self::vouch`] says, and of a signed one that it
    /// is no older than what was live.
    pub fn admit(&self, candidate: &Candidate<'_>) -> Result<Admitted, TrustError> {
        let Candidate { found, name, version, allow_downgrade } = *candidate;
        let vouched = self.vouch(&found)?;
        let mut is_downgrade = false;
        if vouched.signer.is_some() {
            let this = parsed(name, version)?;
            let highest = self.floor.highest(found.role, name)?;
            if let Some(highest) = highest.filter(|highest| this.cmp_precedence(highest).is_lt()) {
                if !allow_downgrade {
                    return Err(TrustError::Downgrade {
                        role: found.role,
                        name: name.to_owned(),
                        version: version.to_owned(),
                        highest: highest.to_string(),
                        floor: self.floor.file().to_owned(),
                    });
                }
                is_downgrade = true;
            }
        }
        let (name, version) = (name.to_owned(), version.to_owned());
        Ok(Admitted { role: found.role, name, version, vouched, is_downgrade })
    }

    /// Remembers, so that it survives a loss of power, that this version is live. To be called
    /// when a policy has proven itself or was put in for good: one that is rolled back must
    /// not forbid the version before it. A downgrade that was allowed is the highest from now
    /// on, or the next start would refuse it.
    pub fn went_live(&self, admitted: &Admitted) -> Result<(), TrustError> {
        if admitted.vouched.signer.is_none() {
            return Ok(());
        }
        let version = parsed(&admitted.name, &admitted.version)?;
        Ok(self.floor.raise(admitted.role, &admitted.name, version, admitted.is_downgrade)?)
    }
}

fn parsed(name: &str, version: &str) -> Result<Version, TrustError> {
    Version::parse(version).map_err(|error| TrustError::NoVersion {
        name: name.to_owned(),
        version: version.to_owned(),
        why: error.to_string(),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
