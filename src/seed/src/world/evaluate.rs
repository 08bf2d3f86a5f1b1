//! Expressions over whole columns.

use super::{TableId, Value, Values, World};
use crate::functions::{Function, Random, site_seed};
use crate::language::{Aggregate, Gather, Node, Operator};
use std::rc::Rc;
use std::sync::Arc;

/// Whose rows an expression speaks of, and for which column its random numbers are.
pub(super) struct Scope<'a> {
    pub table: TableId,
    pub rows: usize,
    pub column: &'a str,
}

/// One value for every row, or each row its own.
pub(super) enum Made {
    Same(Value),
    Each(Values),
}

impl From<Vec<Value>> for Made {
    fn from(values: Vec<Value>) -> Self {
        Self::Each(Rc::new(values))
    }
}

impl Made {
    pub(super) fn get(&self, row: usize) -> &Value {
        match self {
            Self::Same(value) => value,
            Self::Each(values) => &values[row],
        }
    }

    pub(super) fn into_vec(self, rows: usize) -> Vec<Value> {
        match self {
            Self::Same(value) => vec![value; rows],
            Self::Each(values) => Rc::try_unwrap(values).unwrap_or_else(|shared| shared.as_ref().clone()),
        }
    }
}

impl World {
    pub(super) fn evaluate(&self, scope: &Scope<'_>, node: &Node) -> Result<Made, String> {
        match node {
            Node::Literal(value) => Ok(Made::Same(value.clone())),
            Node::Path(path) => self.path(scope.table, path).map(Made::Each),
            Node::Call { function, arguments, site } => self.call(scope, *function, arguments, *site),
            Node::Case { branches, otherwise } => self.case(scope, branches, otherwise),
            Node::Binary { operator, left, right } => {
                let (left, right) = (self.evaluate(scope, left)?, self.evaluate(scope, right)?);
                rowwise(scope.rows, &[&left, &right], |values| binary(*operator, values[0], values[1]))
            }
            Node::Not(inner) => {
                let inner = self.evaluate(scope, inner)?;
                rowwise(scope.rows, &[&inner], |values| {
                    Ok(match values[0] {
                        Value::Boolean(value) => Value::Boolean(!value),
                        _ => Value::Null,
                    })
                })
            }
            Node::Negate(inner) => {
                let (zero, inner) = (Made::Same(Value::Integer(0)), self.evaluate(scope, inner)?);
                rowwise(scope.rows, &[&zero, &inner], |values| binary(Operator::Subtract, values[0], values[1]))
            }
            Node::IsNull(inner) => {
                let inner = self.evaluate(scope, inner)?;
                rowwise(scope.rows, &[&inner], |values| Ok(Value::Boolean(values[0].is_null())))
            }
            Node::In(inner, list) => {
                let mut made = vec![self.evaluate(scope, inner)?];
                for item in list {
                    made.push(self.evaluate(scope, item)?);
                }
                let made: Vec<&Made> = made.iter().collect();
                rowwise(scope.rows, &made, |values| {
                    Ok(if values[0].is_null() {
                        Value::Null
                    } else {
                        Value::Boolean(values[1..].iter().any(|item| values[0].same(item)))
                    })
                })
            }
            Node::Aggregate(aggregate) => self.aggregate(scope, aggregate),
            Node::Window(window) => self.window(scope, window),
        }
    }

