//! What the columns of a foreign file are: values, the machine, or nothing that can be sent.
//!
//! The rows below the header enter, time and marks already found; a [`Role`] for every column leaves.

use super::cells::Marks;
use super::text::Row;
use super::times::Found;
use std::collections::{BTreeSet, HashSet};

/// More machines than this in one file are no machines.
const MACHINES_MAX: usize = 1_000;
const MACHINE_HINTS: [&str; 13] = [
    "machine",
    "maschine",
    "device",
    "gerät",
    "geraet",
    "turbine",
    "anlage",
    "asset",
    "equipment",
    "station",
    "unit_id",
    "plc",
    "aggregat",
];
/// What exporters write where there is no value, in small letters.
const NO_VALUES: [&str; 15] =
    ["nan", "n/a", "na", "#n/a", "#na", "n.a.", "k.a.", "null", "none", "nil", "-", "--", "---", "missing", "no data"];
/// How the reason begins for which texts are left out.
pub(super) const NO_NUMBERS: &str = "no numbers";
const ROW_NUMBERS: [&str; 9] = ["id", "index", "nr", "nr.", "no", "no.", "#", "lfd. nr.", ""];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Time,
    /// With the cells that name machines.
    Machine(BTreeSet<String>),
    Value,
    /// With the reason.
    LeftOut(String),
}

/// One role for each of `names`.
pub fn roles(names: &[String], rows: &[Row], time: &Found, marks: Marks) -> Vec<Role> {
    let machine = called_machine(names, rows, time).or_else(|| machine_by_times(names, rows, time));
    (0..names.len())
        .map(|at| {
            if time.columns.contains(&at) {
                return Role::Time;
            }
            if machine == Some(at) {
                return machine_role(rows, at);
            }
            let cells: Vec<&str> = filled(rows, at).filter(|cell| !is_no_value(cell)).collect();
            let numbers: Vec<f64> = cells.iter().filter_map(|cell| marks.number(cell)).collect();
            match cells.first() {
                None => Role::LeftOut("empty".to_owned()),
                Some(first) if numbers.len() * 2 < cells.len() => {
                    Role::LeftOut(format!("{NO_NUMBERS}, like {first:?}"))
                }
                Some(_) if counts_rows(&names[at], &numbers) => Role::LeftOut("numbers the rows".to_owned()),
                Some(_) => Role::Value,
            }
        })
        .collect()
}

/// The role of a column that names machines.
pub fn machine_role(rows: &[Row], at: usize) -> Role {
    Role::Machine(filled(rows, at).map(str::to_owned).collect())
}

/// The cells of value columns that say that there is no value, as they are written.
pub fn no_values(rows: &[Row], roles: &[Role]) -> BTreeSet<String> {
    let values = roles.iter().enumerate().filter(|(_, role)| **role == Role::Value).map(|(at, _)| at);
    values.flat_map(|at| filled(rows, at)).filter(|cell| is_no_value(cell)).map(str::to_owned).collect()
}

pub(super) fn is_no_value(cell: &str) -> bool {
    NO_VALUES.contains(&cell.to_lowercase().as_str())
}

pub(super) fn filled(rows: &[Row], at: usize) -> impl Iterator<Item = &str> {
    rows.iter().filter_map(move |row| row.cells.get(at)).filter(|cell| !cell.is_empty())
}

/// The words of a title, in small letters.
pub(super) fn words(title: &str) -> Vec<String> {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// One more in each row, under a name that says no more.
fn counts_rows(name: &str, numbers: &[f64]) -> bool {
    ROW_NUMBERS.contains(&name.to_lowercase().as_str())
        && numbers.len() > 1
        && numbers.windows(2).all(|pair| pair[1] - pair[0] == 1.0)
}

/// Columns that are filled in every row, with no more cells that differ than machines can be.
fn candidates(names: &[String], rows: &[Row], time: &Found) -> Vec<usize> {
    let candidates = (0..names.len()).filter(|at| !time.columns.contains(at)).filter(|at| {
        let cells: BTreeSet<&str> = filled(rows, *at).collect();
        filled(rows, *at).count() == rows.len() && (1..=MACHINES_MAX).contains(&cells.len())
    });
    candidates.collect()
}

pub(super) fn is_called_machine(title: &str) -> bool {
    let title = title.to_lowercase();
    MACHINE_HINTS.iter().any(|hint| title.contains(hint))
}

/// The column that is called like a machine.
pub fn called_machine(names: &[String], rows: &[Row], time: &Found) -> Option<usize> {
    let is_whole = |cell: &str| !cell.contains(['.', ',']) || cell.parse::<f64>().is_err();
    candidates(names, rows, time)
        .into_iter()
        .find(|at| is_called_machine(&names[*at]) && filled(rows, *at).all(is_whole))
}

/// A column of words without which times would be there more than once.
fn machine_by_times(names: &[String], rows: &[Row], time: &Found) -> Option<usize> {
    let times: Vec<String> = rows.iter().map(|row| time.cell(row)).collect();
    if times.iter().collect::<HashSet<_>>().len() == times.len() {
        return None;
    }
    let is_word = |cell: &str| cell.contains(char::is_alphabetic) && !is_no_value(cell);
    candidates(names, rows, time).into_iter().find(|at| {
        let pairs: HashSet<(&str, &str)> = filled(rows, *at).zip(times.iter().map(String::as_str)).collect();
        pairs.len() == rows.len() && filled(rows, *at).all(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{marks, text, times};

    fn parsed(text: &str) -> (Vec<String>, Vec<Row>, Found) {
        let mut rows: Vec<Row> = text::rows(text, ';').map(|row| row.expect("readable")).collect();
        let names: Vec<String> = rows.remove(0).cells.iter().map(str::to_owned).collect();
        let time = times::find(&rows, names.len()).expect("times");
        (names, rows, time)
    }

    #[test]
    fn columns_are_told_apart() {
        let text = "id;Zeit;Maschine;Temp;Status;leer\n1;2024-01-01;P1;1,5;OK;\n2;2024-01-01;P2;n/a;OK;\n3;2024-01-02;P1;x;OK;\n4;2024-01-02;P2;2,5;OK;";
        let (names, rows, time) = parsed(text);
        let marks = marks::told(&rows, &time.columns).marks;
        let roles = roles(&names, &rows, &time, marks);
        let machines = BTreeSet::from(["P1".to_owned(), "P2".to_owned()]);
        let left_out = |why: &str| Role::LeftOut(why.to_owned());
        let expected = [
            left_out("numbers the rows"),
            Role::Time,
            Role::Machine(machines),
            Role::Value,
            left_out("no numbers, like \"OK\""),
            left_out("empty"),
        ];
        assert_eq!(roles, expected);
        assert_eq!(no_values(&rows, &roles), BTreeSet::from(["n/a".to_owned()]));
    }

    #[test]
    fn words_tell_machines_only_where_times_are_there_more_than_once() {
        let machine_of = |text: &str| {
            let (names, rows, time) = parsed(text);
            called_machine(&names, &rows, &time).or_else(|| machine_by_times(&names, &rows, &time))
        };
        assert_eq!(machine_of("t;mode;v\n2024-01-01;auto;1\n2024-01-02;manual;2"), None);
        assert_eq!(machine_of("t;name;v\n2024-01-01;a;1\n2024-01-01;b;2"), Some(1));
        assert_eq!(machine_of("t;device_id;v\n2024-01-01;1;1\n2024-01-02;1;2"), Some(1));
    }
}
