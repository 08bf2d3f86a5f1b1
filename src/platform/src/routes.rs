//! Routes asked of the databases themselves: whether each statement is understood there, and what rows an event would become.
//! Nothing is written.
//!
//! In: routes and connections. Out: one finding a route.

use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use genims_routes::document::{Part, document};
use genims_routes::joined::{LookupAnswer, joins};
use genims_routes::sql::{self, Statement};
use genims_routes::{DatabaseRoutes, Lookup, Operation, Route, RoutedEvent, Routes};
use genims_stores::routed::lookups;
use mysql_async::prelude::Queryable;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::iter::once;
use tokio_postgres::types::{ToSql, Type};

/// What a database says of one route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteFinding {
    pub database: String,
    pub route: String,
    /// What is wrong; none when it is well.
    pub error: Option<String>,
    /// What the event becomes; `None` when only the statement was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Value>>,
}

/// What is asked of each route.
#[derive(Clone, Copy, Debug)]
pub enum RouteQuestion<'a> {
    /// Whether the database understands its statement.
    Understood,
    /// What rows this event would become, for the routes that take it.
    Rows(&'a RoutedEvent),
}

/// Asks every database that has routes, or `only` one.
pub async fn ask(
    routes: &Routes,
    environment: &Environment,
    only: Option<&Database>,
    question: RouteQuestion<'_>,
) -> Vec<RouteFinding> {
    let mut findings = Vec::new();
    for routes in routes.databases() {
        if only.is_some_and(|only| only.name != routes.database.name) {
            continue;
        }
        let asked: Vec<&Route> = routes
            .routes
            .iter()
            .filter(|route| match question {
                RouteQuestion::Understood => true,
                RouteQuestion::Rows(event) => route.takes(event),
            })
            .collect();
        if asked.is_empty() {
            continue;
        }
        let answers = match database(routes, environment, &asked, question).await {
            Ok(answers) => answers,
            Err(error) => asked.iter().map(|_| Err(error.to_string())).collect(),
        };
        findings.extend(asked.iter().zip(answers).map(|(route, answer)| {
            let (rows, error) = match answer {
                Ok(rows) => (rows, None),
                Err(error) => (None, Some(error)),
            };
            RouteFinding { database: routes.database.name.clone(), route: route.name.clone(), error, rows }
        }));
    }
    findings
}

/// Rows where they were asked for, or why not.
type Answer = Result<Option<Vec<Value>>, String>;

async fn database(
    routes: &DatabaseRoutes,
    environment: &Environment,
    asked: &[&Route],
    question: RouteQuestion<'_>,
) -> Result<Vec<Answer>, DatabaseError> {
    let database = &routes.database;
    let mut answers = Vec::new();
    match database.engine {
        Engine::Postgresql => {
            let settings = PostgresSettings::from_environment(database, environment)?;
            let client = settings.connect().await?;
            for route in asked {
                let statement = asked_statement(database.engine, route, &routes.lookups, question);
                let looked_up = look_up_all(&statement, routes, environment).await?;
                let answer = postgres(&client, &statement, &looked_up, question).await;
                answers.push(answer.map_err(|error| settings.error(error).to_string()));
            }
        }
        Engine::Mysql => {
            let settings = MysqlSettings::from_environment(database, environment)?;
            let mut connection = settings.connect().await?;
            for route in asked {
                let statement = asked_statement(database.engine, route, &routes.lookups, question);
                let looked_up = look_up_all(&statement, routes, environment).await?;
                let answer = mysql(&mut connection, &statement, &looked_up, question).await;
                answers.push(answer.map_err(|error| settings.error(error).to_string()));
            }
        }
        Engine::Mongodb => {
            let settings = MongoSettings::from_environment(database, environment)?;
            let known = settings.client().await?.database(settings.database_name()).list_collection_names().await;
            let known = known.map_err(|error| settings.error(error))?;
            for route in asked {
                let joined = match (question, joins(route, &routes.lookups)) {
                    (RouteQuestion::Rows(event), Some(lookup)) => joined(lookup, event, environment).await?,
                    (RouteQuestion::Rows(event), None) => Some(event.clone()),
                    (RouteQuestion::Understood, _) => None,
                };
                answers.push(match question {
                    _ if !known.contains(&route.table) => {
                        Err(format!("there is no collection {}; run `genims provision`", route.table))
                    }
                    RouteQuestion::Understood => Ok(None),
                    RouteQuestion::Rows(_) => {
                        Ok(Some(joined.iter().map(|event| shown(&document(route, event))).collect()))
                    }
                });
            }
        }
    }
    Ok(answers)
}

fn asked_statement(engine: Engine, route: &Route, lookups: &[Lookup], question: RouteQuestion<'_>) -> Statement {
    match question {
        RouteQuestion::Understood => sql::statement(engine, route, lookups),
        RouteQuestion::Rows(_) => sql::preview(engine, route, lookups),
    }
}

