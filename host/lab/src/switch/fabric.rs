//! What the switch's thread owns: the devices, the address tables, and the frames on their way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::{Attachment, Direction, Port, Segment};
use crate::dice::Dice;

/// The token of the switch's waker.
pub(super) const WAKE: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);

/// Frames taken from one port before the others get their turn.
const BATCH: usize = 32;
/// Addresses learned per segment; above that frames are flooded.
const ADDRESSES_MAX: usize = 1_024;
/// Larger than any frame of a TAP device without offloads.
const FRAME_BYTES_MAX: usize = 65_550;
/// Ethernet header: two addresses and a type.
const HEADER_BYTES: usize = 14;

type Mac = [u8; 6];

#[derive(Debug)]
struct Slot {
    tap: Option<File>,
    segment: Segment,
    port: Port,
    /// Edge-triggered: stays set until a read says that nothing is left.
    readable: bool,
}

/// A frame in a pipe. Ordered by the time at which it comes out, then by age.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Travelling {
    due: Instant,
    age: u64,
    port: usize,
    up: bool,
    frame: Arc<[u8]>,
}

#[derive(Debug)]
pub(super) struct Fabric {
    poll: Poll,
    events: Events,
    timer: OwnedFd,
    slots: Vec<Slot>,
    addresses: HashMap<(Segment, Mac), usize>,
    travelling: BinaryHeap<Reverse<Travelling>>,
    next_age: u64,
    dice: Dice,
    buffer: Box<[u8]>,
    lateness: Arc<Mutex<Duration>>,
}

