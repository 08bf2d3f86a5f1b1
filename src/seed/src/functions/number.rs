//! Numbers, and choosing between values.

use super::{Context, Entry, MANY, entry, integer, number, with_null};
use crate::value::{Value, round as rounded};
use std::cmp::Ordering;

pub(super) const LIST: &[Entry] = &[
    entry("round", (1, 2), round, "round(x, digits)"),
    entry("floor", (1, 1), |_, arguments| Ok(Value::Integer(number(arguments[0])?.floor() as i64)), "floor(x)"),
    entry("ceil", (1, 1), |_, arguments| Ok(Value::Integer(number(arguments[0])?.ceil() as i64)), "ceil(x)"),
    entry("abs", (1, 1), abs, "abs(x)"),
    entry("mod", (2, 2), modulo, "mod(a, b), never negative"),
    entry("sqrt", (1, 1), |_, arguments| Ok(Value::Number(number(arguments[0])?.max(0.0).sqrt())), "sqrt(x)"),
    entry(
        "power",
        (2, 2),
        |_, arguments| Ok(Value::Number(number(arguments[0])?.powf(number(arguments[1])?))),
        "power(x, y)",
    ),
    entry("exp", (1, 1), |_, arguments| Ok(Value::Number(number(arguments[0])?.exp())), "exp(x)"),
    entry("ln", (1, 1), |_, arguments| Ok(Value::Number(number(arguments[0])?.ln())), "ln(x)"),
    entry("sin", (1, 1), |_, arguments| Ok(Value::Number(number(arguments[0])?.sin())), "sin(x)"),
    entry("clamp", (3, 3), clamp, "clamp(x, least, most)"),
    with_null(
        "least",
        (1, MANY),
        |_, arguments| Ok(extreme(arguments, Ordering::Less)),
        "the smallest that is not null",
    ),
    with_null(
        "greatest",
        (1, MANY),
        |_, arguments| Ok(extreme(arguments, Ordering::Greater)),
        "the largest that is not null",
    ),
    with_null("coalesce", (1, MANY), coalesce, "the first that is not null"),
    with_null("nullif", (2, 2), nullif, "nullif(a, b): null if a = b, else a"),
    with_null(
        "num_nonnulls",
        (1, MANY),
        |_, arguments| Ok(Value::Integer(arguments.iter().filter(|argument| !argument.is_null()).count() as i64)),
        "how many are not null",
    ),
    entry("near", (1, 1), near, "near(x): a number without the dust in its last bits, anything else as it is"),
    with_null("map", (3, MANY), map, "map(x, a, 1, b, 2, otherwise)"),
    entry("to_integer", (1, 1), |_, arguments| Ok(Value::Integer(integer_of(arguments[0])?)), "to a whole number"),
    entry("to_int", (1, 1), |_, arguments| Ok(Value::Integer(integer_of(arguments[0])?)), "to a whole number"),
    entry("to_numeric", (1, 1), numeric, "to a number"),
];

fn round(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let digits = arguments.get(1).map_or(Ok(0), |digits| integer(digits))?;
    let value = rounded(number(arguments[0])?, digits);
    Ok(if arguments.len() == 1 { Value::Integer(value as i64) } else { Value::Number(value) })
}

/// Columns hold decimal fractions, which `f64` meets only nearly: what is computed of them is compared without the rest.
fn near(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(match arguments[0] {
        Value::Number(value) => {
            // `f64` holds fifteen digits; of a large number fewer of them are behind the point.
            let before_point = value.abs().max(1.0).log10().ceil() as i64;
            Value::Number(rounded(*value, (14 - before_point).clamp(0, 6)))
        }
        other => other.clone(),
    })
}

fn abs(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(match arguments[0] {
        Value::Integer(value) => Value::Integer(value.abs()),
        other => Value::Number(number(other)?.abs()),
    })
}

fn modulo(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let divisor = integer(arguments[1])?;
    Ok(if divisor == 0 { Value::Null } else { Value::Integer(integer(arguments[0])?.rem_euclid(divisor)) })
}

fn clamp(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let inner = extreme(&[arguments[0], arguments[1]], Ordering::Greater);
    Ok(extreme(&[&inner, arguments[2]], Ordering::Less))
}

fn extreme(arguments: &[&Value], wanted: Ordering) -> Value {
    let mut best = &Value::Null;
    for argument in arguments.iter().filter(|argument| !argument.is_null()) {
        if best.is_null() || argument.compare(best) == wanted {
            best = argument;
        }
    }
    best.clone()
}

fn coalesce(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(arguments.iter().find(|argument| !argument.is_null()).map_or(Value::Null, |argument| (*argument).clone()))
}

fn nullif(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(if arguments[0].same(arguments[1]) { Value::Null } else { arguments[0].clone() })
}

fn map(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let (pairs, otherwise) = arguments[1..].as_chunks::<2>();
    let found = pairs.iter().find(|[from, _]| from.same(arguments[0])).map(|[_, to]| (*to).clone());
    Ok(found.or_else(|| otherwise.first().map(|value| (*value).clone())).unwrap_or_default())
}

fn integer_of(value: &Value) -> Result<i64, String> {
    match value {
        Value::Text(text) => text.trim().parse().map_err(|_| format!("{text:?} is no whole number")),
        Value::Boolean(value) => Ok(i64::from(*value)),
        other => integer(other),
    }
}

fn numeric(_: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    match arguments[0] {
        Value::Text(text) => text.trim().parse().map(Value::Number).map_err(|_| format!("{text:?} is no number")),
        other => Ok(Value::Number(number(other)?)),
    }
}
