//! Descriptions in every form and malformed one, and settings against them.

use super::*;

const SHIPPED: &str = "stickiness_percent: integer 0..=100 = 10  how much earlier another path must be\n\
    stripe: boolean = true  whether long backlogs use several paths at once\n\
    \n\
    mode: text calm|eager = calm  how it goes about it\n\
    greeting: text = \"well, hello\"  what it says\n\
    ports: integers 1..=65535 = [80, 443]  which ones\n\
    names: texts = []  of whom\n\
    bias: integer -100..=100 = -5  to which side\n";

fn known() -> Schema {
    parse(SHIPPED).expect("it is in the form")
}

fn wrong(key: &str, value: Value) -> Option<String> {
    let settings = Settings::new(vec![(key.to_owned(), value)]);
    known().check(&settings).pop().map(|(_, why)| why)
}

#[test]
fn every_kind_is_read_with_its_default() {
    let defaults: Vec<_> = known().keys().iter().map(|key| key.default.clone()).collect();
    let wanted = [
        Value::Integer(10),
        Value::Boolean(true),
        Value::Text("calm".into()),
        Value::Text("well, hello".into()),
        Value::Integers(vec![80, 443]),
        Value::Texts(Vec::new()),
        Value::Integer(-5),
    ];
    assert_eq!(defaults, wanted);
    assert_eq!(known().keys()[0].kind, Kind::Integer(0..=100));
    assert_eq!(known().keys()[0].meaning, "how much earlier another path must be");
}

#[test]
fn a_default_is_a_setting_that_is_taken() {
    let entries =
        known().keys().iter().map(|key| (key.name.clone(), key.default.clone())).collect();
    assert_eq!(known().check(&Settings::new(entries)), []);
}

#[test]
fn every_line_that_is_wrong_is_named() {
    let text = "a integer\n\
        b: integer = 10  the old form\n\
        c: integer 0..=5 = 9  too large\n\
        d: colour = red  no such kind\n\
        e: boolean true\n\
        f: boolean = true\n\
        F: boolean = true  a capital\n\
        g: text = word  without quotes\n\
        h: integers 0..=9 = 1, 2  no brackets\n\
        i: integer 9..=0 = 5  backwards\n\
        j: boolean = true  fine\n\
        j: boolean = true  twice\n";
    let error = parse(text).expect_err("nearly all of it is wrong");
    let lines: Vec<_> = error.wrong.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
    let said = error.to_string();
    for teaches in [
        "line 1: no `:` after a key; a line is `key: kind = default  what it means`",
        "line 2: `b`: `integer` needs its range, such as `integer 0..=100`",
        "line 3: the default of `c`: it takes a whole number from 0 to 5",
        "line 4: `d`: \"colour\" is no kind; there is boolean, integer, text, integers and texts",
        "line 5: `e` has no default: add ` = ` and a value",
        "line 6: `f` is not explained: add two spaces and what it means",
        "line 7: \"F\" is no key",
        "line 8: `g`: its default must be in quotes",
        "line 9: `h`: its default is a list, such as `[]` or `[1, 2]`",
        "line 10: `i`: the range 9..=0 is empty",
        "line 12: `j` is described twice",
    ] {
        assert!(said.contains(teaches), "{teaches} in {said}");
    }
}

#[test]
fn a_value_that_is_not_taken_is_told_what_is() {
    let cases = [
        ("stickiness_percent", Value::Integer(101), "takes a whole number from 0 to 100"),
        ("stickiness_percent", Value::Text("10".into()), "takes a whole number from 0 to 100"),
        ("stripe", Value::Integer(1), "takes true or false"),
        ("mode", Value::Text("wild".into()), "takes one of \"calm\", \"eager\""),
        ("ports", Value::Integers(vec![80, 0]), "takes a list of whole numbers from 1 to 65535"),
        ("names", Value::Text("one".into()), "takes a list of texts"),
    ];
    for (key, value, why) in cases {
        assert_eq!(wrong(key, value).as_deref(), Some(why), "{key}");
    }
}

#[test]
fn an_empty_list_is_a_list_of_any_kind() {
    assert_eq!(wrong("names", Value::Integers(Vec::new())), None);
    assert_eq!(wrong("ports", Value::Texts(Vec::new())), None);
}

#[test]
fn a_misspelt_key_is_told_which_was_meant() {
    let why = wrong("stickyness_percent", Value::Integer(5));
    assert_eq!(why.as_deref(), Some("not a setting; did you mean `stickiness_percent`?"));
    let why = wrong("colour", Value::Boolean(true)).expect("there is no colour");
    assert!(why.starts_with("not a setting; known are stickiness_percent, stripe"), "{why}");
}

#[test]
fn a_policy_without_settings_says_so() {
    let settings = Settings::new(vec![("colour".into(), Value::Boolean(true))]);
    let wrong = Schema::default().check(&settings);
    assert_eq!(wrong, [("colour".to_owned(), "this policy takes no settings".to_owned())]);
}

#[test]
fn every_mistake_is_told_at_once() {
    let entries = vec![
        ("stripe".to_owned(), Value::Integer(1)),
        ("bias".to_owned(), Value::Integer(0)),
        ("mode".to_owned(), Value::Boolean(true)),
    ];
    let wrong = known().check(&Settings::new(entries));
    let keys: Vec<_> = wrong.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["stripe", "mode"]);
}

#[test]
fn garbage_is_refused_and_bounded() {
    let text = "::\n".repeat(10_000);
    let error = parse(&text).expect_err("it is no description");
    assert_eq!(error.wrong.len(), SETTINGS_MAX);
}
