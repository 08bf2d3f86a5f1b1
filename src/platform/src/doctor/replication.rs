//! Who follows whom: standbys of PostgreSQL, replicas of MariaDB and MySQL, members of MongoDB's replica sets.
//!
//! Enters: a connection. Leaves: one check, which begins with a word that fits into a table. Nobody has to have a standby; one
//! that is there has to follow. What a server does not tell the login is no fault.

use super::judge::size_text;
use super::report::{Checks, Subject};
use genims_databases::{MysqlConnection, PostgresClient, PostgresError, PostgresRow, TIMELINE_FUNCTIONS};
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio_postgres::types::Type;

const ALONE: &str = "alone";
const REPLICATION: Subject = Subject::Replication;

/// Of the server itself. A standby that has replayed everything is not late, however long ago that was. A function that is not there
/// is not missed: what has no timelines fails over in its own way.
const SERVER: &str = "SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names') <> '', \
    EXISTS (SELECT FROM pg_stat_wal_receiver), \
    coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint, \
    coalesce(CASE WHEN pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() \
        THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END, 0)::float8, \
    coalesce((SELECT string_agg(name, ', ') FROM unnest($1::text[]) AS name \
        WHERE NOT has_function_privilege(to_regprocedure(name), 'EXECUTE')), ''), quote_ident(current_user)";

/// Of those who follow it; neither backups nor subscribers are standbys.
const STANDBYS: &str = "SELECT coalesce(nullif(application_name, ''), 'standby') || \
        coalesce(' at ' || host(client_addr), ''), state, sync_state, \
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, \
        replay_lsn)::bigint, \
    extract(epoch FROM replay_lag)::float8 \
    FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' AND pid NOT IN \
        (SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active_pid IS NOT NULL) \
    ORDER BY 1, pid";

/// A PostgreSQL server.
#[derive(Debug, Default)]
struct Main {
    is_standby: bool,
    /// `synchronous_standby_names` is set.
    waits: bool,
    receives: bool,
    behind_bytes: i64,
    behind_s: f64,
    /// What the login may not call, without which an old primary is not told from the new one.
    closed: String,
    login: String,
}

/// Who follows it; what is `None` is not shown to the login.
#[derive(Debug, Default)]
struct Standby {
    name: String,
    state: Option<String>,
    sync: Option<String>,
    behind_bytes: Option<i64>,
    /// Also `None` where it has replayed everything.
    behind_s: Option<f64>,
}

impl Standby {
    fn of(row: &PostgresRow) -> Self {
        let (behind_bytes, behind_s) = (row.get(3), row.get(4));
        Self { name: row.get(0), state: row.get(1), sync: row.get(2), behind_bytes, behind_s }
    }

    fn told(&self) -> String {
        let (Some(state), Some(sync)) = (&self.state, &self.sync) else {
            return format!("{}, the rest is for members of pg_monitor", self.name);
        };
        let behind_s = self.behind_s.unwrap_or(0.0);
        match self.behind_bytes {
            Some(bytes) => format!("{} {state} {sync}, {}", self.name, behind(bytes, behind_s)),
            None => format!("{} {state} {sync}", self.name),
        }
    }
}

fn behind(bytes: i64, seconds: f64) -> String {
    format!("{} and {seconds:.1} s behind", size_text(bytes.max(0) as f64))
}

pub(super) async fn of_postgres(checks: &mut Checks, client: &PostgresClient) -> Result<(), PostgresError> {
    let looked = async {
        let functions: &[&str] = &TIMELINE_FUNCTIONS;
        let server = client.query_typed_one(SERVER, &[(&functions, Type::TEXT_ARRAY)]).await?;
        Ok::<_, PostgresError>((server, client.query_typed(STANDBYS, &[]).await?))
    };
    match looked.await {
        Ok((row, standbys)) => {
            let server = Main {
                is_standby: row.get(0),
                waits: row.get(1),
                receives: row.get(2),
                behind_bytes: row.get(3),
                behind_s: row.get(4),
                closed: row.get(5),
                login: row.get(6),
            };
            judge_postgres(checks, &server, &standbys.iter().map(Standby::of).collect::<Vec<_>>());
        }
        Err(error) => match error.as_db_error() {
            Some(refusal) => untold(checks, refusal.message()),
            None => return Err(error),
        },
    }
    Ok(())
}

