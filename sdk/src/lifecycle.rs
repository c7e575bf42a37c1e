//! What every policy says of itself, and how it gets its settings.

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

/// Why a policy refuses its settings or its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A setting that it does not know, or with a value that it can't use.
    BadSetting {
        /// The setting.
        key: String,
        /// What is wrong, and what it takes instead.
        why: String,
    },
    /// Learned state of a schema that it does not read.
    BadState(u32),
    /// Something else.
    Other(String),
}

/// Who a policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its name, in words joined by `-`.
    pub name: String,
    /// Its version, as `major.minor.patch`.
    pub version: String,
    /// Schema number of the state that it learns; 0 where it learns nothing.
    pub state_schema: u32,
    /// Schemas that it can take over.
    pub reads_schemas: Vec<u32>,
    /// Most bytes that its state takes.
    pub max_state_bytes: u32,
    /// Its settings, a line each: `key: kind = default  what it means`.
    pub settings_schema: String,
}

impl Manifest {
    /// A policy that learns nothing and takes no settings.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            state_schema: 0,
            reads_schemas: Vec::new(),
            max_state_bytes: 0,
            settings_schema: String::new(),
        }
    }

    /// The same, with a description of its settings.
    pub fn with_settings(self, schema: &str) -> Self {
        Self { settings_schema: schema.to_owned(), ..self }
    }
}

/// The settings from `config.toml`, in their order there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    entries: Vec<(String, Value)>,
}

impl Settings {
    /// From keys and values.
    pub fn new(entries: Vec<(String, Value)>) -> Self {
        Self { entries }
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// For a policy without settings: any is a fault.
    pub fn none(&self) -> Result<(), Fault> {
        self.only(&[])
    }

    /// Any other key than these is a fault.
    pub fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.entries.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) if known.is_empty() => Err(bad(key, "this policy takes no settings")),
            Some((key, _)) => {
                Err(bad(key, &format!("not a setting; known are {}", known.join(", "))))
            }
        }
    }

    /// A whole number within a range, or the default where it is not set.
    pub fn integer(
        &self,
        key: &str,
        range: core::ops::RangeInclusive<i64>,
        default: i64,
    ) -> Result<i64, Fault> {
        match self.entries.iter().find(|(name, _)| name == key) {
            None => Ok(default),
            Some((_, Value::Integer(number))) if range.contains(number) => Ok(*number),
            Some(_) => Err(bad(
                key,
                &format!("takes a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// `true` or `false`, or the default where it is not set.
    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, Fault> {
        match self.entries.iter().find(|(name, _)| name == key) {
            None => Ok(default),
            Some((_, Value::Boolean(flag))) => Ok(*flag),
            Some(_) => Err(bad(key, "takes true or false")),
        }
    }
}

fn bad(key: &str, why: &str) -> Fault {
    Fault::BadSetting { key: key.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named_with_what_it_takes() {
        let settings = Settings::new(vec![("stickiness".into(), Value::Integer(101))]);
        let fault = settings.integer("stickiness", 0..=100, 10).expect_err("101 is too much");
        let Fault::BadSetting { key, why } = fault else { panic!("wrong fault") };
        assert_eq!(
            (key.as_str(), why.as_str()),
            ("stickiness", "takes a whole number from 0 to 100")
        );
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let settings = Settings::new(vec![("colour".into(), Value::Boolean(true))]);
        assert!(settings.none().is_err());
        assert!(settings.only(&["size"]).is_err());
    }
}
