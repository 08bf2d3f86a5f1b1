//! A route as one statement over a batch of events, in the dialect of its database.
//!
//! The batch travels as one JSON text, the statement's first parameter, and is read as the relation `event`. So a batch of any
//! size is one round trip, and look-ups are joins of the database itself, in the transaction that writes. What is looked up in
//! another database comes as further parameters of the same form.
//!
//! - [`expression`]: names of relations in an expression; [`relation`]: JSON as a relation

mod expression;
mod relation;

pub use expression::{names_after, placeholders};

use crate::file::{Lookup, Operation, Route};
use crate::vocabulary::FIELDS;
use expression::{placed, renamed};
use genims_databases::{Engine, quoted};
use relation::relation;
use std::collections::BTreeMap;

/// The whole batch once more, for what an event must know of those before it: PostgreSQL only, whose parameters have numbers.
pub const BATCH: &str = "batch";
const BATCH_PLACE: &str = "{batch}";

/// A statement, and the look-ups whose values follow the batch among its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub text: String,
    pub lookups: Vec<String>,
}

/// The statement that writes the route's rows. `engine` is one with SQL.
pub fn statement(engine: Engine, route: &Route, lookups: &[Lookup]) -> Statement {
    let (rows, used) = rows(engine, route, lookups);
    let text = match route.operation {
        Operation::Insert | Operation::Upsert => insert(engine, route, &rows),
        Operation::Update => update(engine, route, &rows),
    };
    Statement { text, lookups: used }
}

/// A query that shows the rows and writes nothing.
pub fn preview(engine: Engine, route: &Route, lookups: &[Lookup]) -> Statement {
    let (text, lookups) = rows(engine, route, lookups);
    Statement { text, lookups }
}

fn name(engine: Engine, name: &str) -> String {
    quoted(engine, name)
}

fn names<'a>(engine: Engine, names: impl Iterator<Item = &'a String>) -> String {
    names.map(|each| name(engine, each)).collect::<Vec<_>>().join(", ")
}

/// The expression of a column; files are checked, so what is no text is not here.
fn text(value: &toml::Value) -> &str {
    value.as_str().unwrap_or("NULL")
}

/// The route's rows: of several events with one key the latest, unless they are grouped. Also the look-ups that they need.
fn rows(engine: Engine, route: &Route, lookups: &[Lookup]) -> (String, Vec<String>) {
    let keyed = !route.key.is_empty() && route.group_by.is_empty();
    let mut columns: Vec<String> =
        route.columns.iter().map(|(column, value)| format!("{} AS {}", text(value), name(engine, column))).collect();
    if keyed {
        let key: Vec<&str> = route.key.iter().filter_map(|column| route.columns.get(column)).map(text).collect();
        let order = if route.operation == Operation::Insert { "ASC" } else { "DESC" };
        let key = key.join(", ");
        columns.push(format!("ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY event.log_offset {order}) AS genims_nth"));
    }
    let event = relation(engine, "event", FIELDS.iter().map(|field| (field.name, field.field_type)), 1);
    let mut query = format!("SELECT {} FROM {event}", columns.join(", "));
    let mut used = Vec::new();
    if let Some(from) = &route.from {
        let batch = relation(engine, BATCH, FIELDS.iter().map(|field| (field.name, field.field_type)), 1);
        let from = placed(&from.replace(BATCH_PLACE, &batch), lookups, |lookup| {
            used.push(lookup.name.clone());
            let columns = lookup.columns.iter().map(|(name, field_type)| (name.as_str(), *field_type));
            relation(engine, &lookup.name, columns, used.len() + 1)
        });
        query.push_str(&format!(" {from}"));
    }
    if let Some(when) = &route.when {
        query.push_str(&format!(" WHERE {when}"));
    }
    if !route.group_by.is_empty() {
        query.push_str(&format!(" GROUP BY {}", route.group_by.join(", ")));
    }
    if keyed {
        let columns = names(engine, route.columns.keys());
        query = format!("SELECT {columns} FROM ({query}) AS genims_rows WHERE genims_nth = 1");
    }
    (query, used)
}

