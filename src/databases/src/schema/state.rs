//! What the statements of a database's migrations change: its model, and the constraints by name.

use super::constraints::NamedConstraints;
use super::model::{Model, no_table};
use sqlparser::ast::ColumnOption;

pub(super) struct State<'a> {
    pub(super) model: &'a mut Model,
    /// Kept over all migrations: a later one drops by name what an earlier one made.
    pub(super) constraints: NamedConstraints,
}

impl State<'_> {
    /// Notes the constraint that a column's definition holds, for whoever drops it by name.
    pub(super) fn option(&mut self, table: &str, column: &str, name: Option<&str>, option: &ColumnOption) {
        match option {
            ColumnOption::PrimaryKey(_) => self.constraints.note_key(table, name),
            ColumnOption::Unique(_) => self.constraints.note_unique(table, name, vec![column.to_owned()]),
            ColumnOption::ForeignKey(_) => self.constraints.note_reference(table, name, vec![column.to_owned()]),
            ColumnOption::Check(check) => {
                let name = name.or(check.name.as_ref().map(|name| name.value.as_str()));
                self.constraints.note_other(table, name);
            }
            _ => {}
        }
    }

    pub(super) fn rename_table(&mut self, from: &str, to: &str) -> Result<(), String> {
        if self.model.table(to).is_some() {
            return Err(format!("table {to} is there already"));
        }
        to.clone_into(&mut self.model.table_mut(from).ok_or_else(|| no_table(from))?.name);
        self.constraints.rename_table(from, to);
        let database = &self.model.database;
        let (old, new) = (format!("{database}.{from}."), format!("{database}.{to}."));
        for target in
            self.model.tables.iter_mut().flat_map(|table| &mut table.columns).flat_map(|it| &mut it.references)
        {
            if let Some(column) = target.strip_prefix(&old) {
                *target = format!("{new}{column}");
            }
        }
        Ok(())
    }

    /// References to what begins like this lead nowhere any more.
    pub(super) fn forget_references(&mut self, prefix: &str) {
        for column in self.model.tables.iter_mut().flat_map(|table| &mut table.columns) {
            column.references.retain(|target| !target.starts_with(prefix));
        }
    }
}
