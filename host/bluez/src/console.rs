//! What the program does: starts bus and service, and carries out lines of its input.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use pointsman_bluez::{ADDRESS_VARIABLE, Bluez, Bus, Call, Fault, Frames, Stranger};

const COMMANDS: &str = "\
Commands, one a line; adapters are hci0, hci1 and so on:
  show                           adapters, links and counters
  rssi hci0 hci1 -60             how strongly two hear each other, in dBm; `none`: not at all
  mtu hci0 hci1 185              the MTU between two, in bytes
  frames hci0 hci1 20 10         each frame takes 20 ms, and every tenth is lost; `0 0`: none
  drop hci0 hci1                 break their link
  off hci0, on hci0              switch an adapter
  block hci0, unblock hci0       as rfkill does
  unplug hci0, plug hci0         pull an adapter, put it back
  rotate hci0                    another address on the air
  fault hci0 connect hang 0      how a call goes wrong after 0 more: connect, startnotify,
                                 writevalue, startdiscovery, registeradvertisement;
                                 fail, hang or loselink
  deny StartDiscovery, allow     refuse methods (`deny *`: all), and no more
  stop, resume, restart          the daemon
  interval 100                   how often adverts are repeated, in ms
  stranger C0:FF:EE:00:00:01 -70 UUID [NAME]
                                 somebody else's device that advertises a service
  silence                        no strangers any more
  quit";

/// A BlueZ on a bus of its own, for programs that use Bluetooth and have none.
///
/// The first line of the output sets the variable that such a program needs in its environment.
#[derive(Debug, Parser)]
#[command(name = "pointsman-bluez", after_help = COMMANDS)]
pub(crate) struct Options {
    /// How many adapters there are.
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    adapters: u8,
}

/// Runs until the input ends.
#[expect(clippy::print_stdout, reason = "it is a program for a terminal")]
pub(crate) fn run(options: &Options) -> Result<()> {
    let bus = Bus::start()?;
    let bluez = Bluez::start(bus.address(), usize::from(options.adapters))?;
    println!("export {ADDRESS_VARIABLE}='{}'", bus.address());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => continue,
            ["quit"] => break,
            words => match carry_out(&bluez, words) {
                Ok(answer) => println!("{answer}"),
                Err(error) => println!("{error:#}"),
            },
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn carry_out(bluez: &Bluez, words: &[&str]) -> Result<String> {
    match *words {
        ["help"] => return Ok(COMMANDS.to_owned()),
        ["show"] => return Ok(format!("{:#?}", bluez.view().context("the service is gone")?)),
        ["rotate", adapter] => return Ok(bluez.rotate(index(adapter)?)),
        ["rssi", one, other, "none"] => bluez.rssi(index(one)?, index(other)?, None),
        ["rssi", one, other, dbm] => bluez.rssi(index(one)?, index(other)?, Some(dbm.parse()?)),
        ["mtu", one, other, bytes] => bluez.mtu(index(one)?, index(other)?, bytes.parse()?),
        ["frames", one, other, delay, every] => {
            bluez.frames(index(one)?, index(other)?, frames(delay, every)?);
        }
        ["drop", one, other] => bluez.drop_link(index(one)?, index(other)?),
        ["off", adapter] => bluez.power(index(adapter)?, false),
        ["on", adapter] => bluez.power(index(adapter)?, true),
        ["block", adapter] => bluez.block(index(adapter)?, true),
        ["unblock", adapter] => bluez.block(index(adapter)?, false),
        ["unplug", adapter] => bluez.unplug(index(adapter)?),
        ["plug", adapter] => bluez.plug(index(adapter)?),
        ["fault", adapter, named, goes, after] => {
            bluez.fault(index(adapter)?, call(named)?, after.parse()?, fault(goes)?);
        }
        ["deny", ref methods @ ..] if !methods.is_empty() => bluez.deny(methods),
        ["allow"] => bluez.allow(),
        ["stop"] => bluez.stop(),
        ["resume"] => bluez.resume()?,
        ["restart"] => bluez.restart()?,
        ["interval", ms] => bluez.adverts_every(Duration::from_millis(ms.parse::<u64>()?.max(1))),
        ["stranger", address, dbm, uuid] => bluez.stranger(stranger(address, dbm, uuid, None)?),
        ["stranger", address, dbm, uuid, name] => {
            bluez.stranger(stranger(address, dbm, uuid, Some(name))?);
        }
        ["silence"] => bluez.silence_strangers(),
        _ => bail!("not a command, or not in that form; `help` names them"),
    }
    Ok("ok".to_owned())
}

/// The number in `hci0`.
fn index(adapter: &str) -> Result<usize> {
    let number = adapter.strip_prefix("hci").and_then(|number| number.parse().ok());
    number.with_context(|| format!("{adapter} is no adapter: hci0, hci1"))
}

fn frames(delay_ms: &str, every: &str) -> Result<Frames> {
    let (delay, every) = (Duration::from_millis(delay_ms.parse()?), every.parse::<u64>()?);
    let lose: Box<dyn FnMut(u64) -> bool + Send> =
        Box::new(move |number| (number + 1).is_multiple_of(every));
    Ok(Frames { delay, lose: (every > 0).then_some(lose) })
}

fn call(name: &str) -> Result<Call> {
    Ok(match name {
        "connect" => Call::Connect,
        "startnotify" => Call::StartNotify,
        "writevalue" => Call::WriteValue,
        "startdiscovery" => Call::StartDiscovery,
        "registeradvertisement" => Call::RegisterAdvertisement,
        _ => bail!("no call {name} can be made to go wrong"),
    })
}

fn fault(name: &str) -> Result<Fault> {
    Ok(match name {
        "fail" => Fault::Fail,
        "hang" => Fault::Hang,
        "loselink" => Fault::LoseLink,
        _ => bail!("a call can fail, hang or loselink, not {name}"),
    })
}

fn stranger(address: &str, dbm: &str, uuid: &str, name: Option<&str>) -> Result<Stranger> {
    Ok(Stranger {
        address: address.to_uppercase(),
        random: true,
        uuids: vec![uuid.to_lowercase()],
        manufacturer: BTreeMap::new(),
        name: name.map(|name| name.as_bytes().to_vec()),
        rssi_dbm: dbm.parse()?,
    })
}
