//! One MySQL or MariaDB database under examination.

use super::judge::{self, POOL, ROUND_TRIPS};
use super::replication;
use super::report::{Checks, Subject};
use futures_util::future::join_all;
use genims_databases::clock;
use genims_databases::errors::mysql_code;
use genims_databases::mysql::disconnect;
use genims_databases::{Database, DatabaseError, Environment, MysqlConnection, MysqlSettings};
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use std::collections::BTreeSet;
use std::time::Instant;

const CREATE: &str = "CREATE";
/// What a login needs: to write, to read.
const NEEDED: [&str; 2] = ["INSERT", "SELECT"];

const NO_SUCH_DATABASE: u16 = 1049;
const NO_SUCH_TABLE: u16 = 1146;

pub(super) async fn examine(checks: &mut Checks, database: &Database, environment: &Environment) {
    let settings = match MysqlSettings::from_environment(database, environment) {
        Ok(settings) => settings,
        Err(error) => return checks.error(Subject::Reachable, &error),
    };
    checks.place = settings.place();
    let mut connection = match settings.connect().await {
        Ok(connection) => connection,
        Err(error) => return refused(checks, &error),
    };
    checks.ok(Subject::Reachable, settings.place());
    if let Err(error) = ask(checks, database, &settings, &mut connection).await {
        checks.error(Subject::Login, &settings.error(error));
    }
    let more = join_all((1..POOL).map(|_| settings.connect())).await;
    let cause = more.iter().find_map(|attempt| attempt.as_ref().err().map(ToString::to_string));
    let opened: Vec<MysqlConnection> = more.into_iter().flatten().collect();
    judge::pool(checks, 1 + opened.len(), cause, false);
    join_all(opened.into_iter().chain([connection]).map(disconnect)).await;
}

/// A server that says no is reachable.
fn refused(checks: &mut Checks, error: &DatabaseError) {
    let subject = match error {
        DatabaseError::Mysql { source, .. } => match mysql_code(source) {
            Some(NO_SUCH_DATABASE) => Subject::Schema,
            Some(1044 | 1045 | 1698 | 1130 | 3159) => Subject::Login,
            Some(1040 | 1203) => Subject::Pool,
            _ => Subject::Reachable,
        },
        DatabaseError::Tls { .. } => Subject::Tls,
        _ => Subject::Reachable,
    };
    if subject != Subject::Reachable {
        checks.ok(Subject::Reachable, checks.place.clone());
    }
    checks.error(subject, error);
}

async fn ask(
    checks: &mut Checks,
    database: &Database,
    settings: &MysqlSettings,
    connection: &mut MysqlConnection,
) -> Result<(), Error> {
    let version: Option<String> = connection.query_first("SELECT version()").await?;
    let version = version.unwrap_or_default();
    let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    checks.ok(Subject::Version, format!("{product} {}", version.split('-').next().unwrap_or_default()));
    let status = "SHOW SESSION STATUS WHERE variable_name IN ('Ssl_version', 'Ssl_cipher')";
    let mut tls: Vec<(String, String)> = connection.query(status).await?;
    // Version before cipher.
    tls.sort_by(|one, other| other.0.cmp(&one.0));
    let how = tls.into_iter().map(|(_, value)| value).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ");
    let remedy = "give the server a certificate and write ssl-mode=VERIFY_IDENTITY into its URL";
    judge::tls(checks, (!how.is_empty()).then_some(how), remedy);
    let login: Option<(String, bool)> = connection.query_first("SELECT current_user(), @@global.read_only = 1").await?;
    let (login, read_only) = login.unwrap_or_default();
    checks.ok(Subject::Login, login);
    let grants: Vec<String> = connection.query("SHOW GRANTS").await?;
    let held = Grants::of(&grants, settings.database_name());
    let mut missing = held.missing();
    if read_only {
        missing.push("writing at all (the server is read-only)".to_owned());
    }
    let all_powerful = held.all_powerful.then_some("all rights on all databases");
    judge::rights(checks, &judge::Rights { create: held.may(CREATE), missing, all_powerful });
    let query = "SELECT count(*), CAST(coalesce(sum(data_length + index_length), 0) AS DOUBLE) \
                 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
    let sizes: Option<(u64, f64)> = connection.query_first(query).await?;
    let (tables, bytes) = sizes.unwrap_or_default();
    judge::tables(checks, database, tables, "tables");
    judge::size(checks, bytes);
    match applied(connection, settings.database_name()).await {
        Err(error) if matches!(mysql_code(&error), Some(1044 | 1142 | 1143)) => judge::history_is_closed(checks),
        applied => judge::migrations(checks, database, &applied?),
    }
    let mut round_trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        connection.query_drop("SELECT 1").await?;
        round_trips.push(begun.elapsed());
    }
    judge::latency(checks, round_trips);
    judge::clock(checks, clock::of_mysql(connection).await?);
    replication::of_mysql(checks, connection).await
}

