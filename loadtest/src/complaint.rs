//! What is wrong with a TOML file: the parser's error enters, line and cause leave, in the words of the file.

/// Words at least this alike are taken for a slip of the pen.
const ALIKE: f64 = 0.8;

pub fn of(text: &str, error: &toml::de::Error) -> (usize, String) {
    let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
    (line, said(error.message().trim()))
}

/// The parser's message in the words of the file, with the nearest key that there is.
fn said(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let key = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let alike = known.iter().map(|known| (strsim::jaro_winkler(key, known), known));
        let nearest = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = nearest.map_or_else(String::new, |(_, nearest)| format!("did you mean {nearest}? "));
        return format!("{key} is no key here; {hint}known are {}", known.join(", "));
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("{} is missing; add it", key.trim_matches('`'));
    }
    let Some((_, wanted)) = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let wanted = match wanted {
        "a string" => "a text, in quotes",
        "a character" => "one character, in quotes",
        "a sequence" => "a list, in square brackets",
        "u64" => "a whole number",
        "a map" => "a table",
        wanted if wanted.starts_with("struct ") => "a table",
        wanted => wanted,
    };
    format!("must be {wanted}")
}
