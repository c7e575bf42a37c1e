//! Lists of paths, as questions to selectors and failover policies carry them.

use pointsman_sdk::path::flags::{
    APP_LIMITED, DRAINING, MASKED, METERED, PROBATION, RELAYED, SUSPECT, UP,
};
use pointsman_sdk::{PathRow, Transport};

use super::EXTREMES;

/// Most links to a peer, and bits in a verdict's set.
const PATHS_MAX: u32 = 16;
/// Position of the flags in a row: at their extremes they say "down" or "masked".
const FLAGS_COLUMN: usize = 2;
/// Fields that an older host's rows have: none of the radio's.
const OLDER_STRIDE: usize = 24;

/// A name and a list: the stride, then the rows.
pub(super) type Named = (String, Vec<u32>);

/// Wi-Fi at home: fast, free, and well known.
pub(super) const WIFI: PathRow = PathRow {
    id: 7,
    transport: Transport::Lan as u32,
    flags: UP | APP_LIMITED,
    uplink: 1,
    risk_group: 1,
    srtt_us: 4_000,
    rttvar_us: 900,
    min_rtt_us: 2_500,
    silent_us: 12_000,
    sample_age_ms: 12,
    rate_kbps: 80_000,
    room_bytes: 96_000,
    cwnd_bytes: 128_000,
    inflight_bytes: 32_000,
    queued_bytes: 0,
    late_ppm: 1_500,
    loss_ppm: 200,
    reliability_ppm: 990_000,
    mtu: 16_384,
    hops: 1,
    wake_uj: 1_000,
    nj_per_byte: 60,
    price_per_mib: 0,
    quota_left_kib: u32::MAX,
    rssi: (-52_i32).cast_unsigned(),
    trend: (-15_i32).cast_unsigned(),
    down_forecast_ms: u32::MAX,
    confidence: 900_000,
};

/// A phone's uplink: slower, with a price and a quota.
pub(super) const LTE: PathRow = PathRow {
    id: 9,
    transport: Transport::Internet as u32,
    flags: UP | METERED,
    uplink: 2,
    risk_group: 2,
    srtt_us: 55_000,
    rttvar_us: 12_000,
    min_rtt_us: 38_000,
    rate_kbps: 20_000,
    inflight_bytes: 1_200,
    wake_uj: 90_000,
    nj_per_byte: 900,
    price_per_mib: 5_000,
    quota_left_kib: 300_000,
    ..WIFI
};

/// Near, slow and thrifty.
const BLUETOOTH: PathRow = PathRow {
    id: 11,
    transport: Transport::Bluetooth as u32,
    flags: UP,
    uplink: 3,
    risk_group: 3,
    srtt_us: 60_000,
    rate_kbps: 250,
    room_bytes: 2_000,
    mtu: 512,
    wake_uj: 50,
    nj_per_byte: 250,
    ..WIFI
};

/// A list of these rows.
pub(super) fn list(rows: &[PathRow]) -> Vec<u32> {
    let mut list = vec![PathRow::STRIDE as u32];
    for row in rows {
        row.write(&mut list);
    }
    list
}

fn with(row: PathRow, flags: u32) -> PathRow {
    PathRow { flags, ..row }
}

/// What a peer's paths may look like.
pub(super) fn landscapes() -> Vec<Named> {
    let named = |name: &str, rows: &[PathRow]| (name.to_owned(), list(rows));
    let many: Vec<_> = (0..PATHS_MAX)
        .map(|n| PathRow { id: n, srtt_us: 90_000 - n * 5_000, uplink: n % 3, ..WIFI })
        .collect();
    let unknown = PathRow { id: 3, flags: UP, ..PathRow::default() };
    let full = PathRow { room_bytes: 0, ..WIFI };
    let relay = PathRow { id: 12, transport: Transport::Relay as u32, ..with(LTE, UP | RELAYED) };
    let suspect = with(WIFI, UP | SUSPECT);
    let mut landscapes = vec![
        named("no paths", &[]),
        named("one path", &[WIFI]),
        named("Wi-Fi and LTE", &[WIFI, LTE]),
        named("LTE and Wi-Fi", &[LTE, WIFI]),
        named("Bluetooth, Wi-Fi and LTE", &[BLUETOOTH, WIFI, LTE]),
        named("two equal paths", &[WIFI, PathRow { id: 8, ..WIFI }]),
        named("16 paths", &many),
        named("a path of which nothing is known but that it is up", &[unknown]),
        named("a path of which nothing is known beside Wi-Fi", &[unknown, WIFI]),
        named("a path that is down", &[with(WIFI, 0)]),
        named("a path that is down and one that is up", &[with(WIFI, 0), LTE]),
        named("a masked path and another", &[with(WIFI, UP | MASKED), LTE]),
        named("nothing but masked paths", &[with(WIFI, UP | MASKED), with(LTE, UP | MASKED)]),
        named("a suspect path and another", &[suspect, LTE]),
        named("nothing but suspect paths", &[suspect, with(LTE, UP | SUSPECT | METERED)]),
        named("a draining path and another", &[with(WIFI, UP | DRAINING), LTE]),
        named("a path on probation and a relay", &[with(WIFI, UP | PROBATION), relay]),
        named("paths without room", &[full, PathRow { room_bytes: 0, ..LTE }]),
        named("a path without room and one with room", &[full, LTE]),
        named("a path with all its flags", &[with(WIFI, u32::MAX)]),
    ];
    landscapes.push(("rows of a newer host".to_owned(), restrided(PathRow::STRIDE + 3)));
    landscapes.push(("rows of an older host".to_owned(), restrided(OLDER_STRIDE)));
    landscapes
}

/// Wi-Fi and LTE in rows of another length.
fn restrided(stride: usize) -> Vec<u32> {
    let usual = list(&[WIFI, LTE]);
    let mut list = vec![stride as u32];
    for row in usual[1..].chunks_exact(PathRow::STRIDE) {
        list.extend((0..stride).map(|column| row.get(column).copied().unwrap_or(5)));
    }
    list
}

/// Wi-Fi and LTE, with one field of both at an extreme.
pub(super) fn extremes() -> Vec<Named> {
    let usual = list(&[WIFI, LTE]);
    let columns = (0..PathRow::STRIDE).filter(|column| *column != FLAGS_COLUMN);
    columns
        .flat_map(|column| {
            let extreme = |(name, value): (&str, u32)| {
                let mut list = usual.clone();
                for row in list[1..].chunks_exact_mut(PathRow::STRIDE) {
                    row[column] = value;
                }
                (format!("two paths whose field {column} is {name}"), list)
            };
            EXTREMES.map(extreme)
        })
        .collect()
}
