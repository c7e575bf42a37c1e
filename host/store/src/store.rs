//! The store itself: a database on a disk that can be exchanged.
//!
//! Every write is durable when it returns, and takes two syncs: first the new pages, then the
//! switch to them. redb can do with one, and tell by checksums whether all pages arrived; but
//! rows hold what strangers sent, and these checksums are none that nobody can forge.
//!
//! When the file is opened, every page of it is checked, because redb trusts a file that was closed
//! properly, and disks do forget. After an error, redb refuses all further work, so the database is
//! closed, and opened anew for the next read or write: that repairs it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pointsman_core::limits::STORE_CACHE_BYTES;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    StorageBackend, TableHandle as _, WriteTransaction,
};

use crate::batch::Batch;
use crate::error::{Failure, OpenError, StoreError, guarded};
use crate::file::Opened;
use crate::rows::Row;
use crate::rows::peer::Peer;
use crate::rows::record::Record;
use crate::rows::standing::{PeerStanding, SubnetStanding};
use crate::rows::value::Value;
use crate::tables::{META, SCHEMA_KEY, SCHEMA_VERSION, Table};
use crate::worth::{Worth, least};

/// A table that is full is emptied by this part of it, so that it is not searched at every write.
const EVICTED_PART: usize = 16;

/// Opens the database anew.
type Attach = Box<dyn Fn() -> Result<Database, OpenError> + Send + Sync>;

/// An open store. It can be used from several threads; one write happens at a time.
pub struct Store {
    attach: Attach,
    /// `None` after an error.
    database: Mutex<Option<Arc<Database>>>,
}

/// What was in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The rows, in the order of their keys.
    pub rows: Vec<T>,
    /// Rows, and items of rows, that this program can't read.
    pub skipped: u64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that are in the store now.
    pub put: u64,
    /// Rows that were forgotten, as the batch wished.
    pub forgotten: u64,
    /// Records that expired.
    pub expired: u64,
    /// Rows that made room for others.
    pub evicted: u64,
    /// Named values that had no room.
    pub refused: u64,
}

impl Store {
    /// Opens a store on a disk that `attach` gives access to: once now, and again after each
    /// error. Nothing is moved aside here: a disk that holds no store is an error.
    pub fn open_on<B: StorageBackend>(
        attach: impl Fn() -> io::Result<B> + Send + Sync + 'static,
    ) -> Result<(Self, Opened), OpenError> {
        let place = PathBuf::from("(not a file)");
        let start = move || {
            let backend = attach().map_err(|source| OpenError::io(&place, source))?;
            start(&place, backend)
        };
        let (database, is_new) = start()?;
        let store = Self::new(database, move || start().map(|(database, _)| database));
        Ok((store, if is_new { Opened::Fresh } else { Opened::Found }))
    }

    pub(crate) fn new(
        database: Database,
        attach: impl Fn() -> Result<Database, OpenError> + Send + Sync + 'static,
    ) -> Self {
        Self { attach: Box::new(attach), database: Mutex::new(Some(Arc::new(database))) }
    }

    /// All peers, with where they were.
    pub fn load_peers(&self) -> Result<Loaded<Peer>, StoreError> {
        self.load()
    }

    /// How peers stand.
    pub fn load_standings(&self) -> Result<Loaded<PeerStanding>, StoreError> {
        self.load()
    }

    /// How subnets stand.
    pub fn load_subnets(&self) -> Result<Loaded<SubnetStanding>, StoreError> {
        self.load()
    }

    /// The records that are worth something now, in seconds of Unix time.
    pub fn load_records(&self, now_unix_s: u64) -> Result<Loaded<Record>, StoreError> {
        let mut loaded = self.load::<Record>()?;
        loaded.rows.retain(|record| !record.is_expired(now_unix_s));
        Ok(loaded)
    }

    /// All named values.
    pub fn load_values(&self) -> Result<Loaded<Value>, StoreError> {
        self.load()
    }

    /// Writes all of a batch, or nothing of it. When it returns, the batch survives a loss of
    /// power. After an error it is unknown which of the two happened, so it should be written
    /// again.
    pub fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let database = self.database()?;
        let written = guarded(|| apply(&database, batch));
        self.check(database, written)
    }

    /// Closes the file, and tells whether that went well. Dropping it closes it as well.
    pub fn close(self) -> Result<(), StoreError> {
        let open = self.lock().take().and_then(Arc::into_inner);
        open.map_or(Ok(()), |open| Ok(guarded(|| Ok(open.close()?))?))
    }

    fn load<R: Row>(&self) -> Result<Loaded<R>, StoreError> {
        let database = self.database()?;
        let loaded = guarded(|| load(&database));
        self.check(database, loaded)
    }

    fn database(&self) -> Result<Arc<Database>, StoreError> {
        let mut slot = self.lock();
        if let Some(open) = &*slot {
            return Ok(Arc::clone(open));
        }
        let opened = (self.attach)()?;
        Ok(Arc::clone(slot.insert(Arc::new(opened))))
    }

    /// Closes the database after an error.
    fn check<T>(&self, used: Arc<Database>, result: Result<T, Failure>) -> Result<T, StoreError> {
        if result.is_err() {
            let held = self.lock().take_if(|held| Arc::ptr_eq(held, &used));
            // What closing says is nothing new.
            let _ = guarded(move || {
                drop((held, used));
                Ok(())
            });
        }
        result.map_err(StoreError::from)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store").field("is_open", &self.lock().is_some()).finish_non_exhaustive()
    }
}

