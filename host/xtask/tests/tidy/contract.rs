//! What is written down of the contract in several places is the same in all of them.

use crate::tree::{file, none};

/// The fields of a path's row in their order, as the SDK has them: `srtt_us`.
fn fields() -> Vec<String> {
    let source = file("sdk/src/path.rs").text;
    let (_, rows) = source.split_once("\nrow! {\n").expect("the rows are declared there");
    let lines = rows.lines().take_while(|line| *line != "}").map(str::trim);
    let fields = lines.filter(|line| !line.starts_with("///")).enumerate();
    let name = |(index, line): (usize, &str)| {
        let name = line.strip_prefix(&format!("{index} ")).and_then(|rest| rest.strip_suffix(','));
        name.expect("a field is its position and its name").to_owned()
    };
    fields.map(name).collect()
}

#[test]
fn the_reference_has_every_field_of_a_path_at_its_position() {
    let reference = file("docs/policy-reference.md").text;
    let missing = fields().into_iter().enumerate().filter_map(|(position, name)| {
        let row = format!("| {position} | {} |", name.replace('_', "-"));
        (!reference.contains(&row)).then_some(row)
    });
    none(&missing.collect::<Vec<_>>(), "rows that docs/policy-reference.md lacks");
}

#[test]
fn the_header_for_c_has_the_fields_of_a_path_in_their_order() {
    let header = file("sdk/c/pointsman.h").text;
    let (_, after) = header.split_once("enum pm_field {").expect("the header names them");
    let names = after.split('}').next().unwrap_or_default().split(',').map(str::trim);
    let expected = fields().into_iter().map(|name| format!("PM_{}", name.to_uppercase()));
    assert_eq!(names.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn templates_in_languages_without_a_library_name_positions_rightly() {
    let fields = fields();
    let mut wrong = Vec::new();
    for path in ["js/selector.js", "js/failover.js", "python/selector.py", "python/failover.py"] {
        let text = file(&format!("sdk/templates/{path}")).text;
        let mut named = 0;
        for (position, name) in fields.iter().enumerate() {
            let upper = name.to_uppercase();
            let here = [format!("{upper} = {position}"), pair(&text, &upper).unwrap_or_default()];
            if text.contains(&format!("{upper},")) || text.contains(&format!("{upper} =")) {
                named += 1;
                let is_right = text.contains(&here[0]) || here[1] == position.to_string();
                if !is_right {
                    wrong.push(format!("{path}: {upper} is at {position}"));
                }
            }
        }
        assert!(named > 0, "{path} names no field");
    }
    none(&wrong, "positions of fields");
}

/// The number that a line like `FLAGS, ROOM_BYTES = 2, 11` gives to a name.
fn pair(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| {
        let (names, _) = line.split_once(" = ").unwrap_or_default();
        names.split(", ").any(|found| found == name)
    })?;
    let (names, numbers) = line.split_once(" = ")?;
    let index = names.split(", ").position(|found| found == name)?;
    numbers.split(", ").nth(index).map(str::to_owned)
}
