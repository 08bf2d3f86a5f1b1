//! The lines of a `.env` file: `NAME=value`, `NAME='value'`, `NAME="value"`.
//!
//! Enters: the bytes of the file, with or without byte order mark, with any line ends. Leaves: names and values exactly as
//! they are meant, or a complaint with its line that says what to write. Invariants: no line is read in another way than its
//! writer can have meant it: what other readers of such files replace, unescape or cut off (`$`, `\`, ` #`) is refused
//! outside single quotes. No complaint shows a value, which may be a secret.

/// What is wrong with each line that cannot be read, and what to write: a line of the cause for each.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16: save it as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let (mut pairs, mut causes) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8: save the file as UTF-8".to_owned());
        match line.and_then(|line| pair(line.trim())) {
            Ok(pair) => pairs.extend(pair),
            Err(cause) => causes.push(format!("line {}: {cause}", index + 1)),
        }
    }
    if causes.is_empty() { Ok(pairs) } else { Err(causes.join("\n")) }
}

/// `None` for an empty line or a comment.
fn pair(line: &str) -> Result<Option<(String, String)>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = line.split_once('=').ok_or("it has no =: write NAME='value', a comment behind #")?;
    let name = name.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) || name.as_bytes()[0].is_ascii_digit() {
        return Err("what stands before its = is no name: write NAME='value' with A-Z, 0-9 and _".to_owned());
    }
    let value = value(rest.trim()).map_err(|cause| format!("{name} {cause}"))?;
    Ok(Some((name.to_owned(), value)))
}

fn value(text: &str) -> Result<String, String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, behind) = quoted.split_once('\'').ok_or("lacks its closing ': all of it stands on one line")?;
        end(behind, '\'')?;
        if value.ends_with('\\') {
            // Others take \\' for a quote that does not end the value.
            return Err(
                "has a \\ before its closing ': write \"...\" around the whole value, with \\\\ for \\".to_owned()
            );
        }
        return Ok(value.to_owned());
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return escaped(quoted);
    }
    if text.starts_with('#') {
        return Err(
            "begins with a #: write '...' around the whole value, or give the comment a line of its own".to_owned()
        );
    }
    let wants_quotes = |what: &str| format!("has {what} outside quotes: write '...' around the whole value");
    match text.chars().find(|c| c.is_whitespace() || matches!(c, '$' | '\\' | '"' | '\'' | '`')) {
        Some(c)
            if c.is_whitespace() && text.trim_start_matches(|c: char| !c.is_whitespace()).trim().starts_with('#') =>
        {
            let remedy = "write '...' around the whole value, or give the comment a line of its own";
            Err(format!("has a blank and a # outside quotes: {remedy}"))
        }
        Some(c) if c.is_whitespace() => Err(wants_quotes("a blank")),
        Some('\'') => {
            Err("has a ' inside: write \"...\" around the whole value, with \\\" \\\\ \\$ for \" \\ $".to_owned())
        }
        Some(c) => Err(wants_quotes(&format!("a {c}"))),
        None => Ok(text.to_owned()),
    }
}

/// The inside of double quotes, up to their end.
fn escaped(quoted: &str) -> Result<String, String> {
    let mut value = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    loop {
        match rest.next() {
            Some('"') => break,
            Some('\\') => match rest.next() {
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                _ => return Err("has a \\ inside \"...\": write \\\\, or '...' around the whole value".to_owned()),
            },
            Some('$') => return Err("has a $ inside \"...\": write \\$, or '...' around the whole value".to_owned()),
            Some(c) => value.push(c),
            None => return Err("lacks its closing \": all of it stands on one line".to_owned()),
        }
    }
    end(rest.as_str(), '"')?;
    Ok(value)
}