impl Fabric {
    pub(super) fn new(poll: Poll, seed: u64, lateness: Arc<Mutex<Duration>>) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let source = timer.as_raw_fd();
        poll.registry().register(&mut SourceFd(&source), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            timer,
            slots: Vec::new(),
            addresses: HashMap::new(),
            travelling: BinaryHeap::new(),
            next_age: 0,
            dice: Dice::new(seed),
            buffer: vec![0; FRAME_BYTES_MAX].into_boxed_slice(),
            lateness,
        })
    }

    /// A device that cannot be watched stays unplugged: its host sees a dead cable.
    pub(super) fn attach(&mut self, Attachment { tap, segment, port }: Attachment) {
        let token = Token(self.slots.len());
        let source = tap.as_raw_fd();
        let watched =
            self.poll.registry().register(&mut SourceFd(&source), token, Interest::READABLE);
        let tap = watched.is_ok().then_some(tap);
        self.slots.push(Slot { tap, segment, port, readable: true });
    }

    /// Moves what is due, takes in what is there, and waits for more. An error means that the
    /// kernel's polling itself broke.
    pub(super) fn step(&mut self) -> io::Result<()> {
        self.move_due();
        for index in 0..self.slots.len() {
            self.take_in(index);
        }
        self.move_due();
        self.wait()
    }

    fn wait(&mut self) -> io::Result<()> {
        let busy = self.slots.iter().any(|slot| slot.readable && slot.tap.is_some());
        if !busy {
            self.arm_timer()?;
        }
        let timeout = busy.then_some(Duration::ZERO);
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if let Some(slot) = self.slots.get_mut(event.token().0) {
                slot.readable = true;
            }
        }
        Ok(())
    }

    /// Setting the timer also forgets an expiry that nobody read, so it is never read.
    fn arm_timer(&self) -> io::Result<()> {
        let Some(Reverse(first)) = self.travelling.peek() else { return Ok(()) };
        let wait = first.due.saturating_duration_since(Instant::now());
        // Zero would disarm it.
        let wait = wait.max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let at = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        let once = Itimerspec { it_interval: zero, it_value: at };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    fn take_in(&mut self, index: usize) {
        for _ in 0..BATCH {
            let slot = &mut self.slots[index];
            let (true, Some(tap)) = (slot.readable, slot.tap.as_mut()) else { return };
            match tap.read(&mut self.buffer) {
                Ok(length) if length >= HEADER_BYTES => {
                    let frame = Arc::from(&self.buffer[..length]);
                    self.enter(index, Direction::Up, Instant::now(), frame);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EIO: the host took the device down; it becomes readable when it is up again.
                Err(error) if error.raw_os_error() == Some(DEVICE_DOWN) => slot.readable = false,
                Err(_) => slot.tap = None,
            }
        }
    }

    fn move_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse(first)) = self.travelling.peek()
            && first.due <= now
        {
            let Some(Reverse(out)) = self.travelling.pop() else { return };
            let late = now.duration_since(out.due);
            let mut worst = self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
            *worst = late.max(*worst);
            drop(worst);
            self.leave(out);
        }
    }

    /// Due times chain from one pipe to the next, so that the switch's own lateness does not
    /// add up over both.
    fn leave(&mut self, out: Travelling) {
        let way = if out.up { Direction::Up } else { Direction::Down };
        self.slots[out.port].port.pipes()[way as usize].came_out();
        if out.up {
            self.forward(out.port, out.due, &out.frame);
        } else if let Some(tap) = &mut self.slots[out.port].tap {
            // A host whose device is down or whose queue is full loses the frame, as on a wire.
            let _ = tap.write(&out.frame);
        }
    }

    fn forward(&mut self, from: usize, now: Instant, frame: &Arc<[u8]>) {
        let segment = self.slots[from].segment;
        let (to, source) = addresses(frame);
        let known =
            self.addresses.len() < ADDRESSES_MAX || self.addresses.contains_key(&(segment, source));
        if known {
            self.addresses.insert((segment, source), from);
        }
        match self.addresses.get(&(segment, to)).copied() {
            Some(port) if !is_group(to) => {
                if port != from {
                    self.enter(port, Direction::Down, now, Arc::clone(frame));
                }
            }
            _ => self.flood(from, segment, now, frame),
        }
    }

    fn flood(&mut self, from: usize, segment: Segment, now: Instant, frame: &Arc<[u8]>) {
        for port in 0..self.slots.len() {
            if port != from && self.slots[port].segment == segment {
                self.enter(port, Direction::Down, now, Arc::clone(frame));
            }
        }
    }

    fn enter(&mut self, port: usize, way: Direction, now: Instant, frame: Arc<[u8]>) {
        let exit =
            self.slots[port].port.pipes()[way as usize].enter(now, frame.len(), &mut self.dice);
        if let Some(due) = exit {
            let up = way == Direction::Up;
            let age = self.next_age;
            self.next_age += 1;
            self.travelling.push(Reverse(Travelling { due, age, port, up, frame }));
        }
    }
}

/// `EIO`: what a TAP device answers whose interface is down.
const DEVICE_DOWN: i32 = rustix::io::Errno::IO.raw_os_error();

fn addresses(frame: &[u8]) -> (Mac, Mac) {
    let mac = |at: usize| std::array::from_fn(|byte| frame[at + byte]);
    (mac(0), mac(6))
}

fn is_group(address: Mac) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_the_order_of_their_due_times_and_ages() {
        let now = Instant::now();
        let frame: Arc<[u8]> = Arc::from([0u8; HEADER_BYTES]);
        let mut heap = BinaryHeap::new();
        for (age, due_ms) in [(0, 5), (1, 1), (2, 5), (3, 3)] {
            let due = now + Duration::from_millis(due_ms);
            let frame = Arc::clone(&frame);
            heap.push(Reverse(Travelling { due, age, port: 0, up: true, frame }));
        }
        let order: Vec<_> =
            std::iter::from_fn(|| heap.pop()).map(|Reverse(frame)| frame.age).collect();
        assert_eq!(order, [1, 3, 0, 2]);
    }

    #[test]
    fn the_broadcast_address_is_a_group() {
        assert!(is_group([0xff; 6]));
        assert!(!is_group([0x02, 0, 0, 0, 0, 1]));
    }
}
