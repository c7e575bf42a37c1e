//! Losses of power: what was committed is there, and nothing is there by half.

use pointsman_store::{MemoryDisk, OpenError, Store, StoreError, Survivors};

use crate::samples::{a_row_of_each, batch, open_on, peer, value, value_of};

/// Batches of a run.
const BATCHES: u64 = 6;

/// Writes batch by batch until the power fails; tells how many were acknowledged.
fn run(disk: &MemoryDisk) -> u64 {
    let attach = disk.clone();
    let Ok((store, _)) = Store::open_on(move || Ok(attach.backend())) else { return 0 };
    for n in 1..=BATCHES {
        if store.write(&nth(n)).is_err() {
            return n - 1;
        }
    }
    // That closing failed does not matter: all is on the disk.
    let _ = store.close();
    BATCHES
}

/// Adds peers, and changes the same value each time.
fn nth(n: u64) -> pointsman_store::Batch {
    batch(|batch| {
        (n * 100..n * 100 + 20).for_each(|n| batch.put_peer(&peer(n, Some(n))));
        batch.forget_peer(&crate::samples::id((n - 1) * 100));
        batch.put_value(&value("n", &n.to_be_bytes())).unwrap();
    })
}

/// The number of batches that are in the store, all of which must be whole.
fn batches_in(store: &Store) -> u64 {
    let n = value_of(store, "n")
        .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")));
    let expected: Vec<_> = (1..=n)
        .flat_map(|batch| batch * 100 + u64::from(batch < n)..batch * 100 + 20)
        .map(|n| peer(n, Some(n)))
        .collect();
    let peers = store.load_peers().unwrap();
    assert_eq!((peers.rows, peers.skipped), (expected, 0), "{n} batches");
    n
}

/// After the loss: `acknowledged` batches, or one more, whose write had begun.
fn check(disk: &MemoryDisk, acknowledged: u64, what: &str) {
    let attach = disk.clone();
    match Store::open_on(move || Ok(attach.backend())) {
        Ok((store, _)) => {
            let found = batches_in(&store);
            assert!((acknowledged..=acknowledged + 1).contains(&found), "{what}: {found} batches");
            store.write(&nth(found + 1)).unwrap();
            assert_eq!(batches_in(&store), found + 1);
        }
        // The file itself was under way.
        Err(OpenError::Corrupt { .. }) if acknowledged == 0 => {}
        Err(error) => panic!("{what}: {error}"),
    }
}

/// How many operations of the disk a run takes.
fn operations_of_a_run() -> u64 {
    let disk = MemoryDisk::new();
    assert_eq!(run(&disk), BATCHES);
    disk.operations()
}

#[test]
fn after_a_loss_of_power_at_any_operation_all_that_was_committed_is_there() {
    let operations = operations_of_a_run();
    assert!(operations > 50, "{operations}");
    for cut in 0..operations {
        for survivors in [
            Survivors::Nothing,
            Survivors::Everything,
            Survivors::Some { seed: cut },
            Survivors::Some { seed: !cut },
        ] {
            let disk = MemoryDisk::new();
            disk.cut_after(cut);
            let acknowledged = run(&disk);
            assert!(disk.is_cut());
            disk.restore(survivors);
            check(&disk, acknowledged, &format!("cut after {cut}, {survivors:?}"));
        }
    }
}

#[test]
fn a_loss_of_power_during_the_repair_of_the_last_one_loses_nothing_either() {
    let operations = operations_of_a_run();
    for cut in (0..operations).step_by(3) {
        let disk = MemoryDisk::new();
        disk.cut_after(cut);
        let acknowledged = run(&disk);
        disk.restore(Survivors::Some { seed: cut });
        for again in 0..5 {
            disk.cut_after(again * 2);
            let attach = disk.clone();
            drop(Store::open_on(move || Ok(attach.backend())));
            disk.restore(Survivors::Some { seed: cut ^ again });
        }
        check(&disk, acknowledged, &format!("cut after {cut}"));
    }
}

#[test]
fn a_batch_that_was_not_acknowledged_can_be_gone_and_one_that_was_never_is() {
    let disk = MemoryDisk::new();
    let (store, _) = open_on(&disk);
    store.write(&nth(1)).unwrap();
    disk.cut_after(0);
    assert!(matches!(store.write(&nth(2)), Err(StoreError::Io(_))));
    disk.restore(Survivors::Nothing);
    assert_eq!(batches_in(&store), 1, "the same store opens its disk again");
}

#[test]
fn a_full_disk_is_an_error_that_loses_nothing_and_passes() {
    let disk = MemoryDisk::new();
    let (store, _) = open_on(&disk);
    store.write(&nth(1)).unwrap();
    disk.set_room_bytes(Some(disk.length()));
    let large = batch(|batch| (1_000..9_000).for_each(|n| batch.put_peer(&peer(n, Some(n)))));
    for _ in 0..2 {
        let error = store.write(&large).unwrap_err();
        assert!(matches!(error, StoreError::Full(_)), "{error}");
    }
    assert_eq!(batches_in(&store), 1);
    disk.set_room_bytes(None);
    store.write(&large).unwrap();
    assert_eq!(store.load_peers().unwrap().rows.len(), 8_020);
}

#[test]
fn one_disk_has_one_store_at_a_time() {
    let disk = MemoryDisk::new();
    let (store, _) = open_on(&disk);
    store.write(&a_row_of_each(1)).unwrap();
    let attach = disk.clone();
    let second = Store::open_on(move || Ok(attach.backend()));
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    drop(store);
    open_on(&disk);
}
