//! What somebody may have meant who wrote a key that there is none of.

/// Longest name that is compared, in bytes: comparing costs the product of both lengths.
const NAME_BYTES_MAX: usize = 40;

/// The known name that is nearest to what was written, if any is near: at most one change in
/// three characters, and two in any case.
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > NAME_BYTES_MAX {
        return None;
    }
    let most = (written.len() / 3).max(2);
    let far = known.map(|name| (distance(written, name), name));
    far.filter(|&(far, name)| far <= most && far < name.len()).min().map(|(_, name)| name)
}

/// How many bytes must be inserted, removed or exchanged to make one text of the other
/// (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(b.bytes()) {
            let here = (diagonal + usize::from(byte != other)).min(left + 1).min(*cell + 1);
            diagonal = core::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_the_least_number_of_changes() {
        for (a, b, changes) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("a", "a", 0)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (changes, changes), "{a} {b}");
        }
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["heartbeat_ms", "dead_ms", "quic"];
        let nearest = |written| nearest(written, known.into_iter());
        assert_eq!(nearest("hartbeat_ms"), Some("heartbeat_ms"));
        assert_eq!(nearest("heartbeat"), Some("heartbeat_ms"));
        assert_eq!(nearest("quick"), Some("quic"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest(&"q".repeat(100_000)), None);
    }
}
