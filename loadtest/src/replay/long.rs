//! The long format: a row for each value, and a column that says whose it is, as historians export it.
//!
//! Rows enter, a [`Long`] leaves where a file has that form: which columns hold tag, value and unit, and what each tag is.

use super::cells::Marks;
use super::columns::{filled, is_called_machine, is_no_value, words};
use super::text::Row;
use super::times::Found;
use std::collections::{BTreeMap, HashSet};

/// More tags than this in one file are texts.
const TAGS_MAX: usize = 5_000;
/// Whole words of a title, and parts of one.
const TAG_WORDS: [&str; 6] = ["tag", "tags", "tagname", "tagid", "point", "item"];
const TAG_HINTS: [&str; 17] = [
    "sensor",
    "signal",
    "variable",
    "channel",
    "kanal",
    "parameter",
    "messstelle",
    "messpunkt",
    "messgr",
    "measurand",
    "metric",
    "datapoint",
    "data point",
    "datenpunkt",
    "point_name",
    "point name",
    "node id",
];
/// Words that may call anything, and here a tag where another column is called value and nothing more.
const WEAK_WORDS: [&str; 13] = [
    "name",
    "id",
    "kennung",
    "bezeichnung",
    "bezeichner",
    "label",
    "key",
    "topic",
    "field",
    "measurement",
    "entity",
    "quelle",
    "source",
];
const VALUE_WORDS: [&str; 11] =
    ["value", "values", "val", "wert", "werte", "messwert", "zahlenwert", "istwert", "reading", "pv", "numvalue"];
const UNIT_WORDS: [&str; 7] = ["unit", "units", "einheit", "uom", "engunit", "engunits", "dimension"];
/// Words that say how good a value is, or what somebody thought of it: no names.
const NO_TAGS: [&str; 10] =
    ["quality", "qualität", "qualitaet", "status", "state", "mode", "modus", "flag", "comment", "bemerkung"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Long {
    pub tag: usize,
    pub value: usize,
    pub unit: Option<usize>,
    pub tags: BTreeMap<String, Tag>,
}

/// What is known of one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    pub unit: Option<String>,
    numbers: usize,
    /// Cells that are neither numbers nor "no value", and the first of them.
    others: usize,
    pub text: String,
}

impl Tag {
    pub fn is_measured(&self) -> bool {
        self.numbers > 0 && self.numbers >= self.others
    }
}

/// `None` where each sensor has a column of its own. `machine`: a column that is called like one.
pub fn find(names: &[String], rows: &[Row], time: &Found, marks: Marks, machine: Option<usize>) -> Option<Long> {
    let columns = move || (0..names.len()).filter(move |at| !time.columns.contains(at) && machine != Some(*at));
    let is_called = |at: usize, known: &[&str]| words(&names[at]).iter().any(|word| known.contains(&word.as_str()));
    let has_numbers = |at: usize| filled(rows, at).any(|cell| marks.number(cell).is_some());
    let is_text = |at: usize| filled(rows, at).all(|cell| marks.number(cell).is_none() && !is_no_value(cell));
    let tags_of = |at: usize| filled(rows, at).collect::<HashSet<_>>().len();
    let names_rows =
        |at: usize| filled(rows, at).count() == rows.len() && is_text(at) && (1..=TAGS_MAX).contains(&tags_of(at));
    let is_hinted = |at: usize| {
        let name = names[at].to_lowercase();
        is_called(at, &TAG_WORDS) || TAG_HINTS.iter().any(|hint| name.contains(hint))
    };
    let is_unit = |at: usize| is_called(at, &UNIT_WORDS);
    let is_weak = |at: usize| is_called(at, &WEAK_WORDS) && !is_called_machine(&names[at]);
    let called_value = columns().find(|at| is_called(*at, &VALUE_WORDS) && has_numbers(*at));
    let mut numeric = columns().filter(|at| has_numbers(*at) && !is_unit(*at));
    let only = numeric.next().filter(|_| numeric.next().is_none());
    let hinted = columns().find(|at| is_hinted(*at) && names_rows(*at));
    let (tag, value) = match (hinted, called_value, only) {
        (Some(tag), Some(value), _) | (Some(tag), None, Some(value)) => (tag, value),
        (None, Some(value), _) => {
            let mut unnamed = columns().filter(|at| *at != value && !is_unit(*at) && !is_called(*at, &NO_TAGS));
            let is_tag = |at: usize| is_weak(at) || tells_equal_times_apart(rows, time, at);
            (unnamed.find(|at| names_rows(*at) && is_tag(*at))?, value)
        }
        _ => return None,
    };
    let unit = columns().find(|at| is_unit(*at) && *at != tag && *at != value);
    Some(Long { tag, value, unit, tags: tags(rows, (tag, value, unit), marks) })
}