fn judge_postgres(checks: &mut Checks, server: &Main, standbys: &[Standby]) {
    let itself = if server.is_standby {
        format!("standby, {}", behind(server.behind_bytes, server.behind_s))
    } else {
        "primary".to_owned()
    };
    let found: Vec<String> = std::iter::once(itself).chain(standbys.iter().map(Standby::told)).collect();
    let found = found.join("; ");
    let is_waited_for =
        |standby: &Standby| standby.sync.as_deref().is_none_or(|sync| matches!(sync, "sync" | "quorum"));
    let follows = |standby: &Standby| standby.state.as_deref().is_none_or(|state| state == "streaming");
    if server.waits && !server.is_standby && !standbys.iter().any(is_waited_for) {
        let remedy = "bring the synchronous standby back, or empty synchronous_standby_names and reload the server";
        checks.fail(
            REPLICATION,
            format!("{found}; every commit waits for a synchronous standby, and there is none"),
            remedy,
        );
    } else if server.is_standby && !server.receives {
        let remedy = "start its primary, or mend primary_conninfo; it is right where an archive alone feeds it";
        checks.warn(REPLICATION, format!("{found}; it receives nothing"), remedy);
    } else if !standbys.iter().all(follows) {
        let remedy = "look at the standby's log; one that wants WAL which is gone is made anew by pg_basebackup";
        checks.warn(REPLICATION, found, remedy);
    } else if !server.closed.is_empty() {
        let Main { closed, login, .. } = server;
        let remedy = format!("as a superuser, in each database: GRANT EXECUTE ON FUNCTION {closed} TO {login}");
        let found = format!("{found}; an old primary would be taken as any other: the login may not call {closed}");
        checks.warn(REPLICATION, found, remedy);
    } else {
        checks.ok(REPLICATION, found);
    }
    let of_standbys = standbys.iter().filter_map(|standby| standby.behind_bytes).max();
    if let Some(bytes) = of_standbys.or_else(|| server.is_standby.then_some(server.behind_bytes)) {
        checks.measured(bytes as f64);
    }
}

fn untold(checks: &mut Checks, cause: &str) {
    checks.ok(REPLICATION, format!("untold: {cause}"));
}

/// Threads that send the binary log; without the right PROCESS nobody else's are shown.
const FOLLOWERS: &str = "SELECT count(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";

/// What a replica says of one of its sources.
#[derive(Debug, Default)]
struct Replica {
    source: String,
    io: String,
    sql: String,
    behind_s: Option<String>,
}

impl Replica {
    /// MariaDB keeps the old names of some columns, MySQL has new ones.
    fn of(row: &Row) -> Self {
        let text = |names: [&str; 2]| {
            let known = names.iter().find_map(|name| row.get_opt::<Option<String>, _>(*name));
            known.and_then(Result::ok).flatten()
        };
        Self {
            source: text(["Master_Host", "Source_Host"]).unwrap_or_default(),
            io: text(["Slave_IO_Running", "Replica_IO_Running"]).unwrap_or_default(),
            sql: text(["Slave_SQL_Running", "Replica_SQL_Running"]).unwrap_or_default(),
            behind_s: text(["Seconds_Behind_Master", "Seconds_Behind_Source"]),
        }
    }
}

