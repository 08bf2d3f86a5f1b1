//! A MySQL or MariaDB database as a source of the hub, through Debian's `mysql_fdw`: its catalogue becomes a [`Plan`], and a
//! login there.
//!
//! Enters: the source's `information_schema`. Leaves: statements that make one foreign table for each of its tables. Invariants:
//! every column has the type that its values have in PostgreSQL ([`hub_type`]; the extension's own import knows no boolean, no JSON
//! and no length of a text); a table with a column that has none is left out and named; sessions that the hub opens at the source
//! are read-only by the account's rights and by themselves.

use super::foreign::{Login, Plan, literal, name, options};
use genims_databases::{Database, DatabaseError, Engine, MysqlConnection, MysqlSettings, quoted};
use mysql_async::prelude::Queryable;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Every column of every table and view, in order.
const COLUMNS: &str = "SELECT table_name, column_name, column_type, is_nullable = 'YES', datetime_precision \
    FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position";

/// MariaDB's JSON is a text with a check that is called like the column.
const JSON_OF_MARIADB: &str = "SELECT table_name, constraint_name FROM information_schema.check_constraints \
    WHERE constraint_schema = DATABASE() AND check_clause LIKE 'json_valid(%'";

/// Rows that one round trip brings. The client library keeps as many in memory for each scan, so it is less than PostgreSQL's.
const FETCH_SIZE: u32 = 1_000;

/// In every session that the hub opens at the source: it only reads, in UTC, and a statement ends after two minutes, because
/// PostgreSQL cannot interrupt the client library. One statement, as `init_command` takes no more.
fn session(is_mariadb: bool) -> String {
    let (read_only, patience) = if is_mariadb {
        ("tx_read_only", "max_statement_time = 120")
    } else {
        ("transaction_read_only", "max_execution_time = 120000")
    };
    format!("SET SESSION {read_only} = 1, time_zone = '+00:00', {patience}")
}

/// A column of the source.
struct Column {
    table: String,
    name: String,
    /// As the source says it: `decimal(15,2)`, `int(10) unsigned`.
    declared: String,
    nullable: bool,
    fraction: Option<u64>,
}

/// What the source looks like now.
pub(super) async fn plan(
    connection: &mut MysqlConnection,
    settings: &MysqlSettings,
    database: &Database,
) -> Result<Plan, DatabaseError> {
    let failed = |error| settings.error(error);
    let version: Option<String> = connection.query_first("SELECT VERSION()").await.map_err(failed)?;
    let is_mariadb = version.is_some_and(|version| version.contains("MariaDB"));
    let json: Vec<(String, String)> =
        if is_mariadb { connection.query(JSON_OF_MARIADB).await.map_err(failed)? } else { Vec::new() };
    let rows: Vec<(String, String, String, bool, Option<u64>)> = connection.query(COLUMNS).await.map_err(failed)?;
    let columns = rows.into_iter().map(|(table, name, declared, nullable, fraction)| {
        let declared =
            if json.iter().any(|(of, column)| *of == table && *column == name) { "json".to_owned() } else { declared };
        Column { table, name, declared, nullable, fraction }
    });
    let mut tables: Vec<Vec<Column>> = Vec::new();
    for column in columns {
        match tables.last_mut().filter(|table| table.first().is_some_and(|first| first.table == column.table)) {
            Some(table) => table.push(column),
            None => tables.push(vec![column]),
        }
    }
    let mut pairs = settings.client_options()?;
    pairs.push(("init_command", session(is_mariadb)));
    pairs.push(("fetch_size", FETCH_SIZE.to_string()));
    // Without it a session of the hub that has idled until the source hung up could ask nothing more.
    pairs.push(("reconnect", "true".to_owned()));
    Ok(planned(database, settings.database_name(), &tables, options(pairs)))
}

fn planned(database: &Database, there: &str, tables: &[Vec<Column>], options: String) -> Plan {
    let made: Vec<Result<String, String>> =
        tables.iter().map(|columns| foreign_table(database, there, columns)).collect();
    let left_out: Vec<String> = made.iter().filter_map(|table| table.as_ref().err().cloned()).collect();
    let made: Vec<String> = made.into_iter().filter_map(Result::ok).collect();
    let tables_sql = made.join("; ");
    Plan {
        tables: made.len(),
        left_out,
        fingerprint: format!("{} {options}", hex(&Sha256::digest(&tables_sql))),
        wrapper: "mysql_fdw",
        options,
        user_option: "username",
        tables_sql,
    }
}

/// The statement that makes the foreign table of these columns, or the name of a table that cannot be had.
fn foreign_table(database: &Database, there: &str, columns: &[Column]) -> Result<String, String> {
    let table = columns.first().map(|column| column.table.as_str()).unwrap_or_default();
    let declared: Vec<String> = columns
        .iter()
        .map(|column| {
            let kind = hub_type(&column.declared, column.fraction).ok_or_else(|| table.to_owned())?;
            Ok(format!("{} {kind}{}", name(&column.name), if column.nullable { "" } else { " NOT NULL" }))
        })
        .collect::<Result<_, String>>()?;
    let (schema, place) = (name(&database.name), name(table));
    Ok(format!(
        "CREATE FOREIGN TABLE {schema}.{place} ({}) SERVER {schema} OPTIONS (dbname {}, table_name {})",
        declared.join(", "),
        literal(there),
        literal(table)
    ))
}

