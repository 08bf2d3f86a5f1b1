//! Pieces of SQL that both engines share: names in quotes, keys, what is old enough.

use super::rules::{By, RetentionRule};
use chrono::NaiveDate;
use genims_databases::{Engine, Table, quoted};

/// `t."a"`.
pub(super) fn column(engine: Engine, alias: &str, name: &str) -> String {
    format!("{alias}.{}", quoted(engine, name))
}

/// `t."a", t."b"`: the primary key.
pub(super) fn keys(table: &Table, alias: &str) -> String {
    let keys = table.key.iter().map(|name| column(Engine::Postgresql, alias, name));
    keys.collect::<Vec<_>>().join(", ")
}

/// That two rows have the same primary key.
pub(super) fn same_key(table: &Table, one: &str, other: &str) -> String {
    let same = |name: &String| {
        let engine = Engine::Postgresql;
        format!("{} = {}", column(engine, one, name), column(engine, other, name))
    };
    table.key.iter().map(same).collect::<Vec<_>>().join(" AND ")
}

/// The primary key as one text, parts joined by a bar: as the audit trail names a record.
pub(super) fn key_text(engine: Engine, table: &Table, alias: &str) -> String {
    let part = |name: &String| match engine {
        Engine::Mysql => column(engine, alias, name),
        _ => format!("{}::text", column(engine, alias, name)),
    };
    format!("concat_ws('|', {})", table.key.iter().map(part).collect::<Vec<_>>().join(", "))
}

/// That a row is old enough; none for a part, which is as old as its document. A row without a time is not old.
pub(super) fn is_old(engine: Engine, rule: &RetentionRule, alias: &str, before: NaiveDate) -> Option<String> {
    match &rule.by {
        By::Time(name) => Some(format!("{} < '{before}'", column(engine, alias, name))),
        By::Month(name) => Some(format!("{} < '{}'", column(engine, alias, name), before.format("%Y-%m"))),
        By::Parent { .. } => None,
    }
}
