//! Scanning: who is found, and what is told of them.

use std::collections::BTreeMap;

use btleplug::api::{Central as _, CentralEvent, Peripheral as _};
use pointsman_bluez::{Stranger, trial};

use crate::rig::{Echo, Hunter, LIMIT, OTHER, SERVICE, soon};

#[test]
fn a_scan_finds_who_advertises_the_service_with_its_data() {
    trial("scans::a_scan_finds_who_advertises_the_service_with_its_data", 2, async |bluez| {
        bluez.rssi(0, 1, Some(-61));
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        let found = soon("properties", hunter.found().await.properties()).await.unwrap().unwrap();
        assert_eq!(found.address.to_string(), "00:AA:01:00:00:00");
        assert_eq!(found.services, [SERVICE]);
        assert_eq!(found.manufacturer_data[&0xffff], [0, 1, 2, 3, 4, 5]);
        assert_eq!(found.rssi, Some(-61));
    });
}

#[test]
fn a_scan_for_another_service_finds_nobody() {
    trial("scans::a_scan_for_another_service_finds_nobody", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(OTHER).await;
        bluez.stranger(stranger("C0:FF:EE:00:00:01", b"wanted"));
        let found = hunter.found().await;
        assert_eq!(found.address().to_string(), "C0:FF:EE:00:00:01");
        assert_eq!(bluez.view().unwrap().adapters[1].devices, 1);
    });
}

#[test]
fn a_strangers_broken_name_arrives_readable() {
    trial("scans::a_strangers_broken_name_arrives_readable", 1, async |bluez| {
        let mut hunter = Hunter::start("hci0").await;
        hunter.scan(OTHER).await;
        bluez.stranger(stranger("C0:FF:EE:00:00:02", b"a\xff\xfeb\0c"));
        let found = soon("properties", hunter.found().await.properties()).await.unwrap().unwrap();
        assert_eq!(found.advertisement_name.as_deref(), Some("a  b"));
    });
}

#[test]
fn data_is_told_again_and_again_and_a_new_distance_once() {
    trial("scans::data_is_told_again_and_again_and_a_new_distance_once", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        hunter.found().await;
        for _ in 0..3 {
            hunter
                .event("data again", |event| {
                    matches!(event, CentralEvent::ManufacturerDataAdvertisement { .. })
                        .then_some(())
                })
                .await;
        }
        bluez.rssi(0, 1, Some(-77));
        let rssi = hunter
            .event("a distance", |event| {
                if let CentralEvent::RssiUpdate { rssi, .. } = event { Some(rssi) } else { None }
            })
            .await;
        assert_eq!(rssi, -77);
    });
}

#[test]
fn a_rotated_address_is_a_new_device() {
    trial("scans::a_rotated_address_is_a_new_device", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        hunter.found().await;
        let address = bluez.rotate(0);
        assert_eq!(hunter.found().await.address().to_string(), address);
    });
}

#[test]
fn who_is_silent_is_forgotten() {
    trial("scans::who_is_silent_is_forgotten", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        hunter.found().await;
        bluez.forget_devices_after(std::time::Duration::from_millis(300));
        bluez.rssi(0, 1, None);
        bluez.until(LIMIT, |view| view.adapters[1].devices == 0).await.unwrap();
        assert!(soon("peripherals", hunter.adapter.peripherals()).await.unwrap().is_empty());
    });
}

#[test]
fn an_advertisement_has_31_bytes() {
    trial("scans::an_advertisement_has_31_bytes", 1, async |_bluez| {
        let mut echo = Echo::start("hci0").await;
        echo.advertise(9).await.unwrap();
        assert_eq!(echo.advertise(10).await.unwrap_err().kind, bluer::ErrorKind::Failed);
    });
}

fn stranger(address: &str, name: &[u8]) -> Stranger {
    Stranger {
        address: address.into(),
        random: true,
        uuids: vec![OTHER.to_string()],
        manufacturer: BTreeMap::from([(0x004c, vec![1, 2])]),
        name: Some(name.to_vec()),
        rssi_dbm: -80,
    }
}
