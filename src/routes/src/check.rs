//! A route against the migrations: its table, its columns, and whether what is made of it is SQL. No server is asked; what
//! only a server knows (types, functions) it is asked when the route starts, and by `genims routes check`.

use crate::file::{Lookup, Operation, Route};
use crate::sql::statement;
use genims_databases::{Database, Engine, Model, Table};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;

pub(crate) fn against_schema(
    database: &Database,
    model: &Model,
    route: &Route,
    lookups: &[Lookup],
) -> Result<(), String> {
    if database.engine == Engine::Mongodb {
        return Ok(());
    }
    let table = model.table(&route.table);
    let table = table.ok_or_else(|| format!("there is no table {} in {}", route.table, database.name))?;
    columns(table, route)?;
    let dialect: &dyn Dialect =
        if database.engine == Engine::Postgresql { &PostgreSqlDialect {} } else { &MySqlDialect {} };
    let sql = statement(database.engine, route, lookups).text;
    // JSON_TABLE's and the record's own parts are ours; what can be wrong in them is what the route says.
    Parser::parse_sql(dialect, &sql).map_err(|error| format!("what is made of it is no SQL: {error}"))?;
    Ok(())
}

fn columns(table: &Table, route: &Route) -> Result<(), String> {
    let is_update = route.operation == Operation::Update;
    // An update may compute with columns of its own, as long as it says what it sets.
    let written =
        route.columns.keys().filter(|column| !is_update || route.set.is_empty() || route.key.contains(column));
    let unknown = written.chain(route.set.keys()).chain(&route.key).find(|column| table.column(column).is_none());
    if let Some(column) = unknown {
        return Err(format!("{} has no column {column}", table.name));
    }
    let given = |name: &str| route.columns.contains_key(name);
    let missing = table
        .columns
        .iter()
        .find(|column| !column.nullable && column.default.is_none() && !column.generated && !given(&column.name));
    match missing {
        Some(column) if !is_update => Err(format!("{} must have a value in every row of {}", column.name, table.name)),
        _ => Ok(()),
    }
}
