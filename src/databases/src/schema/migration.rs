//! Migrations applied to the model of a database, statement by statement, without a server. Enters: the text of a
//! migration. Leaves: the model as the server would have it afterwards.
//!
//! A statement is read, or known not to change a table of the contract; every other one is an error that shows it, so that
//! the model never silently differs from the database. Bookkeeping schemas are no part of the contract.

use super::super::registry::{Database, Engine};
use super::alter;
use super::constraints::NamedConstraints;
use super::model::{Model, last, no_table, table};
use super::reach::{INTERNAL, Reach, reach};
use super::state::State;
use sqlparser::ast::{AlterIndexOperation, CommentObject, CreateIndex, CreateTable, ObjectName, ObjectType, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// So much of a statement is shown when it is not understood.
const SHOWN_CHARACTERS: usize = 100;

struct Reader<'a> {
    state: State<'a>,
    dialect: &'a dyn Dialect,
}

impl<'a> Reader<'a> {
    fn new(model: &'a mut Model, dialect: &'a dyn Dialect) -> Self {
        let constraints = NamedConstraints::new(dialect.is::<MySqlDialect>());
        Self { state: State { model, constraints }, dialect }
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        for (delimiter, part) in delimited(text) {
            let tokens =
                Tokenizer::new(self.dialect, part).tokenize_with_location().map_err(|error| error.to_string())?;
            // Between other delimiters a semicolon belongs to the body of a routine.
            let at_semicolons = |token: &TokenWithSpan| delimiter == ";" && token.token == Token::SemiColon;
            for statement in tokens.split(at_semicolons) {
                self.statement(statement).map_err(|cause| format!("statement \"{}\": {cause}", shown(statement)))?;
            }
        }
        Ok(())
    }

    fn statement(&mut self, statement: &[TokenWithSpan]) -> Result<(), String> {
        match reach(statement)? {
            Reach::Nothing => return Ok(()),
            Reach::TableComment { table, comment } => {
                self.state.model.table_mut(&table).ok_or_else(|| no_table(&table))?.comment = Some(comment);
                return Ok(());
            }
            Reach::Tables => {}
        }
        let mut parser = Parser::new(self.dialect).with_tokens_with_locations(statement.to_vec());
        let parsed = parser.parse_statement().map_err(|error| error.to_string())?;
        match parser.peek_token().token {
            Token::EOF => self.apply(parsed),
            rest => Err(format!("what begins with {rest} is not understood")),
        }
    }

    fn apply(&mut self, statement: Statement) -> Result<(), String> {
        match statement {
            Statement::CreateTable(create) => self.create(&create),
            Statement::CreateIndex(index) => self.index(&index),
            Statement::AlterTable(alter) => {
                let name = last(&alter.name);
                if self.state.model.table(&name).is_none() {
                    return if alter.if_exists { Ok(()) } else { Err(no_table(&name)) };
                }
                alter::apply(&mut self.state, name, &alter.operations)
            }
            Statement::AlterIndex { name, operation: AlterIndexOperation::RenameIndex { index_name } } => {
                self.state.constraints.rename(None, &last(&name), &last(&index_name));
                Ok(())
            }
            Statement::RenameTable(renames) => renames
                .iter()
                .try_for_each(|rename| self.state.rename_table(&last(&rename.old_name), &last(&rename.new_name))),
            Statement::Drop { object_type: ObjectType::Table, if_exists, names, temporary: false, .. } => {
                names.iter().try_for_each(|name| self.drop_table(&last(name), if_exists))
            }
            Statement::Drop { object_type: ObjectType::Index, names, table, .. } => {
                let table = table.as_ref().map(last);
                names.iter().for_each(|name| {
                    self.state.constraints.drop_index(self.state.model, table.as_deref(), &last(name))
                });
                Ok(())
            }
            Statement::Comment { object_type, object_name, comment, .. } => {
                self.comment(object_type, &object_name, comment)
            }
            _ => Err("it is not understood here".to_owned()),
        }
    }