/// The type of PostgreSQL that holds every value of a MySQL type; `None` when there is none.
fn hub_type(declared: &str, fraction: Option<u64>) -> Option<String> {
    let declared = declared.to_ascii_lowercase();
    let unsigned = declared.contains(" unsigned");
    let base: &str = declared.split(['(', ' ']).next().unwrap_or_default();
    let size = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(size, _)| size);
    let sized = |kind: &str| size.map_or_else(|| kind.to_owned(), |size| format!("{kind}({size})"));
    let to_the_fraction = |kind: &str| format!("{kind}({})", fraction.unwrap_or_default());
    Some(match base {
        // What BOOLEAN is there.
        "tinyint" if size == Some("1") && !unsigned => "boolean".to_owned(),
        "tinyint" => "smallint".to_owned(),
        "smallint" if !unsigned => "smallint".to_owned(),
        "smallint" | "mediumint" | "year" => "integer".to_owned(),
        "int" if !unsigned => "integer".to_owned(),
        "int" => "bigint".to_owned(),
        "bigint" if !unsigned => "bigint".to_owned(),
        "bigint" => "numeric(20)".to_owned(),
        "decimal" | "numeric" => sized("numeric"),
        "float" => "real".to_owned(),
        "double" => "double precision".to_owned(),
        // Without the blanks at the end, which MySQL does not give back either.
        "char" | "varchar" => sized("varchar"),
        "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => "text".to_owned(),
        // The text as it is: jsonb would refuse some that MySQL takes.
        "json" => "json".to_owned(),
        "uuid" => "uuid".to_owned(),
        "date" => "date".to_owned(),
        "time" => to_the_fraction("time"),
        "datetime" | "timestamp" => to_the_fraction("timestamp"),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => "bytea".to_owned(),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Makes the account, or gives it its new password: SELECT in this database and nothing else.
pub(super) async fn make_login(
    connection: &mut MysqlConnection,
    settings: &MysqlSettings,
    login: &Login,
) -> Result<(), mysql_async::Error> {
    let account = format!("{}@'%'", genims_databases::literal(Engine::Mysql, &login.role));
    let secured = if settings.requires_tls() { "SSL" } else { "NONE" };
    for statement in [
        format!("CREATE USER IF NOT EXISTS {account} ACCOUNT LOCK"),
        format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}"),
        format!("GRANT SELECT ON {}.* TO {account}", quoted(Engine::Mysql, settings.database_name())),
        format!("ALTER USER {account} IDENTIFIED BY '{}' REQUIRE {secured} ACCOUNT UNLOCK", login.password),
    ] {
        connection.query_drop(statement).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_becomes_the_one_that_holds_all_its_values() {
        for (declared, fraction, kind) in [
            ("tinyint(1)", None, Some("boolean")),
            ("tinyint(4)", None, Some("smallint")),
            ("tinyint(3) unsigned", None, Some("smallint")),
            ("smallint(5) unsigned", None, Some("integer")),
            ("int(11)", None, Some("integer")),
            ("int unsigned", None, Some("bigint")),
            ("bigint(20)", None, Some("bigint")),
            ("bigint unsigned", None, Some("numeric(20)")),
            ("decimal(15,4)", None, Some("numeric(15,4)")),
            ("char(7)", None, Some("varchar(7)")),
            ("VARCHAR(200)", None, Some("varchar(200)")),
            ("enum('a','b')", None, Some("text")),
            ("datetime(6)", Some(6), Some("timestamp(6)")),
            ("time", Some(0), Some("time(0)")),
            ("json", None, Some("json")),
            ("geometry", None, None),
        ] {
            assert_eq!(hub_type(declared, fraction).as_deref(), kind, "{declared}");
        }
    }

    /// Every type of the three databases is known.
    #[test]
    fn no_table_of_the_contract_is_left_out() {
        let registry = genims_databases::Registry::load(None).expect("the embedded registry");
        let ours = registry.all().iter().filter(|database| database.engine == Engine::Mysql);
        for database in ours {
            let model = genims_databases::Model::of(database).expect("it has a schema");
            assert_eq!(model.tables.len(), database.tables as usize);
            for column in model.tables.iter().flat_map(|table| &table.columns) {
                // What the server says for the two synonyms.
                let declared = column.declared.to_ascii_lowercase().replace("integer", "int");
                let declared = declared.replace("boolean", "tinyint(1)");
                assert!(hub_type(&declared, Some(6)).is_some(), "{}: {declared}", column.name);
            }
        }
    }

    #[test]
    fn a_table_of_an_unknown_type_is_named_and_the_others_are_made() {
        let registry = genims_databases::Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_audit_db").expect("in the registry");
        let column = |table: &str, declared: &str, nullable| Column {
            table: table.to_owned(),
            name: "a".to_owned(),
            declared: declared.to_owned(),
            nullable,
            fraction: None,
        };
        let tables = [vec![column("t", "int(11)", false)], vec![column("shape", "polygon", true)]];
        let plan = planned(database, "evidence", &tables, String::new());
        assert_eq!((plan.tables, plan.left_out), (1, vec!["shape".to_owned()]));
        let made = "CREATE FOREIGN TABLE \"genims_audit_db\".\"t\" (\"a\" integer NOT NULL) SERVER \"genims_audit_db\" \
                    OPTIONS (dbname 'evidence', table_name 't')";
        assert_eq!(plan.tables_sql, made);
    }
}
