//! Battery and mains, as the kernel tells of them in `/sys/class/power_supply`.
//!
//! The kernel has no event that needs no privilege and works everywhere, so a task looks
//! every [`LOOK_EVERY`] and tells what changed. It ends when nobody listens any more. A
//! machine without a battery says so once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often it looks: a battery loses a thousandth in about that time.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Where the kernel lists power supplies.
const SUPPLIES: &str = "/sys/class/power_supply";

/// What the machine runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Power {
    /// Charge of the fullest battery in thousandths; `None` without a battery.
    pub(crate) battery_permille: Option<u16>,
    /// Whether it is on mains.
    pub(crate) charging: bool,
}

/// Begins to look.
pub(crate) fn watch() -> watch::Receiver<Power> {
    let (news, told) = watch::channel(Power::default());
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !news.is_closed() {
            looks.tick().await;
            let looked = tokio::task::spawn_blocking(|| read(Path::new(SUPPLIES))).await;
            let Ok(power) = looked else { return };
            news.send_if_modified(|known| std::mem::replace(known, power) != power);
        }
    });
    told
}

/// Reads a folder of supplies. What can't be read is not there.
fn read(supplies: &Path) -> Power {
    let entries = fs::read_dir(supplies).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).fold(Power::default(), |power, supply| {
        let one = supply_power(&supply);
        Power {
            battery_permille: power.battery_permille.max(one.battery_permille),
            charging: power.charging || one.charging,
        }
    })
}

/// One supply. Batteries of attached devices, such as a mouse, are not the machine's.
fn supply_power(supply: &Path) -> Power {
    let text = |name: &str| -> Option<String> {
        let path: PathBuf = supply.join(name);
        fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    };
    if text("scope").as_deref() == Some("Device") {
        return Power::default();
    }
    if text("type").as_deref() == Some("Battery") {
        let percent = text("capacity").and_then(|percent| percent.parse::<u16>().ok());
        let charging = matches!(text("status").as_deref(), Some("Charging" | "Full"));
        let battery_permille = percent.map(|percent| percent.min(100) * 10);
        return Power { battery_permille, charging };
    }
    Power { battery_permille: None, charging: text("online").as_deref() == Some("1") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supplies(list: &[&[(&str, &str)]]) -> Power {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, files) in list.iter().enumerate() {
            let supply = folder.path().join(number.to_string());
            fs::create_dir(&supply).expect("a supply");
            for (name, text) in *files {
                fs::write(supply.join(name), format!("{text}\n")).expect("a file");
            }
        }
        read(folder.path())
    }

    #[test]
    fn a_laptop_on_its_battery_tells_the_charge() {
        let battery = &[("type", "Battery"), ("capacity", "73"), ("status", "Discharging")][..];
        let mains = &[("type", "Mains"), ("online", "0")][..];
        let power = supplies(&[battery, mains]);
        assert_eq!(power, Power { battery_permille: Some(730), charging: false });
    }

    #[test]
    fn mains_or_a_charging_battery_is_mains() {
        let battery = &[("type", "Battery"), ("capacity", "40"), ("status", "Charging")][..];
        let mains = &[("type", "USB"), ("online", "1")][..];
        assert!(supplies(&[battery]).charging);
        assert_eq!(supplies(&[mains]), Power { battery_permille: None, charging: true });
    }

    #[test]
    fn the_battery_of_a_mouse_and_nonsense_are_left_out() {
        let mouse = &[("type", "Battery"), ("scope", "Device"), ("capacity", "90")][..];
        let broken = &[("type", "Battery"), ("capacity", "many")][..];
        assert_eq!(supplies(&[mouse, broken]), Power::default());
        assert_eq!(read(Path::new("/nowhere/at/all")), Power::default());
    }
}
