//! What is wrong with a case file is told all at once, with line, key and what it takes.

use pointsman_engine::cases::{CASE_ERRORS_MAX, CASES_BYTES_MAX, CaseError, Cases};

fn errors(text: &str) -> Vec<CaseError> {
    Cases::parse(text).expect_err("the file is wrong")
}

/// Line and key of each error.
fn places(text: &str) -> Vec<(usize, String)> {
    errors(text).into_iter().map(|error| (error.line, error.key)).collect()
}

fn place(line: usize, key: &str) -> (usize, String) {
    (line, key.to_owned())
}

#[test]
fn all_errors_of_a_file_are_told_at_once_with_line_and_key() {
    let text = r#"role = "selector"
colour = 1
[default]
path = { srtt = 1 }
question = { now_us = -1 }
[[case]]
name = "a"
settings = { a = 1.5 }
question = { class = "urgent", head_bytes = 4294967296, paths = [] }
paths = [{ flags = ["upp"] }, 7]
verdict = { mode = "sned", paths = [16], reason = 65536 }
[[case]]
name = "a"
learned = { hex = "0" }
verdict = {}
[[case]]
question = 1
dialables = []
verdict = { mode = "hold", hold_us = 1 }
"#;
    let expected = [
        place(2, "colour"),
        place(4, "default.path.srtt"),
        place(5, "default.question.now_us"),
        place(8, "case[0].settings.a"),
        place(9, "case[0].question.class"),
        place(9, "case[0].question.head_bytes"),
        place(9, "case[0].question.paths"),
        place(10, "case[0].paths[0].flags"),
        place(10, "case[0].paths[1]"),
        place(11, "case[0].verdict.mode"),
        place(11, "case[0].verdict.paths"),
        place(11, "case[0].verdict.reason"),
        place(13, "case[1].name"),
        place(14, "case[1].learned.schema"),
        place(14, "case[1].learned.hex"),
        place(15, "case[1].verdict"),
        place(16, "case[2].name"),
        place(17, "case[2].question"),
        place(18, "case[2].dialables"),
        place(19, "case[2].verdict.hold_us"),
    ];
    assert_eq!(places(text), expected);
}

#[test]
fn an_error_says_what_the_key_takes() {
    let message = |text: &str| {
        let text = format!("role = \"failover\"\n[[case]]\nname = \"x\"\n{text}");
        errors(&text).into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join("\n")
    };
    let stay = r#"verdict = { does = "stay" }"#;
    let with = |line: &str| message(&format!("question = {{ event = \"lost\" }}\n{line}\n{stay}"));
    assert_eq!(
        with("paths = [{ flags = 'up' }]"),
        "5:20: case[0].paths[0].flags takes a list of any of \"up\", \"suspect\", \"draining\", \
         \"metered\", \"relayed\", \"probation\", \"app-limited\", \"masked\", not \"up\""
    );
    assert_eq!(
        with("pahts = []"),
        "5:1: case[0].pahts there is no such key; did you mean `paths`?"
    );
    assert_eq!(
        message("verdict = { does = \"stay\", onto = [1] }\nquestion = { event = 3, at = true }"),
        "4:28: case[0].verdict.onto does not belong to \"stay\", which has reason\n\
         5:30: case[0].question.at takes a whole number from 0 to 4294967295, not true"
    );
    let missing = message(stay);
    assert!(missing.starts_with("2:1: case[0].question.event is missing"), "{missing}");
    assert!(missing.contains("\"uplink-changed\""), "{missing}");
}

#[test]
fn a_file_that_asks_nothing_is_refused() {
    for (text, key) in [
        ("", "role"),
        ("role = 'switch'", "role"),
        ("role = 'selector'", "case"),
        ("role = 'selector'\ncase = []", "case"),
        ("role = 'selector'\ncase = 1", "case"),
        ("role = 'selector'\ncase = [1]", "case[0]"),
    ] {
        assert_eq!(errors(text)[0].key, key, "{text}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let errors = errors("role = \"selector\"\n[[case]\nname = \nverdict = {}\n");
    assert!(errors.iter().all(|error| error.key.is_empty()), "{errors:?}");
    assert_eq!(errors[0].line, 2);
}

#[test]
fn hostile_files_end_in_bounded_errors() {
    let deep = format!("role = \"selector\"\ncase = {}", "[".repeat(100_000));
    assert!(!errors(&deep).is_empty());
    let many = format!(
        "role = \"selector\"\n{}",
        "[[case]]\nname = \"x\"\nverdict = { mode = 9 }\n".repeat(200)
    );
    let told = errors(&many);
    assert_eq!(told.len(), CASE_ERRORS_MAX + 1);
    assert!(told[CASE_ERRORS_MAX].message.ends_with("more errors follow"));
    let large = " ".repeat(CASES_BYTES_MAX + 1);
    assert_eq!(errors(&large).len(), 1);
    let wide = format!(
        "role = \"selector\"\n[[case]]\nname = \"x\"\nverdict = {{ mode = \"hold\" }}\npaths = [{}]",
        "{},".repeat(17)
    );
    assert_eq!(errors(&wide)[0].key, "case[0].paths");
    let numbers = "role = \"selector\"\n[[case]]\nname = \"x\"\nverdict = { reason = \
                   99999999999999999999999999999999999999999999 }";
    assert_eq!(errors(numbers)[0].key, "case[0].verdict.reason");
}
