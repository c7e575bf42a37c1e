//! Links: connecting, writing, being notified, and how they end.

use btleplug::api::{Central as _, CentralEvent, Peripheral as _, WriteType};
use futures::StreamExt;
use pointsman_bluez::{Bluez, trial};

use crate::rig::{Echo, Hunter, IN, LIMIT, OUT, Prey, soon};

#[test]
fn what_is_written_without_response_is_echoed() {
    trial("links::what_is_written_without_response_is_echoed", 2, async |bluez| {
        let mut echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        let mut prey = hunter.hunt().await;
        soon("stopping", hunter.adapter.stop_scan()).await.unwrap();
        assert_eq!(prey.peripheral.mtu(), 517);
        // bluer handles each write in a task of its own, so among several threads their order
        // is lost.
        let mut echoed = write_a_hundred(&mut prey).await;
        echoed.sort_unstable();
        assert_eq!(echoed, Vec::from_iter(0..100));
        let first = echo.written.recv().await.unwrap();
        assert_eq!((first.from.as_str(), first.mtu), ("00:AA:01:00:00:01", 517));
        assert_eq!(first.value.len(), 20);
        soon("disconnecting", prey.peripheral.disconnect()).await.unwrap();
        assert!(!soon("asking", prey.peripheral.is_connected()).await.unwrap());
        assert_eq!(bluez.counters().notifications, 100);
    });
}

#[test]
fn a_peripheral_in_one_thread_is_given_writes_in_their_order() {
    let name = "links::a_peripheral_in_one_thread_is_given_writes_in_their_order";
    trial(name, 2, async |_bluez| {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let _echo = Echo::start("hci0").await;
                let _ = ended.await;
            });
        });
        let mut prey = Hunter::start("hci1").await.hunt().await;
        assert_eq!(write_a_hundred(&mut prey).await, Vec::from_iter(0..100));
        drop(end);
        thread.join().unwrap();
    });
}

/// Writes a hundred numbers without response; returns them as they are echoed.
async fn write_a_hundred(prey: &mut Prey) -> Vec<u8> {
    for number in 0..100_u8 {
        prey.write(&[number; 20], WriteType::WithoutResponse).await.unwrap();
    }
    let mut echoed = Vec::new();
    for _ in 0..100 {
        echoed.push(prey.hear().await[0]);
    }
    echoed
}

#[test]
fn a_read_comes_from_the_peripheral() {
    trial("links::a_read_comes_from_the_peripheral", 2, async |_bluez| {
        let _echo = Echo::start("hci0").await;
        let prey = Hunter::start("hci1").await.hunt().await;
        let value = soon("reading", prey.peripheral.read(&prey.characteristic(IN))).await.unwrap();
        assert_eq!(value, b"hello");
    });
}

#[test]
fn every_subscribed_central_hears_every_notification() {
    trial("links::every_subscribed_central_hears_every_notification", 3, async |_bluez| {
        let mut echo = Echo::start("hci0").await;
        let mut one = Hunter::start("hci1").await.hunt().await;
        let mut other = Hunter::start("hci2").await.hunt().await;
        soon("two sessions", echo.sessions.wait_for(|(begun, _)| *begun == 2)).await.unwrap();
        one.write(b"from one", WriteType::WithResponse).await.unwrap();
        other.write(b"from the other", WriteType::WithResponse).await.unwrap();
        for prey in [&mut one, &mut other] {
            assert_eq!(prey.hear().await, b"from one");
            assert_eq!(prey.hear().await, b"from the other");
        }
    });
}

#[test]
fn a_peripheral_sees_who_connected() {
    trial("links::a_peripheral_sees_who_connected", 2, async |_bluez| {
        let echo = Echo::start("hci0").await;
        let events = soon("events", echo.adapter.events()).await.unwrap();
        tokio::pin!(events);
        let prey = Hunter::start("hci1").await.hunt().await;
        let address = soon("who", async {
            loop {
                if let Some(bluer::AdapterEvent::DeviceAdded(address)) = events.next().await {
                    return address;
                }
            }
        })
        .await;
        assert_eq!(address.to_string(), "00:AA:01:00:00:01");
        let device = echo.adapter.device(address).unwrap();
        assert!(soon("asking", device.is_connected()).await.unwrap());
        soon("disconnecting", prey.peripheral.disconnect()).await.unwrap();
        assert!(!soon("asking", device.is_connected()).await.unwrap());
    });
}

