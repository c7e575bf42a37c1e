//! The canonical ABI of what `configure` and `choose` take and give: integers, lists of them,
//! settings, and the answer with its fault. Layouts are those of `CanonicalABI.md` of the
//! component model; strings are UTF-8, and pointers have 32 bits.

use pointsman_sdk::Fault;
use wasmtime::{Instance, Store, TypedFunc, bail};

use crate::bindings::common::pointsman::policy::types;
use crate::guest::Guest;

/// Where the guest's data is.
pub(super) const MEMORY: &str = "memory";
/// Gives a place in it.
const REALLOC: &str = "cabi_realloc";

/// A setting: its key, the case of its value in a byte, and from 16 on the value.
const SETTING_BYTES: usize = 24;
const SETTING_ALIGN: u32 = 8;
/// `result<_, fault>`: whether it is an error in a byte, the case of the fault at 4, and from 8 on
/// up to two strings.
const ANSWER_BYTES: usize = 24;

/// An address and a length, as lists and strings are passed.
pub(super) type Span = (u32, u32);

/// The memory of an instance, and how to get room in it.
pub(super) struct Memory {
    memory: wasmtime::Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
}

impl Memory {
    pub(super) fn of(instance: &Instance, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        let Some(memory) = instance.get_memory(&mut *store, MEMORY) else {
            bail!("there is no memory");
        };
        Ok(Self { memory, realloc: instance.get_typed_func(store, REALLOC)? })
    }

