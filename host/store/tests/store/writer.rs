//! The thread that writes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use pointsman_core::limits::STORE_CHANGES_MAX;
use pointsman_store::{MemoryDisk, Notice, StoreError, Writer, Written};

use crate::samples::{a_row_of_each, batch, open_on, peer, standing, value, value_of};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3_600);

/// How long something may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(disk: &MemoryDisk, period: Duration) -> (Writer, Receiver<Notice>) {
    let (tell, told) = channel();
    let (store, _) = open_on(disk);
    let tell = move |notice| drop(tell.send(notice));
    (Writer::start(store, period, tell).unwrap(), told)
}

fn saved(told: &Receiver<Notice>) -> Written {
    match told.recv_timeout(PATIENCE).unwrap() {
        Notice::Saved(written) => written,
        other => panic!("{other:?}"),
    }
}

fn failing(told: &Receiver<Notice>) -> Arc<StoreError> {
    match told.recv_timeout(PATIENCE).unwrap() {
        Notice::Failing(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_change_is_written_at_once_and_later_ones_together_at_the_end() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, NEVER);
    writer.save(a_row_of_each(1)).unwrap();
    assert_eq!(saved(&told).put, 5);
    for n in 0..1_000 {
        writer.save(batch(|batch| batch.put_standing(&standing(7, n)))).unwrap();
        writer.save(batch(|batch| batch.put_peer(&peer(u64::from(n % 2 == 0), None)))).unwrap();
    }
    assert_eq!(writer.waiting(), 3);
    writer.close().unwrap();
    assert_eq!(saved(&told).put, 3);
    assert!(told.try_recv().is_err(), "all in one write");
    let (store, _) = open_on(&disk);
    assert!(store.load_standings().unwrap().rows.contains(&standing(7, 999)), "the newest wins");
}

#[test]
fn a_change_after_the_period_is_written_without_being_asked_for() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, Duration::from_millis(1));
    for n in 0..3 {
        writer.save(a_row_of_each(n)).unwrap();
        saved(&told);
    }
    assert_eq!(writer.waiting(), 0);
}

#[test]
fn handing_over_never_waits_for_a_disk_that_does_not_answer() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, Duration::ZERO);
    disk.stall();
    for n in 0..1_000 {
        writer.save(a_row_of_each(n)).unwrap();
    }
    assert!(told.try_recv().is_err(), "nothing can be written");
    assert!(writer.waiting() > 4_000);
    disk.resume();
    writer.close().unwrap();
    let (store, _) = open_on(&disk);
    assert_eq!(store.load_peers().unwrap().rows.len(), 1_000);
}

#[test]
fn what_has_no_room_is_refused_as_a_whole_and_told_once() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, NEVER);
    disk.stall();
    let many = |from: u64, count: usize| {
        let rows = from..from + count as u64;
        batch(|batch| rows.for_each(|n| batch.put_peer(&peer(n, None))))
    };
    writer.save(many(0, STORE_CHANGES_MAX - 5)).unwrap();
    for _ in 0..2 {
        let behind = writer.save(many(100_000, 6)).unwrap_err();
        assert_eq!((behind.waiting, behind.refused), (STORE_CHANGES_MAX - 5, 6));
    }
    writer.save(many(100_000, 5)).unwrap();
    assert_eq!(writer.refused(), 12);
    disk.resume();
    saved(&told);
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(Notice::Behind { waiting: 5 })));
    writer.close().unwrap();
    saved(&told);
    assert!(told.try_recv().is_err());
}

#[test]
fn an_error_is_told_once_and_nothing_is_lost_when_it_passes() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, Duration::ZERO);
    disk.set_room_bytes(Some(0));
    writer.save(batch(|batch| batch.put_value(&value("n", b"old")).unwrap())).unwrap();
    assert!(matches!(*failing(&told), StoreError::Full(_)));
    let attempts = disk.refusals();
    while disk.refusals() < attempts + 3 {
        std::thread::yield_now();
    }
    writer.save(batch(|batch| batch.put_value(&value("n", b"new")).unwrap())).unwrap();
    assert!(told.try_recv().is_err(), "it is the same error");
    disk.set_room_bytes(None);
    saved(&told);
    writer.close().unwrap();
    let (store, _) = open_on(&disk);
    assert_eq!(value_of(&store, "n"), Some(b"new".to_vec()), "the newer change wins");
}

#[test]
fn an_error_at_the_end_is_handed_back() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, NEVER);
    writer.save(a_row_of_each(1)).unwrap();
    saved(&told);
    writer.save(a_row_of_each(2)).unwrap();
    disk.cut_after(0);
    assert!(matches!(writer.close(), Err(StoreError::Io(_))));
}

#[test]
fn a_writer_that_is_dropped_writes_what_waits() {
    let disk = MemoryDisk::new();
    let (writer, told) = start(&disk, NEVER);
    writer.save(a_row_of_each(1)).unwrap();
    saved(&told);
    writer.save(a_row_of_each(2)).unwrap();
    drop(writer);
    let (store, _) = open_on(&disk);
    assert_eq!(store.load_peers().unwrap().rows.len(), 2);
}
