//! Lists and objects: JSONB columns, text arrays, nested documents.

use super::{Context, Entry, MANY, string, with_null};
use crate::value::Value;
use compact_str::CompactString;
use std::sync::Arc;

pub(super) const LIST: &[Entry] = &[
    with_null("list", (0, MANY), list, "list(a, b, ...): nulls left out"),
    with_null("object", (0, MANY), object, "object('name', value, ...): nulls left out"),
];

fn list(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let present = arguments.iter().filter(|value| !value.is_null());
    Ok(Value::List(Arc::new(present.map(|value| (*value).clone()).collect())))
}

fn object(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let (pairs, rest) = arguments.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("every name needs a value".to_owned());
    }
    let mut fields = Vec::with_capacity(pairs.len());
    for [name, value] in pairs.iter().filter(|[_, value]| !value.is_null()) {
        fields.push((CompactString::from(string(name)?), (*value).clone()));
    }
    Ok(Value::Object(Arc::new(fields)))
}
