//! A disk in memory that fails as disks do: it loses power between a write and its sync, has no
//! room, forgets bits, or takes its time.
//!
//! What was written but not synced is a list of writes. A loss of power leaves of it nothing, all,
//! or whichever sectors a seed chooses: disks write in an order of their own.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// The disk. Clones are the same one.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Shared>);

/// Access to a [`MemoryDisk`], for one database. After a loss of power it is dead.
#[derive(Debug)]
pub struct MemoryBackend {
    disk: MemoryDisk,
    life: u64,
}

/// Which of the writes that were not synced survive a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Each sector of each of them or not, as the seed has it.
    Some {
        /// Equal seeds choose equally.
        seed: u64,
    },
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    resumed: Condvar,
}

#[derive(Default)]
struct State {
    /// As it was synced last.
    synced: Vec<u8>,
    /// What happened since.
    unsynced: Vec<Change>,
    /// As it reads.
    current: Vec<u8>,
    /// Counts losses of power.
    life: u64,
    is_locked: bool,
    operations: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    room_bytes: Option<u64>,
    refusals: u64,
    is_stalled: bool,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Resize { length: usize },
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Resize { length } => to.resize(*length, 0),
            Self::Write { offset, data } => {
                let end = to.len().min(offset + data.len());
                if let Some(target) = to.get_mut(*offset..end) {
                    target.copy_from_slice(&data[..end - offset]);
                }
            }
        }
    }
}

impl MemoryDisk {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with these bytes on it.
    pub fn of(image: &[u8]) -> Self {
        let disk = Self::new();
        let mut state = disk.lock();
        (state.synced, state.current) = (image.to_vec(), image.to_vec());
        drop(state);
        disk
    }

    /// What is on it.
    pub fn image(&self) -> Vec<u8> {
        self.lock().current.clone()
    }

    /// Access to it, for [`Store::open_on`](crate::Store::open_on).
    pub fn backend(&self) -> MemoryBackend {
        MemoryBackend { disk: self.clone(), life: self.lock().life }
    }

    /// Writes, resizes and syncs so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How often it had no room so far.
    pub fn refusals(&self) -> u64 {
        self.lock().refusals
    }

    /// Its size in bytes.
    pub fn length(&self) -> u64 {
        self.lock().current.len() as u64
    }

    /// The power fails after so many more operations; the one after them has begun.
    pub fn cut_after(&self, operations: u64) {
        let mut state = self.lock();
        state.cut_at = Some(state.operations + operations);
    }

    /// Whether it is without power.
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    /// The power fails, if it has not yet, and is back.
    pub fn restore(&self, survivors: Survivors) {
        let mut state = self.lock();
        let mut survived = std::mem::take(&mut state.synced);
        for change in surviving(&std::mem::take(&mut state.unsynced), survivors) {
            change.apply(&mut survived);
        }
        *state = State {
            synced: survived.clone(),
            current: survived,
            life: state.life + 1,
            operations: state.operations,
            room_bytes: state.room_bytes,
            refusals: state.refusals,
            ..State::default()
        };
        self.0.resumed.notify_all();
    }

    /// Turns one bit around, for good. Beyond the end there is none.
    pub fn flip_bit(&self, bit: u64) {
        let (at, mask) = (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1 << (bit % 8));
        let mut state = self.lock();
        let State { synced, current, .. } = &mut *state;
        for bytes in [synced, current] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
    }

    /// From now on it takes no more than so many bytes; `None`: as many as there are.
    pub fn set_room_bytes(&self, room_bytes: Option<u64>) {
        self.lock().room_bytes = room_bytes;
    }

    /// From now on, nothing that is written comes to an end.
    pub fn stall(&self) {
        self.lock().is_stalled = true;
    }

    /// It works again, and goes on with what it was asked for.
    pub fn resume(&self) {
        self.lock().is_stalled = false;
        self.0.resumed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").field("length", &self.length()).finish_non_exhaustive()
    }
}

/// What a loss of power leaves of these changes.
fn surviving(changes: &[Change], survivors: Survivors) -> Vec<Change> {
    match survivors {
        Survivors::Nothing => Vec::new(),
        Survivors::Everything => changes.to_vec(),
        Survivors::Some { seed } => {
            let mut dice = Dice(seed);
            changes.iter().flat_map(sectors).filter(|_| dice.coin()).collect()
        }
    }
}

/// The parts of a change of which each survives or not.
fn sectors(change: &Change) -> Vec<Change> {
    let Change::Write { offset, data } = change else { return vec![change.clone()] };
    let mut parts = Vec::new();
    let (mut offset, mut rest) = (*offset, data.as_slice());
    while !rest.is_empty() {
        let length = rest.len().min(SECTOR_BYTES - offset % SECTOR_BYTES);
        let (data, after) = rest.split_at(length);
        parts.push(Change::Write { offset, data: data.to_vec() });
        (offset, rest) = (offset + length, after);
    }
    parts
}

/// `SplitMix64` (Steele, Lea and Flood 2014): enough to choose sectors by.
struct Dice(u64);

impl Dice {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) & 1 == 1
    }
}

fn no_power() -> io::Error {
    io::Error::other("the disk has no power")
}

impl MemoryBackend {
    /// The state, if this access is still alive.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.is_cut || state.life != self.life { Err(no_power()) } else { Ok(state) }
    }

    /// Begins an operation: waits while the disk does, and may find the power gone.
    fn operate(&self, change: Option<Change>) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        while state.is_stalled && state.life == self.life {
            state = self.disk.0.resumed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.life != self.life {
            return Err(no_power());
        }
        if state.cut_at.is_some_and(|at| state.operations >= at) {
            state.unsynced.extend(change);
            state.is_cut = true;
            return Err(no_power());
        }
        state.operations += 1;
        if let Some(change) = change {
            change.apply(&mut state.current);
            state.unsynced.push(change);
        }
        Ok(state)
    }

    fn check_room(&self, end: u64) -> io::Result<()> {
        let mut state = self.state()?;
        if state.room_bytes.is_none_or(|room_bytes| end <= room_bytes) {
            return Ok(());
        }
        state.refusals += 1;
        Err(io::ErrorKind::StorageFull.into())
    }
}

/// An offset or a length as memory counts.
fn in_memory(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl StorageBackend for MemoryBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, offset) = (self.state()?, in_memory(offset)?);
        let end = offset.saturating_add(out.len());
        out.copy_from_slice(state.current.get(offset..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_room(length)?;
        self.operate(Some(Change::Resize { length: in_memory(length)? })).map(drop)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operate(None)?;
        state.unsynced.clear();
        state.synced = state.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_room(offset.saturating_add(data.len() as u64))?;
        self.operate(Some(Change::Write { offset: in_memory(offset)?, data: data.to_vec() }))
            .map(drop)
    }

    fn close(&self) -> io::Result<()> {
        if let Ok(mut state) = self.state() {
            state.is_locked = false;
        }
        Ok(())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        let is_whole = matches!(start, Bound::Unbounded | Bound::Included(0));
        if !is_whole || end != Bound::Unbounded {
            return Err(BackendError::Unsupported);
        }
        let was_locked = std::mem::replace(&mut self.state()?.is_locked, true);
        Ok(!was_locked)
    }

    fn unlock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<(), BackendError> {
        self.state()?.is_locked = false;
        Ok(())
    }
}
