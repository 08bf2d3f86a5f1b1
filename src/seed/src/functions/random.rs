//! Random values. The generator is SplitMix64: eight bytes of state, so every row and call can have one of its own.

use super::{Context, Entry, MANY, entry, integer, number, string, with_null};
use crate::value::Value;

pub(super) const LIST: &[Entry] = &[
    entry("random", (0, 2), random, "random() in 0..1, random(a, b) in a..b"),
    entry("random_int", (2, 2), random_int, "random_int(a, b), both included"),
    entry("normal", (2, 2), normal, "normal(mean, standard deviation), cut at three deviations"),
    entry("lognormal", (2, 2), lognormal, "lognormal(median, sigma): prices, sizes; cut at three sigma"),
    entry("chance", (1, 1), chance, "chance(p): true with probability p"),
    with_null("one_of", (1, MANY), one_of, "one_of(a, b, ...): each as likely"),
    with_null("weighted", (2, MANY), weighted, "weighted(a, 3, b, 1): a three times as likely as b"),
    entry("word", (1, 1), word, "word('list'): one of a list of config/seed/words.toml"),
    entry("word_at", (2, 2), word_at, "word_at('list', n): the n-th from 1, going round"),
    entry("hex", (1, 1), hex, "hex(n): n random hexadecimal digits"),
    entry("digits", (1, 1), digits, "digits(n): n random digits"),
    entry("uuid", (0, 0), uuid, "a random UUID"),
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One number for one call in one column, the same on every machine (FNV-1a).
pub(crate) fn site_seed(seed: u64, column: &str, site: u32) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ mix(seed) ^ u64::from(site).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mix(column.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)))
}

impl Random {
    pub(crate) fn new(site: u64, row: usize) -> Self {
        Self(mix(site ^ (row as u64).wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// In 0..1, 1 not included.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Box and Muller.
    fn gauss(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.unit()).cos()).clamp(-3.0, 3.0)
    }
}

fn random(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let unit = context.random.unit();
    Ok(Value::Number(match arguments {
        [] => unit,
        [top] => unit * number(top)?,
        [from, to, ..] => {
            let from = number(from)?;
            from + unit * (number(to)? - from)
        }
    }))
}

fn random_int(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let (from, to) = (integer(arguments[0])?, integer(arguments[1])?);
    let span = usize::try_from(to - from + 1).map_err(|_| format!("{from} is above {to}"))?;
    Ok(Value::Integer(from + context.random.below(span.max(1)) as i64))
}

fn normal(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::Number(number(arguments[0])? + context.random.gauss() * number(arguments[1])?))
}

fn lognormal(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::Number(number(arguments[0])? * (context.random.gauss() * number(arguments[1])?).exp()))
}

fn chance(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(Value::Boolean(context.random.unit() < number(arguments[0])?))
}

fn one_of(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(arguments[context.random.below(arguments.len())].clone())
}

fn weighted(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let mut total = 0.0;
    for pair in arguments.chunks_exact(2) {
        total += number(pair[1])?;
    }
    let mut left = context.random.unit() * total;
    for pair in arguments.chunks_exact(2) {
        left -= number(pair[1])?;
        if left < 0.0 {
            return Ok(pair[0].clone());
        }
    }
    Ok(arguments[0].clone())
}

fn word(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let list = context.words.list(string(arguments[0])?)?;
    Ok(Value::text(&list[context.random.below(list.len())]))
}

fn word_at(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    let list = context.words.list(string(arguments[0])?)?;
    let at = (integer(arguments[1])? - 1).rem_euclid(list.len() as i64);
    Ok(Value::text(&list[at as usize]))
}

fn characters(context: &mut Context<'_>, count: i64, of: &[u8]) -> Value {
    Value::text((0..count).map(|_| of[context.random.below(of.len())] as char).collect::<String>())
}

fn hex(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(characters(context, integer(arguments[0])?, b"0123456789abcdef"))
}

fn digits(context: &mut Context<'_>, arguments: &[&Value]) -> Result<Value, String> {
    Ok(characters(context, integer(arguments[0])?, b"0123456789"))
}

fn uuid(context: &mut Context<'_>, _: &[&Value]) -> Result<Value, String> {
    let high = u128::from(context.random.next());
    let bits = high << 64 | u128::from(context.random.next());
    Ok(Value::text(uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()))
}
