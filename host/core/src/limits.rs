//! Every bound that keeps a remote from making this node grow, in one file.
//!
//! What libraries bound on our behalf is listed at the end, with the bound.

use crate::address::ADDRESS_BYTES_MAX;

/// Largest message that an application may hand over, in bytes. A message is held whole by
/// sender and receiver, so this times the number of senders bounds memory.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Largest piece of a message in one packet, in bytes. Small enough that an urgent packet
/// behind one piece waits 6.5 ms at 20 Mbit/s, large enough that the header costs under 1 %.
pub const PIECE_BYTES_MAX: usize = 16 << 10;

/// Largest frame on a channel, in bytes: a piece and its header.
pub const FRAME_BYTES_MAX: usize = PIECE_BYTES_MAX + 256;

/// Most ranges in one acknowledgement. Older holes are told again by a later one.
pub const ACK_RANGES_MAX: usize = 32;

/// Most ranges that are remembered of a link's received packets.
pub const RECEIVED_RANGES_MAX: usize = 64;

/// Largest number of a packet, a message or a byte in a class: sums of such numbers with
/// anything that a node can hold never overflow.
pub const NUMBER_MAX: u64 = (1 << 62) - 1;

/// Longest text in a frame, in bytes.
pub const FRAME_TEXT_BYTES_MAX: usize = 128;

/// Peers that are kept at once. The least recently useful without links makes room.
pub const PEERS_MAX: usize = 4096;

/// Records of what peers did, of peers that made room for others. The one that is nearest to
/// that of a stranger makes room.
pub const STANDINGS_MAX: usize = 4096;

/// Standings that the shell keeps for the network task while that takes no orders: of peers, and
/// of those who were.
pub const STANDINGS_UNTOLD_MAX: usize = PEERS_MAX + STANDINGS_MAX;

/// Peers about which the reputation policy is asked in one second.
pub const FOLDS_PER_STEP_MAX: usize = 128;

/// Subnets of which something is known. The one nearest to unknown makes room.
pub const SUBNETS_MAX: usize = 1024;

/// Subnets about which the reputation policy is asked in one second.
pub const SUBNET_FOLDS_PER_STEP_MAX: usize = 32;

/// Subnets that are kept of one peer: those that its newest links came from.
pub const SUBNETS_PER_PEER_MAX: usize = 4;

/// Causes that are kept of one peer.
pub const CAUSES_PER_PEER_MAX: usize = 12;

/// Words of others that are kept about one peer.
pub const HEARSAY_PER_PEER_MAX: usize = 8;

/// Words in one frame of hearsay: 1.1 kB, which a narrow radio link sends in 30 ms. What does
/// not fit goes with the next.
pub const WORDS_PER_FRAME_MAX: usize = 32;

/// Frames of hearsay that a peer may send at once. Another one is granted every 20 s, and honest
/// peers send one in 30 s at most. What is beyond is spam.
pub const HEARSAY_FRAMES_MAX: u32 = 4;

/// Peers that are told of others in one second: all of [`LINKS_MAX`] have their turn in a minute.
pub const LISTENERS_PER_STEP_MAX: usize = 32;

/// Recollections that are handed out to be stored at once.
pub const RECOLLECTIONS_MAX: usize = 1024;

/// Peers that are measured over time: those with the most messages of those with links.
pub const WATCHED_PEERS_MAX: usize = 32;

/// Samples that are kept of a measure.
pub const SAMPLES_MAX: usize = 60;

/// Live links in total. An idle link costs 64–69 kB in libp2p.
pub const LINKS_MAX: usize = 1024;

/// Live links to one peer: a verdict's set has 16 bits.
pub const LINKS_PER_PEER_MAX: usize = 16;

/// Connections beside the links: queries, reservations, probes, and libp2p programs of other
/// make. Both together are bounded, so links are never kept out by fewer guests than this.
pub const GUESTS_MAX: usize = 512;

/// Connections to one peer beside its links.
pub const GUESTS_PER_PEER_MAX: usize = 8;

/// Relays that are remembered: those of the config, and those that were met. Of the latter the
/// oldest makes room.
pub const RELAYS_KNOWN_MAX: usize = 16;