pub(super) async fn of_mysql(checks: &mut Checks, connection: &mut MysqlConnection) -> Result<(), mysql_async::Error> {
    let rows: Result<Vec<Row>, mysql_async::Error> = connection.query("SHOW REPLICA STATUS").await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(mysql_async::Error::Server(refusal)) => {
            untold(checks, &refusal.message);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let followers: Result<Option<u64>, mysql_async::Error> = connection.query_first(FOLLOWERS).await;
    let followers = match followers {
        Ok(count) => count.unwrap_or(0),
        Err(mysql_async::Error::Server(_)) => 0,
        Err(error) => return Err(error),
    };
    judge_mysql(checks, &rows.iter().map(Replica::of).collect::<Vec<_>>(), followers);
    Ok(())
}

fn judge_mysql(checks: &mut Checks, replicas: &[Replica], followers: u64) {
    let told = |replica: &Replica| {
        let Replica { source, io, sql, behind_s } = replica;
        let late = behind_s.as_ref().map(|seconds| format!(", {seconds} s behind")).unwrap_or_default();
        format!("replica of {source}: IO {io}, SQL {sql}{late}")
    };
    let mut found: Vec<String> = replicas.iter().map(told).collect();
    if followers > 0 {
        found.push(format!("source of {followers} that follow"));
    }
    let found = if found.is_empty() { ALONE.to_owned() } else { found.join("; ") };
    if replicas.iter().any(|replica| replica.io != "Yes" || replica.sql != "Yes") {
        checks.warn(REPLICATION, found, "SHOW REPLICA STATUS says why: Last_IO_Error, Last_SQL_Error");
    } else {
        checks.ok(REPLICATION, found);
    }
}

/// NoReplicationEnabled.
const NO_REPLICATION: i32 = 76;

pub(super) async fn of_mongo(checks: &mut Checks, client: &Client) -> Result<(), mongodb::error::Error> {
    match client.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await {
        Ok(status) => judge_set(checks, &status),
        Err(error) => match error.kind.as_ref() {
            ErrorKind::Command(command) if command.code == NO_REPLICATION => checks.ok(REPLICATION, ALONE),
            ErrorKind::Command(command) => untold(checks, &command.message),
            _ => return Err(error),
        },
    }
    Ok(())
}

/// `status` is what `replSetGetStatus` answers.
fn judge_set(checks: &mut Checks, status: &Document) {
    let members: Vec<&Document> =
        status.get_array("members").map(|all| all.iter().filter_map(Bson::as_document).collect()).unwrap_or_default();
    let has_ms = |member: &Document| member.get_datetime("optimeDate").ok().map(|at| at.timestamp_millis());
    let newest_ms = members.iter().filter_map(|member| has_ms(member)).max();
    let state = |member: &Document| member.get_str("stateStr").unwrap_or("?").to_owned();
    let told = |member: &&Document| {
        let (name, state) = (member.get_str("name").unwrap_or("?"), state(member));
        match (newest_ms, has_ms(member)) {
            (Some(newest_ms), Some(ms)) if state == "SECONDARY" => {
                format!("{name} {state} {:.1} s behind", (newest_ms - ms) as f64 / 1_000.0)
            }
            _ => format!("{name} {state}"),
        }
    };
    let found = members.iter().map(told).collect::<Vec<_>>().join(", ");
    let found = format!("set {}: {found}", status.get_str("set").unwrap_or("?"));
    let is_well = |member: &&Document| matches!(state(member).as_str(), "PRIMARY" | "SECONDARY" | "ARBITER");
    if members.iter().all(is_well) {
        checks.ok(REPLICATION, found);
    } else {
        checks.warn(REPLICATION, found, "start the member, and look at its log; rs.status() says more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Grade;
    use mongodb::bson::DateTime;

    fn judged(judge: impl Fn(&mut Checks)) -> (Grade, String) {
        let mut checks = Checks::default();
        judge(&mut checks);
        assert_eq!(checks.made.len(), 1);
        let check = checks.made.remove(0);
        assert_eq!(check.remedy.is_none(), check.grade == Grade::Ok, "a remedy beside each failure: {check:?}");
        (check.grade, check.found)
    }

    fn standby(state: &str, sync: &str) -> Standby {
        let (state, sync) = (Some(state.to_owned()), Some(sync.to_owned()));
        Standby { name: "one at ::1".to_owned(), state, sync, behind_bytes: Some(2_500), behind_s: Some(0.5) }
    }

    #[test]
    fn a_primary_needs_no_standby_unless_its_commits_wait_for_one() {
        let found = |waits, standbys: &[Standby]| {
            judged(|checks| judge_postgres(checks, &Main { waits, ..Main::default() }, standbys))
        };
        assert_eq!(found(false, &[]), (Grade::Ok, "primary".to_owned()));
        let well = "primary; one at ::1 streaming async, 2.5 kB and 0.5 s behind".to_owned();
        assert_eq!(found(false, &[standby("streaming", "async")]), (Grade::Ok, well));
        assert_eq!(found(false, &[standby("catchup", "async")]).0, Grade::Warning);
        assert_eq!(found(true, &[standby("streaming", "quorum")]).0, Grade::Ok);
        for standbys in [&[][..], &[standby("streaming", "async")], &[standby("catchup", "potential")]] {
            let (grade, text) = found(true, standbys);
            assert!(grade == Grade::Failed && text.contains("every commit waits"), "{text}");
        }
        let hidden = Standby { name: "one".to_owned(), ..Standby::default() };
        let (grade, text) = found(true, &[hidden]);
        assert!(grade == Grade::Ok && text.contains("pg_monitor"), "{text}");
    }

    #[test]
    fn a_standby_says_how_late_it_is_and_whether_it_receives() {
        let found = |receives| {
            let server = Main { is_standby: true, receives, behind_bytes: 4_000_000, behind_s: 1.5, ..Main::default() };
            judged(|checks| judge_postgres(checks, &server, &[]))
        };
        assert_eq!(found(true), (Grade::Ok, "standby, 4.0 MB and 1.5 s behind".to_owned()));
        assert_eq!(found(false).0, Grade::Warning);
    }

    #[test]
    fn a_login_that_may_not_ask_for_the_timeline_is_a_warning_with_what_to_grant() {
        let (closed, login) = ("pg_control_system()".to_owned(), "\"plant\"".to_owned());
        let server = Main { closed, login, ..Main::default() };
        let mut checks = Checks::default();
        judge_postgres(&mut checks, &server, &[]);
        let check = checks.made.remove(0);
        assert!(check.grade == Grade::Warning && check.found.starts_with("primary; "), "{check:?}");
        let remedy = check.remedy.unwrap_or_default();
        assert!(remedy.ends_with("GRANT EXECUTE ON FUNCTION pg_control_system() TO \"plant\""), "{remedy}");
    }

    #[test]
    fn a_replica_that_stands_still_is_a_warning() {
        let replica = |sql: &str| {
            let (source, io) = ("db1".to_owned(), "Yes".to_owned());
            Replica { source, io, sql: sql.to_owned(), behind_s: Some("3".to_owned()) }
        };
        let found = |replicas: &[Replica], followers| judged(|checks| judge_mysql(checks, replicas, followers));
        assert_eq!(found(&[], 0), (Grade::Ok, ALONE.to_owned()));
        assert_eq!(found(&[], 2), (Grade::Ok, "source of 2 that follow".to_owned()));
        let well = "replica of db1: IO Yes, SQL Yes, 3 s behind".to_owned();
        assert_eq!(found(&[replica("Yes")], 0), (Grade::Ok, well));
        assert_eq!(found(&[replica("No")], 0).0, Grade::Warning);
    }

    #[test]
    fn a_member_that_is_away_is_a_warning() {
        let found = |second: &str| {
            let at = |ms| DateTime::from_millis(ms);
            let members = [
                doc! { "name": "a:1", "stateStr": "PRIMARY", "optimeDate": at(9_000) },
                doc! { "name": "b:1", "stateStr": second, "optimeDate": at(7_500) },
            ];
            judged(|checks| judge_set(checks, &doc! { "set": "rs0", "members": members.to_vec() }))
        };
        assert_eq!(found("SECONDARY"), (Grade::Ok, "set rs0: a:1 PRIMARY, b:1 SECONDARY 1.5 s behind".to_owned()));
        assert_eq!(found("(not reachable/healthy)").0, Grade::Warning);
    }
}