fn insert(engine: Engine, route: &Route, rows: &str) -> String {
    let (table, columns) = (name(engine, &route.table), names(engine, route.columns.keys()));
    let key = names(engine, route.key.iter());
    let changes = changes(route);
    let is_upsert = route.operation == Operation::Upsert;
    if engine == Engine::Postgresql {
        let outcome = match is_upsert {
            _ if key.is_empty() => String::new(),
            false => format!(" ON CONFLICT ({key}) DO NOTHING"),
            true => {
                let set = assignments(engine, &changes, |expression| {
                    renamed(expression, "change", |column| format!("excluded.{column}"))
                });
                format!(" ON CONFLICT ({key}) DO UPDATE SET {set}")
            }
        };
        return format!("INSERT INTO {table} AS target ({columns}) {rows}{outcome}");
    }
    if route.key.is_empty() {
        return format!("INSERT INTO {table} ({columns}) {rows}");
    }
    if !is_upsert {
        // ON DUPLICATE KEY would want the right to update, which a writer that may only add has not; IGNORE would hide other errors.
        let same = route.key.iter().map(|column| {
            let column = name(engine, column);
            format!("genims_there.{column} = genims_new.{column}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        return format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM ({rows}) AS genims_new \
             WHERE NOT EXISTS (SELECT 1 FROM {table} AS genims_there WHERE {same})"
        );
    }
    let set = assignments(engine, &changes, |expression| {
        let expression = renamed(expression, "change", |column| format!("VALUES({column})"));
        renamed(&expression, "target", |column| format!("{table}.{column}"))
    });
    format!("INSERT INTO {table} ({columns}) {rows} ON DUPLICATE KEY UPDATE {set}")
}

fn update(engine: Engine, route: &Route, rows: &str) -> String {
    let table = name(engine, &route.table);
    let key = route.key.iter().map(|column| {
        let column = name(engine, column);
        format!("target.{column} = change.{column}")
    });
    let matched: Vec<String> = key.chain(route.only.iter().map(|only| format!("({only})"))).collect();
    let matched = matched.join(" AND ");
    let changes = changes(route);
    if engine == Engine::Postgresql {
        let set = assignments(engine, &changes, str::to_owned);
        return format!("UPDATE {table} AS target SET {set} FROM ({rows}) AS change WHERE {matched}");
    }
    let set: Vec<String> = changes
        .iter()
        .map(|(column, expression)| format!("target.{} = {}", name(engine, column), expression))
        .collect();
    format!("UPDATE {table} AS target JOIN ({rows}) AS change ON {matched} SET {}", set.join(", "))
}

/// What changes, and how.
fn changes(route: &Route) -> BTreeMap<String, String> {
    if !route.set.is_empty() {
        return route.set.clone();
    }
    let others = route.columns.keys().filter(|column| !route.key.contains(column));
    others.map(|column| (column.clone(), format!("change.{column}"))).collect()
}

fn assignments(engine: Engine, changes: &BTreeMap<String, String>, form: impl Fn(&str) -> String) -> String {
    let each = changes.iter().map(|(column, expression)| format!("{} = {}", name(engine, column), form(expression)));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        toml::from_str(text).expect("a route")
    }

    const CLOSE: &str = r#"
        name = "close"
        about = "closes"
        events = ["fault_closed"]
        table = "downtime_events"
        operation = "update"
        key = ["downtime_id"]
        only = "target.status = 'active'"
        columns = { downtime_id = "event.uid", downtime_end = "event.ended_at" }
    "#;

    #[test]
    fn an_update_joins_its_rows_by_key_and_takes_the_latest_event() {
        let sql = statement(Engine::Postgresql, &route(CLOSE), &[]).text;
        assert!(
            sql.starts_with(
                r#"UPDATE "downtime_events" AS target SET "downtime_end" = change.downtime_end FROM (SELECT"#
            ),
            "{sql}"
        );
        assert!(sql.contains("PARTITION BY event.uid ORDER BY event.log_offset DESC"), "{sql}");
        let matched = r#"WHERE target."downtime_id" = change."downtime_id" AND (target.status = 'active')"#;
        assert!(sql.ends_with(matched), "{sql}");
        let sql = statement(Engine::Mysql, &route(CLOSE), &[]).text;
        assert!(sql.ends_with("SET target.`downtime_end` = change.downtime_end"), "{sql}");
    }

    #[test]
    fn an_event_may_look_at_the_batch_and_at_look_ups_in_the_same_breath() {
        let mut counted = route(CLOSE);
        counted.from = Some("JOIN {batch} ON batch.log_offset < event.log_offset JOIN {running} ON true".to_owned());
        let running: Lookup = toml::from_str(
            r#"
            name = "running"
            database = "genims_manufacturing_db"
            sql = "SELECT 1"
            columns = { machine_id = "text" }
            "#,
        )
        .expect("a look-up");
        let statement = statement(Engine::Postgresql, &counted, &[running]);
        let (text, lookups) = (statement.text, statement.lookups);
        assert_eq!(text.matches("jsonb_to_recordset($1::text::jsonb)").count(), 2, "{text}");
        assert!(text.contains("jsonb_to_recordset($2::text::jsonb) AS running(machine_id text)"), "{text}");
        assert_eq!(lookups, ["running"]);
    }

    #[test]
    fn an_insert_into_mysql_wants_no_right_to_update() {
        let mut alert = route(CLOSE);
        alert.operation = Operation::Insert;
        let sql = statement(Engine::Mysql, &alert, &[]).text;
        let (table, key) = ("`downtime_events`", "`downtime_id`");
        let outcome = format!(
            "AS genims_new WHERE NOT EXISTS (SELECT 1 FROM {table} AS genims_there WHERE genims_there.{key} = genims_new.{key})"
        );
        assert!(sql.ends_with(&outcome) && !sql.contains("UPDATE"), "{sql}");
        assert!(sql.contains("PARTITION BY event.uid ORDER BY event.log_offset ASC"), "{sql}");
    }

    #[test]
    fn an_upsert_names_the_new_values_in_each_dialect() {
        let upsert = route(
            r#"
            name = "count"
            about = "counts"
            events = ["parts_counted"]
            table = "t"
            operation = "upsert"
            key = ["id"]
            group_by = ["event.machine_id"]
            columns = { id = "event.machine_id", made = "sum(event.produced)" }
            set = { made = "target.made + change.made", note = "'change.made'" }
        "#,
        );
        let sql = statement(Engine::Postgresql, &upsert, &[]).text;
        let outcome = r#"GROUP BY event.machine_id ON CONFLICT ("id") DO UPDATE SET "made" = target.made + excluded.made, "note" = 'change.made'"#;
        assert!(sql.ends_with(outcome), "{sql}");
        let sql = statement(Engine::Mysql, &upsert, &[]).text;
        assert!(
            sql.ends_with("ON DUPLICATE KEY UPDATE `made` = `t`.made + VALUES(made), `note` = 'change.made'"),
            "{sql}"
        );
    }
}
