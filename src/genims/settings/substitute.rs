//! `${NAME}` and `${NAME:-default}` inside the strings of a configuration. Values come from the environment or `.env`;
//! substitution happens after parsing, so no value can change the structure of the file.

use genims_databases::complaint::{Fault, Faults, Step};
use toml::Value;

/// Replaces every reference below `value`, which stands at `path`; one that cannot be replaced is told and stays.
pub(super) fn substitute(
    value: &mut Value,
    path: &mut Vec<Step>,
    lookup: &impl Fn(&str) -> Option<String>,
    faults: &mut Faults,
) {
    let mut below = |step: Step, value: &mut Value| {
        path.push(step);
        substitute(value, path, lookup, faults);
        path.pop();
    };
    match value {
        Value::String(text) if text.contains("${") => {
            let expanded = expand(text, lookup).map_err(|problem| Fault::new(path.iter().cloned(), problem));
            if let Some(expanded) = faults.take(expanded) {
                *text = expanded;
            }
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| below(Step::from(index), item));
        }
        Value::Table(table) => table.iter_mut().for_each(|(key, item)| below(Step::from(key.as_str()), item)),
        _ => {}
    }
}

fn expand(text: &str, lookup: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once("${") {
        expanded.push_str(before);
        let (reference, after) =
            reference.split_once('}').ok_or_else(|| format!("\"{text}\" has a ${{ without its }}"))?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        match lookup(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => expanded.push_str(&value),
            None => {
                return Err(format!("\"{text}\" needs {name}, which is not set; set it in the environment or in .env"));
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "HOST").then(|| "plant-7".to_owned())
    }

    #[test]
    fn references_are_replaced_wherever_a_string_stands() {
        let mut value: Value =
            toml::from_str::<toml::Table>("a = [\"x-${HOST}-y\", \"${PORT:-1883}\"]\nb = 3").expect("TOML").into();
        let mut faults = Faults::default();
        substitute(&mut value, &mut Vec::new(), &lookup, &mut faults);
        assert!(faults.0.is_empty());
        assert_eq!(value["a"][0].as_str(), Some("x-plant-7-y"));
        assert_eq!(value["a"][1].as_str(), Some("1883"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert!(expand("${PASSWORD}", &lookup).expect_err("missing").contains("PASSWORD"));
        assert!(expand("${HOST", &lookup).is_err());
    }
}
