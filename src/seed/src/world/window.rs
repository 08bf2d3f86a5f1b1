//! `... OVER (PARTITION BY ... ORDER BY ...)`: numbers within a group, running sums, the row before.

use super::evaluate::{Made, Scope, outside_key};
use super::gather::fold;
use super::{Value, World};
use crate::functions::sha256;
use crate::language::{Gather, Window};
use foldhash::{HashMap, HashMapExt};

impl World {
    pub(super) fn window(&self, scope: &Scope<'_>, window: &Window) -> Result<Made, String> {
        let argument = window.argument.as_ref().map(|node| self.evaluate(scope, node)).transpose()?;
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
            one_group(window, argument.as_ref(), rows, &mut values)?;
        }
        Ok(values.into())
    }
}

fn one_group(window: &Window, argument: Option<&Made>, rows: &[u32], values: &mut [Value]) -> Result<(), String> {
    let of = |row: &u32| argument.map_or(&Value::Boolean(true), |argument| argument.get(*row as usize));
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
