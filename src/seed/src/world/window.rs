//! `... OVER (PARTITION BY ... ORDER BY ...)`: numbers within a group, running sums, the row before, who gets which place.

use super::evaluate::{Made, Scope, outside_key};
use super::gather::fold;
use super::{Value, World};
use crate::functions::sha256;
use crate::language::{Gather, Window};
use foldhash::{HashMap, HashMapExt};
use std::cmp::Ordering;

impl World {
    pub(super) fn window(&self, scope: &Scope<'_>, window: &Window) -> Result<Made, String> {
        let mut arguments = Vec::new();
        for argument in &window.arguments {
            arguments.push(self.evaluate(scope, argument)?);
        }
        let mut keys = Vec::new();
        for key in &window.partition {
            keys.push(self.evaluate(scope, key)?);
        }
        let mut rows: Vec<u32> = (0..scope.rows as u32).collect();
        self.sort(scope, &window.order, &mut rows)?;
        let mut groups: HashMap<Value, Vec<u32>> = HashMap::new();
        for row in rows {
            groups.entry(outside_key(&keys, row as usize)).or_default().push(row);
        }
        let mut values = vec![Value::Null; scope.rows];
        for rows in groups.values() {
            one_group(window, &arguments, rows, &mut values)?;
        }
        Ok(values.into())
    }
}

fn one_group(window: &Window, arguments: &[Made], rows: &[u32], values: &mut [Value]) -> Result<(), String> {
    let of = |row: &u32| arguments.first().map_or(&Value::Boolean(true), |argument| argument.get(*row as usize));
    match window.gather {
        Gather::RowNumber => {
            rows.iter().enumerate().for_each(|(at, row)| values[*row as usize] = Value::Integer(at as i64 + 1));
        }
        Gather::Chain => {
            let mut previous = "0".repeat(64);
            for row in rows {
                let mut text = previous + "\u{1f}";
                of(row).append_to(&mut text);
                previous = sha256(&text);
                values[*row as usize] = Value::text(&previous);
            }
        }
        Gather::Lag => rows.windows(2).for_each(|pair| values[pair[1] as usize] = of(&pair[0]).clone()),
        Gather::Place => give_places(arguments, rows, values)?,
        Gather::Lead => rows.windows(2).for_each(|pair| values[pair[0] as usize] = of(&pair[1]).clone()),
        // With an order: what has come until here; without: the whole group.
        Gather::Count | Gather::Sum | Gather::Min | Gather::Max if !window.order.is_empty() => {
            let gather = if window.gather == Gather::Count { Gather::Sum } else { window.gather };
            let mut running = Value::Null;
            for row in rows {
                let next = match window.gather {
                    Gather::Count => Value::Integer(i64::from(!of(row).is_null())),
                    _ => of(row).clone(),
                };
                running = fold(gather, [&running, &next].into_iter())?;
                values[*row as usize] = running.clone();
            }
        }
        gather => {
            let whole = fold(gather, rows.iter().map(of))?;
            rows.iter().for_each(|row| values[*row as usize] = whole.clone());
        }
    }
    Ok(())
}

/// Each row, in its order, takes the place that has been free the longest, and keeps it until its own end; where all of its
/// `places` are taken when it begins, and where it has no begin or end, it gets none. Rows must come in the order of their begin.
fn give_places(arguments: &[Made], rows: &[u32], values: &mut [Value]) -> Result<(), String> {
    let [from, until, places] = arguments else {
        return Err("place(from, until, places) takes three arguments".to_owned());
    };
    // Until when each place is taken; those never taken yet stand at the end.
    let mut taken: Vec<&Value> = Vec::new();
    for row in rows.iter().map(|row| *row as usize) {
        let (from, until) = (from.get(row), until.get(row));
        if from.is_null() || until.is_null() {
            continue;
        }
        let places = places.get(row).integer().and_then(|places| usize::try_from(places).ok()).unwrap_or(0);
        if taken.len() < places {
            values[row] = Value::Integer(taken.len() as i64 + 1);
            taken.push(until);
            continue;
        }
        let free = (0..places).filter(|at| taken[*at].compare(from) != Ordering::Greater);
        if let Some(at) = free.min_by(|left, right| taken[*left].compare(taken[*right])) {
            values[row] = Value::Integer(at as i64 + 1);
            taken[at] = until;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that rows of `(from, until)` get of so many.
    fn places(times: &[(i64, i64)], places: i64) -> Vec<Option<i64>> {
        let column = |of: fn(&(i64, i64)) -> i64| times.iter().map(|time| Value::Integer(of(time))).collect::<Vec<_>>();
        let arguments =
            [Made::from(column(|time| time.0)), Made::from(column(|time| time.1)), Made::Same(Value::Integer(places))];
        let rows: Vec<u32> = (0..times.len() as u32).collect();
        let mut values = vec![Value::Null; times.len()];
        give_places(&arguments, &rows, &mut values).unwrap();
        values.iter().map(Value::integer).collect()
    }

    #[test]
    fn nobody_gets_a_place_that_is_taken() {
        let times = [(0, 10), (1, 3), (3, 5), (4, 6), (5, 9), (10, 12)];
        // The fourth finds both taken; the last gets that which has been free for longer.
        assert_eq!(places(&times, 2), [Some(1), Some(2), Some(2), None, Some(2), Some(2)]);
        assert_eq!(places(&times, 3), [Some(1), Some(2), Some(3), Some(2), Some(3), Some(2)]);
        assert_eq!(places(&times, 0), [None; 6]);
    }

    #[test]
    fn who_has_no_end_waits_for_none() {
        let until = Made::from(vec![Value::Null, Value::Integer(9)]);
        let arguments = [Made::Same(Value::Integer(1)), until, Made::Same(Value::Integer(1))];
        let mut values = vec![Value::Null; 2];
        give_places(&arguments, &[0, 1], &mut values).unwrap();
        assert!(values[0].is_null());
        assert_eq!(values[1].integer(), Some(1));
        assert!(give_places(&arguments[..2], &[0, 1], &mut values).is_err());
    }
}
