//! What `ALTER TABLE` does to the model. Enters: the operations of one statement, in their order. What an operation would
//! change and is not known here is an error.

use super::model::{Column, column, constant, kind, last, no_column, no_table};
use super::state::State;
use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, ColumnDef, ColumnOption, ColumnOptionDef, DataType, MySQLColumnPosition,
    RenameTableNameKind,
};

pub(super) fn apply(
    state: &mut State<'_>,
    mut table: String,
    operations: &[AlterTableOperation],
) -> Result<(), String> {
    for operation in operations {
        if let AlterTableOperation::RenameTable { table_name } = operation {
            let (RenameTableNameKind::As(to) | RenameTableNameKind::To(to)) = table_name;
            state.rename_table(&table, &last(to))?;
            table = last(to);
        } else {
            one(state, &table, operation)?;
        }
    }
    Ok(())
}

fn one(state: &mut State<'_>, table: &str, operation: &AlterTableOperation) -> Result<(), String> {
    use AlterTableOperation as Is;
    match operation {
        Is::AddColumn { if_not_exists, column_def, column_position, .. } => {
            let there = state.model.table(table).is_some_and(|it| it.column(&column_def.name.value).is_some());
            match (there, if_not_exists) {
                (true, true) => Ok(()),
                (true, false) => Err(format!("{table} has a column {} already", column_def.name.value)),
                (false, _) => add(state, table, column_def, column_position.as_ref()),
            }
        }
        Is::DropColumn { column_names, if_exists, .. } => {
            column_names.iter().try_for_each(|name| drop(state, table, &name.value, *if_exists))
        }
        Is::RenameColumn { old_column_name, new_column_name } => {
            rename(state, table, &old_column_name.value, &new_column_name.value)
        }
        Is::ModifyColumn { col_name, data_type, options, column_position } => {
            redefine(state, table, &col_name.value, data_type, options, column_position.as_ref())
        }
        Is::ChangeColumn { old_name, new_name, data_type, options, column_position } => {
            if old_name != new_name {
                rename(state, table, &old_name.value, &new_name.value)?;
            }
            redefine(state, table, &new_name.value, data_type, options, column_position.as_ref())
        }
        Is::AlterColumn { column_name, op } => {
            let column = state.model.column_mut(table, &column_name.value);
            alter(column.ok_or_else(|| no_column(table, &column_name.value))?, op)
        }
        Is::AddConstraint { constraint, .. } => state.constraints.add(state.model, table, constraint),
        Is::DropConstraint { if_exists, name, .. } => {
            state.constraints.drop(state.model, table, &name.value, *if_exists)
        }
        Is::DropForeignKey { name, .. } => state.constraints.drop(state.model, table, &name.value, false),
        Is::DropPrimaryKey { .. } => {
            state.constraints.drop_key(state.model, table);
            Ok(())
        }
        Is::DropIndex { name } => {
            state.constraints.drop_index(state.model, Some(table), &name.value);
            Ok(())
        }
        Is::RenameConstraint { old_name, new_name } => {
            state.constraints.rename(Some(table), &old_name.value, &new_name.value);
            Ok(())
        }
        other if leaves_the_model(other) => Ok(()),
        other => Err(format!("{other} is not understood here")),
    }
}

/// Rights, triggers, storage and partitions are no part of it.
fn leaves_the_model(operation: &AlterTableOperation) -> bool {
    use AlterTableOperation as Is;
    matches!(
        operation,
        Is::ValidateConstraint { .. }
            | Is::OwnerTo { .. }
            | Is::EnableTrigger { .. }
            | Is::EnableAlwaysTrigger { .. }
            | Is::EnableReplicaTrigger { .. }
            | Is::DisableTrigger { .. }
            | Is::EnableRule { .. }
            | Is::DisableRule { .. }
            | Is::EnableRowLevelSecurity
            | Is::DisableRowLevelSecurity
            | Is::ForceRowLevelSecurity
            | Is::NoForceRowLevelSecurity
            | Is::ReplicaIdentity { .. }
            | Is::SetOptionsParens { .. }
            | Is::SetLogged
            | Is::SetUnlogged
            | Is::AddPartitions { .. }
            | Is::DropPartitions { .. }
            | Is::RenamePartitions { .. }
            | Is::Algorithm { .. }
            | Is::Lock { .. }
            | Is::AutoIncrement { .. }
    )
}

