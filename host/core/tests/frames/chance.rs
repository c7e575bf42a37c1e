//! Frames, changes to frames and portions of bytes drawn from a fixed seed.

use pointsman_core::frame::{
    Ack, ByeCode, Data, Frame, FrameReader, Hello, Word, decode, encoded_len,
};
use pointsman_core::id::PeerId;
use pointsman_core::limits::{
    ACK_RANGES_MAX, FRAME_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, NUMBER_MAX, PIECE_BYTES_MAX,
    WORDS_PER_FRAME_MAX,
};
use pointsman_sdk::selector::Class;

use super::reader::{drain, stream};
use super::{bytes_of, decoded};

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// All magnitudes are equally likely.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }

    /// Of a packet, a message or a byte.
    fn count(&mut self) -> u64 {
        self.number() & NUMBER_MAX
    }

    fn text(&mut self) -> String {
        let length = self.below(FRAME_TEXT_BYTES_MAX / 4 + 1);
        (0..length).map(|_| ['a', 'é', '駅', '🚂'][self.below(4)]).collect()
    }

    fn class(&mut self) -> Class {
        Class::ALL[self.below(3)]
    }

    fn frame(&mut self) -> Frame {
        match self.below(9) {
            0 => Frame::Hello(self.hello()),
            1 => Frame::Data(self.data()),
            2 => Frame::Ack(self.ack()),
            3 => Frame::Probe { sequence: self.count().max(1) },
            4 => Frame::Credit { class: self.class(), bytes: self.count() },
            5 => Frame::Floor { class: self.class(), message: self.count().max(1) },
            6 => Frame::Bye(ByeCode::ALL[self.below(ByeCode::ALL.len())]),
            7 => Frame::Hearsay(self.words()),
            _ => Frame::Unknown(65 + self.below(191) as u8),
        }
    }

    fn hello(&mut self) -> Hello {
        let version_min = (self.number() as u16).max(1);
        Hello {
            version_min,
            version_max: version_min.saturating_add(self.number() as u16),
            features: self.number(),
            network: self.text(),
            session: self.number(),
            link: self.number() as u32,
            dial: self.number(),
            uplink: self.text(),
            uplink_flags: self.number(),
        }
    }

    fn data(&mut self) -> Data {
        let message = self.count().max(1);
        let magnitude = self.below(MESSAGE_BYTES_MAX.ilog2() as usize + 1);
        let length = 1 + self.below(1 << magnitude);
        let offset = self.below(length.div_ceil(PIECE_BYTES_MAX)) * PIECE_BYTES_MAX;
        let piece = vec![self.next() as u8; (length - offset).min(PIECE_BYTES_MAX)];
        Data {
            sequence: self.count().max(1),
            class: self.class(),
            ordered: self.below(2) == 0,
            message,
            floor: message - self.number().min(message),
            position: self.count(),
            length: length as u32,
            offset: offset as u32,
            piece: piece.into(),
        }
    }

    fn ack(&mut self) -> Ack {
        let (link, delay_us) = (self.number() as u32, self.number());
        let mut ranges = Vec::new();
        let mut below = self.count().max(1);
        for _ in 0..=self.below(ACK_RANGES_MAX) {
            let start = below - self.number().min(below - 1);
            ranges.push((start, below));
            let gap = 2 + self.number() % 1000;
            if start <= gap {
                break;
            }
            below = start - gap;
        }
        Ack { link, delay_us, ranges }
    }

    fn words(&mut self) -> Vec<Word> {
        let count = 1 + self.below(WORDS_PER_FRAME_MAX);
        let ids: std::collections::BTreeSet<u64> = (0..count).map(|_| self.number()).collect();
        let mut words = Vec::new();
        for id in ids {
            let mut about = [7; 32];
            about[..8].copy_from_slice(&id.to_be_bytes());
            let score = (self.below(2) == 0).then(|| self.below(2001) as i32 - 1000);
            words.push(Word { about: PeerId(about), linked: self.below(2) == 0, score });
        }
        words
    }
}

#[test]
fn every_frame_comes_back_from_its_bytes_which_are_as_many_as_told() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..5_000 {
        let frame = chance.frame();
        let bytes = bytes_of(&frame);
        assert_eq!(bytes.len(), encoded_len(&frame), "{frame:?}");
        assert_eq!(decode(bytes), Ok(frame));
    }
}

#[test]
fn changed_frames_are_refused_or_have_other_bytes() {
    let mut chance = Chance(0xd1b5_4a32_d192_ed03);
    for _ in 0..20_000 {
        let mut bytes = bytes_of(&chance.frame()).to_vec();
        for _ in 0..=chance.below(3) {
            let place = chance.below(bytes.len().min(64));
            match chance.below(3) {
                0 => bytes[place] ^= 1 << chance.below(8),
                1 => bytes.insert(place, chance.next() as u8),
                _ => bytes[place] = chance.next() as u8,
            }
        }
        if let Ok(frame) = decoded(&bytes) {
            // One frame has one encoding, but for what is skipped behind a hello or a kind.
            let again = bytes_of(&frame);
            assert!(bytes.starts_with(&again), "{frame:?}");
        }
    }
}

#[test]
fn random_bytes_never_panic_and_mostly_are_no_frame() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..chance.below(80)).map(|_| chance.next() as u8).collect();
        if let Some(kind) = bytes.first_mut() {
            *kind = [0, 1, 2, 3, 4, 5, 6, 7, 8, 64][usize::from(*kind) % 10];
        }
        refused += usize::from(decoded(&bytes).is_err());
    }
    assert!(refused > 15_000, "{refused}");
}

#[test]
fn frames_survive_any_portions() {
    let mut chance = Chance(0x1234_5678_9abc_def1);
    for _ in 0..40 {
        let sent: Vec<_> = (0..30).map(|_| chance.frame()).collect();
        let bytes = stream(&sent);
        let (mut reader, mut rest, mut frames) = (FrameReader::default(), &bytes[..], Vec::new());
        while !rest.is_empty() {
            let most = 1 << chance.below(17);
            let (portion, left) = rest.split_at((1 + chance.below(most)).min(rest.len()));
            reader.buffer().extend_from_slice(portion);
            rest = left;
            frames.extend(drain(&mut reader));
        }
        assert_eq!(frames, sent);
    }
}