#[test]
fn a_write_that_is_too_long_fails_or_vanishes() {
    trial("links::a_write_that_is_too_long_fails_or_vanishes", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut prey = Hunter::start("hci1").await.hunt().await;
        let error = prey.write(&[1; 511], WriteType::WithResponse).await.unwrap_err();
        assert!(error.to_string().contains("Invalid Length"), "{error}");
        prey.write(&[2; 511], WriteType::WithoutResponse).await.unwrap();
        prey.write(&[3; 510], WriteType::WithoutResponse).await.unwrap();
        assert_eq!(prey.hear().await, [3; 510]);
        bluez.mtu(0, 1, 23);
        prey.write(&[4; 21], WriteType::WithoutResponse).await.unwrap();
        prey.write(&[5; 20], WriteType::WithoutResponse).await.unwrap();
        assert_eq!(prey.hear().await, [5; 20]);
        assert_eq!(bluez.counters().writes_too_long, 2);
    });
}

#[test]
fn a_link_that_drops_is_told_and_another_resumes_the_subscription() {
    let name = "links::a_link_that_drops_is_told_and_another_resumes_the_subscription";
    trial(name, 2, async |bluez| {
        let mut echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        let mut prey = hunter.hunt().await;
        soon("one session", echo.sessions.wait_for(|(begun, _)| *begun == 1)).await.unwrap();
        bluez.drop_link(0, 1);
        hunter.event("the end", disconnected).await;
        let error = prey.write(b"nobody", WriteType::WithResponse).await.unwrap_err();
        assert!(error.to_string().contains("Not connected"), "{error}");
        // bluer confuses an end and a beginning that come at once.
        soon("the end of one", echo.sessions.wait_for(|(_, over)| *over == 1)).await.unwrap();
        soon("connecting", prey.peripheral.connect()).await.unwrap();
        soon("a session", echo.sessions.wait_for(|(begun, _)| *begun == 2)).await.unwrap();
        prey.write(b"again", WriteType::WithResponse).await.unwrap();
        assert_eq!(prey.hear().await, b"again");
    });
}

#[test]
fn whoever_walks_away_is_disconnected_and_can_come_back() {
    trial("links::whoever_walks_away_is_disconnected_and_can_come_back", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        let prey = hunter.hunt().await;
        bluez.rssi(0, 1, None);
        hunter.event("the end", disconnected).await;
        bluez.connect_timeout(std::time::Duration::from_millis(50));
        soon("connecting", prey.peripheral.connect()).await.unwrap_err();
        bluez.connect_timeout(LIMIT);
        let (connected, ()) = tokio::join!(prey.peripheral.connect(), returns(&bluez));
        connected.unwrap();
        assert!(prey_is_connected(&prey).await);
    });
}

async fn returns(bluez: &Bluez) {
    let asked = |view: &pointsman_bluez::View| view.counters.calls(1, "Connect") == 3;
    bluez.until(LIMIT, asked).await.unwrap();
    bluez.rssi(0, 1, Some(-40));
}

async fn prey_is_connected(prey: &Prey) -> bool {
    soon("asking", prey.peripheral.is_connected()).await.unwrap()
}

fn disconnected(event: CentralEvent) -> Option<()> {
    matches!(event, CentralEvent::DeviceDisconnected(_)).then_some(())
}

#[test]
fn who_unsubscribes_hears_no_more() {
    trial("links::who_unsubscribes_hears_no_more", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let prey = Hunter::start("hci1").await.hunt().await;
        let out = prey.characteristic(OUT);
        soon("unsubscribing", prey.peripheral.unsubscribe(&out)).await.unwrap();
        prey.write(b"unheard", WriteType::WithResponse).await.unwrap();
        let view = bluez.view().unwrap();
        assert_eq!(view.link(0, 1).unwrap().subscriptions, 0);
        assert_eq!(view.counters.notifications, 0);
    });
}
