//! What no string constant holds: markup, which templates hold and escape, and identifiers in quotes of SQL, which one function
//! sets.

use super::{File, assert_none, file, files};
use regex::Regex;

/// The place where identifiers get their quotes.
const QUOTER: &str = "src/databases/src/quoting.rs";

#[test]
fn markup_stands_in_templates() {
    assert_none(files("rs").iter().flat_map(markup).collect());
    let planted = |text: &str| markup(&file("src/a/src/x.rs", text)).len();
    assert_eq!(planted("let page = \"<b>\";"), 1);
    assert_eq!(planted("    \"\\\n     <text class=\\\"left\\\">{}</text>\","), 1);
    assert_eq!(planted("fn f<T>() -> Vec<T> { g::<T>(\"a < b\", '<') }"), 0);
    assert_eq!(planted("/// \"<b>\"\nconst ANY: &str = \"<database>\";"), 0);
    assert_eq!(planted("#[cfg(test)]\nmod tests {\n    const B: &str = \"<b>\";"), 0);
    assert_eq!(markup(&file("src/a/src/x_tests.rs", "const B: &str = \"<b>\";")).len(), 0);
}

fn markup(file: &File) -> Vec<String> {
    const ELEMENTS: &str = "a|b|body|code|details|div|form|h[1-6]|head|html|img|input|li|line|link|p|path|pre|rect|script|section|\
        small|span|strong|style|svg|table|tbody|td|text|th|thead|title|tr|ul";
    let element = Regex::new(&format!(r#"</?(?:{ELEMENTS})(?:>|/>| [a-z-]+=| \{{)"#)).unwrap();
    let found = code(file).filter(|(_, line)| element.is_match(line));
    found.map(|(at, _)| format!("{}:{at}: markup in a string: put it into a template", file.name)).collect()
}

#[test]
fn identifiers_are_quoted_in_one_place() {
    assert_none(files("rs").iter().filter(|file| file.name != QUOTER).flat_map(quotes).collect());
    let planted = |text: &str| quotes(&file("src/a/src/x.rs", text)).len();
    assert_eq!(planted("format!(\"{STAGING}.`{}`\", name)"), 1);
    assert_eq!(planted("format!(\"SELECT `{column}` FROM t\")"), 1);
    assert_eq!(planted("format!(\"INSERT INTO public.\\\"{table}\\\" VALUES (1)\")"), 1);
    assert_eq!(planted("#[error(\"topic template `{template}` names no sensor\")]"), 0);
    assert_eq!(planted("format!(\"SELECT {} FROM t\", quoted(engine, column))"), 0);
    assert_eq!(planted("// SELECT `{column}`"), 0);
}

fn quotes(file: &File) -> Vec<String> {
    let statement = r#"\b(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|FROM|INTO|TABLE|JOIN|COPY|GRANT|REVOKE)\b"#;
    let quote = Regex::new(&format!(r#"\.`\{{|{statement}.*(?:`|\\")\{{"#)).unwrap();
    let found = code(file).filter(|(_, line)| quote.is_match(line));
    found.map(|(at, _)| format!("{}:{at}: an identifier in quotes set by hand: take `quoted`", file.name)).collect()
}

/// The numbered lines of what the server runs: no comments, no tests.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let is_test =
        file.name.contains("/tests/") || ["tests.rs", "/sample.rs"].iter().any(|end| file.name.ends_with(end));
    let is_code = file.name.starts_with("src/") && !is_test;
    let text = if is_code { file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default() } else { "" };
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}
