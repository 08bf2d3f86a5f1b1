//! The tables of a relational database as its migrations describe them, read without a server. Enters: the text of the
//! migrations. Leaves: tables, columns, types, keys, comments, references. Seeding knows by it what a column takes, the
//! dictionary prints it, the doctor counts by it.
//!
//! [`migration`](super::migration) applies the statements of a migration; here is what a table is, and how one is read from
//! `CREATE TABLE`.

use serde::Serialize;
use sqlparser::ast::{ColumnDef, ColumnOption, CreateTable, DataType, ExactNumberInfo, Expr, ObjectName};

/// What a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// At most so many characters.
    Text(Option<u64>),
    Integer,
    /// Digits after the point.
    Decimal(i64),
    Float,
    Boolean,
    Date,
    Time,
    Timestamp,
    Json,
    TextArray,
    Point,
}

#[derive(Clone, Debug, Serialize)]
pub struct Column {
    pub name: String,
    /// As declared: `DECIMAL(15,2)`.
    pub declared: String,
    pub kind: Kind,
    pub nullable: bool,
    /// The text of a constant default, without quotes.
    pub default: Option<String>,
    /// The database numbers it itself (BIGSERIAL, AUTO_INCREMENT).
    pub generated: bool,
    pub unique: bool,
    pub comment: Option<String>,
    /// `database.table.column`; more than one are alternatives.
    pub references: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Table {
    pub name: String,
    pub comment: Option<String>,
    pub columns: Vec<Column>,
    /// The columns of the primary key.
    pub key: Vec<String>,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name == name)
    }
}

/// All tables of one database, in the order of their migrations.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    pub database: String,
    pub tables: Vec<Table>,
}

impl Model {
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    pub(super) fn column_mut(&mut self, table: &str, column: &str) -> Option<&mut Column> {
        self.table_mut(table)?.column_mut(column)
    }
}

pub(super) fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.clone()).unwrap_or_default()
}

/// Its columns; what the constraints say of them is added by the caller.
pub(super) fn table(database: &str, create: &CreateTable) -> Result<Table, String> {
    let mut table = Table {
        name: last(&create.name),
        comment: create.comment.as_ref().map(|comment| match comment {
            sqlparser::ast::CommentDef::WithEq(text) | sqlparser::ast::CommentDef::WithoutEq(text) => text.clone(),
        }),
        columns: Vec::new(),
        key: Vec::new(),
    };
    if table.comment.is_none() {
        table.comment = option_comment(create);
    }
    for definition in &create.columns {
        table.columns.push(column(database, &mut table.key, definition)?);
    }
    Ok(table)
}

/// MySQL's `COMMENT='...'` among the table options.
fn option_comment(create: &CreateTable) -> Option<String> {
    let sqlparser::ast::CreateTableOptions::Plain(options) = &create.table_options else { return None };
    options.iter().find_map(|option| match option {
        sqlparser::ast::SqlOption::Comment(
            sqlparser::ast::CommentDef::WithEq(text) | sqlparser::ast::CommentDef::WithoutEq(text),
        ) => Some(text.clone()),
        _ => None,
    })
}

/// A column by its definition; `key` gets its name when it is the primary key.
pub(super) fn column(database: &str, key: &mut Vec<String>, definition: &ColumnDef) -> Result<Column, String> {
    let name = definition.name.value.clone();
    let declared = definition.data_type.to_string();
    let (kind, serial) =
        kind(&definition.data_type).ok_or_else(|| format!("{name}: type {declared} is not known here"))?;
    let mut column = Column {
        name,
        declared,
        kind,
        nullable: !serial,
        default: None,
        generated: serial,
        unique: false,
        comment: None,
        references: Vec::new(),
    };
    for option in &definition.options {
        match &option.option {
            ColumnOption::NotNull => column.nullable = false,
            ColumnOption::Default(value) => column.default = Some(constant(value)),
            ColumnOption::PrimaryKey(_) => {
                column.nullable = false;
                key.push(column.name.clone());
            }
            ColumnOption::Unique(_) => column.unique = true,
            ColumnOption::ForeignKey(reference) => {
                let table = last(&reference.foreign_table);
                let referred = reference
                    .referred_columns
                    .first()
                    .ok_or_else(|| format!("say which column of {table} is meant"))?;
                column.references = vec![format!("{database}.{table}.{}", referred.value)];
            }
            ColumnOption::Comment(text) => column.comment = Some(text.clone()),
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => column.generated = true,
            ColumnOption::DialectSpecific(tokens) => {
                column.generated |= tokens.iter().any(|token| token.to_string().eq_ignore_ascii_case("AUTO_INCREMENT"));
            }
            _ => {}
        }
    }
    Ok(column)
}

/// The text of a default, without quotes.
pub(super) fn constant(value: &Expr) -> String {
    value.to_string().trim_matches('\'').to_owned()
}

