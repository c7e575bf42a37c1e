//! Nodes as real processes, each in a folder of its own, and the commands that ask them.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Nothing that is waited for here takes so long on any machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Two uplinks over the loopback interface, any free ports, and nobody else's network.
pub(crate) const CONFIG: &str = r#"
[network]
name = "pointsman-test"
[node]
identity = "identity"
[listen]
quic = 0
tcp = 0
[mdns]
enabled = false
[bluetooth]
enabled = false
[nat]
upnp = false
[uplinks]
others = false
[[uplink]]
name = "a"
interface = "lo"
address = "127.0.0.1"
[[uplink]]
name = "b"
interface = "lo"
address = "127.0.0.2"
"#;

/// The command, cut off from the files and variables of whoever runs the tests.
pub(crate) fn pointsman(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env_clear().env("HOME", home).env("XDG_RUNTIME_DIR", home).current_dir(home);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running node. It is killed when this is dropped.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
    pub(crate) peer: String,
    child: Child,
}

impl Node {
    /// Starts a node with [`CONFIG`] and more, and waits until it is ready.
    pub(crate) fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), format!("{CONFIG}{more}")).unwrap();
        Self::start_in(folder)
    }

    /// Starts a node with the config that is there.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(folder: TempDir, variables: &[(&str, &str)]) -> Self {
        Self::start_by(folder, variables, |mut command| command.spawn().unwrap())
    }

    /// The same where whoever is given the command starts it.
    pub(crate) fn start_by(
        folder: TempDir,
        variables: &[(&str, &str)],
        spawn: impl FnOnce(Command) -> Child,
    ) -> Self {
        let mut command = pointsman(folder.path());
        command.envs(variables.iter().copied());
        command.args(["--socket", "node.sock", "run", "--config", "config.toml"]);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = spawn(command);
        let mut peer = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix("peer ") {
                peer = Some(rest.trim().to_owned());
            }
            if line == "ready" {
                break;
            }
        }
        Self { folder, peer: peer.expect("a node that is ready said who it is"), child }
    }

    /// Starts a node that knows where this one listens.
    pub(crate) fn start_neighbour(&self) -> Self {
        Self::start(&self.as_peer())
    }

    /// This node as a `[[peer]]`, once it listens on all of its uplinks.
    pub(crate) fn as_peer(&self) -> String {
        let listening = self.event("listening", |event| {
            event["details"]["addresses"].as_array().is_some_and(|all| all.len() == 4)
        });
        let (peer, addresses) = (&self.peer, &listening["details"]["addresses"]);
        format!("[[peer]]\nid = \"{peer}\"\naddresses = {addresses}\n")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("node.sock")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pointsman(self.folder.path());
        command.arg("--socket").arg(self.socket()).args(arguments);
        command
    }

    /// Runs a command on this node.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and reads the JSON that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The first event of a kind that is as wanted, of those that were or that come.
    pub(crate) fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut events = self.follow(&["events", "--follow", "--json"]);
        loop {
            let event = events.next();
            if event["kind"] == kind && wanted(&event) {
                return event;
            }
        }
    }

    /// Starts a command that prints lines of JSON as they come.
    pub(crate) fn follow(&self, arguments: &[&str]) -> Following {
        Following::start(self.command(arguments))
    }

    /// Sends bytes to the control socket, and returns all that comes back.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        exchange(UnixStream::connect(self.socket()).unwrap(), request)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let child = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(child, signal).unwrap();
    }

    /// Whether a child of the node compiles a module.
    pub(crate) fn is_compiling(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let children = threads.flatten().map(|one| fs::read_to_string(one.path().join("children")));
        children.flatten().any(|children| !children.trim().is_empty())
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(mut self) -> (ExitStatus, TempDir) {
        let status = self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, folder)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends bytes, and reads until the other side ends.
pub(crate) fn exchange(mut stream: UnixStream, request: &[u8]) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other side may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let reset = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(reset, "the other side did not end the connection: {error}");
    }
    text(&answer)
}

/// A command that prints lines of JSON. It is killed when this is dropped.
pub(crate) struct Following {
    child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a line comes before patience ends")
    }

    /// Waits for the end of the command.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a test has to say that passes for another reason than it should.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