/// Relays at which this node has a reservation at once.
pub const RESERVATIONS_MAX: usize = 2;

/// Circuits through this node at once, whatever is configured. Each takes two substreams, with
/// their windows, and 16 KiB.
pub const RELAY_CIRCUITS_MAX: usize = 1024;

/// Circuits between one peer and others: they share its connection's substreams.
pub const RELAY_CIRCUITS_PER_PEER_MAX: usize = 32;

/// Peers that have a reservation here at once.
pub const RELAY_RESERVATIONS_MAX: usize = 256;

/// Dials through relays that wait for the connection to their relay.
pub const CIRCUITS_PENDING_MAX: usize = DIALS_MAX;

/// Addresses of ours that are remembered with what is known of them.
pub const EXTERNAL_ADDRESSES_MAX: usize = 32;

/// Local interfaces.
pub const UPLINKS_MAX: usize = 32;

/// Bluetooth links over one adapter: common controllers hold 7 to 10 connections.
pub const ADAPTER_LINKS_MAX: usize = 7;

/// Addresses that are kept of one peer. mDNS and config share them; config wins.
pub const ADDRESSES_PER_PEER_MAX: usize = 16;

/// Dials under way at once, in total.
pub const DIALS_MAX: usize = 64;

/// Of these, dials of discouraged peers.
pub const DISCOURAGED_DIALS_MAX: usize = DIALS_MAX / 4;

/// Links that are closed to make room for better ones, and not gone yet: so many may be there
/// beyond [`LINKS_MAX`].
pub const REPLACED_LINKS_MAX: usize = 16;

/// Messages that wait for one peer in one class.
pub const QUEUE_MESSAGES_MAX: usize = 16_384;

/// Bytes that wait for one peer in one class: two of the largest messages.
pub const QUEUE_BYTES_MAX: u64 = 32 << 20;

/// Bytes that wait for all peers together.
pub const QUEUES_BYTES_MAX: u64 = 256 << 20;

/// Messages per class that a receiver remembers beyond the first that it lacks.
pub const WINDOW_MESSAGES_MAX: u64 = QUEUE_MESSAGES_MAX as u64;

/// What a message costs beside its bytes: the bookkeeping around it. Credit is spent with it,
/// so that a receiver holds no more of small messages than of large ones.
pub const MESSAGE_COST_BYTES: u64 = 256;

/// Bytes of a class that a peer may send beyond what the application consumed. One message
/// of the largest size must fit, or it could never arrive.
pub const CREDIT_BYTES: u64 = 32 << 20;

/// Bytes that are held of all peers' incomplete, waiting and unconsumed messages together.
pub const INBOXES_BYTES_MAX: u64 = 512 << 20;

/// Credit that every peer has before the first grant.
pub const CREDIT_INITIAL_BYTES: u64 = 1 << 20;

/// Packets in flight on one link.
pub const INFLIGHT_PACKETS_MAX: usize = 8192;

/// Frames that may wait between the Node and a link's task: in-flight packets and as many
/// acknowledgements and grants.
pub const LINK_QUEUE_FRAMES: usize = INFLIGHT_PACKETS_MAX + 1024;

/// Bytes of data frames that a link hands to the Node in one batch. A link that can't hand
/// over its batch reads no more data, so it holds this much and its muxer's window.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// Control frames in one batch.
pub const BATCH_CONTROL_MAX: usize = 1024;

/// Facts of links that wait for the Node, of all links: times [`BATCH_BYTES_MAX`], 32 MiB.
pub const LINK_FACTS_MAX: usize = 128;

/// Other facts of the network that wait for the Node.
pub const NET_FACTS_MAX: usize = 1024;

/// Encoded bytes that wait in a link's task for the muxer, in each channel.
pub const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// Violations that end a link at once, and how many malformed frames end it: one. A peer that
/// speaks the protocol never sends one.
pub const MALFORMED_MAX: u32 = 1;

/// Inbound connections that are still in their handshake, in total.
pub const PENDING_INBOUND_MAX: u32 = 256;

