//! Adapters and the daemon itself: off and on, gone and back, and refusing.

use btleplug::api::{Central as _, CentralEvent, CentralState, Manager as _, Peripheral as _};
use btleplug::platform::Manager;
use pointsman_bluez::trial;

use crate::rig::{Echo, Hunter, LIMIT, SERVICE, soon};

fn state(event: CentralEvent) -> Option<CentralState> {
    if let CentralEvent::StateUpdate(state) = event { Some(state) } else { None }
}

#[test]
fn an_adapter_that_goes_off_loses_its_links_and_comes_back() {
    trial("life::an_adapter_that_goes_off_loses_its_links_and_comes_back", 2, async |bluez| {
        let _echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        let prey = hunter.hunt().await;
        bluez.power(1, false);
        assert_eq!(hunter.event("off", state).await, CentralState::PoweredOff);
        assert!(!soon("asking", prey.peripheral.is_connected()).await.unwrap());
        soon("connecting", prey.peripheral.connect()).await.unwrap_err();
        bluez.power(1, true);
        assert_eq!(hunter.event("on", state).await, CentralState::PoweredOn);
        soon("connecting", prey.peripheral.connect()).await.unwrap();
    });
}

#[test]
fn an_adapter_that_is_blocked_can_not_be_switched_on() {
    trial("life::an_adapter_that_is_blocked_can_not_be_switched_on", 1, async |bluez| {
        let hunter = Hunter::start("hci0").await;
        bluez.block(0, true);
        let filter = btleplug::api::ScanFilter { services: vec![SERVICE] };
        let error = soon("a scan", hunter.adapter.start_scan(filter)).await.unwrap_err();
        assert!(error.to_string().contains("Blocked through rfkill"), "{error}");
        bluez.block(0, false);
        hunter.scan(SERVICE).await;
    });
}

#[test]
fn an_adapter_that_is_pulled_is_gone_until_it_is_put_back() {
    trial("life::an_adapter_that_is_pulled_is_gone_until_it_is_put_back", 2, async |bluez| {
        let manager = Manager::new().await.unwrap();
        bluez.unplug(1);
        assert_eq!(soon("adapters", manager.adapters()).await.unwrap().len(), 1);
        bluez.plug(1);
        assert_eq!(soon("adapters", manager.adapters()).await.unwrap().len(), 2);
    });
}

#[test]
fn a_daemon_that_restarts_has_forgotten_everything() {
    trial("life::a_daemon_that_restarts_has_forgotten_everything", 2, async |bluez| {
        let mut echo = Echo::start("hci0").await;
        let mut hunter = Hunter::start("hci1").await;
        let prey = hunter.hunt().await;
        bluez.stop();
        soon("asking", prey.peripheral.is_connected()).await.unwrap_err();
        bluez.resume().unwrap();
        let view = bluez.until(LIMIT, |view| view.up).await.unwrap();
        assert!(view.links.is_empty());
        assert_eq!(view.adapters[0].adverts + view.adapters[0].applications, 0);
        // The session of before still works, but for what it had registered.
        echo.advertise(6).await.unwrap();
        hunter.scan(SERVICE).await;
        hunter.found().await;
    });
}

#[test]
fn a_call_that_is_denied_says_so() {
    trial("life::a_call_that_is_denied_says_so", 1, async |bluez| {
        let manager = Manager::new().await.unwrap();
        bluez.deny(&["*"]);
        let error = soon("adapters", manager.adapters()).await.unwrap_err();
        assert!(error.to_string().contains("Rejected send message"), "{error}");
        bluez.allow();
        assert_eq!(soon("adapters", manager.adapters()).await.unwrap().len(), 1);
    });
}

#[test]
#[should_panic(expected = "no test is named")]
fn a_trial_by_a_wrong_name_fails() {
    trial("a_trial_by_a_wrong_name_fails", 1, async |_bluez| {});
}