    fn create(&mut self, create: &CreateTable) -> Result<(), String> {
        if create.like.is_some() || create.query.is_some() || create.clone.is_some() || create.columns.is_empty() {
            return Err("a table made from another one cannot be read: write its columns down".to_owned());
        }
        let name = last(&create.name);
        if self.state.model.table(&name).is_some() {
            return if create.if_not_exists { Ok(()) } else { Err(format!("table {name} is there already")) };
        }
        let made = table(&self.state.model.database, create)?;
        self.state.model.tables.push(made);
        for column in &create.columns {
            for option in &column.options {
                let constraint = option.name.as_ref().map(|name| name.value.as_str());
                self.state.option(&name, &column.name.value, constraint, &option.option);
            }
        }
        create
            .constraints
            .iter()
            .try_for_each(|constraint| self.state.constraints.add(self.state.model, &name, constraint))
    }

    fn index(&mut self, index: &CreateIndex) -> Result<(), String> {
        // A partial index forbids no second value in the column.
        if !index.unique || index.predicate.is_some() || is_internal(&index.table_name) {
            return Ok(());
        }
        let name = index.name.as_ref().map(last);
        self.state.constraints.unique(self.state.model, &last(&index.table_name), name.as_deref(), &index.columns)
    }

    fn drop_table(&mut self, name: &str, if_exists: bool) -> Result<(), String> {
        let before = self.state.model.tables.len();
        self.state.model.tables.retain(|table| table.name != name);
        if self.state.model.tables.len() == before && !if_exists {
            return Err(no_table(name));
        }
        self.state.constraints.forget_table(name);
        self.state.forget_references(&format!("{}.{name}.", self.state.model.database));
        Ok(())
    }

    fn comment(&mut self, object: CommentObject, name: &ObjectName, comment: Option<String>) -> Result<(), String> {
        let parts: Vec<&str> =
            name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
        match (object, parts.as_slice()) {
            (CommentObject::Table, [.., table]) => {
                self.state.model.table_mut(table).ok_or_else(|| no_table(table))?.comment = comment;
            }
            (CommentObject::Column, [.., table, column]) => {
                let there = self.state.model.column_mut(table, column);
                there.ok_or_else(|| format!("there is no column {table}.{column}"))?.comment = comment;
            }
            _ => return Err("it says neither of a table nor of a column".to_owned()),
        }
        Ok(())
    }
}

impl Model {
    /// Reads the embedded migrations and `references.csv`; MongoDB has no tables, so its model is empty.
    pub fn of(database: &Database) -> Result<Self, String> {
        let mut model = Self { database: database.name.clone(), tables: Vec::new() };
        let dialect: &dyn Dialect = match database.engine {
            Engine::Postgresql => &PostgreSqlDialect {},
            Engine::Mysql => &MySqlDialect {},
            Engine::Mongodb => return Ok(model),
        };
        let mut reader = Reader::new(&mut model, dialect);
        for file in super::files(database) {
            reader.read(file.text).map_err(|cause| format!("{} {}: {cause}", database.name, file.name))?;
        }
        for reference in super::references(database).map_err(|error| format!("{}: {error}", database.name))? {
            let column = model.column_mut(&reference.table, &reference.column).ok_or_else(|| {
                format!("{} references.csv: no column {}.{}", database.name, reference.table, reference.column)
            })?;
            column.references = reference.targets;
        }
        Ok(model)
    }
}

fn is_internal(name: &ObjectName) -> bool {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    parts.into_iter().any(|part| INTERNAL.iter().any(|schema| part.value.eq_ignore_ascii_case(schema)))
}

/// The text between `DELIMITER` lines, each with the delimiter that holds in it; cut at it, unless it is the semicolon.
fn delimited(text: &str) -> Vec<(&str, &str)> {
    let (mut parts, mut delimiter, mut from, mut at) = (Vec::new(), ";", 0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("DELIMITER ") {
            parts.push((delimiter, &text[from..at]));
            (delimiter, from) = (next.trim(), at + line.len());
        }
        at += line.len();
    }
    parts.push((delimiter, &text[from..]));
    parts
        .into_iter()
        .flat_map(|(delimiter, part)| {
            let pieces: Vec<&str> =
                if delimiter == ";" || delimiter.is_empty() { vec![part] } else { part.split(delimiter).collect() };
            pieces.into_iter().map(move |piece| (delimiter, piece))
        })
        .collect()
}

