//! Computed rows held to what their schema says, without a server: types and their ranges, NOT NULL, keys, UNIQUE, CHECK,
//! and references inside and across databases. What a server would refuse, or verification find, is known before.

use super::evaluate::Scope;
use super::{TableId, Value, Values, World};
use crate::functions::Function;
use crate::language::{Node, Operator, parse};
use crate::spec::Shape;
use foldhash::{HashMap, HashMapExt};
use genims_databases::{Column, Constraints, Kind};
use std::collections::BTreeMap;

/// Of one demand so many rows are named.
const ROWS_NAMED_MAX: usize = 3;

/// One demand that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    pub table: String,
    /// From 1; none when it is about the whole table.
    pub row: Option<usize>,
    pub cause: String,
}

impl World {
    /// Everything that the table breaks.
    pub(crate) fn check(&self, table: TableId, all: &BTreeMap<String, Constraints>) -> Vec<Broken> {
        let constraints = all.get(self.name(table));
        let mut broken = Vec::new();
        let name = self.name(table);
        let mut whole = |cause: String| broken.push(Broken { table: name.to_owned(), row: None, cause });
        match self.rows(table) {
            Ok(0) => whole("is empty".to_owned()),
            Ok(_) => {}
            Err(cause) => {
                whole(cause);
                return broken;
            }
        }
        let mut columns: HashMap<String, Values> = HashMap::new();
        for column in self.columns_there(table) {
            match self.column(table, &column) {
                Ok(values) => drop(columns.insert(column, values)),
                Err(cause) => whole(cause),
            }
        }
        let mut rows = |cause: &dyn Fn(usize) -> String, wrong: &mut dyn Iterator<Item = usize>| {
            let named = wrong.take(ROWS_NAMED_MAX);
            broken.extend(named.map(|row| Broken { table: name.to_owned(), row: Some(row + 1), cause: cause(row) }));
        };
        for column in self.model(table).into_iter().flat_map(|model| &model.columns) {
            let Some(values) = columns.get(&column.name) else { continue };
            let wrong = |row: &usize| outside(column, &values[*row]).is_some();
            let cause = |row: usize| format!("{}: {}", column.name, outside(column, &values[row]).unwrap_or_default());
            rows(&cause, &mut (0..values.len()).filter(wrong));
        }
        for (columns_of_key, nulls_are_equal) in self.keys(table, constraints) {
            let Some(parts) = columns_of_key.iter().map(|name| columns.get(name)).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let mut twice = repeated(&parts, nulls_are_equal).into_iter();
            rows(&|_| format!("({}) is there twice", columns_of_key.join(", ")), &mut twice);
        }
        for column in columns.keys() {
            match self.orphans(table, column, &columns[column], all) {
                Ok(wrong) => {
                    let cause = |row: usize| format!("{column}: {:?} refers to no row", columns[column][row]);
                    rows(&cause, &mut wrong.into_iter());
                }
                Err(cause) => rows(&|_| format!("{column}: {cause}"), &mut std::iter::once(0)),
            }
        }
        for check in constraints.into_iter().flat_map(|of| &of.checks) {
            match self.violations(table, check) {
                Ok(wrong) => rows(&|_| format!("CHECK ({check})"), &mut wrong.into_iter()),
                Err(cause) => rows(&|_| format!("CHECK ({check}): {cause}"), &mut std::iter::once(0)),
            }
        }
        broken
    }

    /// Whether a shape is true; null is not.
    pub(crate) fn holds(&self, shape: &Shape) -> Result<bool, String> {
        let table = *self.names.get(&shape.table).ok_or_else(|| format!("there is no table {}", shape.table))?;
        // As for the number of a table's rows: one value, about no row.
        let made = self.evaluate(&Scope { table, rows: 1, column: "rows" }, &shape.holds)?;
        Ok(made.get(0).is_true())
    }

    /// A supplied table has the columns that it was supplied with.
    fn columns_there(&self, table: TableId) -> Vec<String> {
        let entry = self.entry(table);
        if entry.spec.is_some() { self.columns_of(table) } else { entry.columns.borrow().keys().cloned().collect() }
    }

    fn keys(&self, table: TableId, constraints: Option<&Constraints>) -> Vec<(Vec<String>, bool)> {
        let model = self.model(table);
        let key = model.map(|model| (model.key.clone(), false));
        let unique = model.into_iter().flat_map(|model| &model.columns).filter(|column| column.unique);
        let unique = unique.map(|column| (vec![column.name.clone()], false));
        let uniques = constraints.into_iter().flat_map(|of| &of.uniques);
        let uniques = uniques.map(|unique| (unique.columns.clone(), unique.nulls_are_equal));
        key.into_iter().chain(unique).chain(uniques).filter(|(columns, _)| !columns.is_empty()).collect()
    }

    /// Rows whose value is the key of no row referred to.
    fn orphans(
        &self,
        table: TableId,
        column: &str,
        values: &Values,
        all: &BTreeMap<String, Constraints>,
    ) -> Result<Vec<usize>, String> {
        let (mut targets, mut brought) = (Vec::new(), Vec::new());
        for (target, key) in self.references(table, column)? {
            brought.extend(all.get(self.name(target)).into_iter().flat_map(|of| &of.brought));
            targets.push(self.index(target, &key)?);
        }
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let is_brought =
            |value: &Value| value.integer().is_some_and(|key| brought.iter().any(|it| **it == key.to_string()));
        // A text may hold the number of a row.
        let number = |value: &Value| match value {
            Value::Text(text) => text.parse().ok().map(Value::Integer),
            _ => None,
        };
        let found = |value: &Value| targets.iter().any(|target| target.contains_key(value));
        let is_there = |value: &Value| found(value) || number(value).is_some_and(|it| found(&it)) || is_brought(value);
        let refers = |value: &Value| value.is_null() || is_there(value);
        Ok((0..values.len()).filter(|row| !refers(&values[*row])).collect())
    }

