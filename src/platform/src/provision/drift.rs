//! Two catalogues compared: what a server has, and what the migrations say.

use std::collections::BTreeMap;

/// What there is, with its definition.
pub(super) type Catalogue = BTreeMap<String, String>;

/// One line per difference, for a person.
pub(super) fn differences(expected: &Catalogue, found: &Catalogue) -> Vec<String> {
    let mut differences = Vec::new();
    for (what, definition) in expected {
        match found.get(what) {
            None => differences.push(format!("{what} is missing: {definition}")),
            Some(other) if other != definition => {
                differences.push(format!("{what} is {other}, the migrations say {definition}"));
            }
            Some(_) => {}
        }
    }
    let unexpected = found.iter().filter(|(what, _)| !expected.contains_key(*what));
    differences.extend(unexpected.map(|(what, definition)| format!("{what} is in no migration: {definition}")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_changed_and_unexpected_things_are_told_apart() {
        let catalogue = |pairs: &[(&str, &str)]| -> Catalogue {
            pairs.iter().map(|(what, definition)| ((*what).to_owned(), (*definition).to_owned())).collect()
        };
        let expected = catalogue(&[("column t.a", "1, integer"), ("column t.b", "2, text"), ("index i", "btree")]);
        let found = catalogue(&[("column t.a", "1, bigint"), ("column t.b", "2, text"), ("index j", "hash")]);
        assert_eq!(
            differences(&expected, &found),
            [
                "column t.a is 1, bigint, the migrations say 1, integer",
                "index i is missing: btree",
                "index j is in no migration: hash"
            ]
        );
        assert!(differences(&expected, &expected).is_empty());
    }
}
