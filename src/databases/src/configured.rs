//! What a configuration says of a database, looked at without connecting.
//!
//! Enters: a database and the environment. Leaves: its place, or what is wrong with its URL or its TLS.

use super::errors::DatabaseError;
use super::registry::{Database, Engine};
use super::{Environment, MongoSettings, MysqlSettings, PostgresSettings};

/// `host:port/database`; `None` where nothing is configured.
pub fn place(database: &Database, environment: &Environment) -> Result<Option<String>, DatabaseError> {
    let place = match database.engine {
        Engine::Postgresql => PostgresSettings::from_environment(database, environment)
            .and_then(|settings| settings.check().map(|()| settings.place())),
        Engine::Mysql => MysqlSettings::from_environment(database, environment)
            .and_then(|settings| settings.check().map(|()| settings.place())),
        Engine::Mongodb => MongoSettings::from_environment(database, environment).map(|settings| settings.place()),
    };
    if_configured(place)
}

/// `None` where nothing is configured.
pub fn if_configured<S>(found: Result<S, DatabaseError>) -> Result<Option<S>, DatabaseError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(DatabaseError::NotConfigured { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
            place(database, &Environment::from_pairs(pairs.iter().copied())).map_err(|error| error.to_string())
        };
        assert_eq!(of("hr", &[]), Ok(None));
        assert_eq!(of("hr", &[("GENIMS_HR_DB_URL", "postgresql://h/x")]), Ok(Some("h:5432/x".to_owned())));
        for (name, variable, url) in [
            ("hr", "GENIMS_HR_DB_URL", "postgresql://u:p ss@h/x"),
            ("hr", "GENIMS_HR_DB_URL", "postgresql://h/x?sslmode=verify-full&sslrootcert=/nonexistent/ca.pem"),
            ("audit", "GENIMS_AUDIT_DB_URL", "mysql://u:p@ss@h/x"),
            ("audit", "GENIMS_AUDIT_DB_URL", "mysql://h/x?ssl-ca=/nonexistent/ca.pem"),
            ("genims_production", "GENIMS_MONGODB_URL", "mongodb+srv://h.example.net:27017/x"),
        ] {
            assert!(of(name, &[(variable, url)]).is_err(), "{url}");
        }
    }
}