    /// `b`, `a.b`, `parent.b`, `this.b`
    pub(super) fn path(&self, table: TableId, path: &[String]) -> Result<Values, String> {
        let [first, rest @ ..] = path else { return Err("no name".to_owned()) };
        if rest.is_empty() {
            return self.column(table, first);
        }
        if first == "this" {
            return self.path(table, rest);
        }
        if first == "parent" {
            let values = self.path(self.parent_of(table)?, rest)?;
            let parents = self.extent(table)?.parents.ok_or("no parents")?;
            return Ok(Rc::new(parents.0.iter().map(|parent| values[*parent as usize].clone()).collect()));
        }
        let keys = self.column(table, first)?;
        let mut found: Vec<Value> = vec![Value::Null; keys.len()];
        let targets = self.references(table, first)?;
        let mut known = false;
        for (target, column) in targets {
            let Ok(values) = self.path(target, rest) else { continue };
            known = true;
            let index = self.index(target, &column)?;
            for (found, key) in found.iter_mut().zip(keys.iter()).filter(|(found, _)| found.is_null()) {
                if let Some(row) = index.get(key) {
                    *found = values[*row as usize].clone();
                }
            }
        }
        if known {
            return Ok(Rc::new(found));
        }
        // Nothing worked: say why of the first.
        let (target, _) = self.references(table, first)?.into_iter().next().ok_or_else(|| {
            format!("{}: no reference is declared for {first}, so {} leads nowhere", self.name(table), path.join("."))
        })?;
        self.path(target, rest)
    }

    pub(super) fn references(&self, table: TableId, column: &str) -> Result<Vec<(TableId, String)>, String> {
        let entry = self.entry(table);
        if let Some(target) = entry.spec.as_ref().and_then(|spec| spec.references.get(column)) {
            return Ok(vec![self.target(table, target)?]);
        }
        let declared = entry.model.as_ref().and_then(|model| model.column(column));
        declared.map_or(&[][..], |column| &column.references).iter().map(|target| self.target(table, target)).collect()
    }

    fn call(&self, scope: &Scope<'_>, function: Function, arguments: &[Node], site: u32) -> Result<Made, String> {
        let mut made = Vec::with_capacity(arguments.len());
        for argument in arguments {
            made.push(self.evaluate(scope, argument)?);
        }
        let extent = if scope.column == "rows" || scope.column.ends_with("#per") {
            None
        } else {
            Some(self.extent(scope.table)?)
        };
        let site = site_seed(self.parameters.seed, &format!("{}.{}", self.name(scope.table), scope.column), site);
        let mut values: Vec<Value> = Vec::with_capacity(scope.rows);
        for row in 0..scope.rows {
            let mut context = self.context(scope, extent.as_ref(), site, row);
            let inputs: smallvec::SmallVec<[&Value; 8]> = made.iter().map(|argument| argument.get(row)).collect();
            values.push(function.run(&mut context, &inputs).map_err(|cause| format!("{cause}, row {}", row + 1))?);
        }
        Ok(values.into())
    }

    fn case(&self, scope: &Scope<'_>, branches: &[(Node, Node)], otherwise: &Node) -> Result<Made, String> {
        let mut chosen: Vec<Option<Value>> = vec![None; scope.rows];
        let mut result_error = None;
        for (condition, result) in branches {
            let condition = self.evaluate(scope, condition)?;
            let take: Vec<usize> =
                (0..scope.rows).filter(|row| chosen[*row].is_none() && condition.get(*row).is_true()).collect();
            if take.is_empty() {
                continue;
            }
            match self.evaluate(scope, result) {
                Ok(result) => take.into_iter().for_each(|row| chosen[row] = Some(result.get(row).clone())),
                Err(cause) => result_error = result_error.or(Some(cause)),
            }
        }
        if let Some(cause) = result_error {
            return Err(cause);
        }
        let otherwise = self.evaluate(scope, otherwise)?;
        let values =
            chosen.into_iter().enumerate().map(|(row, value)| value.unwrap_or_else(|| otherwise.get(row).clone()));
        Ok(values.collect::<Vec<_>>().into())
    }

