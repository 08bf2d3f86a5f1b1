//! The functions of the seed language. Each takes the values of one row and gives one value; null in gives null out unless
//! said otherwise. Random ones draw from a stream that depends on nothing but the seed, the column, the call and the row.

mod json;
mod number;
mod random;
mod text;
pub(crate) mod time;

pub(crate) use random::{Random, site_seed};
pub(crate) use text::sha256;

use super::value::Value;
use super::words::Words;

/// What a function knows beside its arguments.
pub(crate) struct Context<'a> {
    pub random: Random,
    /// From 0.
    pub row: usize,
    /// From 0 among the rows of the same parent.
    pub in_parent: usize,
    pub rows: usize,
    /// The day on which the history ends.
    pub today: i32,
    pub sensor_days: u32,
    pub words: &'a Words,
}

type Run = fn(&mut Context<'_>, &[&Value]) -> Result<Value, String>;

/// One entry of the list of functions.
pub(crate) struct Entry {
    name: &'static str,
    /// The least and the most arguments.
    arity: (usize, usize),
    /// Runs even if an argument is null.
    takes_null: bool,
    run: Run,
    help: &'static str,
}

const MANY: usize = usize::MAX;

const fn entry(name: &'static str, arity: (usize, usize), run: Run, help: &'static str) -> Entry {
    Entry { name, arity, takes_null: false, run, help }
}

const fn with_null(name: &'static str, arity: (usize, usize), run: Run, help: &'static str) -> Entry {
    Entry { name, arity, takes_null: true, run, help }
}

const LISTS: [&[Entry]; 5] = [random::LIST, text::LIST, time::LIST, number::LIST, json::LIST];

#[derive(Clone, Copy)]
pub(crate) struct Function(&'static Entry);

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.name)
    }
}

impl Function {
    pub(crate) fn of(name: &str) -> Option<Self> {
        LISTS.iter().copied().flatten().find(|entry| entry.name == name).map(Self)
    }

    pub(crate) fn check(self, arguments: usize) -> Result<(), String> {
        let (least, most) = self.0.arity;
        if (least..=most).contains(&arguments) {
            Ok(())
        } else {
            Err(format!("{}() does not take {arguments} arguments: {}", self.0.name, self.0.help))
        }
    }

    pub(crate) fn run(self, context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
        if !self.0.takes_null && arguments.iter().any(|argument| argument.is_null()) {
            return Ok(Value::Null);
        }
        (self.0.run)(context, arguments).map_err(|cause| format!("{}(): {cause}", self.0.name))
    }
}

fn number(value: &Value) -> Result<f64, String> {
    value.number().ok_or_else(|| format!("{value:?} is no number"))
}

fn integer(value: &Value) -> Result<i64, String> {
    value.integer().ok_or_else(|| format!("{value:?} is no whole number"))
}

fn string(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("{other:?} is no text")),
    }
}
