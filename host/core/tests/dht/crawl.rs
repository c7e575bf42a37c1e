//! Reading the whole network.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::crawl::{Crawl, CrawlState, CrawlStatus, Options};
use pointsman_core::dht::key::Key;
use pointsman_core::id::{PeerId, Time};

use super::net::{Manner, Net};

/// What of a crawl is watched from outside.
#[derive(Default)]
struct Run {
    now: u64,
    most_at_once: usize,
    /// When each peer was asked, and answered.
    asked: BTreeMap<PeerId, Vec<(u64, u64)>>,
}

/// Answers under way, by when they arrive.
type Coming = BTreeMap<(Time, usize), (PeerId, Option<Vec<Contact>>)>;

/// Carries a crawl on until it is over, or so many questions were asked.
fn drive(net: &mut Net, crawl: &mut Crawl, run: &mut Run, questions: usize) {
    let own = net.nodes[0].peer;
    let mut coming = Coming::new();
    let mut count = 0;
    loop {
        while count < questions
            && let Some(ask) = crawl.next(Time(run.now))
        {
            count += 1;
            let key = Key::of_bytes(
                &net.names.find(&Key::of_peer(&ask.peer), ask.bits).expect("within reach"),
            );
            let (after_us, reply) = net.bucket(own, &ask.peer, &ask.addresses, &key);
            let at = run.now + after_us;
            run.asked.entry(ask.peer).or_default().push((run.now, at));
            coming.insert((Time(at), count), (ask.peer, reply));
            run.most_at_once = run.most_at_once.max(coming.len());
        }
        let deadline = crawl.deadline();
        match coming.first_entry().filter(|entry| deadline.is_none_or(|due| entry.key().0 <= due)) {
            Some(entry) => {
                run.now = entry.key().0.0;
                match entry.remove() {
                    (peer, Some(told)) => crawl.answered(Time(run.now), &peer, &told),
                    (peer, None) => crawl.failed(Time(run.now), &peer),
                }
            }
            None if count >= questions => return,
            None => match deadline {
                Some(due) => run.now = due.0,
                None => return,
            },
        }
    }
}

fn begin(net: &Net) -> Crawl {
    let own = &net.nodes[0];
    let first = net.contacts(0, &own.key);
    Crawl::new(own.peer, first.into_iter().take(3), Options::default())
}

/// Entries of honest tables that the crawl did not find, and those that it made up.
fn differences(net: &Net, state: &CrawlState) -> (usize, usize) {
    let own = net.nodes[0].peer;
    let (mut missing, mut invented) = (0, 0);
    for node in net.nodes[1..].iter().filter(|node| node.manner == Manner::Honest) {
        let found = state.nodes.iter().find(|found| found.contact.peer == node.peer);
        let found: BTreeSet<PeerId> =
            found.map(|found| found.entries.iter().copied().collect()).unwrap_or_default();
        // A reply leaves out who asked.
        let wanted: BTreeSet<PeerId> =
            node.table.rows().map(|(peer, _)| *peer).filter(|peer| *peer != own).collect();
        missing += wanted.difference(&found).count();
        invented += found.difference(&wanted).count();
    }
    (missing, invented)
}

fn network(seed: u64, manners: &[(usize, Manner)]) -> Net {
    let mut net = Net::new(seed);
    for &(count, manner) in manners {
        net.add(count, manner);
    }
    net.meet();
    net
}

#[test]
fn every_entry_of_three_hundred_nodes_is_found() {
    let mut net = network(31, &[(300, Manner::Honest)]);
    let (mut crawl, mut run) = (begin(&net), Run::default());
    drive(&mut net, &mut crawl, &mut run, usize::MAX);
    assert!(crawl.is_over());
    assert_eq!(differences(&net, &crawl.export()), (0, 0));
    let progress = crawl.progress();
    assert_eq!((progress.answered, progress.unreachable), (299, 0));
    assert!(progress.questions < 299 * 8, "{progress:?}");
    assert!(run.now < 10_000_000, "{} us", run.now);
}

#[test]
fn a_peer_is_asked_one_thing_at_a_time_with_a_pause() {
    let mut net = network(32, &[(60, Manner::Honest)]);
    let (mut crawl, mut run) = (begin(&net), Run::default());
    drive(&mut net, &mut crawl, &mut run, usize::MAX);
    let options = Options::default();
    assert!(run.most_at_once <= options.parallel);
    for times in run.asked.values() {
        for pair in times.windows(2) {
            assert!(pair[1].0 >= pair[0].1 + options.pause_us, "{pair:?}");
        }
    }
}

#[test]
fn the_dead_are_told_from_the_living() {
    let mut net = network(33, &[(80, Manner::Honest), (20, Manner::Offline)]);
    let (mut crawl, mut run) = (begin(&net), Run::default());
    drive(&mut net, &mut crawl, &mut run, usize::MAX);
    let state = crawl.export();
    assert_eq!(differences(&net, &state), (0, 0));
    for node in &net.nodes[1..] {
        let found = state.nodes.iter().find(|found| found.contact.peer == node.peer).unwrap();
        let offline = node.manner == Manner::Offline;
        let wanted = if offline { CrawlStatus::Unreachable } else { CrawlStatus::Read };
        assert_eq!(found.status, wanted);
    }
}

#[test]
fn liars_and_poisoners_hide_nothing_of_honest_tables() {
    let manners =
        [(80, Manner::Honest), (7, Manner::Lies), (7, Manner::Poisons), (6, Manner::Drops)];
    let mut net = network(34, &manners);
    let (mut crawl, mut run) = (begin(&net), Run::default());
    drive(&mut net, &mut crawl, &mut run, usize::MAX);
    assert!(crawl.is_over());
    assert_eq!(differences(&net, &crawl.export()), (0, 0));
}

#[test]
fn a_crawl_that_was_stopped_goes_on_where_it_was() {
    let mut net = network(35, &[(100, Manner::Honest)]);
    let (mut crawl, mut run) = (begin(&net), Run::default());
    drive(&mut net, &mut crawl, &mut run, 350);
    let state = crawl.export();
    assert!(differences(&net, &state).0 > 0, "it was not over");
    let read: Vec<PeerId> = state
        .nodes
        .iter()
        .filter(|node| node.status == CrawlStatus::Read)
        .map(|node| node.contact.peer)
        .collect();
    assert!(!read.is_empty());
    let mut resumed = Crawl::resume(net.nodes[0].peer, &state, Options::default());
    let mut run = Run::default();
    drive(&mut net, &mut resumed, &mut run, usize::MAX);
    assert_eq!(differences(&net, &resumed.export()), (0, 0));
    assert!(read.iter().all(|peer| !run.asked.contains_key(peer)), "nobody is read twice");
}

#[test]
fn a_crawl_that_knows_nobody_is_over() {
    let mut crawl = Crawl::new(PeerId([0; 32]), [], Options::default());
    assert_eq!(crawl.next(Time(0)), None);
    assert!(crawl.is_over());
}
