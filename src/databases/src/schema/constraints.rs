//! Keys, uniqueness and references by the name of their constraint, so that a migration can drop by name what an earlier
//! one made. Enters: constraints as declared. Leaves: what they say of the model's columns.

use super::model::{Model, last, no_column, no_table};
use sqlparser::ast::{Expr, Ident, IndexColumn, TableConstraint};

/// What a constraint says.
#[derive(Debug, PartialEq)]
enum Says {
    Key,
    Unique(Vec<String>),
    Refers(Vec<String>),
    /// A check, an exclusion, an index: nothing that the model holds.
    Other,
}

#[derive(Debug)]
struct Constraint {
    table: String,
    name: String,
    says: Says,
}

#[derive(Debug)]
pub(super) struct NamedConstraints {
    mysql: bool,
    all: Vec<Constraint>,
}

impl NamedConstraints {
    pub(super) fn new(mysql: bool) -> Self {
        Self { mysql, all: Vec::new() }
    }

    /// Applies a constraint of the table and notes it.
    pub(super) fn add(&mut self, model: &mut Model, table: &str, constraint: &TableConstraint) -> Result<(), String> {
        let text = |name: &Option<Ident>| name.as_ref().map(|name| name.value.clone());
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                let columns = plain(&key.columns).ok_or("a primary key is over columns")?;
                let there = model.table_mut(table).ok_or_else(|| no_table(table))?;
                for name in &columns {
                    there.column_mut(name).ok_or_else(|| no_column(table, name))?.nullable = false;
                }
                there.key = columns;
                self.note_key(table, text(&key.name).as_deref());
            }
            TableConstraint::Unique(unique) => {
                let name = text(&unique.name).or(text(&unique.index_name));
                self.unique(model, table, name.as_deref(), &unique.columns)?;
            }
            TableConstraint::ForeignKey(key) => {
                let target = last(&key.foreign_table);
                if key.columns.len() != key.referred_columns.len() {
                    return Err(format!("say which columns of {target} are meant"));
                }
                for (name, referred) in key.columns.iter().zip(&key.referred_columns) {
                    let reference = format!("{}.{target}.{}", model.database, referred.value);
                    let column = model.column_mut(table, &name.value);
                    column.ok_or_else(|| no_column(table, &name.value))?.references = vec![reference];
                }
                let columns = key.columns.iter().map(|name| name.value.clone()).collect();
                self.note_reference(table, text(&key.name).as_deref(), columns);
            }
            TableConstraint::Check(check) => self.note_other(table, text(&check.name).as_deref()),
            TableConstraint::Index(index) => self.note_other(table, text(&index.name).as_deref()),
            TableConstraint::FulltextOrSpatial(index) => {
                self.note_other(table, text(&index.opt_index_name).as_deref());
            }
            TableConstraint::Exclude(exclude) => self.note_other(table, text(&exclude.name).as_deref()),
            TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
                return Err("a constraint from an index cannot be read: name its columns".to_owned());
            }
        }
        Ok(())
    }

    /// A unique constraint or index: a single column is unique by itself.
    pub(super) fn unique(
        &mut self,
        model: &mut Model,
        table: &str,
        name: Option<&str>,
        columns: &[IndexColumn],
    ) -> Result<(), String> {
        // Over an expression it says nothing of a column.
        let columns = plain(columns).unwrap_or_default();
        if let [only] = columns.as_slice() {
            model.column_mut(table, only).ok_or_else(|| no_column(table, only))?.unique = true;
        }
        self.note_unique(table, name, columns);
        Ok(())
    }

    pub(super) fn note_key(&mut self, table: &str, name: Option<&str>) {
        // MySQL knows the key by one name only, whatever it was given.
        let name = name.filter(|_| !self.mysql).map_or_else(|| self.default_name(table, &Says::Key), str::to_owned);
        self.note(table, name, Says::Key);
    }

    pub(super) fn note_unique(&mut self, table: &str, name: Option<&str>, columns: Vec<String>) {
        self.note_as(table, name, Says::Unique(columns));
    }

    pub(super) fn note_reference(&mut self, table: &str, name: Option<&str>, columns: Vec<String>) {
        self.note_as(table, name, Says::Refers(columns));
    }

    pub(super) fn note_other(&mut self, table: &str, name: Option<&str>) {
        self.note_as(table, name, Says::Other);
    }

    fn note_as(&mut self, table: &str, name: Option<&str>, says: Says) {
        let name = name.map_or_else(|| self.default_name(table, &says), str::to_owned);
        self.note(table, name, says);
    }

    fn note(&mut self, table: &str, name: String, says: Says) {
        self.all.push(Constraint { table: table.to_owned(), name, says });
    }

    /// The name that the server gives to a constraint without one.
    fn default_name(&self, table: &str, says: &Says) -> String {
        match (says, self.mysql) {
            (Says::Key, true) => "PRIMARY".to_owned(),
            (Says::Key, false) => format!("{table}_pkey"),
            (Says::Unique(columns), true) => columns.first().cloned().unwrap_or_default(),
            (Says::Unique(columns), false) => format!("{table}_{}_key", columns.join("_")),
            (Says::Refers(_), true) => {
                let of = |it: &&Constraint| it.table == table && matches!(it.says, Says::Refers(_));
                format!("{table}_ibfk_{}", self.all.iter().filter(of).count() + 1)
            }
            (Says::Refers(columns), false) => format!("{table}_{}_fkey", columns.join("_")),
            (Says::Other, _) => String::new(),
        }
    }

    /// Takes back what the constraint of this name says.
    pub(super) fn drop(&mut self, model: &mut Model, table: &str, name: &str, if_exists: bool) -> Result<(), String> {
        let at = self.all.iter().position(|it| it.table == table && it.name.eq_ignore_ascii_case(name));
        let Some(at) = at else {
            // A check without a name gets one that depends on the server's version.
            let unnamed_check = self.all.iter().any(|it| it.table == table && it.name.is_empty());
            return if if_exists || unnamed_check { Ok(()) } else { Err(format!("{table} has no constraint {name}")) };
        };
        let gone = self.all.remove(at);
        let Some(there) = model.table_mut(table) else { return Ok(()) };
        match &gone.says {
            Says::Key => there.key.clear(),
            Says::Unique(columns) if columns.len() == 1 => {
                let still = self.all.iter().any(|it| it.table == table && it.says == gone.says);
                there.column_mut(&columns[0]).into_iter().for_each(|column| column.unique = still);
            }
            Says::Refers(columns) => {
                columns.iter().filter_map(|name| there.column_mut(name).map(|it| it.references.clear())).for_each(drop);
            }
            Says::Unique(_) | Says::Other => {}
        }
        Ok(())
    }

    /// PostgreSQL's index names are unique in the schema; an index that is not noted says nothing of the model.
    pub(super) fn drop_index(&mut self, model: &mut Model, table: Option<&str>, name: &str) {
        let of = |it: &&Constraint| it.name == name && table.is_none_or(|table| it.table == table);
        let Some(table) = self.all.iter().find(of).map(|it| it.table.clone()) else { return };
        let _ = self.drop(model, &table, name, true);
    }

    pub(super) fn drop_key(&mut self, model: &mut Model, table: &str) {
        self.all.retain(|it| it.table != table || it.says != Says::Key);
        model.table_mut(table).into_iter().for_each(|table| table.key.clear());
    }

    pub(super) fn rename(&mut self, table: Option<&str>, from: &str, to: &str) {
        let of = |it: &&mut Constraint| it.name == from && table.is_none_or(|table| it.table == table);
        self.all.iter_mut().filter(of).for_each(|it| to.clone_into(&mut it.name));
    }

    pub(super) fn rename_table(&mut self, from: &str, to: &str) {
        self.all.iter_mut().filter(|it| it.table == from).for_each(|it| to.clone_into(&mut it.table));
    }

    pub(super) fn rename_column(&mut self, table: &str, from: &str, to: &str) {
        let columns = self.all.iter_mut().filter(|it| it.table == table).flat_map(|it| match &mut it.says {
            Says::Unique(columns) | Says::Refers(columns) => columns.iter_mut(),
            Says::Key | Says::Other => [].iter_mut(),
        });
        columns.filter(|name| *name == from).for_each(|name| to.clone_into(name));
    }

    pub(super) fn forget_table(&mut self, table: &str) {
        self.all.retain(|it| it.table != table);
    }

    /// Both servers drop with a column what is declared over it alone; PostgreSQL also what is over others too.
    pub(super) fn forget_column(&mut self, table: &str, column: &str) {
        self.all.retain(|it| {
            it.table != table
                || !matches!(&it.says, Says::Unique(columns) | Says::Refers(columns) if columns.iter().any(|name| name == column))
        });
    }
}

/// The columns, unless one of them is an expression.
fn plain(columns: &[IndexColumn]) -> Option<Vec<String>> {
    let name = |column: &IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        _ => None,
    };
    columns.iter().map(name).collect()
}
