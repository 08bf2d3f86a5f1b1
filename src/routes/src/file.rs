//! One file of `config/routes`: the routes into one database.

use crate::event::RoutedEvent;
use crate::vocabulary::FieldType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a route does with its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A row that is there already stays as it is.
    #[default]
    Insert,
    /// A row with the same key takes the new values.
    Upsert,
    /// Rows with the same key change; none is made.
    Update,
}

/// One route: events of some kinds become rows of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub name: String,
    /// What it is for, in one sentence.
    pub about: String,
    pub events: Vec<String>,
    /// Fields without which an event is passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Texts that a field must have one of: other events are passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub among: BTreeMap<String, Vec<String>>,
    /// A condition on `event` and on what `from` joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Joins behind `event`. For MongoDB: one look-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The table, or the collection of MongoDB.
    pub table: String,
    #[serde(default)]
    pub operation: Operation,
    /// The columns by which a row is found again.
    #[serde(default)]
    pub key: Vec<String>,
    /// The rows of several events become one: what they share.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// Column, and the expression that gives its value. For MongoDB: a path, and what stands there.
    pub columns: BTreeMap<String, toml::Value>,
    /// For upsert and update: what changes, over `target` (the row that is there) and `change` (the new values). Left out:
    /// all columns but the key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// For update: a further condition on `target` and `change`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl Route {
    /// Whether the event is one of the route's.
    pub fn takes(&self, event: &RoutedEvent) -> bool {
        let text = |field: &String| event.values.get(field).and_then(serde_json::Value::as_str);
        self.events.iter().any(|kind| kind == event.kind)
            && self.requires.iter().all(|field| event.values.contains_key(field))
            && self.among.iter().all(|(field, texts)| text(field).is_some_and(|is| texts.iter().any(|may| may == is)))
    }
}

/// What routes must know of another database: read from there now and then, and joined by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Routes write `{name}` in `from`, and `name.column` elsewhere.
    pub name: String,
    /// One of PostgreSQL.
    pub database: String,
    /// A query there. [`SINCE`] in it stands for the earliest time that an event may have, [`UNTIL`] for the latest.
    pub sql: String,
    /// Its columns and their types.
    pub columns: BTreeMap<String, FieldType>,
    /// How old what is known may be.
    #[serde(default = "refresh", with = "humantime_serde")]
    pub refresh: Duration,
}

/// See [`Lookup::sql`].
pub const SINCE: &str = "{since}";
pub const UNTIL: &str = "{until}";

fn refresh() -> Duration {
    Duration::from_secs(10)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) database: String,
    #[serde(default)]
    pub(crate) lookup: Vec<Lookup>,
    #[serde(default)]
    pub(crate) route: Vec<Route>,
}