/// Inbound connections that are still in their handshake, from one address.
pub const PENDING_INBOUND_PER_ADDRESS_MAX: u32 = 16;

/// Established connections from one address (an IPv4 address, or an IPv6 /64).
pub const ESTABLISHED_PER_ADDRESS_MAX: u32 = 64;

/// Finished connections that wait until the links behaviour claims them: as many as can be
/// in their handshake at once, both ways. The oldest makes room.
pub const UNCLAIMED_LINKS_MAX: usize = 512;

/// Substreams that a peer may open on one connection: a link's four, identify's, some queries,
/// and the circuits of a relay.
pub const SUBSTREAMS_PER_LINK_MAX: usize = 64;

/// Resident memory above which no further connection is accepted, in bytes.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;

/// Largest value that travels over GATT, in bytes: BlueZ drops longer ones and tells nobody.
pub const GATT_VALUE_BYTES_MAX: usize = 509;
/// Largest packet on an L2CAP channel, in bytes, whatever its MTU: 20 ms at 100 kB/s, during
/// which nothing else is sent.
pub const L2CAP_PACKET_BYTES_MAX: usize = 2048;
/// Smallest value of a carrier, in bytes: Bluetooth's smallest MTU of 23, less the header.
pub const RADIO_VALUE_BYTES_MIN: usize = 20;
/// Bytes in flight on a radio's stream over GATT: 60 ms at 130 kB/s.
pub const GATT_WINDOW_BYTES_MAX: usize = 8 << 10;
/// Bytes in flight on a radio's stream over L2CAP.
pub const L2CAP_WINDOW_BYTES_MAX: usize = 16 << 10;
/// Bytes that wait in a radio's stream, in flight or not. It takes much less where its window is
/// small.
pub const RADIO_SEND_BYTES_MAX: usize = 32 << 10;
/// Bytes that a radio's stream holds until they are read.
pub const RADIO_RECEIVE_BYTES_MAX: usize = 32 << 10;
/// Bytes that are encrypted together for a radio: none of them can be used before all of them are
/// there, nor be overtaken by what is more urgent. 50 ms at 80 kB/s, for which headers cost a
/// hundredth.
pub const RADIO_FRAME_BYTES_MAX: usize = 4 << 10;
/// Bytes that the multiplexer of a radio's link frames together. See [`RADIO_FRAME_BYTES_MAX`].
pub const RADIO_WRITE_BYTES_MAX: usize = 2 << 10;
/// Frames in flight on a radio's stream.
pub const RADIO_SEGMENTS_MAX: usize = 128;

/// Bytes of a control request's head and body.
pub const CONTROL_HEAD_BYTES_MAX: usize = 16 << 10;
/// See [`CONTROL_HEAD_BYTES_MAX`]. A message may travel in a request.
pub const CONTROL_BODY_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Control connections at once.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;
/// Time that a control request's head may take, and its body, each in milliseconds.
pub const CONTROL_REQUEST_MS_MAX: u64 = 5_000;
/// Events that are kept for those who follow.
pub const JOURNAL_RECORDS_MAX: usize = 1024;
/// Orders of operators that wait for the loop.
pub const COMMANDS_MAX: usize = 64;
/// Messages that wait for the loop, on their way from applications into the Node.
pub const SUBMISSIONS_MAX: usize = 4096;