/// The kind of a declared type, and whether the type itself numbers the rows.
pub(super) fn kind(declared: &DataType) -> Option<(Kind, bool)> {
    let text = declared.to_string().to_ascii_uppercase();
    let base: String = text.chars().take_while(|character| character.is_ascii_alphanumeric()).collect();
    let length = || {
        let inner = text.split_once('(')?.1.split_once(')')?.0;
        inner.split(',').next()?.trim().parse().ok()
    };
    if matches!(declared, DataType::Array(_)) {
        return Some((Kind::TextArray, false));
    }
    let kind = match base.as_str() {
        "VARCHAR" | "CHAR" | "CHARACTER" => Kind::Text(length()),
        "TEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "UUID" | "ENUM" => Kind::Text(None),
        "SMALLINT" | "INTEGER" | "INT" | "BIGINT" | "MEDIUMINT" => Kind::Integer,
        "TINYINT" if length() == Some(1) => Kind::Boolean,
        "TINYINT" => Kind::Integer,
        "BIGSERIAL" | "SERIAL" => return Some((Kind::Integer, true)),
        "DECIMAL" | "NUMERIC" => Kind::Decimal(scale(declared)),
        "DOUBLE" | "REAL" | "FLOAT" => Kind::Float,
        "BOOLEAN" | "BOOL" => Kind::Boolean,
        "DATE" => Kind::Date,
        "TIME" => Kind::Time,
        "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIME" => Kind::Timestamp,
        "JSON" | "JSONB" => Kind::Json,
        "POINT" => Kind::Point,
        _ => return None,
    };
    Some((kind, false))
}

fn scale(declared: &DataType) -> i64 {
    match declared {
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::DecimalUnsigned(info) => match info {
            ExactNumberInfo::PrecisionAndScale(_, scale) => *scale,
            _ => 0,
        },
        _ => 0,
    }
}

pub(super) fn no_table(name: &str) -> String {
    format!("there is no table {name}")
}

pub(super) fn no_column(table: &str, name: &str) -> String {
    format!("{table} has no column {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Registry};

    #[test]
    fn every_relational_schema_is_read_with_its_promised_number_of_tables_and_only_known_references() {
        let registry = Registry::load(None).expect("the embedded registry");
        let models: Vec<(u32, Model)> = registry
            .all()
            .iter()
            .filter(|database| database.engine != Engine::Mongodb)
            .map(|database| (database.tables, Model::of(database).unwrap_or_else(|cause| panic!("{cause}"))))
            .collect();
        for (tables, model) in &models {
            assert_eq!(model.tables.len(), *tables as usize, "{}", model.database);
            for table in &model.tables {
                assert!(!table.key.is_empty(), "{}.{} has no primary key", model.database, table.name);
                assert!(table.comment.is_some(), "{}.{} has no comment", model.database, table.name);
                for target in table.columns.iter().flat_map(|column| &column.references) {
                    let parts: Vec<&str> = target.split('.').collect();
                    let known = models.iter().find(|(_, other)| other.database == parts[0]);
                    let column =
                        known.and_then(|(_, other)| other.table(parts[1])).and_then(|other| other.column(parts[2]));
                    assert!(
                        column.is_some(),
                        "{}.{} refers to {target}, which is not there",
                        model.database,
                        table.name
                    );
                }
            }
        }
    }

    /// Marks of damage: bytes of another encoding, a word with an end in capitals that a replacement left, half a bracket,
    /// a sentence that breaks off.
    fn damage(text: &str) -> bool {
        let half = text.matches('(').count() != text.matches(')').count();
        let word = |word: &str| {
            let lower = word.chars().take_while(char::is_ascii_lowercase).count();
            lower >= 2 && word.len() > lower && word.chars().skip(lower).all(|it| it.is_ascii_uppercase())
        };
        let mixed = text.split(|it: char| !it.is_ascii_alphanumeric()).any(word);
        let bytes = ["\u{fffd}", "\u{c3}", "\u{c2}", "\u{e2}\u{20ac}", "  "].iter().any(|mark| text.contains(mark));
        half || mixed || bytes || text.trim() != text || text.is_empty() || text.ends_with([',', '(', ':', '='])
    }

    #[test]
    fn no_comment_is_damaged() {
        assert!(damage("machine_state from itsF, not planned time") && damage("Half (a") && damage("f\u{c3}\u{bc}r"));
        assert!(!damage("kWh, NULL when unknown: of V001 (GmbH)"));
        let registry = Registry::load(None).expect("the embedded registry");
        for database in registry.all() {
            let model = Model::of(database).unwrap_or_else(|cause| panic!("{cause}"));
            for table in &model.tables {
                let columns = table.columns.iter().map(|column| (column.name.as_str(), &column.comment));
                for (name, comment) in columns.chain([("", &table.comment)]) {
                    let comment = comment.as_deref().unwrap_or("none");
                    assert!(!damage(comment), "{}.{}.{name}: {comment}", database.name, table.name);
                }
            }
        }
    }

    /// The plants' costs are in rupees: what feeds dollars of the warehouse says so, and is translated.
    #[test]
    fn no_comment_calls_rupees_dollars() {
        let registry = Registry::load(None).expect("the embedded registry");
        for name in ["genims_manufacturing_db", "genims_reporting_db"] {
            let model = Model::of(registry.get(name).expect("known")).unwrap_or_else(|cause| panic!("{cause}"));
            for table in &model.tables {
                for column in &table.columns {
                    let told =
                        format!("{} {}", column.name, column.comment.as_deref().unwrap_or_default()).to_lowercase();
                    assert!(!told.contains("usd") && !told.contains("dollar"), "{name}.{}: {told}", table.name);
                }
            }
        }
        let model =
            Model::of(registry.get("genims_reporting_db").expect("known")).unwrap_or_else(|cause| panic!("{cause}"));
        let cost =
            model.table("production_summary_daily").and_then(|table| table.column("total_cost")).expect("a column");
        assert!(cost.comment.as_deref().is_some_and(|comment| comment.contains("INR")), "{:?}", cost.comment);
    }
}
