//! What the engine and its child say to each other over the child's standard input and output:
//! one job, and one answer.

use std::io::{self, Read, Write};

use pointsman_core::limits::MODULE_BYTES_MAX;

use crate::code::Reserve;
use crate::limits::Limits;

/// First bytes of a job, with the version of this form.
const JOB: &[u8; 8] = b"pmjob/1\n";
/// First bytes of an answer.
const ANSWER: &[u8; 8] = b"pmcode1\n";
/// A component is a module with a frame around it.
const COMPONENT_BYTES_MAX: u64 = MODULE_BYTES_MAX as u64 + (4 << 20);
/// Bytes of an answer: machine code is some four times as large as what it was made of.
pub(super) const ANSWER_BYTES_MAX: u64 = 8 * COMPONENT_BYTES_MAX;

/// What the child is to do, and within which limits.
pub(super) struct Job<'a> {
    pub(super) reserve: Reserve,
    pub(super) memory_bytes: u64,
    pub(super) stack_bytes: u64,
    /// Address space of the child, in bytes.
    pub(super) space_bytes: u64,
    /// Processor time of the child, in seconds.
    pub(super) cpu_s: u64,
    pub(super) component: std::borrow::Cow<'a, [u8]>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Code(Vec<u8>),
    /// The compiler refuses the module.
    Refused(String),
}

impl<'a> Job<'a> {
    pub(super) fn new(limits: &Limits, reserve: Reserve, component: &'a [u8]) -> Self {
        Self {
            reserve,
            memory_bytes: limits.memory_bytes as u64,
            stack_bytes: limits.stack_bytes as u64,
            space_bytes: limits.compile_bytes,
            cpu_s: u64::from(limits.compile_ms).div_ceil(1_000),
            component: component.into(),
        }
    }

    /// The limits that the compiler's configuration depends on.
    pub(super) fn limits(&self) -> Option<Limits> {
        let size = |bytes| usize::try_from(bytes).ok();
        let (memory_bytes, stack_bytes) = (size(self.memory_bytes)?, size(self.stack_bytes)?);
        Some(Limits { memory_bytes, stack_bytes, ..Limits::default() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.component.len() + 64);
        bytes.extend(JOB);
        bytes.push(u8::from(self.reserve == Reserve::Whole));
        let length = self.component.len() as u64;
        for number in [self.memory_bytes, self.stack_bytes, self.space_bytes, self.cpu_s, length] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.component.as_ref());
        bytes
    }

    /// Reads all but the component, so that limits hold before anything large is read.
    pub(super) fn read_head(from: &mut impl Read) -> io::Result<(Self, u64)> {
        expect(from, JOB)?;
        let mut whole = [0];
        from.read_exact(&mut whole)?;
        let reserve = if whole == [1] { Reserve::Whole } else { Reserve::Modest };
        let mut number = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (memory_bytes, stack_bytes) = (number()?, number()?);
        let (space_bytes, cpu_s, length) = (number()?, number()?, number()?);
        if length > COMPONENT_BYTES_MAX {
            return Err(io::Error::other("the module is larger than any may be"));
        }
        let component = Vec::new().into();
        let job = Self { reserve, memory_bytes, stack_bytes, space_bytes, cpu_s, component };
        Ok((job, length))
    }
}

impl Answer {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, bytes) = match self {
            Self::Code(code) => (0, code.as_slice()),
            Self::Refused(why) => (1, why.as_bytes()),
        };
        to.write_all(ANSWER)?;
        to.write_all(&[kind])?;
        to.write_all(&(bytes.len() as u64).to_le_bytes())?;
        to.write_all(bytes)?;
        to.flush()
    }

    /// `None` where the bytes are no whole answer, or more than one.
    ///
    /// Code may be hundreds of MiB: it moves within its buffer rather than into a second one.
    pub(super) fn read(mut bytes: Vec<u8>) -> Option<Self> {
        let rest = bytes.strip_prefix(ANSWER)?;
        let (&kind, rest) = rest.split_first()?;
        let (length, payload) = rest.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*length) != payload.len() as u64 {
            return None;
        }
        let head = bytes.len() - payload.len();
        bytes.drain(..head);
        match kind {
            0 => Some(Self::Code(bytes)),
            1 => Some(Self::Refused(String::from_utf8_lossy(&bytes).into_owned())),
            _ => None,
        }
    }
}

fn expect(from: &mut impl Read, magic: &[u8; 8]) -> io::Result<()> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    let is_ours = &bytes == magic;
    is_ours.then_some(()).ok_or_else(|| io::Error::other("this is no job of a pointsman engine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_arrives_as_it_was_sent() {
        let job = Job::new(&Limits::default(), Reserve::Modest, b"component");
        let bytes = job.to_bytes();
        let mut rest = bytes.as_slice();
        let (read, length) = Job::read_head(&mut rest).expect("it is a job");
        assert_eq!((rest, length), (&b"component"[..], 9));
        assert_eq!(read.reserve, Reserve::Modest);
        assert_eq!(read.limits().map(|limits| limits.memory_bytes), Some(256 << 20));
        assert_eq!((read.space_bytes, read.cpu_s), (2 << 30, 120));
    }

    #[test]
    fn an_answer_arrives_as_it_was_sent() {
        for answer in [Answer::Code(vec![1, 2, 3]), Answer::Refused("too large".into())] {
            let mut bytes = Vec::new();
            answer.write(&mut bytes).expect("a Vec takes all that is written");
            assert_eq!(Answer::read(bytes), Some(answer));
        }
    }

    #[test]
    fn what_is_cut_off_or_followed_by_more_is_no_answer() {
        let mut bytes = Vec::new();
        Answer::Code(vec![7; 9]).write(&mut bytes).expect("a Vec takes all that is written");
        for end in 0..bytes.len() {
            assert_eq!(Answer::read(bytes[..end].to_vec()), None, "{end}");
        }
        bytes.push(0);
        assert_eq!(Answer::read(bytes), None);
    }

    #[test]
    fn a_job_of_another_kind_or_size_is_refused() {
        assert!(Job::read_head(&mut &b"GET / HTTP/1.1\r\n\r\n"[..]).is_err());
        let mut bytes = Job::new(&Limits::default(), Reserve::Whole, b"").to_bytes();
        let length = bytes.len();
        bytes[length - 8..].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Job::read_head(&mut bytes.as_slice()).is_err());
    }
}
