//! Who may do what: each database has roles of its own, and none of another database can enter it.
//!
//! `genims_<module>_owner` owns every object, `_writer` reads and writes rows, `_reader` reads them. The audit database is
//! a world of its own: its writer may only insert, its reader (the auditors) only read, and it has no owner besides the
//! administrator. A role can log in once its password is given as `GENIMS_<MODULE>_<OWNER|WRITER|READER>_PASSWORD` (or
//! `..._FILE`); until then it exists without login. [`of`] tells their names without a server.

mod mysql;
mod postgres;

pub(super) use mysql::apply as apply_mysql;
pub(super) use postgres::apply as apply_postgres;

use super::Mode;
use genims_databases::configured::ConnectionFault;
use genims_databases::{Database, DatabaseError, Engine, Environment};
use serde::Serialize;

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

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Writer => "writer",
            Self::Reader => "reader",
        }
    }
}

fn rights(database: &Database) -> &'static [Right] {
    match (database.engine, database.module.as_str()) {
        (Engine::Mongodb, _) => &[],
        (_, "audit") => &[Right::Writer, Right::Reader],
        _ => &[Right::Owner, Right::Writer, Right::Reader],
    }
}

/// The variable with a role's password.
fn variable(database: &Database, right: Right) -> String {
    format!("GENIMS_{}_{}_PASSWORD", database.module.to_uppercase(), right.word().to_uppercase())
}

/// What a role is called, and which variable lets it log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleName {
    pub name: String,
    /// `owner`, `writer` or `reader`.
    pub right: &'static str,
    pub password: String,
}

/// The roles of a database; none of MongoDB.
pub fn of(database: &Database) -> Vec<RoleName> {
    let role = |right: &Right| RoleName {
        name: name(database, *right),
        right: right.word(),
        password: variable(database, *right),
    };
    rights(database).iter().map(role).collect()
}

fn name(database: &Database, right: Right) -> String {
    format!("genims_{}_{}", database.module, right.word())
}

/// The roles that a database shall have.
fn wanted(database: &Database, environment: &Environment) -> Result<Vec<Role>, DatabaseError> {
    let role = |right: &Right| {
        let password = environment.secret(&variable(database, *right))?;
        Ok(Role { name: name(database, *right), right: *right, password })
    };
    rights(database).iter().map(role).collect()
}

/// The files of roles' passwords that cannot be read, which a provisioning would stumble over.
pub fn unreadable_passwords<'d>(
    databases: impl IntoIterator<Item = &'d Database>,
    environment: &Environment,
) -> Vec<ConnectionFault> {
    let variables =
        databases.into_iter().flat_map(|database| rights(database).iter().map(move |right| variable(database, *right)));
    variables
        .filter_map(|variable| environment.secret(&variable).err())
        .filter_map(ConnectionFault::of_secret)
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

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;

    #[test]
    fn each_password_file_that_cannot_be_read_is_named() {
        let registry = Registry::load(None).expect("the embedded registry");
        let pairs = [
            ("GENIMS_HR_WRITER_PASSWORD_FILE", "/nonexistent/writer"),
            ("GENIMS_AUDIT_READER_PASSWORD_FILE", "/nonexistent/reader"),
            ("GENIMS_AUDIT_OWNER_PASSWORD_FILE", "/nonexistent/there_is_no_such_role"),
            ("GENIMS_ERP_OWNER_PASSWORD", "said"),
            ("GENIMS_ERP_OWNER_PASSWORD_FILE", "/nonexistent/not_looked_at"),
        ];
        let faults = unreadable_passwords(registry.all(), &Environment::from_pairs(pairs));
        let mut variables: Vec<&str> = faults.iter().map(|fault| fault.variable.as_str()).collect();
        variables.sort_unstable();
        assert_eq!(variables, ["GENIMS_AUDIT_READER_PASSWORD_FILE", "GENIMS_HR_WRITER_PASSWORD_FILE"]);
        for fault in &faults {
            assert!(fault.problem.starts_with("names the file /nonexistent/"), "{fault:?}");
            assert!(fault.problem.contains("; mend the path"), "{fault:?}");
        }
    }
}
