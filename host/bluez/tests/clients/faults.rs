//! Faults on demand: calls that fail, hang or cost the link, frames that are lost or late.

use std::time::{Duration, Instant};

use btleplug::api::{Peripheral as _, WriteType};
use pointsman_bluez::{Call, Fault, Frames, trial};

use crate::rig::{Echo, Hunter, LIMIT, OUT, SERVICE, soon};

#[test]
fn the_connect_that_shall_fail_fails_and_the_next_succeeds() {
    trial("faults::the_connect_that_shall_fail_fails_and_the_next_succeeds", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        let peripheral = hunter.found().await;
        bluez.fault(1, Call::Connect, 0, Fault::Fail);
        let error = soon("connecting", peripheral.connect()).await.unwrap_err();
        assert!(error.to_string().contains("le-connection-abort-by-local"), "{error}");
        soon("connecting", peripheral.connect()).await.unwrap();
    });
}

#[test]
fn a_connect_that_hangs_is_not_answered() {
    trial("faults::a_connect_that_hangs_is_not_answered", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        let peripheral = hunter.found().await;
        bluez.fault(1, Call::Connect, 0, Fault::Hang);
        tokio::select! {
            biased;
            connected = peripheral.connect() => panic!("it was answered: {connected:?}"),
            asked = bluez.until(LIMIT, |view| view.counters.calls(1, "Connect") == 1) => {
                asked.unwrap();
            }
        }
        assert!(bluez.view().unwrap().links.is_empty());
    });
}

#[test]
fn the_third_write_costs_the_link() {
    trial("faults::the_third_write_costs_the_link", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let prey = Hunter::start("hci1").await.hunt().await;
        bluez.fault(1, Call::WriteValue, 2, Fault::LoseLink);
        prey.write(b"1", WriteType::WithResponse).await.unwrap();
        prey.write(b"2", WriteType::WithResponse).await.unwrap();
        prey.write(b"3", WriteType::WithResponse).await.unwrap_err();
        assert!(!soon("asking", prey.peripheral.is_connected()).await.unwrap());
    });
}

#[test]
fn a_subscription_can_fail() {
    trial("faults::a_subscription_can_fail", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        hunter.scan(SERVICE).await;
        let peripheral = hunter.found().await;
        soon("connecting", peripheral.connect()).await.unwrap();
        soon("discovering", peripheral.discover_services()).await.unwrap();
        let out = peripheral.characteristics().into_iter().find(|one| one.uuid == OUT).unwrap();
        bluez.fault(1, Call::StartNotify, 0, Fault::Fail);
        soon("subscribing", peripheral.subscribe(&out)).await.unwrap_err();
        soon("subscribing", peripheral.subscribe(&out)).await.unwrap();
    });
}

#[test]
fn frames_are_lost_as_told() {
    trial("faults::frames_are_lost_as_told", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut prey = Hunter::start("hci1").await.hunt().await;
        // Frames: the first write, its echo, the second write, the third write, its echo.
        bluez.frames(0, 1, Frames { lose: Some(Box::new(|n| n == 2)), ..Frames::default() });
        prey.write(b"1", WriteType::WithoutResponse).await.unwrap();
        assert_eq!(prey.hear().await, b"1");
        prey.write(b"2", WriteType::WithoutResponse).await.unwrap();
        prey.write(b"3", WriteType::WithoutResponse).await.unwrap();
        assert_eq!(prey.hear().await, b"3");
        assert_eq!(bluez.counters().frames_lost, 1);
    });
}

#[test]
fn frames_take_their_time() {
    trial("faults::frames_take_their_time", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut prey = Hunter::start("hci1").await.hunt().await;
        let delay = Duration::from_millis(40);
        bluez.frames(0, 1, Frames { delay, lose: None });
        let begin = Instant::now();
        prey.write(b"slowly", WriteType::WithoutResponse).await.unwrap();
        assert_eq!(prey.hear().await, b"slowly");
        assert!(begin.elapsed() >= 2 * delay, "{:?}", begin.elapsed());
    });
}