    /// Room for so many bytes, which are written by this.
    #[inline]
    fn fill(
        &self,
        store: &mut Store<Guest>,
        align: u32,
        size: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> wasmtime::Result<u32> {
        let at = self.room(store, align, size)?;
        write(self.place(store, at, size)?);
        Ok(at)
    }

    /// Room for so many bytes.
    #[inline]
    pub(super) fn room(
        &self,
        store: &mut Store<Guest>,
        align: u32,
        size: usize,
    ) -> wasmtime::Result<u32> {
        let bytes = u32::try_from(size)?;
        let at = without_imports(store, |store| self.realloc.call(store, (0, 0, align, bytes)))?;
        if !at.is_multiple_of(align) {
            bail!("realloc return: result not aligned");
        }
        Ok(at)
    }

    #[inline]
    fn place<'s>(
        &self,
        store: &'s mut Store<Guest>,
        at: u32,
        size: usize,
    ) -> wasmtime::Result<&'s mut [u8]> {
        let rest = self.memory.data_mut(store).get_mut(at as usize..);
        let Some(place) = rest.and_then(|rest| rest.get_mut(..size)) else {
            bail!("realloc return: beyond end of memory");
        };
        Ok(place)
    }

    /// `list<u32>`.
    #[inline]
    pub(super) fn lower_numbers(
        &self,
        store: &mut Store<Guest>,
        numbers: &[u32],
    ) -> wasmtime::Result<Span> {
        let at = self.room(store, 4, size_of_val(numbers))?;
        self.write_numbers(store, at, numbers)
    }

    /// The same in room that is there already.
    #[inline]
    pub(super) fn write_numbers(
        &self,
        store: &mut Store<Guest>,
        at: u32,
        numbers: &[u32],
    ) -> wasmtime::Result<Span> {
        let place = self.place(store, at, size_of_val(numbers))?;
        let (places, _) = place.as_chunks_mut::<4>();
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        Ok((at, length(numbers)?))
    }

    /// `list<u8>`, and `string`.
    pub(super) fn lower_bytes(
        &self,
        store: &mut Store<Guest>,
        bytes: &[u8],
    ) -> wasmtime::Result<Span> {
        let at = self.fill(store, 1, bytes.len(), |place| place.copy_from_slice(bytes))?;
        Ok((at, length(bytes)?))
    }

    /// `list<setting>`.
    pub(super) fn lower_settings(
        &self,
        store: &mut Store<Guest>,
        settings: &[types::Setting],
    ) -> wasmtime::Result<Span> {
        let mut rows = Vec::with_capacity(settings.len() * SETTING_BYTES);
        for types::Setting { key, val } in settings {
            let key = self.lower_bytes(store, key.as_bytes())?;
            let (case, value) = self.lower_value(store, val)?;
            rows.extend(packed(key));
            rows.extend(u64::from(case).to_le_bytes());
            rows.extend(value);
        }
        let at =
            self.fill(store, SETTING_ALIGN, rows.len(), |place| place.copy_from_slice(&rows))?;
        Ok((at, length(settings)?))
    }

    /// The case of a value and its payload.
    fn lower_value(
        &self,
        store: &mut Store<Guest>,
        value: &types::Value,
    ) -> wasmtime::Result<(u8, [u8; 8])> {
        Ok(match value {
            types::Value::Boolean(flag) => (0, u64::from(*flag).to_le_bytes()),
            types::Value::Integer(number) => (1, number.to_le_bytes()),
            types::Value::Text(text) => (2, packed(self.lower_bytes(store, text.as_bytes())?)),
            types::Value::Integers(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
                let at = self.fill(store, 8, bytes.len(), |place| place.copy_from_slice(&bytes))?;
                (3, packed((at, length(numbers)?)))
            }
            types::Value::Texts(texts) => {
                let mut spans = Vec::with_capacity(texts.len() * 8);
                for text in texts {
                    spans.extend(packed(self.lower_bytes(store, text.as_bytes())?));
                }
                let at = self.fill(store, 4, spans.len(), |place| place.copy_from_slice(&spans))?;
                (4, packed((at, length(texts)?)))
            }
        })
    }

    /// What `configure` answered at an address.
    pub(super) fn lift_answer(
        &self,
        store: &Store<Guest>,
        at: u32,
    ) -> wasmtime::Result<Result<(), Fault>> {
        if !at.is_multiple_of(4) {
            bail!("return pointer not aligned");
        }
        let memory = self.memory.data(store);
        let Some(answer) = memory.get(at as usize..).and_then(|rest| rest.first_chunk()) else {
            bail!("pointer out of bounds of memory");
        };
        let answer: &[u8; ANSWER_BYTES] = answer;
        let number = |at: usize| {
            u32::from_le_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]])
        };
        let mut left = store.data().copied_bytes();
        let mut text = |at: usize| -> wasmtime::Result<String> {
            let text = text(memory, number(at), number(at + 4), left)?;
            left -= text.len();
            Ok(text.to_owned())
        };
        Ok(match (answer[0], answer[4]) {
            (0, _) => Ok(()),
            (1, 0) => Err(Fault::BadSetting { key: text(8)?, why: text(16)? }),
            (1, 1) => Err(Fault::BadState(number(8))),
            (1, 2) => Err(Fault::Other(text(8)?)),
            (result, fault) => bail!("unexpected discriminant: {result}, {fault}"),
        })
    }
}

/// A string of a guest, of so many bytes at most.
pub(super) fn text(memory: &[u8], at: u32, length: u32, most: usize) -> wasmtime::Result<&str> {
    let length = length as usize;
    if length > most {
        bail!("too much data is copied from the guest");
    }
    let bytes = memory.get(at as usize..).and_then(|rest| rest.get(..length));
    let Some(bytes) = bytes else { bail!("string pointer/length out of bounds of memory") };
    Ok(core::str::from_utf8(bytes)?)
}

/// What gives room or takes it back may not call the host.
#[inline]
pub(super) fn without_imports<A>(
    store: &mut Store<Guest>,
    call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<A>,
) -> wasmtime::Result<A> {
    store.data_mut().may_call = false;
    let answer = call(store)?;
    store.data_mut().may_call = true;
    Ok(answer)
}

fn packed((at, length): Span) -> [u8; 8] {
    (u64::from(length) << 32 | u64::from(at)).to_le_bytes()
}

fn length<T>(list: &[T]) -> wasmtime::Result<u32> {
    Ok(u32::try_from(list.len())?)
}
