//! The cables, radios and switches between hosts: one thread that moves Ethernet frames
//! between TAP devices.
//!
//! Every port belongs to one segment and has two [`Pipe`]s: up, from the host to the segment,
//! and down, from the segment to the host. A frame passes the up pipe of its port, is looked up
//! in the segment's table of addresses (learned from what hosts send; unknown and group
//! addresses go to all), and passes the down pipe of every port it goes to. Conditions may be
//! changed at any time from any thread through [`Port`].
//!
//! The thread ends when the [`Switch`] is dropped, and closes all devices. It never forwards
//! from one segment to another, and never to an interface that is not a TAP of this lab.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::pipe::{Conditions, Counters, Pipe};

mod fabric;

use fabric::Fabric;

/// Most ports that wait to be attached; the attaching thread blocks above that.
const ATTACHING_MAX: usize = 16;

/// A broadcast domain: a LAN, or what one access point reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment(pub u16);

/// Which way frames travel, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the host to the segment.
    Up,
    /// From the segment to the host.
    Down,
}

impl Direction {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Up, Self::Down];
}

/// The far end of a host's interface. Clones speak of the same one.
#[derive(Clone, Debug)]
pub struct Port(Arc<Mutex<[Pipe; 2]>>);

impl Port {
    fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new([Pipe::new(now), Pipe::new(now)])))
    }

    /// How frames in that direction are treated now.
    pub fn conditions(&self, direction: Direction) -> Conditions {
        self.pipes()[direction as usize].conditions
    }

    /// Changes the conditions of these directions, from the next frame on that the switch takes
    /// in: a host's frames may lie in its device's queue for some microseconds before that.
    pub fn change(&self, directions: &[Direction], edit: impl Fn(&mut Conditions)) {
        let mut pipes = self.pipes();
        for direction in directions {
            edit(&mut pipes[*direction as usize].conditions);
        }
    }

    /// Swallows every frame of these directions, without loss of carrier.
    pub fn cut(&self, directions: &[Direction]) {
        self.change(directions, |conditions| conditions.cut = true);
    }

    /// Ends [`Port::cut`].
    pub fn heal(&self, directions: &[Direction]) {
        self.change(directions, |conditions| conditions.cut = false);
    }

    /// Holds frames back in both directions for so long from now.
    pub fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        self.pipes().iter_mut().for_each(|pipe| pipe.pause(until));
    }

    /// What happened to frames in that direction so far.
    pub fn counters(&self, direction: Direction) -> Counters {
        self.pipes()[direction as usize].counters()
    }

    fn pipes(&self) -> MutexGuard<'_, [Pipe; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port on its way into the thread.
#[derive(Debug)]
struct Attachment {
    tap: File,
    segment: Segment,
    port: Port,
}

/// The thread that moves the frames.
#[derive(Debug)]
pub struct Switch {
    attach: Option<SyncSender<Attachment>>,
    waker: mio::Waker,
    lateness: Arc<Mutex<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Starts the thread. `seed` decides which frames are lost and how they jitter.
    pub fn start(seed: u64) -> Result<Self, LabError> {
        let failed = || LabError::io("start the switch");
        let poll = mio::Poll::new().map_err(failed())?;
        let waker = mio::Waker::new(poll.registry(), fabric::WAKE).map_err(failed())?;
        let lateness = Arc::new(Mutex::new(Duration::ZERO));
        let mut fabric = Fabric::new(poll, seed, Arc::clone(&lateness)).map_err(failed())?;
        let (attach, attached) = sync_channel(ATTACHING_MAX);
        let thread = std::thread::Builder::new()
            .name("lab-switch".into())
            .spawn(move || while take_all(&mut fabric, &attached) && fabric.step().is_ok() {})
            .map_err(failed())?;
        Ok(Self { attach: Some(attach), waker, lateness, thread: Some(thread) })
    }

    /// The largest time by which a frame left the switch later than it should have since the
    /// last call: how far the measurements of a busy machine can be trusted.
    pub fn take_lateness(&self) -> Duration {
        let mut lateness = self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lateness)
    }

    /// Plugs a TAP device into a segment.
    pub(crate) fn attach(&self, tap: File, segment: Segment) -> Result<Port, LabError> {
        let port = Port::new(Instant::now());
        let attachment = Attachment { tap, segment, port: port.clone() };
        let gone = || LabError::io("reach the switch")(io::ErrorKind::BrokenPipe.into());
        let attach = self.attach.as_ref().ok_or_else(gone)?;
        attach.send(attachment).map_err(|_| gone())?;
        self.waker.wake().map_err(LabError::io("wake the switch"))?;
        Ok(port)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.attach = None;
        let woken = self.waker.wake().is_ok();
        if let Some(thread) = self.thread.take()
            && woken
        {
            let _ = thread.join();
        }
    }
}

/// Takes new ports in; false when the switch was dropped.
fn take_all(fabric: &mut Fabric, attached: &Receiver<Attachment>) -> bool {
    loop {
        match attached.try_recv() {
            Ok(attachment) => fabric.attach(attachment),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}
