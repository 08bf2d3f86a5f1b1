//! Who may do what: each database has roles of its own, and none of another database can enter it.
//!
//! `genims_<module>_owner` owns every object, `_writer` reads and writes rows, `_reader` reads them. The audit database is
//! a world of its own: its writer may only insert, its reader (the auditors) only read, and it has no owner besides the
//! administrator. A role can log in once its password is given as `GENIMS_<MODULE>_<OWNER|WRITER|READER>_PASSWORD` (or
//! `..._FILE`); until then it exists without login.

mod mysql;
mod postgres;

pub(super) use mysql::apply as apply_mysql;
pub(super) use postgres::apply as apply_postgres;

use super::Mode;
use genims_databases::{Database, DatabaseError, Environment};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Owner,
    Writer,
    Reader,
}

#[derive(Debug)]
struct Role {
    name: String,
    right: Right,
    password: Option<String>,
}

/// The roles that a database shall have.
fn wanted(database: &Database, environment: &Environment) -> Result<Vec<Role>, DatabaseError> {
    let rights: &[Right] = if database.module == "audit" {
        &[Right::Writer, Right::Reader]
    } else {
        &[Right::Owner, Right::Writer, Right::Reader]
    };
    rights
        .iter()
        .map(|right| {
            let word = match right {
                Right::Owner => "owner",
                Right::Writer => "writer",
                Right::Reader => "reader",
            };
            let variable = format!("GENIMS_{}_{}_PASSWORD", database.module.to_uppercase(), word.to_uppercase());
            let password = environment.secret(&variable)?;
            Ok(Role { name: format!("genims_{}_{word}", database.module), right: *right, password })
        })
        .collect()
}

/// One thing that must hold: how to see whether it does, and how to make it so.
struct Step {
    says: String,
    /// Gives one boolean.
    holds: String,
    make: String,
    /// Made again even when it holds, and not told: a password may have changed, and nobody can see whether.
    renew: bool,
}

/// What was made (or in another mode would have to be).
fn told(mode: Mode, step: &Step) -> String {
    if mode == Mode::Check { format!("not so: {}", step.says) } else { step.says.clone() }
}
