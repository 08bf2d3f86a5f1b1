//! Look-ups for MongoDB, which cannot join what another database knows: an event is given the columns of the row that fits.
//!
//! A row fits when each of its columns that bears the name of an event's field equals that field. Of several the first
//! counts, so that an event becomes one document at most.

use crate::event::RoutedEvent;
use crate::file::{Lookup, Route};
use crate::sql::placeholders;
use crate::vocabulary::FIELDS;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A look-up's answer, found by the fields that it shares with events.
#[derive(Clone, Debug)]
pub struct LookupAnswer {
    name: String,
    on: Vec<String>,
    rows: HashMap<Vec<Value>, Map<String, Value>>,
}

/// The one look-up that the route names.
pub fn joins<'a>(route: &Route, lookups: &'a [Lookup]) -> Option<&'a Lookup> {
    let name = route.from.as_deref().and_then(|from| placeholders(from).first().copied())?;
    lookups.iter().find(|lookup| lookup.name == name)
}

/// The columns by which a look-up's rows are found.
pub(crate) fn shared(lookup: &Lookup) -> impl Iterator<Item = &String> {
    lookup.columns.keys().filter(|column| FIELDS.iter().any(|field| field.name == column.as_str()))
}

impl LookupAnswer {
    /// `rows`: what the look-up answered, as a JSON array of objects.
    pub fn of(lookup: &Lookup, rows: &str) -> Result<Self, serde_json::Error> {
        let answered: Vec<Map<String, Value>> = serde_json::from_str(rows)?;
        let on: Vec<String> = shared(lookup).cloned().collect();
        let mut rows = HashMap::with_capacity(answered.len());
        for row in answered {
            // A row that leaves a field open fits no event.
            let key: Option<Vec<Value>> =
                on.iter().map(|column| row.get(column).filter(|value| !value.is_null()).cloned()).collect();
            if let Some(key) = key {
                rows.entry(key).or_insert(row);
            }
        }
        Ok(Self { name: lookup.name.clone(), on, rows })
    }

    /// The event with the row's columns as `look-up.column`; `None` when no row fits.
    pub fn join(&self, event: &RoutedEvent) -> Option<RoutedEvent> {
        let key: Option<Vec<Value>> = self.on.iter().map(|field| event.values.get(field).cloned()).collect();
        let row = self.rows.get(&key?)?;
        let mut joined = event.clone();
        let columns = row.iter().map(|(column, value)| (format!("{}.{column}", self.name), value.clone()));
        joined.values.extend(columns.filter(|(_, value)| !value.is_null()));
        Some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_given_the_first_row_that_fits_and_none_without_one() {
        let lookup: Lookup = toml::from_str(
            r#"
            name = "leader"
            database = "genims_master_db"
            sql = "SELECT 1"
            columns = { line_id = "text", employee_id = "text" }
            "#,
        )
        .expect("a look-up");
        let rows = r#"[{"line_id": null, "employee_id": "E0"}, {"line_id": "L1", "employee_id": "E1"},
            {"line_id": "L1", "employee_id": "E2"}]"#;
        let known = LookupAnswer::of(&lookup, rows).expect("rows");
        let event = |line: &str| {
            let text = format!(r#"{{"kind": "fault_opened", "line_id": "{line}"}}"#);
            RoutedEvent::parse(&text).expect("an event")
        };
        let joined = known.join(&event("L1")).expect("a row");
        assert_eq!(joined.values["leader.employee_id"], "E1");
        assert_eq!(known.join(&event("L2")), None);
        assert_eq!(known.join(&RoutedEvent::parse(r#"{"kind": "client_lost"}"#).expect("an event")), None);
    }
}
