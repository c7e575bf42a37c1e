//! A field of a form: its name, what it takes, and where it belongs. One table of fields reads
//! a form, writes it, compares it, and tells an author what a key takes.

use super::tree::{Node, Spot};
use super::write::Writer;

/// A field of a `T`.
pub(crate) struct Field<T: 'static> {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// `None` where it is not known, or not a part of this value: then it is left out.
    pub(crate) get: fn(&T) -> Option<i128>,
    /// Given only what [`Takes::read`] let through.
    pub(crate) set: fn(&mut T, i128),
    /// How a case compares it.
    pub(crate) test: Test,
}

/// How the value of a case is compared with that of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    /// Only in cases: the verdict's value is at least this.
    Least,
    /// Only in cases: the verdict's value is at most this.
    Most,
}

/// What a field takes. Whatever it is, it is kept as one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A whole number in this range.
    Whole(i128, i128),
    /// `true` or `false`.
    Flag,
    /// One of these names, or its number.
    Name(&'static [&'static str]),
    /// One of these names, or any number: a newer host may have more.
    OpenName(&'static [&'static str]),
    /// A list of these names of bits, or their sum.
    Bits(&'static [&'static str]),
    /// A list of positions below this bound.
    Positions(u32),
    /// The number of a peer, or "self".
    Subject,
}

/// Every `u32`.
pub(crate) const U32: Takes = Takes::Whole(0, u32::MAX as i128);
/// Every `u64`.
pub(crate) const U64: Takes = Takes::Whole(0, u64::MAX as i128);
/// Every `i32`.
pub(crate) const I32: Takes = Takes::Whole(i32::MIN as i128, i32::MAX as i128);
/// Every `i64`.
pub(crate) const I64: Takes = Takes::Whole(i64::MIN as i128, i64::MAX as i128);

/// What stands for this node itself among the subjects.
const SELF: &str = "self";

impl Takes {
    /// The integer of a value; `None` if it is not what the field takes.
    pub(crate) fn read(self, value: &Spot) -> Option<i128> {
        let named = |names: &[&str], text: &str| names.iter().position(|name| *name == text);
        match (self, &value.node) {
            (Self::Whole(least, most), Node::Number(number)) => {
                (least..=most).contains(number).then_some(*number)
            }
            (Self::Flag, Node::Flag(flag)) => Some(i128::from(*flag)),
            (Self::Name(names) | Self::OpenName(names), Node::Text(text)) => {
                named(names, text).map(|index| index as i128)
            }
            (Self::Name(names), Node::Number(number)) => {
                (0..names.len() as i128).contains(number).then_some(*number)
            }
            (Self::Subject, Node::Text(text)) => (text == SELF).then_some(i128::from(u32::MAX)),
            (Self::OpenName(_) | Self::Bits(_) | Self::Subject, Node::Number(number)) => {
                (0..=i128::from(u32::MAX)).contains(number).then_some(*number)
            }
            (Self::Bits(names), Node::List(list)) => {
                let bit = |item: &Spot| named(names, item.text()?).map(|index| 1_i128 << index);
                list.iter().map(bit).try_fold(0, |bits, bit| Some(bits | bit?))
            }
            (Self::Positions(bound), Node::List(list)) => {
                let bit = |item: &Spot| match item.node {
                    Node::Number(at) if (0..i128::from(bound)).contains(&at) => Some(1_i128 << at),
                    _ => None,
                };
                list.iter().map(bit).try_fold(0, |bits, bit| Some(bits | bit?))
            }
            (
                Self::Whole(..)
                | Self::Flag
                | Self::Name(_)
                | Self::OpenName(_)
                | Self::Bits(_)
                | Self::Positions(_)
                | Self::Subject,
                _,
            ) => None,
        }
    }

    /// For people: what it takes.
    pub(crate) fn told(self) -> String {
        let quoted = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            names.join(", ")
        };
        match self {
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Name(names) | Self::OpenName(names) => format!("one of {}", quoted(names)),
            Self::Bits(names) => format!("a list of any of {}", quoted(names)),
            Self::Positions(bound) => {
                format!("a list of positions from 0 to {}, such as [0, 1]", bound - 1)
            }
            Self::Subject => format!("the number of a peer, or {SELF:?}"),
        }
    }

    /// Writes the integer as what it stands for.
    pub(crate) fn write(self, writer: &mut Writer, value: i128) {
        match self {
            Self::Whole(..) => writer.number(value),
            Self::Flag => writer.flag(value != 0),
            Self::Name(names) | Self::OpenName(names) => {
                match usize::try_from(value).ok().and_then(|index| names.get(index)) {
                    Some(name) => writer.text(name),
                    None => writer.number(value),
                }
            }
            Self::Bits(names) if value >> names.len() == 0 => writer.list(|w| {
                for (_, name) in names.iter().enumerate().filter(|(at, _)| value >> at & 1 == 1) {
                    w.item();
                    w.text(name);
                }
            }),
            Self::Bits(_) => writer.number(value),
            Self::Positions(bound) => writer.list(|w| {
                for at in (0..bound).filter(|at| value >> at & 1 == 1) {
                    w.item();
                    w.number(i128::from(at));
                }
            }),
            Self::Subject if value == i128::from(u32::MAX) => writer.text(SELF),
            Self::Subject => writer.number(value),
        }
    }
}

/// Writes all fields that a value has.
pub(crate) fn write_fields<T>(writer: &mut Writer, fields: &[Field<T>], value: &T) {
    for field in fields.iter().filter(|field| field.test == Test::Equal) {
        if let Some(number) = (field.get)(value) {
            writer.key(field.name);
            field.takes.write(writer, number);
        }
    }
}
