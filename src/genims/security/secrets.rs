//! Passwords that everybody would try first, in URLs and variables. They are compared, and never told.

use super::Finding;
use super::Subject::Secrets;
use genims_databases::{DatabaseError, Environment, Registry};

/// Shorter ones are tried through in no time.
pub(crate) const BYTES_MIN: usize = 8;

/// What is written in examples, and left there.
const USUAL: [&str; 14] = [
    "password",
    "passw0rd",
    "change-me",
    "changeme",
    "postgres",
    "mongodb",
    "mariadb",
    "12345678",
    "123456789",
    "1234567890",
    "administrator",
    "genims",
    "genims123",
    "mosquitto",
];

pub(super) fn look(environment: &Environment) -> Result<Vec<Finding>, DatabaseError> {
    let all = passwords(environment)?;
    Ok(all.iter().filter_map(|Password { variable, user, password }| judge(variable, user, password)).collect())
}

/// One that is configured.
pub(crate) struct Password {
    pub(crate) variable: String,
    user: String,
    pub(crate) password: String,
}

/// All that variables and URLs hold.
pub(crate) fn passwords(environment: &Environment) -> Result<Vec<Password>, DatabaseError> {
    let registry = Registry::load(None)?;
    let mut found = Vec::new();
    for variable in variables(&registry) {
        // A file that cannot be read is a fault of the configuration: `genims validate` says it.
        let Ok(Some(password)) = environment.secret(&variable) else { continue };
        found.push(Password { variable, user: String::new(), password });
    }
    for variable in urls(&registry) {
        let Some((user, password)) = environment.get(&variable).and_then(login) else { continue };
        found.push(Password { user: user.to_owned(), password: password.to_owned(), variable });
    }
    Ok(found)
}

/// The variables that hold passwords: each may be given as `_FILE` as well.
pub(super) fn variables(registry: &Registry) -> Vec<String> {
    let own =
        registry.all().iter().map(|database| format!("{}_PASSWORD", database.connection.trim_end_matches("_URL")));
    let roles = registry.all().iter().flat_map(|database| {
        let module = database.module.to_uppercase();
        ["OWNER", "WRITER", "READER"].map(|right| format!("GENIMS_{module}_{right}_PASSWORD"))
    });
    let shared =
        ["GENIMS_POSTGRES_PASSWORD", "PGPASSWORD", "GENIMS_MYSQL_PASSWORD", "MYSQL_PWD", "GENIMS_REPLAY_SECRET"];
    let mut all: Vec<String> = own.chain(roles).chain(shared.map(str::to_owned)).collect();
    all.sort();
    all.dedup();
    all
}

fn urls(registry: &Registry) -> Vec<String> {
    let own = registry.all().iter().map(|database| database.connection.clone());
    let shared = ["GENIMS_POSTGRES_URL", "GENIMS_MYSQL_URL", "GENIMS_HUB_URL"];
    let mut all: Vec<String> = own.chain(shared.map(str::to_owned)).collect();
    all.sort();
    all.dedup();
    all
}

/// User and password of a URL that has both.
fn login(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    login.split_once(':')
}

fn judge(variable: &str, user: &str, password: &str) -> Option<Finding> {
    let is_usual = USUAL.iter().any(|usual| password.eq_ignore_ascii_case(usual));
    let why = match () {
        () if password.is_empty() => "is empty",
        () if is_usual => "is one that everybody tries first",
        () if password == user => "is the user's name",
        () if password.len() < BYTES_MIN => "is shorter than eight characters",
        () => return None,
    };
    let remedy = "draw another (`openssl rand -base64 24`), change it at the database, then here";
    Some(Finding::high(Secrets, format!("the password in {variable} {why}"), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<String> {
        let found = look(&Environment::from_pairs(pairs.iter().copied())).expect("the registry");
        found.into_iter().map(|finding| finding.found).collect()
    }

    #[test]
    fn weak_passwords_are_found_wherever_they_stand_and_not_told() {
        for (variable, value, said) in [
            ("GENIMS_POSTGRES_URL", "postgresql://genims:Change-Me@h/x", "everybody tries first"),
            ("GENIMS_AUDIT_DB_URL", "mysql://writer-of-audit:writer-of-audit@h/x", "is the user's name"),
            ("GENIMS_MONGODB_URL", "mongodb://u:s3cr3t@h1,h2/x", "shorter than eight"),
            ("GENIMS_MONGODB_URL", "mongodb://u:@h1,h2/x", "is empty"),
            ("GENIMS_HR_OWNER_PASSWORD", "change-me", "everybody tries first"),
            ("PGPASSWORD", "postgres", "everybody tries first"),
        ] {
            let found = found(&[(variable, value)]);
            assert!(
                found.len() == 1 && found[0].contains(said) && found[0].contains(variable),
                "{variable}: {found:?}"
            );
            assert!(!found[0].contains("s3cr3t") && !found[0].contains("change-me"), "{found:?}");
        }
    }

    #[test]
    fn good_ones_and_none_are_no_finding() {
        assert_eq!(found(&[("GENIMS_POSTGRES_URL", "postgresql://h/x"), ("GENIMS_MYSQL_URL", "mysql://u@h")]), [""; 0]);
        assert_eq!(found(&[("GENIMS_POSTGRES_URL", "postgresql://u:xk2-kaoJ93lm@h/x")]), [""; 0]);
    }
}