/// The beginning of a statement on one line, without comments.
fn shown(statement: &[TokenWithSpan]) -> String {
    let spaced = |token: &TokenWithSpan| match &token.token {
        Token::Whitespace(_) => " ".to_owned(),
        other => other.to_string(),
    };
    let text: String = statement.iter().map(spaced).collect();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Table};

    fn read(dialect: &dyn Dialect, migrations: &[&str]) -> Result<Model, String> {
        let mut model = Model { database: "d".to_owned(), tables: Vec::new() };
        let mut reader = Reader::new(&mut model, dialect);
        migrations.iter().try_for_each(|text| reader.read(text))?;
        Ok(model)
    }

    fn postgres(migrations: &[&str]) -> Result<Model, String> {
        read(&PostgreSqlDialect {}, migrations)
    }

    fn mysql(migrations: &[&str]) -> Result<Model, String> {
        read(&MySqlDialect {}, migrations)
    }

    #[track_caller]
    fn names(table: &Table) -> Vec<&str> {
        table.columns.iter().map(|column| column.name.as_str()).collect()
    }

    const A: &str = "CREATE TABLE a (id varchar(20) PRIMARY KEY, n int NOT NULL, t text UNIQUE);
        CREATE TABLE b (id varchar(20) PRIMARY KEY, a_id varchar(20) REFERENCES a (id));";
    const M: &str = "CREATE TABLE a (id BIGINT NOT NULL AUTO_INCREMENT, n INT NOT NULL DEFAULT 0 COMMENT 'old', u INT,
        PRIMARY KEY (id), UNIQUE KEY a_u (u), KEY a_n (n)) ENGINE=InnoDB COMMENT='first';";

    #[test]
    fn columns_are_added_changed_renamed_and_dropped_in_postgresql() {
        let model = postgres(&[
            A,
            "ALTER TABLE a ADD COLUMN d numeric(12,2) NOT NULL DEFAULT 0, ADD b_id text REFERENCES b (id);
             ALTER TABLE IF EXISTS nowhere ADD COLUMN x int; ALTER TABLE a ADD COLUMN IF NOT EXISTS d int;",
            "ALTER TABLE a ALTER COLUMN n DROP NOT NULL, ALTER COLUMN n TYPE bigint, ALTER n SET DEFAULT 7;
             ALTER TABLE a RENAME COLUMN id TO key_of_a; ALTER TABLE a DROP COLUMN t;
             COMMENT ON COLUMN a.d IS 'later'; ALTER TABLE b RENAME TO c;",
        ]);
        let model = model.expect("understood");
        let a = model.table("a").expect("a");
        assert_eq!((names(a), a.key.as_slice()), (vec!["key_of_a", "n", "d", "b_id"], &["key_of_a".to_owned()][..]));
        let (n, d) = (a.column("n").expect("n"), a.column("d").expect("d"));
        assert_eq!((n.nullable, n.declared.as_str(), n.default.as_deref()), (true, "BIGINT", Some("7")));
        assert_eq!((d.nullable, d.kind, d.comment.as_deref()), (false, Kind::Decimal(2), Some("later")));
        assert_eq!(a.column("b_id").expect("b_id").references, ["d.c.id"]);
        assert_eq!(model.table("c").and_then(|c| c.column("a_id")).expect("a_id").references, ["d.a.key_of_a"]);
    }

    #[test]
    fn columns_are_added_changed_renamed_and_dropped_in_mysql() {
        let model = mysql(&[
            M,
            "ALTER TABLE a ADD COLUMN x DECIMAL(5,1) COMMENT 'new' AFTER id, ADD COLUMN y INT FIRST;
             ALTER TABLE a MODIFY COLUMN n BIGINT COMMENT 'mended', CHANGE COLUMN u v VARCHAR(3) AFTER y;
             ALTER TABLE a COMMENT = 'second'; ALTER TABLE a DROP INDEX a_n, DROP INDEX a_u, ALGORITHM=INPLACE;",
            "RENAME TABLE a TO z; ALTER TABLE z DROP COLUMN y",
        ]);
        let model = model.expect("understood");
        let z = model.table("z").expect("z");
        assert_eq!((names(z), z.comment.as_deref()), (vec!["v", "id", "x", "n"], Some("second")));
        let (n, v) = (z.column("n").expect("n"), z.column("v").expect("v"));
        assert_eq!((n.nullable, n.default.as_deref(), n.comment.as_deref()), (true, None, Some("mended")));
        assert_eq!((v.unique, v.kind), (false, Kind::Text(Some(3))));
    }

    #[test]
    fn constraints_come_and_go_by_name() {
        let model = postgres(&[
            A,
            "ALTER TABLE a ADD CONSTRAINT a_n_key UNIQUE (n); CREATE UNIQUE INDEX a_half ON a (t) WHERE n > 0;
             ALTER TABLE a DROP CONSTRAINT a_t_key; ALTER TABLE b DROP CONSTRAINT b_a_id_fkey;
             ALTER TABLE a DROP CONSTRAINT a_pkey; ALTER TABLE a ADD CONSTRAINT a_key PRIMARY KEY (id, n);
             ALTER TABLE a RENAME CONSTRAINT a_key TO key_of_a; ALTER TABLE a ADD CHECK (n > 0);",
        ]);
        let model = model.expect("understood");
        let a = model.table("a").expect("a");
        assert_eq!((a.key.join(" ").as_str(), a.column("t").map(|t| t.unique)), ("id n", Some(false)));
        assert_eq!(a.column("n").map(|n| n.unique), Some(true));
        assert!(model.table("b").and_then(|b| b.column("a_id")).is_some_and(|column| column.references.is_empty()));
        let gone = postgres(&[A, "DROP TABLE a CASCADE; DROP TABLE IF EXISTS a"]).expect("understood");
        assert_eq!(gone.tables.len(), 1);
        assert!(gone.tables[0].columns.iter().all(|column| column.references.is_empty()));
    }

    #[test]
    fn a_statement_that_is_not_understood_is_shown_and_never_passed_over() {
        for (wrong, why) in [
            ("ALTER TABLE nowhere ADD COLUMN x int", "no table nowhere"),
            ("ALTER TABLE a ADD COLUMN n int", "already"),
            ("ALTER TABLE a DROP COLUMN z", "no column z"),
            ("ALTER TABLE a ADD COLUMN x tsvector", "not known"),
            ("ALTER TABLE a SET SCHEMA other", "ALTER TABLE a SET SCHEMA"),
            ("ALTER TABLE a DROP CONSTRAINT nowhere", "no constraint nowhere"),
            ("ALTER TABLE b ADD FOREIGN KEY (a_id) REFERENCES a", "which column"),
            ("CREATE TABLE c AS SELECT 1 AS x", "write its columns down"),
            ("COMMENT ON COLUMN a.z IS 'z'", "no column a.z"),
            ("DO $$ BEGIN ALTER TABLE a ADD COLUMN x int; END $$", "is not known here"),
            ("DROP TABLE nowhere", "no table nowhere"),
        ] {
            let cause = postgres(&[A, &format!("SELECT 1; {wrong}; SELECT 2")]).expect_err(wrong);
            assert!(cause.contains(why), "{wrong}: {cause}");
            assert!(cause.starts_with("statement \"") && cause.contains(&wrong[..8]), "{wrong}: {cause}");
        }
        let long = format!("ALTER TABLE a ADD COLUMN x tsvector CHECK ({})", "x IS NOT NULL AND ".repeat(30));
        assert!(postgres(&[A, &long]).expect_err("too long").len() < 400);
    }

    #[test]
    fn a_routine_between_delimiters_is_one_statement() {
        let trigger = "DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.n = 1; END//\n\
                       ALTER TABLE a ADD COLUMN x INT//\nDELIMITER ;\nALTER TABLE a ADD COLUMN y INT;";
        let model = mysql(&[M, trigger]).expect("understood");
        assert_eq!(names(&model.tables[0]), ["id", "n", "u", "x", "y"]);
    }
}