/// What a database turned out to be.
enum Nature {
    New,
    Ours,
    Newer(u64),
    Alien(&'static str),
}

/// Opens the database on a disk, which may be empty; tells whether it is new.
pub(crate) fn start(
    place: &Path,
    backend: impl StorageBackend,
) -> Result<(Database, bool), OpenError> {
    let opened = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(STORE_CACHE_BYTES);
        builder.set_check_integrity_on_open(true);
        let database = builder.create_with_backend(backend)?;
        let nature = nature(&database)?;
        if matches!(nature, Nature::New | Nature::Ours) {
            prepare(&database)?;
        }
        Ok((database, nature))
    });
    let (database, nature) = opened.map_err(|failure| failure.on_open(place))?;
    match nature {
        Nature::New => Ok((database, true)),
        Nature::Ours => Ok((database, false)),
        Nature::Newer(found) => {
            Err(OpenError::Newer { place: place.to_owned(), found, known: SCHEMA_VERSION })
        }
        Nature::Alien(why) => Err(OpenError::corrupt(place, why)),
    }
}

fn nature(database: &Database) -> Result<Nature, redb::Error> {
    let read = database.begin_read()?;
    let names: Vec<String> = read.list_tables()?.map(|table| table.name().to_owned()).collect();
    if names.is_empty() {
        return Ok(Nature::New);
    }
    if !names.iter().any(|name| name == META.name()) {
        return Ok(Nature::Alien("it is a database of something else"));
    }
    let meta = read.open_table(META)?;
    Ok(match meta.get(SCHEMA_KEY)?.map(|version| version.value()) {
        Some(found) if found > SCHEMA_VERSION => Nature::Newer(found),
        Some(SCHEMA_VERSION) => Nature::Ours,
        Some(_) | None => Nature::Alien("it has no version that a store ever had"),
    })
}

/// Makes the tables that are missing, and holds all to the bounds of this program.
fn prepare(database: &Database) -> Result<(), redb::Error> {
    let write = begin(database)?;
    write.open_table(META)?.insert(SCHEMA_KEY, SCHEMA_VERSION)?;
    for table in Table::ALL {
        evict(&mut write.open_table(table.definition())?, table)?;
    }
    Ok(write.commit()?)
}

fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut write = database.begin_write()?;
    write.set_two_phase_commit(true);
    Ok(write)
}

type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

fn apply(database: &Database, batch: &Batch) -> Result<Written, redb::Error> {
    let write = begin(database)?;
    let mut written = Written::default();
    for table in Table::ALL {
        let changes = batch.changes.range((table, Vec::new())..);
        let mut changes = changes.take_while(|((of, _), _)| *of == table).peekable();
        let pruned = batch.prune_unix_s.filter(|_| table == Table::Records);
        if changes.peek().is_none() && pruned.is_none() {
            continue;
        }
        let mut rows = write.open_table(table.definition())?;
        for ((_, key), change) in changes {
            change_row(&mut rows, table, key, change.as_deref(), &mut written)?;
        }
        if let Some(now_unix_s) = pruned {
            written.expired += prune(&mut rows, now_unix_s)?;
        }
        written.evicted += evict(&mut rows, table)?;
    }
    write.commit()?;
    Ok(written)
}

fn change_row(
    rows: &mut Rows<'_>,
    table: Table,
    key: &[u8],
    change: Option<&[u8]>,
    written: &mut Written,
) -> Result<(), redb::Error> {
    let Some(row) = change else {
        written.forgotten += u64::from(rows.remove(key)?.is_some());
        return Ok(());
    };
    let is_full = table == Table::Values && rows.len()? >= table.rows_max() as u64;
    if is_full && rows.get(key)?.is_none() {
        written.refused += 1;
    } else {
        rows.insert(key, row)?;
        written.put += 1;
    }
    Ok(())
}

/// Removes the records that expired; tells how many.
fn prune(rows: &mut Rows<'_>, now_unix_s: u64) -> Result<u64, redb::Error> {
    let before = rows.len()?;
    rows.retain(|key, row| {
        Record::from_bytes(key, row).is_ok_and(|(record, _)| !record.is_expired(now_unix_s))
    })?;
    Ok(before - rows.len()?)
}

/// Removes the rows that are worth least from a table that is too full; tells how many.
fn evict(rows: &mut Rows<'_>, table: Table) -> Result<u64, redb::Error> {
    if rows.len()? <= table.rows_max() as u64 {
        return Ok(0);
    }
    let mut all = Vec::new();
    for row in rows.iter()? {
        let (key, bytes) = row?;
        all.push((Worth::of(table, key.value(), bytes.value()), key.value().to_vec()));
    }
    let gone = least(all, table.rows_max() - table.rows_max() / EVICTED_PART);
    for key in &gone {
        rows.remove(key.as_slice())?;
    }
    Ok(gone.len() as u64)
}

fn load<R: Row>(database: &Database) -> Result<Loaded<R>, redb::Error> {
    let table = database.begin_read()?.open_table(R::TABLE.definition())?;
    let mut loaded = Loaded { rows: Vec::new(), skipped: 0 };
    for row in table.iter()? {
        let (key, bytes) = row?;
        match R::from_bytes(key.value(), bytes.value()) {
            Ok((row, skipped)) => {
                loaded.rows.push(row);
                loaded.skipped += skipped;
            }
            Err(_) => loaded.skipped += 1,
        }
    }
    Ok(loaded)
}
