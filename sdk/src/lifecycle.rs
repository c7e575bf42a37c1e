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
    /// Its settings, a line each: `key: kind = default  what it means`. Kinds are `boolean`,
    /// `integer 0..=100`, `text one|two` (`text` alone takes any, its default in quotes),
    /// `integers 0..=9` and `texts`. The host holds settings against it before `configure`.
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

    /// The same, of a policy that learns state of this schema (not 0) and of at most so many
    /// bytes; the host keeps 65,536 at most.
    pub fn with_state(self, schema: u32, max_bytes: u32) -> Self {
        Self { state_schema: schema, max_state_bytes: max_bytes, ..self }
    }

    /// The same, of a policy that takes over state of these schemas of its forebears, too.
    pub fn with_reading(self, schemas: &[u32]) -> Self {
        Self { reads_schemas: schemas.to_vec(), ..self }
    }

    /// Whether it takes over state of this schema.
    pub fn reads(&self, schema: u32) -> bool {
        let is_own = self.state_schema != 0 && self.state_schema == schema;
        is_own || self.reads_schemas.contains(&schema)
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

    /// The value of a key, if it is set.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A whole number within a range, or the default where it is not set.
    pub fn integer(
        &self,
        key: &str,
        range: core::ops::RangeInclusive<i64>,
        default: i64,
    ) -> Result<i64, Fault> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Integer(number)) if range.contains(number) => Ok(*number),
            Some(_) => Err(bad(
                key,
                &format!("takes a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// `true` or `false`, or the default where it is not set.
    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, Fault> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(bad(key, "takes true or false")),
        }
    }

    /// One of these texts, or the default where it is not set; any text where there are no
    /// choices.
    pub fn text<'a>(
        &'a self,
        key: &str,
        choices: &[&str],
        default: &'a str,
    ) -> Result<&'a str, Fault> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Text(text)) if is_among(text, choices) => Ok(text),
            Some(_) if choices.is_empty() => Err(bad(key, "takes a text")),
            Some(_) => Err(bad(key, &format!("takes one of {}", choices.join(", ")))),
        }
    }

    /// Whole numbers within a range, or the default where they are not set.
    pub fn integers(
        &self,
        key: &str,
        range: core::ops::RangeInclusive<i64>,
        default: &[i64],
    ) -> Result<Vec<i64>, Fault> {
        match self.get(key) {
            None => Ok(default.to_vec()),
            Some(Value::Integers(numbers)) if numbers.iter().all(|n| range.contains(n)) => {
                Ok(numbers.clone())
            }
            // An empty list has no kind of its own.
            Some(Value::Texts(none)) if none.is_empty() => Ok(Vec::new()),
            Some(_) => Err(bad(
                key,
                &format!("takes a list of whole numbers from {} to {}", range.start(), range.end()),
            )),
        }
    }

    /// Some of these texts, or the default where they are not set; any texts where there are no
    /// choices.
    pub fn texts(
        &self,
        key: &str,
        choices: &[&str],
        default: &[&str],
    ) -> Result<Vec<String>, Fault> {
        match self.get(key) {
            None => Ok(default.iter().map(|&text| text.to_owned()).collect()),
            Some(Value::Texts(texts)) if texts.iter().all(|text| is_among(text, choices)) => {
                Ok(texts.clone())
            }
            Some(Value::Integers(none)) if none.is_empty() => Ok(Vec::new()),
            Some(_) if choices.is_empty() => Err(bad(key, "takes a list of texts")),
            Some(_) => Err(bad(key, &format!("takes a list of {}", choices.join(", ")))),
        }
    }
}

fn is_among(text: &str, choices: &[&str]) -> bool {
    choices.is_empty() || choices.contains(&text)
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

    #[test]
    fn a_setting_that_is_not_set_has_its_default() {
        let none = Settings::default();
        assert_eq!(none.text("mode", &["calm", "eager"], "calm"), Ok("calm"));
        assert_eq!(none.integers("ports", 1..=9, &[1, 2]), Ok(vec![1, 2]));
        assert_eq!(none.texts("names", &[], &["one"]), Ok(vec!["one".to_owned()]));
    }

    #[test]
    fn texts_and_lists_are_held_against_what_is_taken() {
        let settings = Settings::new(vec![
            ("mode".into(), Value::Text("wild".into())),
            ("ports".into(), Value::Integers(vec![1, 10])),
            ("names".into(), Value::Texts(vec!["two".into()])),
            ("empty".into(), Value::Integers(Vec::new())),
        ]);
        assert!(settings.text("mode", &["calm", "eager"], "calm").is_err());
        assert_eq!(settings.text("mode", &[], "calm"), Ok("wild"));
        assert!(settings.integers("ports", 1..=9, &[]).is_err());
        assert_eq!(settings.integers("ports", 1..=10, &[]), Ok(vec![1, 10]));
        assert!(settings.texts("names", &["one"], &[]).is_err());
        assert_eq!(settings.texts("empty", &["one"], &["one"]), Ok(Vec::new()));
    }

    #[test]
    fn a_policy_reads_its_own_state_and_what_it_says() {
        let manifest = Manifest::new("learns", "1.0.0").with_state(3, 64).with_reading(&[2]);
        assert!(manifest.reads(3) && manifest.reads(2) && !manifest.reads(1));
        assert!(!Manifest::new("learns-nothing", "1.0.0").reads(0));
    }
}
