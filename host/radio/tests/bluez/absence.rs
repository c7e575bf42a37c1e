//! A radio that is not there, goes and comes back.

use std::time::Duration;

use pointsman_bluez::trial;
use pointsman_radio::{DialError, Options, Why, start};

use crate::rig::{ALWAYS, Node, PAYLOAD, ended, meet, node, options, pair, soon};

#[test]
fn an_adapter_that_is_switched_off_is_taken_up_again() {
    trial("absence::an_adapter_that_is_switched_off_is_taken_up_again", 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        let (mut one, _other) = meet(&mut a, &mut b).await;
        bluez.power(0, false);
        assert!(a.unusable(Why::Off).await.contains("power on"));
        ended(&mut one).await;
        bluez.power(0, true);
        a.usable().await;
        bluez.power(1, false);
        b.unusable(Why::Off).await;
        bluez.power(1, true);
        b.usable().await;
        meet(&mut a, &mut b).await;
    });
}

#[test]
fn an_adapter_that_is_pulled_is_taken_up_again() {
    trial("absence::an_adapter_that_is_pulled_is_taken_up_again", 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        let (mut one, _other) = meet(&mut a, &mut b).await;
        bluez.unplug(0);
        assert!(a.unusable(Why::NoAdapter).await.contains("hci0"));
        ended(&mut one).await;
        bluez.plug(0);
        a.usable().await;
        meet(&mut a, &mut b).await;
    });
}

#[test]
fn a_bluez_that_stops_and_comes_back_finds_us_again() {
    trial("absence::a_bluez_that_stops_and_comes_back_finds_us_again", 2, async |bluez| {
        let (mut a, mut b) = pair().await;
        let (mut one, mut other) = meet(&mut a, &mut b).await;
        bluez.stop();
        assert!(a.unusable(Why::NoService).await.contains("systemctl"));
        b.unusable(Why::NoService).await;
        ended(&mut one).await;
        ended(&mut other).await;
        bluez.resume().expect("it starts");
        a.usable().await;
        b.usable().await;
        meet(&mut a, &mut b).await;
    });
}

#[test]
fn who_is_denied_is_told_the_remedy_and_tries_again() {
    trial("absence::who_is_denied_is_told_the_remedy_and_tries_again", 2, async |bluez| {
        bluez.deny(&["*"]);
        let mut a = node("hci0");
        assert!(a.unusable(Why::Denied).await.contains("group `bluetooth`"));
        assert!(
            soon("an answer", a.radio.dial("00:AA:01:01:00:01".parse().expect("an address")))
                .await
                .is_err_and(|error| error == DialError::Unusable)
        );
        bluez.allow();
        a.usable().await;
    });
}

#[test]
fn who_may_look_but_not_register_is_denied_too() {
    trial("absence::who_may_look_but_not_register_is_denied_too", 1, async |bluez| {
        bluez.deny(&["RegisterApplication"]);
        let mut a = node("hci0");
        a.unusable(Why::Denied).await;
        bluez.allow();
        a.usable().await;
    });
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    trial("absence::an_adapter_that_is_not_there_is_named", 1, async |_bluez| {
        let mut a = node("hci7");
        assert!(a.unusable(Why::NoAdapter).await.contains("hci7"));
    });
}

#[test]
fn without_a_name_the_first_adapter_that_is_on_is_used() {
    trial("absence::without_a_name_the_first_adapter_that_is_on_is_used", 2, async |bluez| {
        bluez.power(0, false);
        let (radio, told) = start(Options { adapter: None, ..options("hci0") });
        let mut a = Node { radio, told };
        let state = a.usable().await;
        assert!(format!("{state:?}").contains("hci1"), "{state:?}");
    });
}

#[test]
fn who_hears_nothing_for_long_begins_anew() {
    trial("absence::who_hears_nothing_for_long_begins_anew", 2, async |bluez| {
        let watchdog = Duration::from_millis(200);
        let (radio, told) = start(Options { watchdog, ..options("hci0") });
        let mut a = Node { radio, told };
        a.radio.scan(ALWAYS);
        a.usable().await;
        assert!(a.unusable(Why::Lost).await.contains("heard"));
        assert!(bluez.counters().calls(0, "StartDiscovery") >= 2, "first the scan alone");
        a.usable().await;
        let b = node("hci1");
        b.radio.advertise(Some(PAYLOAD));
        a.heard().await;
    });
}
