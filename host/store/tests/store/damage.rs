//! Bits that turned around while nobody looked.

use std::fs;
use std::path::Path;

use pointsman_store::{MemoryDisk, OpenError, Opened, Store};

use crate::samples::{a_row_of_each, batch, open_on, peer, value_of};

/// A store with enough in it that its tables have several pages.
fn fill(store: &Store) {
    store.write(&batch(|batch| (1..=300).for_each(|n| batch.put_peer(&peer(n, Some(n)))))).unwrap();
    store.write(&a_row_of_each(7)).unwrap();
}

/// How many batches of `fill` are there; each is as a whole.
fn batches_in(store: &Store) -> u64 {
    let (peers, value) = (store.load_peers().unwrap(), value_of(store, "n"));
    assert_eq!(peers.skipped, 0);
    let batches = match (peers.rows.len(), value) {
        (0, None) => return 0,
        (_, None) => 1,
        (_, value) => {
            assert_eq!(value, Some(7u64.to_be_bytes().to_vec()));
            2
        }
    };
    assert_eq!(peers.rows, (1..=300).map(|n| peer(n, Some(n))).collect::<Vec<_>>());
    batches
}

/// One byte of redb's header has no checksum: it says which of the last two commits is the newer,
/// and how it was made. A bit of it can bring back the older one, which is whole as well.
const GOD_BYTE: u64 = 9;

#[test]
fn a_flipped_bit_anywhere_is_found_or_did_not_matter() {
    let disk = MemoryDisk::new();
    let (store, _) = open_on(&disk);
    fill(&store);
    store.close().unwrap();
    let image = disk.image();
    let bits = image.len() as u64 * 8;
    // All of the header, and a stride through the pages that meets every bit of a byte.
    let tried = (0..320 * 8).chain((320 * 8..bits).step_by(4_001));
    let (mut found, mut lost) = (0, 0);
    for bit in tried {
        let disk = MemoryDisk::of(&image);
        disk.flip_bit(bit);
        let attach = disk.clone();
        match Store::open_on(move || Ok(attach.backend())) {
            Ok((store, Opened::Found)) => {
                let batches = batches_in(&store);
                assert!(batches == 2 || bit / 8 == GOD_BYTE, "bit {bit}: {batches} batches");
                found += 1;
            }
            Ok((_, other)) => panic!("bit {bit}: {other}"),
            Err(OpenError::Corrupt { .. }) => lost += 1,
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    assert!(found > 0 && lost > 0, "{found} without effect, {lost} found");
}

#[test]
fn a_file_with_a_flipped_bit_in_header_or_page_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let whole = {
        let (store, _) = Store::open(&path).unwrap();
        fill(&store);
        store.close().unwrap();
        fs::read(&path).unwrap()
    };
    let mut rebuilt = 0;
    for at in [0, 12, 66].into_iter().chain((4096..whole.len()).step_by(4096)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        rebuilt += usize::from(was_rebuilt(&path, at));
    }
    assert!(rebuilt > 5, "{rebuilt} times");
}

fn was_rebuilt(path: &Path, at: usize) -> bool {
    let (store, opened) = Store::open(path).unwrap();
    match opened {
        Opened::Rebuilt { .. } => assert!(store.load_peers().unwrap().rows.is_empty()),
        Opened::Found => assert_eq!(batches_in(&store), 2, "byte {at}"),
        Opened::Fresh => panic!("there was a file"),
    }
    opened != Opened::Found
}

#[test]
fn a_file_of_any_shorter_length_is_refused_or_whole() {
    let disk = MemoryDisk::new();
    let (store, _) = open_on(&disk);
    fill(&store);
    store.close().unwrap();
    let image = disk.image();
    for length in (1..image.len()).step_by(1_711) {
        let disk = MemoryDisk::of(&image[..length]);
        let opened = Store::open_on(move || Ok(disk.backend()));
        assert!(matches!(opened, Err(OpenError::Corrupt { .. })), "{length} bytes: {opened:?}");
    }
}
