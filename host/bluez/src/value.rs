//! Values of properties: ours, and as they stand in messages.

use std::collections::{BTreeMap, HashMap};

use dbus::Path;
use dbus::arg::{PropMap, RefArg, Variant};

/// The properties of one interface of one object.
pub(crate) type Props = BTreeMap<&'static str, Value>;

/// A property's value, of the types that BlueZ has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Flag(bool),
    Byte(u8),
    Dbm(i16),
    U16(u16),
    U32(u32),
    Text(String),
    Object(String),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    Objects(Vec<String>),
    /// Bytes by the number of a manufacturer.
    Manufacturers(BTreeMap<u16, Vec<u8>>),
    /// Small numbers by name.
    Sizes(BTreeMap<&'static str, u8>),
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// As it travels.
    pub(crate) fn variant(&self) -> Variant<Box<dyn RefArg>> {
        let path = |text: &String| Path::from(text.clone());
        Variant(match self {
            Self::Flag(value) => Box::new(*value),
            Self::Byte(value) => Box::new(*value),
            Self::Dbm(value) => Box::new(*value),
            Self::U16(value) => Box::new(*value),
            Self::U32(value) => Box::new(*value),
            Self::Text(value) => Box::new(value.clone()),
            Self::Object(value) => Box::new(path(value)),
            Self::Bytes(value) => Box::new(value.clone()),
            Self::Texts(value) => Box::new(value.clone()),
            Self::Objects(value) => Box::new(value.iter().map(path).collect::<Vec<_>>()),
            Self::Manufacturers(value) => {
                let boxed = |bytes: &Vec<u8>| Variant(Box::new(bytes.clone()) as Box<dyn RefArg>);
                let map: HashMap<u16, _> =
                    value.iter().map(|(number, bytes)| (*number, boxed(bytes))).collect();
                Box::new(map)
            }
            Self::Sizes(value) => {
                let map: PropMap = value
                    .iter()
                    .map(|(name, size)| {
                        ((*name).to_owned(), Variant(Box::new(*size) as Box<dyn RefArg>))
                    })
                    .collect();
                Box::new(map)
            }
        })
    }
}

/// All properties of an interface, as they travel.
pub(crate) fn prop_map(props: &Props) -> PropMap {
    props.iter().map(|(name, value)| ((*name).to_owned(), value.variant())).collect()
}
