//! The door's judgement: may the client write there, does the table exist, does each row fit it.
//!
//! The catalogue of a database is put here when it was read, and again whenever it is: until then its rows are set aside. What a
//! database alone can judge (foreign keys, triggers, other checks) it judges when the row is written. Of one for which too many
//! rows wait, all are set aside, row by row: a message may be longer than what is kept of one dead letter. Listeners that can refuse
//! them ask before.

use crate::access::Tables;
use crate::names;
use crate::payload::{self, ROW_BYTES_MAX, RawRow, fields, shown};
use crate::schema::{Column, Dialect, Kind, Schema, Table};
use crate::value::checked;
use genims_model::{Reason, Row};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What all connections share.
#[derive(Debug, Default)]
pub struct Gate {
    /// What clients without an account may write.
    anonymous: Tables,
    places: BTreeMap<String, OpenDatabase>,
}

/// A database that rows are taken for.
#[derive(Debug)]
struct OpenDatabase {
    dialect: Dialect,
    /// Tables that only the stream writes.
    closed: BTreeSet<String>,
    schema: RwLock<Option<Arc<Schema>>>,
    /// Too many of its rows wait for it: no more are taken.
    full: AtomicBool,
}

/// Who sends a message, and into which table.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// What its account allows; `None` for one that did not log in.
    pub tables: Option<&'a Tables>,
    pub source: u8,
    pub client: &'a str,
    pub received_us: i64,
    /// Its listener saw that the database was not full, and can refuse the message no more.
    pub is_admitted: bool,
    pub database: &'a str,
    pub table: &'a str,
}

/// What is set aside, and of what bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
    /// Brings the row again when it is sent; the whole payload when it has no rows.
    pub payload: Vec<u8>,
    /// Whether the payload is one row, which may be kept together with others; else nobody knows what it is.
    pub is_row: bool,
}

impl Gate {
    /// `anonymous`: what clients without an account may write.
    pub fn new(anonymous: Tables) -> Self {
        Self { anonymous, places: BTreeMap::new() }
    }

    /// Opens a database that rows are taken for.
    pub fn open(&mut self, database: &str, dialect: Dialect, closed: BTreeSet<String>) {
        let place = OpenDatabase { dialect, closed, schema: RwLock::default(), full: AtomicBool::default() };
        self.places.insert(database.to_owned(), place);
    }

    /// What the database's catalogue says now.
    pub fn learn(&self, database: &str, schema: Schema) {
        if let Some(place) = self.places.get(database) {
            *place.schema.write() = Some(Arc::new(schema));
        }
    }

    /// What was learnt last.
    pub fn known(&self, database: &str) -> Option<Arc<Schema>> {
        self.places.get(database)?.schema.read().clone()
    }

    /// Rows for the database are taken no more from now on, or again; true where that is new.
    pub fn set_full(&self, database: &str, full: bool) -> bool {
        self.places.get(database).is_some_and(|place| place.full.swap(full, Ordering::Relaxed) != full)
    }

    /// Whether too many rows wait for the database.
    pub fn is_full(&self, database: &str) -> bool {
        self.places.get(database).is_some_and(|place| place.full.load(Ordering::Relaxed))
    }

    /// Judges a message: each row is taken or refused, in order.
    pub fn judge(&self, sender: Sender<'_>, payload: &[u8], mut each: impl FnMut(Result<Row, Rejection>)) {
        if let Err((reason, detail)) = self.judge_rows(sender, payload, &mut each) {
            each(Err(Rejection { reason, detail, payload: payload.to_vec(), is_row: false }));
        }
    }

    /// Fails with what is wrong with the whole message, before its first row.
    fn judge_rows(
        &self,
        sender: Sender<'_>,
        payload: &[u8],
        each: &mut impl FnMut(Result<Row, Rejection>),
    ) -> Result<(), (Reason, String)> {
        let Sender { database, table, .. } = sender;
        let place = self.place_for(sender)?;
        let rows = || payload::rows(payload).map_err(|detail| (Reason::MalformedPayload, detail));
        if !sender.is_admitted && place.full.load(Ordering::Relaxed) {
            let detail = format!("too many rows wait for {database}; replay when it has taken them, or send again");
            rows()?.into_iter().for_each(|raw| each(Err(Rejection::of_row(raw, detail.clone()))));
            return Ok(());
        }
        let schema = place.schema.read().clone();
        let schema = schema.ok_or_else(|| {
            (Reason::BadRow, format!("the catalogue of {database} was never read; it has to answer once, then replay"))
        })?;
        let shape = schema.tables.get(table);
        let shape = shape.ok_or_else(|| (Reason::BadRow, format!("{database} has no table {table}")))?;
        for raw in rows()? {
            each(match row(shape, place.dialect, raw.raw, raw.upsert) {
                Ok((key, values)) => Ok(Row {
                    source: sender.source,
                    client: sender.client.to_owned(),
                    received_us: sender.received_us,
                    database: database.to_owned(),
                    table: table.to_owned(),
                    upsert: raw.upsert,
                    key,
                    values,
                }),
                Err(detail) => Err(Rejection::of_row(raw, format!("{database}.{table}: {detail}"))),
            });
        }
        Ok(())
    }

