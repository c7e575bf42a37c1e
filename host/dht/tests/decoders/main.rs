//! Every decoder of the phone book over honest bytes, changed at random: what the fuzz targets in
//! `host/dht/fuzz/` do for longer.

mod bodies;
mod seeds;

use std::path::PathBuf;
use std::{env, fs};

use pointsman_core::dht::contact::Scope;
use pointsman_dht::record::Rules;
use pointsman_dht::wire::Answer;

/// Changed inputs of each seed.
const ROUNDS: usize = 4_000;

/// The same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// One to four changes: a bit, a byte, a cut, a piece twice, or bytes of another seed.
    fn change(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                2 => bytes.truncate(at),
                3 => {
                    let end = at + self.below(bytes.len() - at);
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => {
                    let from = self.below(other.len());
                    bytes.splice(at.., other[from..].iter().copied());
                }
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
        bytes
    }
}

fn run(seeds: &[Vec<u8>], body: fn(&[u8])) {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        body(seed);
        for _ in 0..ROUNDS {
            let other = &seeds[chance.below(seeds.len())];
            body(&chance.change(seed, other));
        }
    }
    for length in 0..200 {
        let bytes: Vec<u8> = (0..length).map(|_| chance.below(256) as u8).collect();
        body(&bytes);
    }
}

#[test]
fn no_bytes_make_an_answer_that_exceeds_its_bounds() {
    run(&seeds::answers(), bodies::answer);
}

#[test]
fn no_bytes_make_a_frame_that_is_not_what_its_length_says() {
    run(&seeds::frames(), bodies::frame);
}

#[test]
fn no_bytes_make_a_record_that_holds_to_fewer_rules_than_it_must() {
    run(&seeds::records(), bodies::record);
}

#[test]
fn nothing_that_a_peer_signs_makes_a_record_that_breaks_a_rule() {
    run(&seeds::payloads(), bodies::payload);
}

/// A seed that is refused at once would lead nowhere.
#[test]
fn the_seeds_are_honest() {
    let [near, found, kept] = bodies::asks();
    for (ask, seed) in [found, near, kept].iter().zip(seeds::answers()) {
        assert!(Answer::read(ask, seed.into()).is_ok(), "{ask:?}");
    }
    let rules = Rules { network: bodies::NETWORK, scope: Scope::Public, now_s: bodies::NOW_S };
    for seed in seeds::records() {
        let (key, value) = seed.split_at(bodies::KEY_BYTES);
        assert!(rules.check(key, value, None).is_ok());
    }
}

/// With `POINTSMAN_WRITE_SEEDS` set it writes them.
#[test]
fn the_seeds_of_the_fuzz_targets_are_those_of_the_tests() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let targets = [
        ("answer", seeds::answers()),
        ("frame", seeds::frames()),
        ("record", seeds::records()),
        ("payload", seeds::payloads()),
    ];
    for (target, seeds) in targets {
        for (number, seed) in seeds.iter().enumerate() {
            let file = folder.join(target).join(number.to_string());
            if env::var_os("POINTSMAN_WRITE_SEEDS").is_some() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, seed).unwrap();
            }
            assert_eq!(&fs::read(&file).unwrap(), seed, "{}", file.display());
        }
    }
}