    fn aggregate(&self, scope: &Scope<'_>, aggregate: &Aggregate) -> Result<Made, String> {
        let inner = self.find(scope.table, &aggregate.table)?;
        let groups = self.groups(inner, aggregate)?;
        let inner_scope = Scope { table: inner, rows: self.rows(inner)?, column: scope.column };
        let argument = aggregate.argument.as_ref().map(|node| self.evaluate(&inner_scope, node)).transpose()?;
        let mut keys = Vec::new();
        for (_, outer) in &aggregate.keys {
            keys.push(self.evaluate(scope, outer)?);
        }
        let name = format!("{}.{}", self.name(scope.table), scope.column);
        let site = site_seed(self.parameters.seed, &name, aggregate.site.wrapping_add(1 << 16));
        let found = |row: usize| groups.find(&outside_key(&keys, row));
        let values: Vec<Value> = match aggregate.gather {
            Gather::Pick => {
                let argument = argument.ok_or("pick() needs a column")?;
                let weight = aggregate.second.as_ref().map(|node| self.evaluate(&inner_scope, node)).transpose()?;
                let pick = |row| groups.pick(found(row), &argument, weight.as_ref(), &mut Random::new(site, row));
                (0..scope.rows).map(pick).collect()
            }
            Gather::Element => {
                let argument = argument.ok_or("element() needs a column and a number")?;
                let number = self.evaluate(scope, aggregate.second.as_ref().ok_or("element() needs a number")?)?;
                let element = |row| groups.element(found(row), &argument, number.get(row));
                (0..scope.rows).map(element).collect()
            }
            gather => {
                let per_group = groups.gathered(gather, argument.as_ref(), aggregate.limit)?;
                let none = if gather == Gather::Count { Value::Integer(0) } else { Value::Null };
                (0..scope.rows).map(|row| found(row).map_or(none.clone(), |group| per_group[group].clone())).collect()
            }
        };
        Ok(values.into())
    }
}

fn rowwise(rows: usize, made: &[&Made], compute: impl Fn(&[&Value]) -> Result<Value, String>) -> Result<Made, String> {
    let inputs = |row: usize| -> smallvec::SmallVec<[&Value; 8]> { made.iter().map(|one| one.get(row)).collect() };
    if rows > 0 && made.iter().all(|one| matches!(one, Made::Same(_))) {
        return compute(&inputs(0)).map(Made::Same);
    }
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        values.push(compute(&inputs(row)).map_err(|cause| format!("{cause}, row {}", row + 1))?);
    }
    Ok(values.into())
}

/// SQL's three-valued logic; division by zero is null.
fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    use Operator::{And, Concatenate, Or};
    match operator {
        And => return Ok(both(left, right, false)),
        Or => return Ok(both(left, right, true)),
        _ if left.is_null() || right.is_null() => return Ok(Value::Null),
        _ => {}
    }
    let order = || left.compare(right);
    Ok(match operator {
        Operator::Equal => Value::Boolean(left.same(right)),
        Operator::NotEqual => Value::Boolean(!left.same(right)),
        Operator::Less => Value::Boolean(order().is_lt()),
        Operator::LessOrEqual => Value::Boolean(order().is_le()),
        Operator::Greater => Value::Boolean(order().is_gt()),
        Operator::GreaterOrEqual => Value::Boolean(order().is_ge()),
        Operator::Like => Value::Boolean(like(left, right)?),
        Operator::Matches => Value::Boolean(matches_pattern(left, right)?),
        Concatenate => {
            let mut text = String::new();
            left.append_to(&mut text);
            right.append_to(&mut text);
            Value::text(text)
        }
        arithmetic => calculate(arithmetic, left, right)?,
    })
}

/// `decides` is the value that settles the matter alone: false for AND, true for OR.
fn both(left: &Value, right: &Value, decides: bool) -> Value {
    match (left, right) {
        (Value::Boolean(value), _) | (_, Value::Boolean(value)) if *value == decides => Value::Boolean(decides),
        (Value::Boolean(_), Value::Boolean(_)) => Value::Boolean(!decides),
        _ => Value::Null,
    }
}

fn like(left: &Value, right: &Value) -> Result<bool, String> {
    let (Value::Text(text), Value::Text(pattern)) = (left, right) else { return Err("LIKE compares texts".to_owned()) };
    Ok(matches(text.as_bytes(), pattern.as_bytes()))
}

fn matches_pattern(left: &Value, right: &Value) -> Result<bool, String> {
    let (Value::Text(text), Value::Text(pattern)) = (left, right) else { return Err("~ compares texts".to_owned()) };
    let pattern = regex::Regex::new(pattern).map_err(|error| error.to_string())?;
    Ok(pattern.is_match(text))
}