async fn applied(connection: &mut MysqlConnection, name: &str) -> Result<BTreeSet<i64>, Error> {
    let query = "SELECT CAST(version AS SIGNED) FROM genims_internal.schema_history \
                 WHERE database_name = ? AND finished_at IS NOT NULL";
    let versions: Result<Vec<i64>, Error> = connection.exec(query, (name,)).await;
    match versions {
        Ok(versions) => Ok(versions.into_iter().collect()),
        Err(error) if matches!(mysql_code(&error), Some(NO_SUCH_DATABASE | NO_SUCH_TABLE)) => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// What `SHOW GRANTS` says of one database.
#[derive(Debug, Default)]
struct Grants {
    held: BTreeSet<String>,
    all_powerful: bool,
    /// Rights may also come with a role, whose grants are not listed.
    roles: bool,
}

impl Grants {
    fn of(grants: &[String], database: &str) -> Self {
        let mut held = Self::default();
        for grant in grants {
            let Some(text) = grant.strip_prefix("GRANT ") else { continue };
            let Some((privileges, rest)) = text.split_once(" ON ") else {
                held.roles = true;
                continue;
            };
            let scope = rest.split(" TO ").next().unwrap_or_default();
            let everywhere = scope == "*.*";
            let here = scope.strip_suffix(".*").map(|name| name.trim_matches('`'));
            if !everywhere && !here.is_some_and(|pattern| is_like(pattern, database)) {
                continue;
            }
            for privilege in privileges.split(',').map(str::trim) {
                if privilege == "ALL PRIVILEGES" {
                    held.held.extend(NEEDED.into_iter().chain([CREATE]).map(str::to_owned));
                }
                held.all_powerful |= everywhere && matches!(privilege, "ALL PRIVILEGES" | "SUPER");
                held.held.insert(privilege.to_owned());
            }
        }
        held
    }

    fn may(&self, privilege: &str) -> bool {
        self.roles || self.held.contains(privilege)
    }

    fn missing(&self) -> Vec<String> {
        NEEDED.iter().filter(|needed| !self.may(needed)).map(|needed| (*needed).to_owned()).collect()
    }
}

/// MySQL's LIKE as far as grants use it: `%` at the end, and `\_` for an underscore that is meant.
fn is_like(pattern: &str, name: &str) -> bool {
    let plain = pattern.replace("\\_", "_");
    plain.strip_suffix('%').map_or(plain == name, |beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(grants: &[&str]) -> Grants {
        let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
        Grants::of(&grants, "genims_audit_db")
    }

    #[test]
    fn grants_on_this_database_count_and_those_on_others_do_not() {
        let usage = "GRANT USAGE ON *.* TO `a`@`%`";
        assert_eq!(rights(&[usage]).missing().len(), 2);
        assert!(rights(&[usage, r"GRANT ALL PRIVILEGES ON `genims\_audit\_db`.* TO `a`@`%`"]).missing().is_empty());
        assert!(rights(&["GRANT SELECT, INSERT, CREATE ON `genims_%`.* TO `a`@`%`"]).missing().is_empty());
        assert_eq!(rights(&["GRANT ALL PRIVILEGES ON `genims_hr_db`.* TO `a`@`%`"]).missing().len(), 2);
        let writer = rights(&["GRANT SELECT, INSERT ON `genims_audit_db`.* TO `a`@`%`"]);
        assert!(writer.missing().is_empty() && !writer.may(CREATE));
        assert_eq!(rights(&["GRANT SELECT ON `genims_audit_db`.* TO `a`@`%`"]).missing(), ["INSERT"]);
    }

    #[test]
    fn all_rights_everywhere_are_noticed_and_roles_are_trusted() {
        let root = rights(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert!(root.all_powerful && root.missing().is_empty());
        let by_role = rights(&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT `writers`@`%` TO `a`@`%`"]);
        assert!(!by_role.all_powerful && by_role.missing().is_empty());
    }
}
