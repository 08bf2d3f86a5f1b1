//! Where in the rows of a file everything is: the header's names become positions.

use super::mapping::{Mapping, MappingError};
use super::text::Row;
use csv::StringRecord;
use std::collections::{HashMap, HashSet};

/// Where in a row everything is.
pub(super) struct Columns<'m> {
    time: Vec<usize>,
    pub(super) machine: Option<usize>,
    pub(super) values: Values,
    /// Of the sensors of a machine.
    pub(super) codes: Vec<&'m str>,
}

pub(super) enum Values {
    /// A column for each sensor, in the order of the codes.
    Wide(Vec<(usize, String)>),
    /// One for all, and one that says which sensor a value is of.
    Long { tag: usize, value: usize, name: String, tags: HashMap<String, usize>, ignored: HashSet<String> },
}

/// A cell with a value: of which sensor of the machine, where, and under which name.
pub(super) type Cell<'c> = (usize, usize, &'c str);

impl<'m> Columns<'m> {
    pub(super) fn find(mapping: &'m Mapping, header: &StringRecord) -> Result<Self, MappingError> {
        let position = |name: &String| {
            let number = || name.strip_prefix('#').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            header.iter().position(|cell| cell == name.trim()).or_else(number).ok_or_else(|| MappingError::NoColumn {
                name: name.clone(),
                header: header.iter().map(|cell| format!("{cell:?}")).collect::<Vec<_>>().join(", "),
            })
        };
        let values = match &mapping.long {
            None => {
                let columns = mapping.values.keys().map(|name| Ok((position(name)?, name.clone())));
                Values::Wide(columns.collect::<Result<_, MappingError>>()?)
            }
            Some(long) => Values::Long {
                tag: position(&long.tag)?,
                value: position(&long.value)?,
                name: long.value.clone(),
                tags: mapping.values.keys().enumerate().map(|(number, tag)| (tag.trim().to_owned(), number)).collect(),
                ignored: long.ignore.iter().map(|tag| tag.trim().to_owned()).collect(),
            },
        };
        Ok(Self {
            time: mapping.timestamp.column.iter().map(position).collect::<Result<_, _>>()?,
            machine: mapping.machine.column.as_ref().map(position).transpose()?,
            values,
            codes: mapping.values.values().map(String::as_str).collect(),
        })
    }

    pub(super) fn cell(row: &Row, at: usize) -> &str {
        row.cells.get(at).unwrap_or_default()
    }

    pub(super) fn time(&self, row: &Row) -> String {
        self.time.iter().map(|at| Self::cell(row, *at)).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn filled(&self, row: &Row) -> u64 {
        let is_filled = |at: &usize| !Self::cell(row, *at).is_empty();
        match &self.values {
            Values::Wide(columns) => columns.iter().filter(|(at, _)| is_filled(at)).count() as u64,
            Values::Long { tag, value, ignored, .. } => {
                u64::from(is_filled(value) && !ignored.contains(Self::cell(row, *tag)))
            }
        }
    }

    /// The cells with values; `None` where the row says of no sensor of the mapping.
    pub(super) fn cells(&self, row: &Row) -> Option<Vec<Cell<'_>>> {
        match &self.values {
            Values::Wide(columns) => {
                Some(columns.iter().enumerate().map(|(number, (at, name))| (number, *at, name.as_str())).collect())
            }
            Values::Long { tag, value, name, tags, ignored } => match Self::cell(row, *tag) {
                tag if ignored.contains(tag) => Some(Vec::new()),
                tag => tags.get(tag).map(|number| vec![(*number, *value, name.as_str())]),
            },
        }
    }
}
