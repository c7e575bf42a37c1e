//! Writing a form: the same fields as JSON for records, and as inline TOML for people.

/// How a form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One line of JSON.
    Json,
    /// One line of TOML, as a case file has it.
    Toml,
}

/// Writes one value after another.
#[derive(Debug)]
pub(crate) struct Writer {
    out: String,
    style: Style,
    /// Whether a comma belongs before what comes next.
    begun: bool,
}

impl Writer {
    pub(crate) fn new(style: Style) -> Self {
        Self { out: String::new(), style, begun: false }
    }

    pub(crate) fn end(self) -> String {
        self.out
    }

    /// A table with what `fill` writes into it.
    pub(crate) fn table(&mut self, fill: impl FnOnce(&mut Self)) {
        self.nest(('{', '}'), fill);
    }

    /// A list of what `fill` puts there by [`Writer::item`].
    pub(crate) fn list(&mut self, fill: impl FnOnce(&mut Self)) {
        self.nest(('[', ']'), fill);
    }

    fn nest(&mut self, (open, close): (char, char), fill: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.begun = false;
        let is_spaced = self.style == Style::Toml && open == '{';
        if is_spaced {
            self.out.push(' ');
        }
        fill(self);
        if is_spaced && self.begun {
            self.out.push(' ');
        }
        self.out.push(close);
        self.begun = true;
    }

    /// Begins the next item of a list.
    pub(crate) fn item(&mut self) {
        if self.begun {
            self.out.push_str(if self.style == Style::Json { "," } else { ", " });
        }
        self.begun = true;
    }

    /// Begins the next entry of a table: a value must follow.
    pub(crate) fn key(&mut self, name: &str) {
        self.item();
        match self.style {
            Style::Json => {
                self.text(name);
                self.out.push(':');
            }
            Style::Toml => {
                self.out.push_str(name);
                self.out.push_str(" = ");
            }
        }
    }

    pub(crate) fn number(&mut self, number: i128) {
        self.out.push_str(&number.to_string());
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.out.push_str(if flag { "true" } else { "false" });
    }

    /// A text: TOML's basic strings and JSON's escape alike.
    pub(crate) fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                c if c.is_control() && u32::from(c) <= 0xffff => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(style: Style) -> String {
        let mut writer = Writer::new(style);
        writer.table(|w| {
            w.key("a");
            w.list(|w| {
                for number in [1, 2] {
                    w.item();
                    w.number(number);
                }
            });
            w.key("b");
            w.table(|_| {});
            w.key("c");
            w.text("x\"\u{1}");
        });
        writer.end()
    }

    #[test]
    fn the_same_form_is_json_and_toml() {
        assert_eq!(sample(Style::Json), r#"{"a":[1,2],"b":{},"c":"x\"\u0001"}"#);
        assert_eq!(sample(Style::Toml), r#"{ a = [1, 2], b = { }, c = "x\"\u0001" }"#);
    }
}