/// Bytes of a policy module: one in JavaScript or Python brings its interpreter along.
pub const MODULE_BYTES_MAX: usize = 48 << 20;
/// Keys that may sign modules.
pub const POLICY_KEYS_MAX: usize = 16;
/// Entries of the history of policies.
pub const HISTORY_ENTRIES_MAX: usize = 1_000;
/// Characters of a reason in it.
pub const HISTORY_TEXT_CHARS_MAX: usize = 500;
/// Policies that are remembered because they were rolled back; the oldest makes room.
pub const QUARANTINED_MAX: usize = 256;
/// Bytes that a realtime packet may take beyond a link's room: it is never kept waiting by the
/// bulk before it.
pub const URGENT_BYTES: u64 = 16 << 10;
/// Questions that wait to be put to the policy that is warm, to be compared. When full, they
/// are not compared.
pub const SHADOW_QUESTIONS_MAX: usize = 32;
/// Places that are watched at once because traffic stalls there.
pub const STALLS_MAX: usize = 64;
/// Sampled decisions whose packet is under way. When full, no further one is sampled.
pub const OPEN_DECISIONS_MAX: usize = 1024;
/// Findings in one answer of an anomaly policy.
pub const FINDINGS_MAX: usize = 64;
/// Decisions and outcomes that wait for the decision log.
pub const DECISIONS_QUEUED_MAX: usize = 4096;
/// Newest questions that are kept of each role but anomaly, for trials.
pub const QUESTIONS_KEPT_MAX: usize = 256;
/// Newest questions that are kept of the anomaly role: one is all that was measured in a minute.
pub const WINDOWS_KEPT_MAX: usize = 16;
/// Questions about peers that wait for the reputation policy.
pub const ASIDE_FOLDS_MAX: usize = 1024;
/// Decisions and outcomes that wait to be learned from.
pub const ASIDE_LESSONS_MAX: usize = 4096;
/// Answers from off the loop that wait for it.
pub const ASIDE_FACTS_MAX: usize = 256;
/// Outcomes that a policy learns from at once.
pub const OUTCOMES_PER_LESSON_MAX: usize = 256;
/// Decisions whose outcomes are awaited: the oldest is forgotten.
pub const DECISIONS_AWAITED_MAX: usize = 4096;
/// Bytes of what a policy has learned.
pub const LEARNED_BYTES_MAX: usize = 64 << 10;
/// Nodes of the DHT to begin with.
pub const BOOTSTRAPS_MAX: usize = 64;
/// What waits for the network task that is for the phone book: lookups of peers, standings.
pub const SEEKS_QUEUED_MAX: usize = 64;
/// Bytes of a config file.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;
/// Errors of a config that are told one by one.
pub const CONFIG_ERRORS_MAX: usize = 100;

/// Bytes of a frame in an answer of another phone book: twenty contacts and a record take 20 kB.
pub const DHT_FRAME_BYTES_MAX: usize = 64 << 10;
/// Bytes of a question of another phone book: a record and its name.
pub const DHT_REQUEST_BYTES_MAX: usize = 8 << 10;
/// Bytes of a peer's signed record.
pub const DHT_RECORD_BYTES_MAX: usize = 4 << 10;
/// Addresses in a peer's signed record.
pub const DHT_RECORD_ADDRESSES_MAX: usize = 16;
/// Records that are kept for others, one of each peer: 16 MiB at worst, 1.5 MB of usual ones.
pub const DHT_RECORDS_MAX: usize = 4096;
/// Of these, records that came from one subnet.
pub const DHT_RECORDS_PER_SUBNET_MAX: usize = 64;
/// Peers, or subnets, whose questions and records are counted at once.
pub const DHT_QUOTA_NAMES_MAX: usize = 4096;
/// Questions to others under way at once.
pub const DHT_REQUESTS_MAX: usize = 256;
/// Of these, questions to one peer.
pub const DHT_REQUESTS_PER_PEER_MAX: usize = 16;
/// Addresses that one dial tries, over all uplinks together.
pub const DHT_DIAL_ADDRESSES_MAX: usize = 16;
/// Lookups and crawls under way at once.
pub const DHT_QUERIES_MAX: usize = 64;
/// Contacts that are remembered to begin with, from the config, from before and from the LAN.
pub const DHT_SEEDS_MAX: usize = 1024;
/// Peers that wait to be asked whether they are where they are said to be.
pub const DHT_PROBES_MAX: usize = 1024;
/// Peers whose standing is remembered. The one nearest to that of a stranger makes room.
pub const DHT_STANDINGS_MAX: usize = 4096;
/// Events that wait for whoever takes them. When full, observations are dropped.
pub const DHT_EVENTS_MAX: usize = 4096;