/// `%` stands for any bytes, `_` for one; on a mismatch the last `%` takes one byte more.
fn matches(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut to, mut retry) = (0, 0, None);
    while at < text.len() {
        match pattern.get(to) {
            Some(b'%') => {
                retry = Some((at, to));
                to += 1;
            }
            Some(byte) if *byte == b'_' || *byte == text[at] => (at, to) = (at + 1, to + 1),
            _ => match &mut retry {
                Some((from, percent)) => {
                    *from += 1;
                    (at, to) = (*from, *percent + 1);
                }
                None => return false,
            },
        }
    }
    pattern[to..].iter().all(|byte| *byte == b'%')
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    use Operator::{Add, Divide, Multiply, Remainder, Subtract};
    let sign = if operator == Subtract { -1 } else { 1 };
    Ok(match (left, operator, right) {
        (Value::Integer(left), Add, Value::Integer(right)) => Value::Integer(left.wrapping_add(*right)),
        (Value::Integer(left), Subtract, Value::Integer(right)) => Value::Integer(left.wrapping_sub(*right)),
        (Value::Integer(left), Multiply, Value::Integer(right)) => Value::Integer(left.wrapping_mul(*right)),
        (Value::Integer(left), Remainder, Value::Integer(right)) if *right != 0 => Value::Integer(left % right),
        (Value::Date(left), Subtract, Value::Date(right)) => Value::Integer(i64::from(left - right)),
        (Value::Timestamp(_), Subtract, Value::Timestamp(_) | Value::Date(_))
        | (Value::Date(_), Subtract, Value::Timestamp(_)) => {
            Value::Interval(left.timestamp().unwrap_or(0) - right.timestamp().unwrap_or(0))
        }
        (Value::Date(_) | Value::Timestamp(_), Add | Subtract, Value::Interval(us)) => {
            Value::Timestamp(left.timestamp().unwrap_or(0) + sign * us)
        }
        (Value::Time(time), Add | Subtract, Value::Interval(us)) => {
            Value::Time((time + sign * us).rem_euclid(crate::value::DAY_US))
        }
        (Value::Interval(left), Add | Subtract, Value::Interval(right)) => Value::Interval(left + sign * right),
        (Value::Interval(us), Multiply, factor) => Value::Interval((*us as f64 * number(factor)?) as i64),
        (Value::Interval(us), Divide, divisor) => Value::Interval((*us as f64 / number(divisor)?) as i64),
        (Value::Date(days), Add | Subtract, by) => Value::Date(days + sign as i32 * number(by)?.round() as i32),
        _ => {
            let (left, right) = (number(left)?, number(right)?);
            match operator {
                Add => Value::Number(left + right),
                Subtract => Value::Number(left - right),
                Multiply => Value::Number(left * right),
                _ if right == 0.0 => Value::Null,
                Divide => Value::Number(left / right),
                _ => Value::Number(left % right),
            }
        }
    })
}

/// The key of a row outside: the value itself, several as a list, none as an empty list.
pub(super) fn outside_key(keys: &[Made], row: usize) -> Value {
    match keys {
        [only] => only.get(row).clone(),
        several => Value::List(Arc::new(several.iter().map(|key| key.get(row).clone()).collect())),
    }
}

fn number(value: &Value) -> Result<f64, String> {
    value.number().ok_or_else(|| format!("{value:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_as_sql_does() {
        for (text, pattern, expected) in [
            ("Wind turbine", "%turbine%", true),
            ("Wind turbine", "Wind%", true),
            ("Wind turbine", "_ind turbin_", true),
            ("Wind turbine", "turbine", false),
            ("aab", "%ab", true),
            ("abab", "%ab", true),
            ("", "%", true),
            ("", "_", false),
        ] {
            assert_eq!(matches(text.as_bytes(), pattern.as_bytes()), expected, "{text} LIKE {pattern}");
        }
    }
}
