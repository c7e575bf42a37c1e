//! What is written is read, and every table is bounded.

use pointsman_core::limits::{STORE_PEERS_MAX, STORE_RECORDS_MAX, STORE_VALUES_MAX};
use pointsman_core::subnet::Subnet;
use pointsman_store::{Batch, MemoryDisk, Opened, Peer};

use crate::samples::{
    a_row_of_each, batch, id, open_on, peer, peer_at, record, standing, subnet, value, value_of,
};

#[test]
fn what_is_written_is_there_after_a_restart() {
    let disk = MemoryDisk::new();
    let (store, opened) = open_on(&disk);
    assert_eq!(opened, Opened::Fresh);
    assert_eq!(store.write(&a_row_of_each(7)).unwrap().put, 5);
    store.close().unwrap();
    let (store, opened) = open_on(&disk);
    assert_eq!(opened, Opened::Found);
    assert_eq!(store.load_peers().unwrap().rows, [peer(7, Some(7))]);
    assert_eq!(store.load_standings().unwrap().rows, [standing(7, 10)]);
    assert_eq!(store.load_subnets().unwrap().rows, [subnet(7, -10)]);
    assert_eq!(store.load_records(0).unwrap().rows, [record(7, 100)]);
    assert_eq!(store.load_values().unwrap().rows, [value("n", &7u64.to_be_bytes())]);
}

#[test]
fn a_row_takes_the_place_of_the_older_one_and_goes_when_it_is_forgotten() {
    let (store, _) = open_on(&MemoryDisk::new());
    store.write(&a_row_of_each(7)).unwrap();
    store.write(&batch(|batch| batch.put_standing(&standing(7, 500)))).unwrap();
    assert_eq!(store.load_standings().unwrap().rows, [standing(7, 500)]);
    let forget = batch(|batch| {
        batch.forget_peer(&id(7));
        batch.forget_standing(&id(7));
        batch.forget_subnet(&Subnet::V4([10, 0, 7]));
        batch.forget_record(&record(7, 0).key);
        batch.forget_value("n");
        batch.forget_value("never there");
    });
    assert_eq!(store.write(&forget).unwrap().forgotten, 5);
    assert!(store.load_peers().unwrap().rows.is_empty());
    assert!(store.load_values().unwrap().rows.is_empty());
}

#[test]
fn records_that_expired_are_not_read_and_go_when_they_are_pruned() {
    let (store, _) = open_on(&MemoryDisk::new());
    let fill = batch(|batch| {
        (0..10).for_each(|n| batch.put_record(&record(n, 100 + n)).unwrap());
    });
    store.write(&fill).unwrap();
    assert_eq!(store.load_records(104).unwrap().rows.len(), 5);
    assert_eq!(store.load_records(0).unwrap().rows.len(), 10);
    let written = store.write(&batch(|batch| batch.prune_records(104))).unwrap();
    assert_eq!((written.expired, store.load_records(0).unwrap().rows.len()), (5, 5));
}

#[test]
fn a_hundred_thousand_strangers_push_out_none_that_was_met() {
    let (store, _) = open_on(&MemoryDisk::new());
    let met = |n| peer(n, Some(n + 1));
    store.write(&batch(|batch| (0..1_000).for_each(|n| batch.put_peer(&met(n))))).unwrap();
    for flood in 1..=10 {
        let strangers = batch(|batch| {
            (flood * 10_000..(flood + 1) * 10_000).for_each(|n| batch.put_peer(&peer(n, None)));
        });
        store.write(&strangers).unwrap();
        assert!(store.load_peers().unwrap().rows.len() <= STORE_PEERS_MAX);
    }
    let left = store.load_peers().unwrap().rows;
    assert!(left.len() > STORE_PEERS_MAX / 10 * 9);
    assert_eq!(left[..1_000], (0..1_000).map(met).collect::<Vec<Peer>>());
}

#[test]
fn a_subnet_that_was_met_under_many_names_pushes_out_only_its_own() {
    let (store, _) = open_on(&MemoryDisk::new());
    let old = batch(|batch| (0..1_000).for_each(|n| batch.put_peer(&peer(n, Some(1)))));
    store.write(&old).unwrap();
    let flood = batch(|batch| {
        (10_000..10_000 + STORE_PEERS_MAX as u64).for_each(|n| {
            batch.put_peer(&peer_at(n, "/ip4/192.0.2.1/tcp/4001", Some(1_000_000 + n)));
        });
    });
    assert!(store.write(&flood).unwrap().evicted > 0);
    let left = store.load_peers().unwrap().rows;
    assert_eq!(left.iter().filter(|peer| peer.id < id(1_000)).count(), 1_000);
}

#[test]
fn records_of_one_source_share_the_room_with_those_of_others() {
    let (store, _) = open_on(&MemoryDisk::new());
    let mut honest = record(0, 1);
    honest.source = Some(Subnet::V4([198, 51, 100]));
    let flood = batch(|batch| {
        batch.put_record(&honest).unwrap();
        let many = 1..=STORE_RECORDS_MAX as u64;
        many.for_each(|n| batch.put_record(&record(n, u64::MAX)).unwrap());
    });
    assert!(store.write(&flood).unwrap().evicted > 0);
    let left = store.load_records(0).unwrap().rows;
    assert!(left.len() <= STORE_RECORDS_MAX && left.contains(&honest));
}

#[test]
fn a_named_value_that_has_no_room_is_refused_and_the_others_can_change() {
    let (store, _) = open_on(&MemoryDisk::new());
    let name = |n: usize| format!("{n:04}");
    let put = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let fill = |batch: &mut Batch| {
            range.for_each(|n| batch.put_value(&value(&name(n), bytes)).unwrap());
        };
        store.write(&batch(fill)).unwrap()
    };
    assert_eq!(put(0..STORE_VALUES_MAX, b"a").refused, 0);
    let written = put(1..STORE_VALUES_MAX + 3, b"b");
    assert_eq!((written.put, written.refused), (STORE_VALUES_MAX as u64 - 1, 3));
    assert_eq!(value_of(&store, &name(0)), Some(b"a".to_vec()));
    assert_eq!(value_of(&store, &name(1)), Some(b"b".to_vec()));
    assert_eq!(value_of(&store, &name(STORE_VALUES_MAX)), None);
}