/// Local Bluetooth radios.
pub const BLUETOOTH_RADIOS_MAX: usize = 4;
/// Neighbours that are remembered of one radio, and so [`BLUETOOTH_RADIOS_MAX`] times as many in
/// total, of about 1 kB each. A crowded hall has some hundreds of devices in earshot.
pub const NEIGHBOURS_PER_RADIO_MAX: usize = 256;
/// Of these, places that newcomers get even if all others were heard for a while.
pub const NEIGHBOURS_FRESH_MIN: usize = 64;
/// Bluetooth links and dials at once, whatever is configured. No controller holds more.
pub const BLUETOOTH_LINKS_MAX: usize = 32;
/// Bluetooth events that wait to be told.
pub const BLUETOOTH_EVENTS_MAX: usize = 1024;
/// Events about neighbours that were only heard, in a second; the rest is told later, if it is
/// still true.
pub const BLUETOOTH_EVENTS_PER_S: u32 = 8;
/// Peers that are remembered as not welcome over Bluetooth.
pub const BLUETOOTH_UNWELCOME_MAX: usize = 1024;

/// Longest multiaddr that is read of the phone book, in bytes: an address through a relay, which
/// names two peers beside it.
pub const DHT_ADDRESS_BYTES_MAX: usize = 512;
/// Addresses that are kept of one contact.
pub const DHT_ADDRESSES_PER_CONTACT_MAX: usize = 8;
/// Addresses of one contact that are looked at in a reply.
pub const DHT_ADDRESSES_READ_MAX: usize = 32;
/// Peers in one bucket of the routing table: Kademlia's k, and libp2p's.
pub const DHT_BUCKET_MAX: usize = 20;
/// Of these, peers of one subnet. An attacker with one /24 gets a tenth of a bucket.
pub const DHT_SUBNET_PER_BUCKET_MAX: usize = 2;
/// Peers of one subnet in the whole routing table.
pub const DHT_SUBNET_PER_TABLE_MAX: usize = 3;
/// Contacts of one reply that are used: a reply of an honest node has no more.
pub const DHT_REPLY_CONTACTS_MAX: usize = DHT_BUCKET_MAX;
/// Contacts of one reply that are looked at, for as many that can be used. A longer reply breaks
/// the protocol.
pub const DHT_REPLY_READ_MAX: usize = 64;
/// Disjoint paths of one lookup.
pub const DHT_PATHS_MAX: usize = 8;
/// Contacts of one subnet on a path, and in a reply, that are asked before all others were.
pub const DHT_SUBNET_PER_PATH_MAX: usize = 3;
/// Contacts that a path of a lookup keeps, of at most some 4 kB of addresses each.
pub const DHT_SHORTLIST_MAX: usize = 128;
/// Questions of one lookup under way at once.
pub const DHT_LOOKUP_PARALLEL_MAX: usize = 16;
/// Questions of one lookup in all.
pub const DHT_LOOKUP_ASKS_MAX: usize = 400;
/// Peers that a crawl keeps, of about 1 kB each, and at most some 10 kB.
pub const DHT_CRAWL_NODES_MAX: usize = 16_384;
/// Entries that are kept of one peer's table: 16 buckets.
pub const DHT_CRAWL_ENTRIES_MAX: usize = 16 * DHT_BUCKET_MAX;
/// Questions of a crawl under way at once.
pub const DHT_CRAWL_PARALLEL_MAX: usize = 128;
/// Lookups that the size of the network is estimated from.
pub const DHT_SIZE_SAMPLES_MAX: usize = 150;
/// Peers that the store remembers, with their addresses. Those that were only heard of make
/// room first.
pub const STORE_PEERS_MAX: usize = 16_384;
/// Addresses that the store keeps of one peer: the ones that worked last.
pub const STORE_ADDRESSES_PER_PEER_MAX: usize = 8;
/// Standings of peers in the store: of those that are not kept at the moment as well, so that
/// staying away for a while washes nobody clean.
pub const STORE_STANDINGS_MAX: usize = 65_536;
/// Standings of subnets in the store.
pub const STORE_SUBNETS_MAX: usize = 16_384;
/// Reasons that are kept of a standing: the newest.
pub const STORE_REASONS_MAX: usize = 8;
/// Bytes of the text of a reason.
pub const STORE_REASON_BYTES_MAX: usize = 128;
/// Signed records in the store. Most have some 400 bytes.
pub const STORE_RECORDS_MAX: usize = 16_384;
/// Bytes of a record's key.
pub const STORE_RECORD_KEY_BYTES_MAX: usize = 64;
/// Bytes of a record: all addresses of a peer, and a signature.
pub const STORE_RECORD_BYTES_MAX: usize = 8 << 10;
/// Named values in the store; their names are ours.
pub const STORE_VALUES_MAX: usize = 64;
/// Bytes of the name of such a value.
pub const STORE_VALUE_NAME_BYTES_MAX: usize = 64;
/// Bytes of such a value.
pub const STORE_VALUE_BYTES_MAX: usize = 256 << 10;
/// Changed rows that wait for the disk. From half of it on they wait no longer; when full,
/// further ones are refused and counted.
pub const STORE_CHANGES_MAX: usize = 16_384;
/// Corrupt store files that are kept beside the store: the newest.
pub const STORE_ASIDE_MAX: usize = 3;
/// Bytes of the store's file that are kept in memory.
pub const STORE_CACHE_BYTES: usize = 8 << 20;

