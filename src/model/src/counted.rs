//! A count with its noun, for people: one has no `s`. Enters a number and the noun of one, leaves the text.

use std::borrow::Cow;
use std::fmt::Display;

/// `1 record`, `2 records`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let text = count.to_string();
    format!("{text} {}", noun(count, one))
}

/// The noun alone, for columns whose number stands apart.
pub fn noun<N: PartialEq + From<u8>>(count: N, one: &str) -> Cow<'_, str> {
    if count == N::from(1) { Cow::Borrowed(one) } else { Cow::Owned(many(one)) }
}

/// By the rules of spelling; the nouns that are counted here know no others.
fn many(one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if one.ends_with(['s', 'x']) || one.ends_with("ch") => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|count: u64| counted(count, "record")), ["0 records", "1 record", "2 records"]);
        assert_eq!([counted(-1_i64, "row"), counted(1_usize, "row")], ["-1 rows", "1 row"]);
    }

    #[test]
    fn nouns_are_spelt_as_they_are_in_english() {
        let both = |one| [noun(1_u32, one).into_owned(), noun(3_u32, one).into_owned()];
        assert_eq!(both("day"), ["day", "days"]);
        assert_eq!(both("entry"), ["entry", "entries"]);
        assert_eq!(both("index"), ["index", "indexes"]);
        assert_eq!(both("batch"), ["batch", "batches"]);
        assert_eq!(both("dead letter"), ["dead letter", "dead letters"]);
    }
}