    fn violations(&self, table: TableId, check: &str) -> Result<Vec<usize>, String> {
        let rows = self.rows(table)?;
        let mut condition = parse(check)?;
        without_dust(&mut condition)?;
        let made = self.evaluate(&Scope { table, rows, column: "check" }, &condition)?;
        Ok((0..rows).filter(|row| matches!(made.get(*row), Value::Boolean(false))).collect())
    }
}

/// Puts `near()` around what a comparison computes.
fn without_dust(node: &mut Node) -> Result<(), String> {
    match node {
        Node::Binary { operator: Operator::And | Operator::Or, left, right } => {
            without_dust(left)?;
            without_dust(right)
        }
        Node::Binary { left, right, .. } => {
            for side in [left, right] {
                let inner = std::mem::replace(side.as_mut(), Node::Literal(Value::Null));
                let function = Function::of("near").ok_or("there is no function near()")?;
                **side = Node::Call { function, arguments: vec![inner], site: 0 };
            }
            Ok(())
        }
        Node::Not(inner) => without_dust(inner),
        _ => Ok(()),
    }
}

/// What of a value its column does not take.
fn outside(column: &Column, value: &Value) -> Option<String> {
    if value.is_null() {
        return (!column.nullable && !column.generated).then(|| "must not be null".to_owned());
    }
    if let (Kind::Text(Some(limit)), Value::Text(text)) = (column.kind, value) {
        let length = text.chars().count() as u64;
        return (length > limit).then(|| format!("{length} characters do not fit {}", column.declared));
    }
    let (least, most) = range(column)?;
    let number = value.number()?;
    (!(least..=most).contains(&number)).then(|| format!("{number} does not fit {}", column.declared))
}

/// The least and the greatest number that a declared type takes.
fn range(column: &Column) -> Option<(f64, f64)> {
    let declared = column.declared.to_ascii_uppercase();
    let unsigned = declared.contains("UNSIGNED");
    let bits = match declared.split(|character: char| !character.is_ascii_alphanumeric()).next()? {
        "TINYINT" => 8,
        "SMALLINT" => 16,
        "MEDIUMINT" => 24,
        "INT" | "INTEGER" | "SERIAL" => 32,
        "DECIMAL" | "NUMERIC" => {
            let mut digits = declared.split_once('(')?.1.split([',', ')']).map(|part| part.trim().parse::<i32>());
            let (precision, scale) = (digits.next()?.ok()?, digits.next().and_then(Result::ok).unwrap_or(0));
            let most = 10_f64.powi(precision - scale) - 10_f64.powi(-scale);
            return Some((if unsigned { 0.0 } else { -most }, most));
        }
        _ => return None,
    };
    let values = 2_f64.powi(bits);
    Some(if unsigned { (0.0, values - 1.0) } else { (-values / 2.0, values / 2.0 - 1.0) })
}

/// Rows whose key an earlier row has.
fn repeated(parts: &[&Values], nulls_are_equal: bool) -> Vec<usize> {
    let rows = parts.first().map_or(0, |values| values.len());
    let mut seen: HashMap<Vec<&Value>, usize> = HashMap::with_capacity(rows);
    let mut twice = Vec::new();
    for row in 0..rows {
        let key: Vec<&Value> = parts.iter().map(|values| &values[row]).collect();
        if (nulls_are_equal || !key.iter().any(|value| value.is_null())) && seen.insert(key, row).is_some() {
            twice.push(row);
        }
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn column(declared: &str, kind: Kind) -> Column {
        let (name, declared) = ("c".to_owned(), declared.to_owned());
        let (default, comment, references) = (None, None, Vec::new());
        Column { name, declared, kind, nullable: false, default, generated: false, unique: false, comment, references }
    }

    #[test]
    fn a_value_outside_its_type_is_found() {
        let decimal = column("DECIMAL(5,2)", Kind::Decimal(2));
        assert_eq!(outside(&decimal, &Value::Number(-999.99)), None);
        assert!(outside(&decimal, &Value::Number(1_000.0)).is_some_and(|cause| cause.contains("DECIMAL(5,2)")));
        assert!(outside(&decimal, &Value::Null).is_some());
        for (declared, fits, does_not) in
            [("SMALLINT", 32_767, 32_768), ("TINYINT UNSIGNED", 255, -1), ("INT", -2_147_483_648, 2_147_483_648)]
        {
            let column = column(declared, Kind::Integer);
            assert_eq!(outside(&column, &Value::Integer(fits)), None, "{declared}");
            assert!(outside(&column, &Value::Integer(does_not)).is_some(), "{declared}");
        }
        let text = column("VARCHAR(3)", Kind::Text(Some(3)));
        assert!(outside(&text, &Value::text("äöü")).is_none() && outside(&text, &Value::text("abcd")).is_some());
    }

    #[test]
    fn keys_that_come_twice_are_found_and_nulls_are_equal_when_said_so() {
        let values = |values: &[Option<i64>]| -> Values {
            Rc::new(values.iter().map(|value| value.map_or(Value::Null, Value::Integer)).collect())
        };
        let (first, second) = (values(&[Some(1), Some(1), Some(1), Some(1)]), values(&[Some(2), None, Some(2), None]));
        assert_eq!(repeated(&[&first, &second], false), [2]);
        assert_eq!(repeated(&[&first, &second], true), [2, 3]);
    }
}