// Bounded by libraries:
// - yamux 0.14 lets a peer send 256 KiB on a stream before we read it. What it grows that to
//   is at most 1 GiB for a connection in all, and only as fast as we do read.
// - quinn 0.11 lets a peer send as much as the windows in the daemon's `net/quic/config`.
// - netlink-proto 0.14 queues notifications of the kernel without bound; a task that does
//   nothing else drains them.

const _: () = {
    assert!(FRAME_BYTES_MAX > PIECE_BYTES_MAX);
    assert!(QUEUE_BYTES_MAX >= 2 * MESSAGE_BYTES_MAX as u64);
    assert!(QUEUES_BYTES_MAX >= QUEUE_BYTES_MAX);
    assert!(INBOXES_BYTES_MAX > 3 * CREDIT_BYTES);
    assert!(CREDIT_BYTES >= MESSAGE_BYTES_MAX as u64);
    assert!(WINDOW_MESSAGES_MAX >= QUEUE_MESSAGES_MAX as u64);
    assert!(LINKS_PER_PEER_MAX <= u16::BITS as usize);
    assert!(LINKS_MAX >= LINKS_PER_PEER_MAX);
    assert!(60 * LISTENERS_PER_STEP_MAX >= LINKS_MAX);
    // A peer, its flags and a score, of each.
    assert!(FRAME_BYTES_MAX > 2 + 35 * WORDS_PER_FRAME_MAX);
    assert!(SUBSTREAMS_PER_LINK_MAX >= RELAY_CIRCUITS_PER_PEER_MAX + 16);
    assert!(LINKS_MAX > BLUETOOTH_LINKS_MAX);
    assert!(LINKS_MAX > REPLACED_LINKS_MAX);
    assert!(DISCOURAGED_DIALS_MAX > 0 && DISCOURAGED_DIALS_MAX < DIALS_MAX);
    assert!(NEIGHBOURS_PER_RADIO_MAX > NEIGHBOURS_FRESH_MIN + BLUETOOTH_LINKS_MAX);
    assert!(LINK_QUEUE_FRAMES > INFLIGHT_PACKETS_MAX);
    assert!(RADIO_VALUE_BYTES_MIN < GATT_VALUE_BYTES_MAX);
    assert!(L2CAP_WINDOW_BYTES_MAX >= 2 * L2CAP_PACKET_BYTES_MAX);
    assert!(RADIO_SEND_BYTES_MAX >= 2 * L2CAP_WINDOW_BYTES_MAX);
    assert!(RADIO_WRITE_BYTES_MAX <= RADIO_FRAME_BYTES_MAX);
    // Its window is told in 16 bits.
    assert!(RADIO_RECEIVE_BYTES_MAX <= u16::MAX as usize);
    assert!(STORE_RECORD_BYTES_MAX >= ADDRESSES_PER_PEER_MAX * ADDRESS_BYTES_MAX + 1024);
    assert!(UNCLAIMED_LINKS_MAX >= PENDING_INBOUND_MAX as usize + DIALS_MAX);
};