fn add(
    state: &mut State<'_>,
    table: &str,
    definition: &ColumnDef,
    position: Option<&MySQLColumnPosition>,
) -> Result<(), String> {
    let mut key = Vec::new();
    let made = column(&state.model.database, &mut key, definition)?;
    let there = state.model.table_mut(table).ok_or_else(|| no_table(table))?;
    let at = match position {
        None => there.columns.len(),
        Some(position) => place(there.columns.as_slice(), table, position)?,
    };
    there.columns.insert(at, made);
    if !key.is_empty() {
        there.key = key;
    }
    for option in &definition.options {
        let name = option.name.as_ref().map(|name| name.value.as_str());
        state.option(table, &definition.name.value, name, &option.option);
    }
    Ok(())
}

fn place(columns: &[Column], table: &str, position: &MySQLColumnPosition) -> Result<usize, String> {
    match position {
        MySQLColumnPosition::First => Ok(0),
        MySQLColumnPosition::After(name) => {
            let at = columns.iter().position(|column| column.name == name.value);
            at.map(|at| at + 1).ok_or_else(|| no_column(table, &name.value))
        }
    }
}

fn drop(state: &mut State<'_>, table: &str, name: &str, if_exists: bool) -> Result<(), String> {
    let there = state.model.table_mut(table).ok_or_else(|| no_table(table))?;
    let before = there.columns.len();
    there.columns.retain(|column| column.name != name);
    if there.columns.len() == before {
        return if if_exists { Ok(()) } else { Err(no_column(table, name)) };
    }
    there.key.retain(|key| key != name);
    state.constraints.forget_column(table, name);
    let gone = format!("{}.{table}.{name}", state.model.database);
    for column in state.model.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.references.retain(|target| *target != gone);
    }
    Ok(())
}

fn rename(state: &mut State<'_>, table: &str, from: &str, to: &str) -> Result<(), String> {
    let there = state.model.table_mut(table).ok_or_else(|| no_table(table))?;
    if there.column(to).is_some() {
        return Err(format!("{table} has a column {to} already"));
    }
    to.clone_into(&mut there.column_mut(from).ok_or_else(|| no_column(table, from))?.name);
    there.key.iter_mut().filter(|key| *key == from).for_each(|key| to.clone_into(key));
    state.constraints.rename_column(table, from, to);
    let database = &state.model.database;
    let (old, new) = (format!("{database}.{table}.{from}"), format!("{database}.{table}.{to}"));
    let targets = state.model.tables.iter_mut().flat_map(|table| &mut table.columns).flat_map(|it| &mut it.references);
    targets.filter(|target| **target == old).for_each(|target| new.clone_into(target));
    Ok(())
}

/// MySQL's MODIFY and CHANGE: what is not said again is gone, except keys and references, which are declared apart.
fn redefine(
    state: &mut State<'_>,
    table: &str,
    name: &str,
    data_type: &DataType,
    options: &[ColumnOption],
    position: Option<&MySQLColumnPosition>,
) -> Result<(), String> {
    let options = options.iter().map(|option| ColumnOptionDef { name: None, option: option.clone() }).collect();
    let definition = ColumnDef { name: name.into(), data_type: data_type.clone(), options };
    let made = column(&state.model.database, &mut Vec::new(), &definition)?;
    let there = state.model.table_mut(table).ok_or_else(|| no_table(table))?;
    let is_key = there.key.iter().any(|key| key == name);
    let at = there.columns.iter().position(|column| column.name == name).ok_or_else(|| no_column(table, name))?;
    let before = there.columns.remove(at);
    let made = Column {
        nullable: made.nullable && !is_key,
        unique: made.unique || before.unique,
        references: before.references,
        ..made
    };
    let at = position.map_or(Ok(at), |position| place(&there.columns, table, position))?;
    there.columns.insert(at, made);
    Ok(())
}

fn alter(column: &mut Column, operation: &AlterColumnOperation) -> Result<(), String> {
    match operation {
        AlterColumnOperation::SetNotNull => column.nullable = false,
        AlterColumnOperation::DropNotNull => column.nullable = true,
        AlterColumnOperation::SetDefault { value } => column.default = Some(constant(value)),
        AlterColumnOperation::DropDefault => column.default = None,
        AlterColumnOperation::SetDataType { data_type, .. } => {
            column.declared = data_type.to_string();
            let (kind, _) = kind(data_type).ok_or_else(|| format!("type {data_type} is not known here"))?;
            column.kind = kind;
        }
        AlterColumnOperation::AddGenerated { .. } => column.generated = true,
    }
    Ok(())
}
