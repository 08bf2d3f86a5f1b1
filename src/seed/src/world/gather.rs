//! Groups of rows of another table, and what subqueries make of them.

use super::evaluate::{Made, Scope, outside_key};
use super::{TableId, Value, World};
use crate::functions::Random;
use crate::language::{Aggregate, Gather, Node};
use foldhash::{HashMap, HashMapExt};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

/// Rows by key, in the order asked for.
pub(super) struct Groups {
    by_key: HashMap<Value, usize>,
    rows: Vec<Vec<u32>>,
}

impl Groups {
    pub(super) fn find(&self, key: &Value) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn pick(&self, group: Option<usize>, of: &Made, weight: Option<&Made>, random: &mut Random) -> Value {
        let Some(rows) = group.map(|group| &self.rows[group]) else { return Value::Null };
        let Some(weight) = weight else { return of.get(rows[random.below(rows.len())] as usize).clone() };
        let weigh = |row: &u32| weight.get(*row as usize).number().unwrap_or(0.0).max(0.0);
        let mut left = random.unit() * rows.iter().map(weigh).sum::<f64>();
        let chosen = rows.iter().find(|row| {
            left -= weigh(row);
            left < 0.0
        });
        of.get(*chosen.unwrap_or(&rows[0]) as usize).clone()
    }

    pub(super) fn element(&self, group: Option<usize>, of: &Made, number: &Value) -> Value {
        let (Some(group), Some(number)) = (group, number.integer()) else { return Value::Null };
        let rows = &self.rows[group];
        of.get(rows[(number - 1).rem_euclid(rows.len() as i64) as usize] as usize).clone()
    }

    /// One value a group.
    pub(super) fn gathered(
        &self,
        gather: Gather,
        of: Option<&Made>,
        limit: Option<usize>,
    ) -> Result<Vec<Value>, String> {
        self.rows
            .iter()
            .map(|rows| {
                let rows = &rows[..rows.len().min(limit.unwrap_or(usize::MAX))];
                let values = rows.iter().map(|row| of.map_or(&Value::Boolean(true), |of| of.get(*row as usize)));
                fold(gather, values)
            })
            .collect()
    }
}

/// Nulls are passed over, as SQL's aggregates do; first and last take what stands there.
pub(super) fn fold<'a>(gather: Gather, values: impl Iterator<Item = &'a Value>) -> Result<Value, String> {
    let extreme = |wanted: Ordering, values: &mut dyn Iterator<Item = &'a Value>| {
        let present = values.filter(|value| !value.is_null());
        present.reduce(|best, next| if next.compare(best) == wanted { next } else { best }).cloned().unwrap_or_default()
    };
    let mut values = values;
    Ok(match gather {
        Gather::Count => Value::Integer(values.filter(|value| !value.is_null()).count() as i64),
        Gather::Sum => sum(values)?,
        Gather::Average => {
            let (mut total, mut count) = (0.0, 0.0);
            for value in values.filter(|value| !value.is_null()) {
                total += value.number().ok_or_else(|| format!("avg: {value:?} is no number"))?;
                count += 1.0;
            }
            if count == 0.0 { Value::Null } else { Value::Number(total / count) }
        }
        Gather::Min => extreme(Ordering::Less, &mut values),
        Gather::Max => extreme(Ordering::Greater, &mut values),
        Gather::First => values.next().cloned().unwrap_or_default(),
        Gather::Last => values.last().cloned().unwrap_or_default(),
        Gather::List => Value::List(Arc::new(values.filter(|value| !value.is_null()).cloned().collect())),
        other => return Err(format!("{other:?} is no aggregate")),
    })
}

/// Whole numbers stay whole; the sum of none is null.
fn sum<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Value, String> {
    let mut total = Value::Null;
    for value in values {
        total = match (total, value) {
            (total, Value::Null) => total,
            (Value::Null, Value::Boolean(value)) => Value::Integer(i64::from(*value)),
            (Value::Null, value @ (Value::Integer(_) | Value::Number(_) | Value::Interval(_))) => value.clone(),
            (Value::Integer(total), Value::Integer(value)) => Value::Integer(total + value),
            (Value::Interval(total), Value::Interval(value)) => Value::Interval(total + value),
            (total, value) => match (total.number(), value.number()) {
                (Some(total), Some(value)) => Value::Number(total + value),
                _ => return Err(format!("sum: {value:?} is no number")),
            },
        };
    }
    // Sums of rounded numbers carry dust in the last bits; nothing here is finer than a millionth.
    Ok(match total {
        Value::Number(total) => Value::Number(crate::value::round(total, 6)),
        other => other,
    })
}

impl World {
    pub(super) fn groups(&self, table: TableId, aggregate: &Aggregate) -> Result<Rc<Groups>, String> {
        if let Some(groups) = self.entry(table).groups.borrow().get(&aggregate.groups) {
            return Ok(Rc::clone(groups));
        }
        let scope = Scope { table, rows: self.rows(table)?, column: &aggregate.groups };
        let filter = aggregate.filter.as_ref().map(|node| self.evaluate(&scope, node)).transpose()?;
        let mut keys = Vec::new();
        for (inner, _) in &aggregate.keys {
            keys.push(self.evaluate(&scope, inner)?);
        }
        let mut rows: Vec<u32> = (0..scope.rows as u32).collect();
        if let Some(filter) = &filter {
            rows.retain(|row| filter.get(*row as usize).is_true());
        }
        self.sort(&scope, &aggregate.order, &mut rows)?;
        let mut groups = Groups { by_key: HashMap::new(), rows: Vec::new() };
        for row in rows {
            let key = outside_key(&keys, row as usize);
            if key.is_null() {
                continue;
            }
            let next = groups.rows.len();
            let group = *groups.by_key.entry(key).or_insert(next);
            if group == next {
                groups.rows.push(Vec::new());
            }
            groups.rows[group].push(row);
        }
        let groups = Rc::new(groups);
        self.entry(table).groups.borrow_mut().insert(aggregate.groups.clone(), Rc::clone(&groups));
        Ok(groups)
    }

    /// Stable: of equals the earlier row comes first.
    pub(super) fn sort(&self, scope: &Scope<'_>, order: &[(Node, bool)], rows: &mut [u32]) -> Result<(), String> {
        let mut by = Vec::new();
        for (node, descending) in order {
            by.push((self.evaluate(scope, node)?, *descending));
        }
        rows.sort_by(|left, right| {
            by.iter().fold(Ordering::Equal, |order, (values, descending)| {
                order.then_with(|| {
                    let ascending = values.get(*left as usize).compare(values.get(*right as usize));
                    if *descending { ascending.reverse() } else { ascending }
                })
            })
        });
        Ok(())
    }
}
