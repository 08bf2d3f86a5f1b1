//! Names of MongoDB's fields. What the driver cannot send, and what a server would read as an operator, is refused at the door.

use crate::schema::Dialect;
use serde_json::Value;

/// Whether MongoDB can store the JSON: each name within it, and numbers that a double has.
pub(crate) fn check(raw: &str) -> Result<(), String> {
    let json: Value = serde_json::from_str(raw).map_err(|error| format!("MongoDB cannot store it: {error}"))?;
    match any_name(&json, &|name| name.contains('\0')) {
        Some(name) => Err(format!("the field {name:?}: MongoDB has no name with a character U+0000")),
        None => Ok(()),
    }
}

/// The name of a field of the first level.
pub(crate) fn top(name: &str, upsert: bool, dialect: Dialect) -> Result<(), &'static str> {
    match name {
        _ if dialect != Dialect::Mongo => Ok(()),
        name if name.contains('\0') => Err("MongoDB has no name with a character U+0000"),
        name if name.starts_with('$') => Err("a name that begins with $ is an operator of MongoDB"),
        "" if upsert => Err("MongoDB cannot change a field without a name"),
        name if upsert && name.contains('.') => {
            Err("MongoDB would read the dot in the name as a path, and change another field")
        }
        _ => Ok(()),
    }
}

/// A value of a key is looked for: no name in it may be one of a query. The types that JSON lacks are none.
pub(crate) fn of_key(raw: &str) -> Result<(), String> {
    const TYPES: [&str; 4] = ["$numberLong", "$date", "$oid", "$numberDecimal"];
    let json: Value = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    match any_name(&json, &|name| name.starts_with('$') && !TYPES.contains(&name)) {
        Some(name) => Err(format!("the field {name:?}: in a key no name begins with $")),
        None => Ok(()),
    }
}

fn any_name<'j>(json: &'j Value, is: &impl Fn(&str) -> bool) -> Option<&'j str> {
    match json {
        Value::Array(elements) => elements.iter().find_map(|element| any_name(element, is)),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| if is(name) { Some(name.as_str()) } else { any_name(value, is) })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