    /// The database, if the client may write into its table.
    fn place_for(&self, sender: Sender<'_>) -> Result<&OpenDatabase, (Reason, String)> {
        let Sender { tables, database, table, .. } = sender;
        if !tables.unwrap_or(&self.anonymous).allow(database, table) {
            let remedy = match tables {
                Some(_) => "`genims client allow --rows` says what it may write",
                None => "log in, or see anonymous in [rows] of the configuration",
            };
            let detail = format!("the client may not write rows into {database}.{table}; {remedy}");
            return Err((Reason::NotAllowed, detail));
        }
        let Some(place) = self.places.get(database) else {
            let detail = format!("rows are not taken for {database}; [rows] of the configuration names the databases");
            return Err((Reason::BadRow, detail));
        };
        if place.closed.contains(table) {
            return Err((Reason::NotAllowed, format!("{database}.{table} is written by the stream alone")));
        }
        Ok(place)
    }
}

impl Rejection {
    fn of_row(RawRow { upsert, raw }: RawRow<'_>, detail: String) -> Self {
        let row = Row { upsert, values: raw.to_owned(), ..Row::default() };
        Self { reason: Reason::BadRow, detail, payload: row.payload().into_bytes(), is_row: true }
    }
}

/// The columns of the row's key, and its values as they are written.
fn row(table: &Table, dialect: Dialect, raw: &str, upsert: bool) -> Result<(Vec<String>, String), String> {
    if raw.len() > ROW_BYTES_MAX {
        return Err(format!("a row of {} bytes; {ROW_BYTES_MAX} at most", raw.len()));
    }
    let fields = fields(raw)?;
    if fields.is_empty() {
        return Err("the row has no columns".to_owned());
    }
    let mut values = String::with_capacity(raw.len() + 16);
    let any = Column::new(Kind::Any);
    for (name, raw) in &fields {
        let wrong = |error: String| format!("column {}: {error}", shown(name));
        names::top(name, upsert, dialect).map_err(|error| wrong(error.to_owned()))?;
        let column = table.columns.get(name).or_else(|| table.open.then_some(&any));
        let column = column.ok_or_else(|| wrong("the table has no such column".to_owned()))?;
        let written = checked(column, raw, dialect).map_err(wrong)?;
        values.push(if values.is_empty() { '{' } else { ',' });
        // Writing into a string cannot fail.
        let _ = write!(values, "{}:{written}", serde_json::Value::from(name.as_str()));
    }
    values.push('}');
    let given: HashMap<&str, &str> = fields.iter().map(|(name, raw)| (name.as_str(), *raw)).collect();
    let has = |name: &str| given.get(name).is_some_and(|raw| *raw != "null");
    let mut required = table.columns.iter().filter(|(_, column)| !column.optional);
    if let Some((name, _)) = required.find(|(name, _)| !given.contains_key(name.as_str())) {
        return Err(format!("column {name}: it is missing, and has no default"));
    }
    let key = table.key(has);
    if dialect == Dialect::Mongo {
        for name in key.into_iter().flatten() {
            names::of_key(given.get(name.as_str()).unwrap_or(&"null"))
                .map_err(|error| format!("column {name}: {error}"))?;
        }
    }
    match key {
        Some(key) => Ok((key.to_vec(), values)),
        // Without a key of its own a document gets an `_id` that follows from its place in the log.
        None if dialect == Dialect::Mongo && !upsert => Ok((Vec::new(), values)),
        None if table.keys.is_empty() => {
            Err("the table has no unique key, so a row could not be written once".to_owned())
        }
        None => {
            let keys: Vec<String> = table.keys.iter().map(|key| key.join(", ")).collect();
            Err(format!(
                "column {}: a row brings a value for each column of a unique key: {}",
                table.keys[0][0],
                keys.join("; or ")
            ))
        }
    }
}
