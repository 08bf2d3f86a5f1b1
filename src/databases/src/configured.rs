//! What a configuration says of databases, looked at without connecting.
//!
//! Enters: databases and the environment. Leaves: their places, which of them have none, and what is wrong with a URL or the
//! files it names: once for each variable, however many databases it is the URL of.

use super::errors::DatabaseError;
use super::registry::{Database, Engine};
use super::{Environment, MongoSettings, MysqlSettings, PostgresSettings, mysql, postgres};
use std::collections::BTreeMap;

/// `None` where nothing is configured.
pub fn if_configured<S>(found: Result<S, DatabaseError>) -> Result<Option<S>, DatabaseError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(DatabaseError::NotConfigured { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// `host:port/database` by database.
    pub places: BTreeMap<String, String>,
    /// Databases for which nothing is configured.
    pub without: Vec<String>,
    pub faults: Vec<ConnectionFault>,
}

/// What keeps a connection from ever standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFault {
    /// Of the environment.
    pub variable: String,
    /// With what to write instead.
    pub problem: String,
}

impl ConnectionFault {
    /// A file with a password that cannot be read; `None` for any other error.
    pub fn of_secret(error: DatabaseError) -> Option<Self> {
        let text = error.to_string();
        let DatabaseError::SecretFile { variable, .. } = error else { return None };
        let problem = text.strip_prefix(&format!("{variable} ")).unwrap_or(&text).to_owned();
        Some(Self { variable, problem })
    }
}

pub fn examine<'d>(databases: impl IntoIterator<Item = &'d Database>, environment: &Environment) -> Examined {
    let mut examined = Examined::default();
    for database in databases {
        match place(database, environment) {
            Ok(place) => {
                examined.places.insert(database.name.clone(), place);
            }
            Err(DatabaseError::NotConfigured { .. }) => examined.without.push(database.name.clone()),
            Err(error) => {
                let fault = fault(database, environment, &error);
                if !examined.faults.contains(&fault) {
                    examined.faults.push(fault);
                }
            }
        }
    }
    examined
}

/// `host:port/database`
fn place(database: &Database, environment: &Environment) -> Result<String, DatabaseError> {
    match database.engine {
        Engine::Postgresql => {
            let settings = PostgresSettings::from_environment(database, environment)?;
            settings.check().map(|()| settings.place())
        }
        Engine::Mysql => {
            let settings = MysqlSettings::from_environment(database, environment)?;
            settings.check().map(|()| settings.place())
        }
        Engine::Mongodb => {
            let settings = MongoSettings::from_environment(database, environment)?;
            settings.check().map(|()| settings.place())
        }
    }
}

fn fault(database: &Database, environment: &Environment, error: &DatabaseError) -> ConnectionFault {
    let is_set = |name: &&str| environment.get(name).is_some() || environment.get(&format!("{name}_FILE")).is_some();
    let server = match database.engine {
        Engine::Postgresql => postgres::SERVER_VARIABLE,
        Engine::Mysql => mysql::SERVER_VARIABLE,
        Engine::Mongodb => database.connection.as_str(),
    };
    let variable = match error {
        DatabaseError::BadUrl { variable, .. } | DatabaseError::SecretFile { variable, .. } => variable.as_str(),
        _ => [database.connection.as_str(), server].into_iter().find(is_set).unwrap_or("PGHOST"),
    };
    let text = error.to_string();
    let text = text.strip_prefix(&format!("{}: ", database.name)).unwrap_or(&text);
    let problem = text.strip_prefix(&format!("{variable} ")).unwrap_or(text).to_owned();
    ConnectionFault { variable: variable.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn a_place_is_said_and_a_bad_url_refused_for_every_engine() {
        let registry = Registry::load(None).expect("the embedded registry");
        let of = |name: &str, pairs: &[(&str, &str)]| {
            let database = registry.get(name).expect("in the registry");
            examine([database], &Environment::from_pairs(pairs.iter().copied()))
        };
        assert_eq!(of("hr", &[]).without, ["genims_hr_db"]);
        let place = of("hr", &[("GENIMS_HR_DB_URL", "postgresql://h/x")]).places;
        assert_eq!(place.values().collect::<Vec<_>>(), ["h:5432/x"]);
        for (name, variable, url) in [
            ("hr", "GENIMS_HR_DB_URL", "postgresql://u:p ss@h/x"),
            ("hr", "GENIMS_HR_DB_URL", "postgresql://h/x?sslmode=verify-full&sslrootcert=/nonexistent/ca.pem"),
            ("hr", "GENIMS_HR_DB_URL", "postgresql://h:0/x"),
            ("audit", "GENIMS_AUDIT_DB_URL", "mysql://u:p@ss@h/x"),
            ("audit", "GENIMS_AUDIT_DB_URL", "mysql://h/x?ssl-ca=/nonexistent/ca.pem"),
            ("genims_production", "GENIMS_MONGODB_URL", "mongodb+srv://h.example.net:27017/x"),
            ("genims_production", "GENIMS_MONGODB_URL", "mongodb://h/x?tlsCAFile=/nonexistent/ca.pem"),
            ("genims_production", "GENIMS_MONGODB_URL", "mongodb://h/x?w=0"),
        ] {
            let faults = of(name, &[(variable, url)]).faults;
            assert_eq!(faults.len(), 1, "{url}: {faults:?}");
            assert_eq!(faults[0].variable, variable, "{faults:?}");
            assert!(faults[0].problem.contains("; ") && !faults[0].problem.contains(variable), "{faults:?}");
        }
    }

    #[test]
    fn one_wrong_url_of_many_databases_is_one_fault_and_each_wrong_one_is_told() {
        let registry = Registry::load(None).expect("the embedded registry");
        let examine = |pairs: &[(&str, &str)]| examine(registry.all(), &Environment::from_pairs(pairs.iter().copied()));
        let server = ("GENIMS_POSTGRES_URL", "postgresql://h:0/");
        assert_eq!(examine(&[server]).faults.len(), 1);
        let all = examine(&[
            server,
            ("GENIMS_MYSQL_URL", "mysql://u@a:1,b:2/"),
            ("GENIMS_MONGODB_URL", "mongodb://h/?w=0"),
            ("GENIMS_HR_DB_PASSWORD_FILE", "/nonexistent/password"),
            ("GENIMS_HR_DB_URL", "postgresql://h/hr"),
        ]);
        let variables: Vec<&str> = all.faults.iter().map(|fault| fault.variable.as_str()).collect();
        assert_eq!(variables.len(), 4, "{all:?}");
        for variable in ["GENIMS_POSTGRES_URL", "GENIMS_MYSQL_URL", "GENIMS_MONGODB_URL", "GENIMS_HR_DB_PASSWORD_FILE"]
        {
            assert!(variables.contains(&variable), "{all:?}");
        }
    }
}
