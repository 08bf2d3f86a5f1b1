//! Source text in, the paths that it names out: `use a::{b, c::d}` gives `a::b` and `a::c::d`; so does `a::b(...)`.
//!
//! Not a parser of Rust: comments and literals are blanked, the rest is words, `::`, braces and commas.

/// Words that can stand before a leading `::` without being part of the path.
const KEYWORDS: [&str; 12] = ["as", "dyn", "else", "for", "if", "impl", "in", "let", "match", "mut", "return", "use"];

/// A path with the line it stands on, 1-based.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Into,
    Other(char),
}

/// Every path of at least two segments. A leading `::` is dropped; what follows a dot is no path's start.
pub(crate) fn named_paths(text: &str) -> Vec<Named> {
    let tokens = tokens(&blank(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = matches!(&tokens[at].1, Token::Word(_));
        let continues = at > 0 && tokens[at - 1].1 == Token::Other('.');
        if starts && !continues {
            at = tree(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path or use tree from `at`; returns where it ends.
fn tree(tokens: &[(usize, Token)], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.0);
    loop {
        match tokens.get(at).map(|token| &token.1) {
            Some(Token::Word(word)) => segments.push(word.clone()),
            Some(Token::Other('{')) if !segments.is_empty() => {
                at += 1;
                while let Some((_, token)) = tokens.get(at) {
                    match token {
                        Token::Other('}') => return at + 1,
                        Token::Word(_) => at = tree(tokens, at, &segments, found),
                        Token::Into | Token::Other(_) => at += 1,
                    }
                }
                return at;
            }
            // `a::*`, `Vec::<T>`: the path ends before it.
            _ => {}
        }
        at += 1;
        if tokens.get(at).map(|token| &token.1) != Some(&Token::Into) {
            break;
        }
        at += 1;
        if matches!(tokens.get(at).map(|token| &token.1), None | Some(Token::Other('*' | '<'))) {
            break;
        }
    }
    if segments.len() > 1 {
        found.push(Named { line, segments });
    }
    at
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let word = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
            let (token, length) = if KEYWORDS.contains(&&rest[..word]) {
                (Some(Token::Other(' ')), word)
            } else if word > 0 {
                (Some(Token::Word(rest[..word].to_owned())), word)
            } else if rest.starts_with("::") {
                (Some(Token::Into), 2)
            } else {
                ((!first.is_whitespace()).then_some(Token::Other(first)), first.len_utf8())
            };
            tokens.extend(token.map(|token| (number + 1, token)));
            rest = &rest[length..];
        }
    }
    tokens
}

/// The text with comments, strings and character literals replaced by blanks; line breaks stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_bytes(rest);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the comment or literal at the start of `text`; 0 when there is none.
fn literal_bytes(text: &str) -> usize {
    let until = |end: &str, skip: usize| text[skip..].find(end).map_or(text.len(), |at| skip + at + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    for hashes in ["", "#", "##"] {
        if text.starts_with(&format!("r{hashes}\"")) {
            return until(&format!("\"{hashes}"), 2 + hashes.len());
        }
    }
    match text.as_bytes() {
        [b'"', ..] => quoted_bytes(text),
        // A character; a lifetime has no closing quote.
        [b'\'', b'\\', _, ..] => until("'", 3),
        [b'\'', ..] => {
            let character = text[1..].chars().next().map_or(0, char::len_utf8);
            if text[1 + character..].starts_with('\'') { character + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn quoted_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::named_paths;

    fn paths(text: &str) -> Vec<String> {
        named_paths(text).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_unfolded() {
        assert_eq!(paths("use crate::{model::{A, B}, spool};"), ["crate::model::A", "crate::model::B", "crate::spool"]);
        assert_eq!(paths("pub use ::mongodb::bson::doc;"), ["mongodb::bson::doc"]);
        assert_eq!(paths("use crate::model::*;"), ["crate::model"]);
        assert_eq!(paths("use std::{\n  fs,\n  io::{self, Read},\n};"), ["std::fs", "std::io::self", "std::io::Read"]);
    }

    #[test]
    fn paths_in_code_are_seen_and_text_is_not() {
        assert_eq!(paths("let x: Vec<crate::sink::Row> = std::fs::read(p)?;"), ["crate::sink::Row", "std::fs::read"]);
        assert_eq!(paths("fn f() -> crate::sink::Row { self.a::<T>() }"), ["crate::sink::Row"]);
        assert!(paths("// crate::sink\n/* crate::sink */ \"crate::sink \\\" x\" r#\"a::b\"# 'a' b'\\n'").is_empty());
        assert_eq!(paths("fn f<'a>(x: &'a a::B) { '\"'; c::d }"), ["a::B", "c::d"]);
    }

    #[test]
    fn lines_are_counted() {
        let found = named_paths("// one\nfn f() {\n    crate::sink::go();\n}\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
    }
}
