//! Names in an expression: `relation.name`, wherever it stands outside of quotes, and `{look-up}`.

use crate::file::Lookup;

/// Every `relation.name`, in the order in which they stand.
pub fn names_after(expression: &str, relation: &str) -> Vec<String> {
    let mut names = Vec::new();
    renamed(expression, relation, |name| {
        names.push(name.to_owned());
        String::new()
    });
    names
}

/// The expression with each `relation.name` in the form that `form` gives it.
pub(super) fn renamed(expression: &str, relation: &str, mut form: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        if matches!(first, '\'' | '"' | '`') {
            let end = rest[1..].find(first).map_or(rest.len(), |at| at + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            before = first;
            continue;
        }
        let name = rest.strip_prefix(relation).and_then(|rest| rest.strip_prefix('.'));
        if let Some(name) = name.filter(|_| !is_name(before) && before != '.') {
            let length = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
            out.push_str(&form(&name[..length]));
            rest = &name[length..];
            before = 'x';
            continue;
        }
        out.push(first);
        before = first;
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// Every `{name}`, in the order in which they stand.
pub fn placeholders(text: &str) -> Vec<&str> {
    let pieces = text.split('{').skip(1);
    pieces.filter_map(|piece| piece.split_once('}').map(|(name, _)| name.trim())).collect()
}

/// The text with each `{look-up}` as `form` gives it; unknown ones are refused before.
pub(super) fn placed(text: &str, lookups: &[Lookup], mut form: impl FnMut(&Lookup) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pieces = text.split('{');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some((name, rest)) = piece.split_once('}') else { continue };
        if let Some(lookup) = lookups.iter().find(|lookup| lookup.name == name.trim()) {
            out.push_str(&form(lookup));
        }
        out.push_str(rest);
    }
    out
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_outside_of_quotes_and_of_longer_names() {
        let expression = "coalesce(event.unit, 'event.no', \"event.no\") || myevent.no || x.event.no || event.at";
        assert_eq!(names_after(expression, "event"), ["unit", "at"]);
        assert_eq!(renamed("a.b + 'ä' || a.c", "a", |name| format!("<{name}>")), "<b> + 'ä' || <c>");
        assert_eq!(names_after("'unclosed event.x", "event"), Vec::<String>::new());
    }
}
