//! A message bus of our own: one `dbus-daemon` in a temporary folder.
//!
//! The daemon is started and waited for by a thread that lives as long as the [`Bus`], because
//! the kernel kills it with the *thread* that started it. Dropping the [`Bus`] kills the daemon
//! and removes its folder.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use thiserror::Error;

/// The variable that client libraries read the address of the system's bus from.
pub const ADDRESS_VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// The program, and the Debian package that has it, on bookworm and on trixie.
const PROGRAM: &str = "dbus-daemon";

/// Why there is no bus.
#[derive(Debug, Error)]
pub enum BusError {
    /// The program is not installed.
    #[error("the program `dbus-daemon` is not here. On Debian: sudo apt-get install dbus-daemon")]
    Missing,
    /// No folder for its socket.
    #[error("no temporary folder for a message bus: {0}")]
    Folder(#[source] io::Error),
    /// It would not start, or ended at once.
    #[error("`dbus-daemon` did not start: {0}")]
    Start(#[source] io::Error),
}

/// A running message bus. It ends when this is dropped.
#[derive(Debug)]
pub struct Bus {
    address: String,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
    /// Removed last.
    _folder: TempDir,
}

impl Bus {
    /// Starts a bus, and returns once it listens.
    pub fn start() -> Result<Self, BusError> {
        let folder = TempDir::with_prefix("pointsman-bus-").map_err(BusError::Folder)?;
        let config = folder.path().join("bus.conf");
        fs::write(&config, configuration(&folder.path().join("socket")))
            .map_err(BusError::Folder)?;
        let (stop, stopped) = mpsc::channel();
        let (started, ready) = mpsc::sync_channel(1);
        let keeper = thread::Builder::new()
            .name("bus".into())
            .spawn(move || keep(&config, &started, &stopped))
            .map_err(BusError::Start)?;
        let address = ready
            .recv()
            .unwrap_or_else(|_| Err(BusError::Start(io::Error::other("its thread ended"))))?;
        Ok(Self { address, stop: Some(stop), keeper: Some(keeper), _folder: folder })
    }

    /// What [`ADDRESS_VARIABLE`] must say for a process to use this bus.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Starts the daemon, says how that went, and ends it when told or when its `Bus` is gone.
fn keep(config: &Path, started: &SyncSender<Result<String, BusError>>, stopped: &Receiver<()>) {
    let child = spawn(config).and_then(|mut child| match listening_at(&mut child) {
        Ok(address) => Ok((child, address)),
        Err(error) => {
            end(&mut child);
            let said = fs::read_to_string(config.with_extension("log")).unwrap_or_default();
            Err(BusError::Start(io::Error::other(format!("{error}: {}", said.trim()))))
        }
    });
    match child {
        Ok((mut child, address)) => {
            let _ = started.send(Ok(address));
            let _ = stopped.recv();
            end(&mut child);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

/// Starts it under `setpriv`, a part of every Debian, so that it can't outlive us; without that
/// program, plainly.
fn spawn(config: &Path) -> Result<Child, BusError> {
    let mut argument = std::ffi::OsString::from("--config-file=");
    argument.push(config);
    // What it says goes to a file: it complains of limits that it can't raise, and does not need.
    let said = fs::File::create(config.with_extension("log")).map_err(BusError::Folder)?;
    let ready = |mut command: Command, said: fs::File| {
        command.arg(&argument).args(["--nofork", "--nopidfile", "--print-address=1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        command
    };
    // It is looked for here, since `setpriv` would only say that something was not found.
    let here = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file())
    });
    if !here {
        return Err(BusError::Missing);
    }
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL", "--", PROGRAM]);
    let plainly = said.try_clone().map_err(BusError::Folder)?;
    match ready(guarded, said).spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ready(Command::new(PROGRAM), plainly).spawn().map_err(BusError::Start)
        }
        started => started.map_err(BusError::Start),
    }
}

/// The address that it prints once it listens.
fn listening_at(child: &mut Child) -> io::Result<String> {
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().to_owned();
    if address.is_empty() { Err(io::Error::other("it ended at once")) } else { Ok(address) }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Everybody on this machine who can open the socket may do everything; anonymity is allowed
/// because a process in a user namespace has another number inside than outside. The limits are
/// beyond what tests reach: a bus that refuses is not what they test.
fn configuration(socket: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <auth>ANONYMOUS</auth>
  <allow_anonymous/>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
</busconfig>
"#,
        socket.display()
    )
}
