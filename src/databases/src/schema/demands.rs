//! What a relational schema demands of its rows beside types, keys and references: CHECK and UNIQUE over several columns, read
//! out of the migrations without a server. [`Model`](super::Model) has the rest.

use super::super::registry::{Database, Engine};
use sqlparser::ast::{
    AlterTableOperation, ColumnOption, CreateTable, Expr, IndexColumn, NullsDistinctOption, ObjectName, Statement,
    TableConstraint,
};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::collections::BTreeMap;

/// Of one table.
#[derive(Clone, Debug, Default)]
pub struct Constraints {
    /// Conditions in SQL; a row breaks one when it is false.
    pub checks: Vec<String>,
    pub uniques: Vec<Unique>,
    /// Keys of rows that the migrations themselves bring: the unknown member of a dimension.
    pub brought: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Unique {
    pub columns: Vec<String>,
    /// `NULLS NOT DISTINCT`; else a row with a null in it is like no other.
    pub nulls_are_equal: bool,
}

impl Constraints {
    /// By table; MongoDB has none.
    pub fn of(database: &Database) -> Result<BTreeMap<String, Self>, String> {
        let dialect: &dyn Dialect = match database.engine {
            Engine::Postgresql => &PostgreSqlDialect {},
            Engine::Mysql => &MySqlDialect {},
            Engine::Mongodb => return Ok(BTreeMap::new()),
        };
        let mut all = BTreeMap::new();
        for file in super::files(database) {
            let wrong = |cause: String| format!("{} {}: {cause}", database.name, file.name);
            let tokens = Tokenizer::new(dialect, file.text).tokenize_with_location();
            let tokens = tokens.map_err(|error| wrong(error.to_string()))?;
            for statement in tokens.split(|token| token.token == Token::SemiColon) {
                bring(statement, &mut all);
                if !constrains(statement) {
                    continue;
                }
                let parsed = Parser::new(dialect).with_tokens_with_locations(statement.to_vec()).parse_statement();
                read(parsed.map_err(|error| wrong(error.to_string()))?, &mut all);
            }
        }
        Ok(all)
    }

    fn add(&mut self, constraint: &TableConstraint) {
        match constraint {
            TableConstraint::Check(check) => self.checks.push(check.expr.to_string()),
            TableConstraint::Unique(unique) => self.uniques.push(Unique {
                columns: columns(&unique.columns),
                nulls_are_equal: unique.nulls_distinct == NullsDistinctOption::NotDistinct,
            }),
            _ => {}
        }
    }
}

/// `INSERT INTO t (key, ...) VALUES (1, ...)` brings 1, and `UPDATE t SET key = 0 ...` behind it makes that a 0.
fn bring(statement: &[TokenWithSpan], all: &mut BTreeMap<String, Constraints>) {
    let tokens: Vec<String> = statement
        .iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| token.token.to_string())
        .collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match tokens.as_slice() {
        ["INSERT", "INTO", table, rest @ ..] => {
            let values = rest.iter().position(|token| *token == "VALUES");
            if let Some(key) = values.and_then(|at| rest.get(at + 2)) {
                all.entry((*table).to_owned()).or_default().brought.push((*key).to_owned());
            }
        }
        ["UPDATE", table, "SET", _, "=", key, ..] => {
            if let Some(last) = all.get_mut(*table).and_then(|of| of.brought.last_mut()) {
                (*key).clone_into(last);
            }
        }
        _ => {}
    }
}

fn constrains(statement: &[TokenWithSpan]) -> bool {
    let words = || {
        statement.iter().filter_map(|token| match &token.token {
            Token::Word(word) => Some(word.value.to_ascii_uppercase()),
            _ => None,
        })
    };
    let mut first = words();
    let first = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let says = |wanted: &str| words().any(|word| word == wanted);
    match (first.0.as_str(), first.1.as_str()) {
        ("CREATE", "TABLE") => (says("CHECK") || says("UNIQUE")) && !says("PARTITION"),
        ("ALTER", "TABLE") => says("ADD") && (says("CHECK") || says("UNIQUE")),
        ("CREATE", "UNIQUE") => true,
        _ => false,
    }
}

fn read(statement: Statement, all: &mut BTreeMap<String, Constraints>) {
    match statement {
        Statement::CreateTable(CreateTable { name, columns, constraints, .. }) => {
            let of = all.entry(last(&name)).or_default();
            constraints.iter().for_each(|constraint| of.add(constraint));
            for option in columns.iter().flat_map(|column| &column.options) {
                if let ColumnOption::Check(check) = &option.option {
                    of.checks.push(check.expr.to_string());
                }
            }
        }
        Statement::AlterTable(alter) => {
            let of = all.entry(last(&alter.name)).or_default();
            for operation in &alter.operations {
                if let AlterTableOperation::AddConstraint { constraint, .. } = operation {
                    of.add(constraint);
                }
            }
        }
        // A partial one holds for some rows only.
        Statement::CreateIndex(index) if index.unique && index.predicate.is_none() => {
            let unique =
                Unique { columns: columns(&index.columns), nulls_are_equal: index.nulls_distinct == Some(false) };
            all.entry(last(&index.table_name)).or_default().uniques.push(unique);
        }
        _ => {}
    }
}

fn columns(columns: &[IndexColumn]) -> Vec<String> {
    let name = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    };
    columns.iter().map(name).collect()
}

fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn every_check_of_the_migrations_is_read() {
        let registry = Registry::load(None).expect("the embedded registry");
        for database in registry.all().iter().filter(|database| database.engine != Engine::Mongodb) {
            let read: usize = Constraints::of(database).expect("readable").values().map(|of| of.checks.len()).sum();
            let code =
                |text: &str| text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<String>();
            let counted = super::super::files(database)
                .iter()
                .map(|file| code(file.text).matches("CHECK (").count())
                .sum::<usize>();
            assert_eq!(read, counted, "{}", database.name);
        }
    }

    #[test]
    fn the_unknown_members_of_the_dimensions_are_known() {
        let registry = Registry::load(None).expect("the embedded registry");
        let analytics = Constraints::of(registry.get("analytics").expect("in the registry")).expect("readable");
        for table in ["dim_date", "dim_machine", "dim_product"] {
            assert_eq!(analytics[table].brought, ["0"], "{table}");
        }
    }

    #[test]
    fn nulls_that_are_equal_are_known() {
        let registry = Registry::load(None).expect("the embedded registry");
        let erp = Constraints::of(registry.get("erp").expect("in the registry")).expect("readable");
        assert_eq!(erp.values().flat_map(|of| &of.uniques).filter(|unique| unique.nulls_are_equal).count(), 4);
    }
}