/// Behind the closing quote nothing may come but a comment.
fn end(behind: &str, quote: char) -> Result<(), String> {
    let comment = behind.trim_start();
    if behind.is_empty() || (comment.starts_with('#') && comment.len() < behind.len()) {
        return Ok(());
    }
    let other = if quote == '\'' { "\"...\" around the whole value, with \\\" \\\\ \\$ for \" \\ $" } else { "\\\"" };
    Err(format!("has a {quote} inside {quote}...{quote}: write {other}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<String, String> {
        parse(format!("GENIMS_X={line}\n").as_bytes()).map(|mut pairs| pairs.remove(0).1)
    }

    #[test]
    fn every_odd_password_is_read_as_written_or_refused_with_what_to_write() {
        let as_written = [
            ("plain", "plain"),
            ("p%40:/@?=&+,;!*()[]{}<>|~^", "p%40:/@?=&+,;!*()[]{}<>|~^"),
            ("p#ss", "p#ss"),
            ("'$PATH ${HOME} # \\n \"x\"'", "$PATH ${HOME} # \\n \"x\""),
            ("'p w'   # a comment", "p w"),
            ("\"it's \\$5 \\\\ \\\"x\\\" #1\"", "it's $5 \\ \"x\" #1"),
            ("", ""),
            ("''", ""),
            ("  'x'  ", "x"),
        ];
        for (line, value) in as_written {
            assert_eq!(read(line).as_deref(), Ok(value), "{line}");
        }
        let refused = [
            ("p$ss", "'...'"),
            ("p\\ss", "'...'"),
            ("p\\nss", "'...'"),
            ("my pass", "'...'"),
            ("pass #1", "line of its own"),
            ("#1", "line of its own"),
            ("it's", "\"...\""),
            ("pa\"ss", "'...'"),
            ("'it's'", "\"...\""),
            ("\"p$ss\"", "\\$"),
            ("\"p\\nss\"", "\\\\"),
            ("\"p\"ss\"", "\\\""),
            ("'open", "closing '"),
            ("'pass\\'", "\"...\""),
            ("\"open", "closing \""),
        ];
        for (line, remedy) in refused {
            let cause = read(line).expect_err(line);
            assert!(cause.starts_with("line 1: GENIMS_X ") && cause.contains(remedy), "{line}: {cause}");
            assert!(!cause.contains("ss"), "{cause}");
        }
    }

    #[test]
    fn every_line_at_fault_is_told() {
        let causes = parse(b"A='x\nB=1\nC\nD=$y\n").expect_err("three bad lines");
        let lines: Vec<&str> = causes.lines().map(|cause| &cause[..7]).collect();
        assert_eq!(lines, ["line 1:", "line 3:", "line 4:"], "{causes}");
    }

    #[test]
    fn files_of_windows_are_understood() {
        let text = "\u{feff}A=1\r\n\r\n# c\r\nexport B = 'x y'\r\nC=\"z\" \r\nD=";
        let pairs = parse(text.as_bytes()).expect("a good file");
        let found: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("A", "1"), ("B", "x y"), ("C", "z"), ("D", "")]);
        assert!(parse(&[0xff, 0xfe, b'A', 0]).expect_err("UTF-16").contains("UTF-8"));
        assert!(parse(b"A=1\nB=\xe4").expect_err("Latin-1").starts_with("line 2: "));
        assert!(parse(b"A").expect_err("no =").contains("NAME='value'"));
        assert!(parse(b"A-B=1").expect_err("no name").contains("NAME='value'"));
    }

    proptest! {
        /// `loadtest`, and whatever else reads the same file.
        #[test]
        fn what_is_taken_is_read_likewise_by_others(line in "[ab$%@:#\\\\ '\"=`{}]{0,12}") {
            if let Ok(value) = read(&line) {
                let theirs = dotenvy::from_read_iter(format!("GENIMS_X={line}\n").as_bytes()).next();
                prop_assert_eq!(theirs.map(Result::unwrap), Some(("GENIMS_X".to_owned(), value)));
            }
        }

        #[test]
        fn single_quotes_take_everything_but_themselves(value in "[^'\\n\\r\u{0}]{0,20}") {
            prop_assume!(!value.ends_with('\\'));
            prop_assert_eq!(read(&format!("'{value}'")), Ok(value));
        }
    }
}