/// The values of the statement's look-ups, asked now.
async fn look_up_all(
    statement: &Statement,
    routes: &DatabaseRoutes,
    environment: &Environment,
) -> Result<Vec<String>, DatabaseError> {
    let mut values = Vec::new();
    let named = |name: &String| routes.lookups.iter().find(|lookup| lookup.name == *name);
    for lookup in statement.lookups.iter().filter_map(named) {
        values.push(look_up_now(lookup, environment).await?);
    }
    Ok(values)
}

async fn look_up_now(lookup: &Lookup, environment: &Environment) -> Result<String, DatabaseError> {
    let registry = Registry::load(None)?;
    let settings = PostgresSettings::from_environment(registry.get(&lookup.database)?, environment)?;
    let client = settings.connect().await?;
    let answer = lookups::look_up(&client, lookup, lookups::lately_us(None), None).await;
    answer.map(|answer| answer.rows).map_err(|error| settings.error(error))
}

/// The event with what the look-up says of it; `None` when that is nothing.
async fn joined(
    lookup: &Lookup,
    event: &RoutedEvent,
    environment: &Environment,
) -> Result<Option<RoutedEvent>, DatabaseError> {
    let rows = look_up_now(lookup, environment).await?;
    // The database made the JSON: what cannot be read of it fits no event.
    Ok(LookupAnswer::of(lookup, &rows).ok().and_then(|known| known.join(event)))
}

async fn postgres(
    client: &tokio_postgres::Client,
    statement: &Statement,
    looked_up: &[String],
    question: RouteQuestion<'_>,
) -> Result<Option<Vec<Value>>, tokio_postgres::Error> {
    let RouteQuestion::Rows(event) = question else {
        let types = vec![Type::TEXT; looked_up.len() + 1];
        client.prepare_typed(&statement.text, &types).await?;
        return Ok(None);
    };
    let query = format!("SELECT row_to_json(genims_row)::text FROM ({}) AS genims_row", statement.text);
    let batch = batch(event);
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&batch, Type::TEXT)];
    values.extend(looked_up.iter().map(|rows| (rows as &(dyn ToSql + Sync), Type::TEXT)));
    let rows = client.query_typed(&query, &values).await?;
    let row = |row: &tokio_postgres::Row| serde_json::from_str(row.get(0)).unwrap_or(Value::Null);
    Ok(Some(rows.iter().map(row).collect()))
}

async fn mysql(
    connection: &mut mysql_async::Conn,
    statement: &Statement,
    looked_up: &[String],
    question: RouteQuestion<'_>,
) -> Result<Option<Vec<Value>>, mysql_async::Error> {
    let RouteQuestion::Rows(event) = question else {
        connection.prep(&statement.text).await?;
        return Ok(None);
    };
    let values = once(batch(event)).chain(looked_up.iter().cloned()).map(mysql_async::Value::from).collect();
    let rows: Vec<mysql_async::Row> = connection.exec(&statement.text, mysql_async::Params::Positional(values)).await?;
    let row = |row: &mysql_async::Row| {
        let each = row.columns_ref().iter().enumerate().map(|(index, column)| {
            let value = row.as_ref(index).map_or(Value::Null, mysql_value);
            (column.name_str().into_owned(), value)
        });
        Value::Object(each.collect())
    };
    Ok(Some(rows.iter().map(row).collect()))
}

fn mysql_value(value: &mysql_async::Value) -> Value {
    use mysql_async::Value as Mysql;
    match value {
        Mysql::NULL => Value::Null,
        Mysql::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
        Mysql::Int(number) => json!(number),
        Mysql::UInt(number) => json!(number),
        Mysql::Float(number) => json!(number),
        Mysql::Double(number) => json!(number),
        other => json!(other.as_sql(true).trim_matches('\'')),
    }
}

/// The event as a statement's parameter.
fn batch(event: &RoutedEvent) -> String {
    Value::Array(vec![Value::Object(event.values.clone())]).to_string()
}

fn shown(parts: &[(String, Part)]) -> Value {
    let value = |part: &Part| match part {
        Part::Json(value) => value.clone(),
        Part::Time(us) => json!(chrono::DateTime::from_timestamp_micros(*us).map(|time| time.to_rfc3339())),
        Part::Nested(parts) => shown(parts),
    };
    Value::Object(parts.iter().map(|(name, part)| (name.clone(), value(part))).collect::<Map<_, _>>())
}

/// What a route does, in a word or two.
pub fn summary(route: &Route) -> String {
    let word = match route.operation {
        Operation::Insert => "insert into",
        Operation::Upsert => "upsert into",
        Operation::Update => "update",
    };
    format!("{word} {}", route.table)
}
