//! Dice that nobody at the table can load.
//!
//! Each seat draws a secret and first shows only its digest; when all digests are there, all
//! secrets are shown, and the roll is made of all of them together. A seat that has not seen the
//! others' secrets can't choose its own to please itself, and one that shows another secret than
//! it promised is caught (M. Blum, "Coin flipping by telephone", 1981).

use sha2::{Digest, Sha256};

/// A seat's part in a roll.
pub(crate) type Secret = [u8; 32];

/// Two dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dice(pub(crate) u8, pub(crate) u8);

impl Dice {
    /// What they show together.
    pub(crate) fn sum(self) -> u8 {
        self.0 + self.1
    }

    /// The roll that these secrets make, in the order of the seats. Bytes of a hash chain are
    /// taken below 252, the largest multiple of six, so that every face is as likely.
    pub(crate) fn of(secrets: &[Secret]) -> Self {
        let mut block = digest(&secrets.concat());
        let mut faces = Vec::new();
        while faces.len() < 2 {
            faces.extend(block.iter().filter(|&&byte| byte < 252).map(|byte| byte % 6 + 1));
            block = digest(&block);
        }
        Self(faces[0], faces[1])
    }
}

/// A new secret.
pub(crate) fn secret() -> anyhow::Result<Secret> {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(secret)
}

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_comes_up_about_as_often() {
        let mut counts = [0_u32; 6];
        for number in 0..6_000_u32 {
            let Dice(one, other) = Dice::of(&[digest(&number.to_le_bytes())]);
            counts[usize::from(one) - 1] += 1;
            counts[usize::from(other) - 1] += 1;
        }
        assert!(counts.iter().all(|count| (1_850..=2_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn every_secret_changes_the_roll_s_making() {
        let secrets = [digest(b"a"), digest(b"b"), digest(b"c")];
        let mut rolls = std::collections::BTreeSet::new();
        for number in 0..50_u8 {
            let mut changed = secrets;
            changed[2] = digest(&[number]);
            rolls.insert(Dice::of(&changed).sum());
        }
        assert!(rolls.len() > 3, "{rolls:?}");
    }
}
