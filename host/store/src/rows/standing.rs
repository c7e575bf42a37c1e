//! How peers and subnets stand, and why.

use pointsman_core::id::PeerId;
use pointsman_core::limits::{STORE_REASON_BYTES_MAX, STORE_REASONS_MAX};
use pointsman_sdk::reputation::{Kind, Standing};

use super::{Row, peer_id, shortened};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::tables::Table;
use crate::worth::Worth;
use pointsman_core::subnet::Subnet;

/// How many kinds of observations there are.
pub const KINDS: usize = Kind::ALL.len();

/// What was seen of somebody, and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// What the policy made of it. Here, `updated_ms` is Unix time.
    pub standing: Standing,
    /// All that was ever seen, in the order of [`Kind::ALL`].
    pub seen: [u64; KINDS],
    /// What moved the standing last, the newest first. Of more than [`STORE_REASONS_MAX`] the
    /// first are kept.
    pub reasons: Vec<Reason>,
}

/// Something that moved a standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What was seen.
    pub kind: Kind,
    /// How often.
    pub weight: u32,
    /// When, in milliseconds of Unix time.
    pub at_unix_ms: u64,
    /// More of it, for people; [`STORE_REASON_BYTES_MAX`] are kept.
    pub text: String,
}

/// How a peer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStanding {
    /// Who.
    pub id: PeerId,
    /// How.
    pub track: Track,
}

/// How a subnet stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetStanding {
    /// Which.
    pub subnet: Subnet,
    /// How.
    pub track: Track,
}

impl Reason {
    fn encode(&self, part: &mut Encoder) {
        part.u8(self.kind as u8);
        part.u32(self.weight);
        part.u64(self.at_unix_ms);
        part.bytes(shortened(&self.text, STORE_REASON_BYTES_MAX).as_bytes());
    }

    /// `None` for one of a kind that is not known here.
    fn decode(part: &mut Decoder<'_>) -> Result<Option<Self>, Malformed> {
        let kind = Kind::ALL.get(usize::from(part.u8()?)).copied();
        let (weight, at_unix_ms) = (part.u32()?, part.u64()?);
        let text = part.text(STORE_REASON_BYTES_MAX)?.to_owned();
        Ok(kind.map(|kind| Self { kind, weight, at_unix_ms, text }))
    }
}

impl Track {
    fn encode(&self, row: &mut Encoder) {
        let Standing { score, a, b, c, updated_ms } = self.standing;
        row.i32(score);
        row.u32(a);
        row.u32(b);
        row.u32(c);
        row.u64(updated_ms);
        row.list(&self.seen, |count, part| part.u64(*count));
        let kept = &self.reasons[..self.reasons.len().min(STORE_REASONS_MAX)];
        row.list(kept, Reason::encode);
    }

    fn decode(row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let score = row.i32()?;
        if !(Standing::SCORE_MIN..=Standing::SCORE_MAX).contains(&score) {
            return Err(Malformed);
        }
        let (a, b, c, updated_ms) = (row.u32()?, row.u32()?, row.u32()?, row.u64()?);
        let standing = Standing { score, a, b, c, updated_ms };
        let counts = row.list(KINDS, |part| part.u64().map(Some))?;
        let mut seen = [0; KINDS];
        seen.iter_mut().zip(counts).for_each(|(seen, count)| *seen = count);
        let reasons = row.list(STORE_REASONS_MAX, Reason::decode)?;
        Ok(Self { standing, seen, reasons })
    }

    /// The further from unknown and the newer, the more it is worth. Those to be trusted and those
    /// to be shunned are two groups: identities cost nothing, so whoever behaves badly with many
    /// of them must not take the room of those who earned their trust.
    fn worth(&self) -> Worth {
        let Standing { score, updated_ms, .. } = self.standing;
        let merit = (u64::from(score.unsigned_abs()), updated_ms);
        Worth { class: 1, group: u64::from(score < 0), merit }
    }
}

impl Row for PeerStanding {
    const TABLE: Table = Table::Standings;

    fn key(&self) -> &[u8] {
        &self.id.0
    }

    fn encode(&self, row: &mut Encoder) {
        self.track.encode(row);
    }

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self { id: peer_id(key)?, track: Track::decode(row)? })
    }

    fn worth(&self) -> Worth {
        self.track.worth()
    }
}

impl Row for SubnetStanding {
    const TABLE: Table = Table::Subnets;

    fn key(&self) -> &[u8] {
        self.subnet.bytes()
    }

    fn encode(&self, row: &mut Encoder) {
        self.track.encode(row);
    }

    fn decode(key: &[u8], row: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self { subnet: Subnet::from_bytes(key).ok_or(Malformed)?, track: Track::decode(row)? })
    }

    fn worth(&self) -> Worth {
        self.track.worth()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(at_unix_ms: u64) -> Reason {
        Reason { kind: Kind::Spam, weight: 2, at_unix_ms, text: "too many".to_owned() }
    }

    fn track(score: i32) -> Track {
        let standing = Standing { score, a: 1, b: 2, c: 3, updated_ms: 4 };
        Track { standing, seen: [1, 2, 3, 4, 5, 6, u64::MAX], reasons: vec![reason(9), reason(8)] }
    }

    fn read(track: Track) -> Result<Track, Malformed> {
        let subnet = SubnetStanding { subnet: Subnet::V4([192, 0, 2]), track: track.clone() };
        let (read, skipped) = SubnetStanding::from_bytes(subnet.key(), &subnet.to_bytes())?;
        assert_eq!((read.subnet, skipped), (subnet.subnet, 0));
        let peer = PeerStanding { id: PeerId([1; 32]), track };
        let (same, _) = PeerStanding::from_bytes(peer.key(), &peer.to_bytes())?;
        assert_eq!((same.id, &same.track), (peer.id, &read.track));
        Ok(read.track)
    }

    #[test]
    fn a_standing_is_read_as_it_was_written() {
        for score in [Standing::SCORE_MIN, 0, Standing::SCORE_MAX] {
            assert_eq!(read(track(score)), Ok(track(score)));
        }
    }

    #[test]
    fn a_score_that_no_policy_gives_is_malformed() {
        assert_eq!(read(track(Standing::SCORE_MAX + 1)), Err(Malformed));
    }

    #[test]
    fn the_newest_reasons_are_kept_and_a_long_text_is_cut_between_letters() {
        let long = Reason { text: "ä".repeat(100), ..reason(0) };
        let reasons = (0..20).map(|n| Reason { at_unix_ms: 100 - n, ..long.clone() }).collect();
        let read = read(Track { reasons, ..track(0) }).unwrap();
        assert_eq!(read.reasons.len(), STORE_REASONS_MAX);
        assert_eq!(read.reasons[0].at_unix_ms, 100);
        assert_eq!(read.reasons[0].text, "ä".repeat(64));
    }
}