/// Whether a column of texts beside a single one of values could say whose they are.
pub fn may_be_tags(name: &str) -> bool {
    !words(name).iter().any(|word| NO_TAGS.contains(&word.as_str()))
}

/// Whether times are there more than once, and never with one cell.
fn tells_equal_times_apart(rows: &[Row], time: &Found, at: usize) -> bool {
    let times: Vec<String> = rows.iter().map(|row| time.cell(row)).collect();
    let pairs: HashSet<(&str, &str)> =
        times.iter().zip(rows).map(|(time, row)| (time.as_str(), row.cells.get(at).unwrap_or_default())).collect();
    times.iter().collect::<HashSet<_>>().len() < times.len() && pairs.len() == rows.len()
}

fn tags(rows: &[Row], (tag, value, unit): (usize, usize, Option<usize>), marks: Marks) -> BTreeMap<String, Tag> {
    let mut tags: BTreeMap<String, Tag> = BTreeMap::new();
    for row in rows {
        let cell = |at: usize| row.cells.get(at).unwrap_or_default();
        let known = tags.entry(cell(tag).to_owned()).or_default();
        match cell(value) {
            "" => {}
            value if is_no_value(value) => {}
            value if marks.number(value).is_some() => known.numbers += 1,
            value => {
                known.others += 1;
                if known.text.is_empty() {
                    value.clone_into(&mut known.text);
                }
            }
        }
        let unit = unit.map_or("", cell);
        if known.unit.is_none() && !unit.is_empty() && !is_no_value(unit) {
            known.unit = Some(unit.to_owned());
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{text, times};

    /// Columns of tag, value and unit, and whether each tag is measured.
    type Columns = (usize, usize, Option<usize>, Vec<(String, bool)>);

    fn found(text: &str) -> Option<Columns> {
        let mut rows: Vec<Row> = text::rows(text, ';').map(|row| row.expect("readable")).collect();
        let names: Vec<String> = rows.remove(0).cells.iter().map(str::to_owned).collect();
        let time = times::find(&rows, names.len()).expect("times");
        let long = find(&names, &rows, &time, Marks { decimal: ',', thousands: None }, None)?;
        let tags = long.tags.iter().map(|(name, tag)| (name.clone(), tag.is_measured())).collect();
        Some((long.tag, long.value, long.unit, tags))
    }

    #[test]
    fn a_column_of_tags_is_told_by_its_name_or_by_equal_times() {
        let tags = || vec![("P1".to_owned(), true), ("T1".to_owned(), true)];
        let named = "Zeit;TagName;Wert;Einheit\n2024-01-01;T1;1,5;°C\n2024-01-02;P1;2;bar\n";
        assert_eq!(found(named), Some((1, 2, Some(3), tags())));
        let unnamed = "t;name;value\n2024-01-01;T1;1,5\n2024-01-01;P1;2\n2024-01-02;T1;1,5\n";
        assert_eq!(found(unnamed), Some((1, 2, None, tags())));
        let called = "Zeit;Bezeichnung;Wert\n2024-01-01;T1;1,5\n2024-01-02;P1;1,5\n2024-01-03;T1;2\n";
        assert_eq!(found(called), Some((1, 2, None, tags())));
        let quality = "t;Quality;value;sensor\n2024-01-01;Good;1,5;T1\n2024-01-01;Bad;2;P1\n";
        assert_eq!(found(quality), Some((3, 2, None, tags())));
        let states = "t;signal;v\n2024-01-01;T1;1,5\n2024-01-01;S1;RUN\n";
        assert_eq!(found(states), Some((1, 2, None, vec![("S1".to_owned(), false), ("T1".to_owned(), true)])));
    }

    #[test]
    fn a_column_for_each_sensor_is_no_long_format() {
        for text in [
            "t;temp;press\n2024-01-01;1,5;2\n",
            "t;sensor;temp;press\n2024-01-01;a;1,5;2\n2024-01-01;b;1,5;2\n",
            "t;machine_name;value\n2024-01-01;a;1\n2024-01-02;b;2\n",
            "t;mode;value\n2024-01-01;auto;1\n2024-01-02;manual;2\n",
            "t;Quality;value\n2024-01-01;Good;1\n2024-01-01;Bad;2\n",
            "t;name;v\n2024-01-01;a;1\n2024-01-01;b;2\n",
            "Tag;Wochentag;Sensor 1\n2024-01-01;Mo;1,5\n2024-01-02;Di;2\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
