//! How long it takes with full tables.

#![expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]

use std::time::Instant;

use pointsman_core::limits::{
    STORE_PEERS_MAX, STORE_RECORDS_MAX, STORE_STANDINGS_MAX, STORE_SUBNETS_MAX,
};
use pointsman_store::{Opened, Store};

use crate::samples::{batch, peer, record, standing, subnet};

#[test]
fn full_tables_are_written_and_read_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let all = batch(|batch| {
        (0..STORE_PEERS_MAX as u64).for_each(|n| batch.put_peer(&peer(n, Some(n))));
        (0..STORE_STANDINGS_MAX as u64).for_each(|n| batch.put_standing(&standing(n, 10)));
        (0..STORE_SUBNETS_MAX as u16).for_each(|n| batch.put_subnet(&subnet(n, 10)));
        (0..STORE_RECORDS_MAX as u64).for_each(|n| batch.put_record(&record(n, 100)).unwrap());
    });
    let (store, _) = Store::open(&path).unwrap();
    let began = Instant::now();
    assert_eq!(store.write(&all).unwrap().evicted, 0);
    eprintln!("{} rows in one batch: {:?}", all.len(), began.elapsed());
    let began = Instant::now();
    store.write(&batch(|batch| batch.put_peer(&peer(7, Some(8))))).unwrap();
    eprintln!("one row more: {:?}", began.elapsed());
    store.close().unwrap();
    eprintln!("the file: {} KiB", path.metadata().unwrap().len() >> 10);

    let began = Instant::now();
    let (store, opened) = Store::open(&path).unwrap();
    assert_eq!(opened, Opened::Found);
    eprintln!("opened, every page checked: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(store.load_peers().unwrap().rows.len(), STORE_PEERS_MAX);
    assert_eq!(store.load_standings().unwrap().rows.len(), STORE_STANDINGS_MAX);
    assert_eq!(store.load_subnets().unwrap().rows.len(), STORE_SUBNETS_MAX);
    assert_eq!(store.load_records(0).unwrap().rows.len(), STORE_RECORDS_MAX);
    eprintln!("all rows read: {:?}", began.elapsed());
    let began = Instant::now();
    let flood = batch(|batch| (100_000..101_000).for_each(|n| batch.put_peer(&peer(n, None))));
    assert!(store.write(&flood).unwrap().evicted >= 1_000);
    eprintln!("1000 rows into a full table: {:?}", began.elapsed());
}
