//! What is good and what is not: the bounds, the same for all engines.

use super::report::{Checks, IN_CLEAR, Subject};
use genims_databases::clock::Difference;
use genims_databases::{Database, schema};
use genims_model::counted;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// Connections that a pool must get at once.
pub(super) const POOL: usize = 3;
/// Round trips whose median is the latency.
pub(super) const ROUND_TRIPS: usize = 7;
/// A sink writes batches in turn: with longer round trips it falls behind.
const LATENCY_MAX: Duration = Duration::from_millis(50);

pub(super) fn latency(checks: &mut Checks, mut round_trips: Vec<Duration>) {
    round_trips.sort();
    let Some(median) = round_trips.get(round_trips.len() / 2) else { return };
    let milliseconds = median.as_secs_f64() * 1_000.0;
    let found = format!("{milliseconds:.2} ms");
    if *median > LATENCY_MAX {
        let remedy = format!("bring server and GenIMS nearer: above {} ms sinks fall behind", LATENCY_MAX.as_millis());
        checks.warn(Subject::Latency, found, remedy);
    } else {
        checks.ok(Subject::Latency, found);
    }
    checks.measured(milliseconds);
}

pub(super) fn clock(checks: &mut Checks, difference: Difference) {
    let milliseconds = difference.us as f64 / 1_000.0;
    let found = format!("{milliseconds:+.1} ms");
    if difference.is_too_much() {
        checks.fail(Subject::Clock, found, "synchronise both clocks (chrony or NTP on server and GenIMS)");
    } else {
        checks.ok(Subject::Clock, found);
    }
    checks.measured(milliseconds);
}

/// `of` is "tables" or "collections".
pub(super) fn tables(checks: &mut Checks, database: &Database, found: u64, of: &str) {
    let text = format!("{found} of {} {of}", database.tables);
    if found < u64::from(database.tables) {
        checks.fail(Subject::Tables, text, format!("run `genims provision --only {}`", database.module));
    } else if found > u64::from(database.tables) {
        let remedy =
            format!("run `genims provision --check --only {}`; it names what is no part of it", database.module);
        checks.fail(Subject::Tables, text, remedy);
    } else {
        checks.ok(Subject::Tables, text);
    }
    checks.measured(found as f64);
}

pub(super) fn size(checks: &mut Checks, bytes: f64) {
    checks.ok(Subject::Size, size_text(bytes));
    checks.measured(bytes);
}

/// Bytes in decimal units, as disks are sold.
pub fn size_text(bytes: f64) -> String {
    let (divisor, unit) = match bytes {
        bytes if bytes >= 1e12 => (1e12, "TB"),
        bytes if bytes >= 1e9 => (1e9, "GB"),
        bytes if bytes >= 1e6 => (1e6, "MB"),
        _ => (1e3, "kB"),
    };
    format!("{:.1} {unit}", bytes / divisor)
}

/// The numbers of a database's embedded migrations.
pub(super) fn embedded_versions(database: &Database) -> BTreeSet<i64> {
    let version = |name: &str| name.strip_prefix('V')?.split_once("__")?.0.parse().ok();
    schema::files(database).iter().filter_map(|file| version(file.name)).collect()
}

pub(super) fn migrations(checks: &mut Checks, database: &Database, applied: &BTreeSet<i64>) {
    let embedded = embedded_versions(database);
    let pending = embedded.difference(applied).count();
    let unknown: Vec<String> = applied.difference(&embedded).map(|version| format!("V{version:03}")).collect();
    let newest = applied.last().map_or_else(|| "none".to_owned(), |version| format!("V{version:03}"));
    if !unknown.is_empty() {
        let found = format!("{} applied, not known here", unknown.join(", "));
        checks.fail(Subject::Schema, found, "use the release that goes with this database");
    } else if pending > 0 {
        let found = format!("{newest}, {pending} of {} missing", counted(embedded.len(), "migration"));
        checks.fail(Subject::Schema, found, format!("run `genims provision --only {}`", database.module));
    } else {
        checks.ok(Subject::Schema, newest);
    }
    checks.measured(applied.len() as f64);
}

/// What the login of a URL may do.
#[derive(Debug, Default)]
pub(super) struct Rights<'a> {
    /// Make tables, as provisioning does.
    pub(super) create: bool,
    /// Rights to read and write that it does not have.
    pub(super) missing: Vec<String>,
    /// The kind of a login that may do anything.
    pub(super) all_powerful: Option<&'a str>,
}

pub(super) fn rights(checks: &mut Checks, rights: &Rights<'_>) {
    if !rights.missing.is_empty() {
        let remedy = "grant these rights to the login of its URL, or let its URL name another login";
        checks.fail(Subject::Rights, format!("lacks {}", rights.missing.join(", ")), remedy);
    } else if let Some(kind) = rights.all_powerful.filter(|_| checks.whole_server && is_local(&checks.place)) {
        // The administrator's URL of a private server: `genims provision` makes databases and roles with it.
        checks.ok(Subject::Rights, format!("create, write, read; {kind}"));
    } else if let Some(kind) = rights.all_powerful {
        let remedy = "let its URL name a login that owns this database and no more";
        checks.warn(Subject::Rights, format!("create, write, read; {kind}"), remedy);
    } else if !rights.create {
        // Right for a server in service, and not enough for `genims provision`.
        checks.warn(Subject::Rights, "write, read; no create", "run `genims provision` with the URL of the owner");
    } else {
        checks.ok(Subject::Rights, "create, write, read");
    }
}

/// Whether nothing between us and the servers of a place (`host:port/database`) is a network.
pub(crate) fn is_local(place: &str) -> bool {
    let servers = place.rsplit_once('/').map_or(place, |(servers, _)| servers);
    servers.split(',').all(|server| {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost"
            || host.starts_with('/')
            || host.starts_with("%2F")
            || address.is_ok_and(|it| it.is_loopback())
    })
}

/// The bookkeeping is closed to this login.
pub(super) fn history_is_closed(checks: &mut Checks) {
    let remedy = "grant reading of genims_internal.schema_history to the login, or examine with the URL of the owner";
    checks.warn(Subject::Schema, "may not be read", remedy);
}

pub(super) fn tls(checks: &mut Checks, used: Option<String>, remedy: &str) {
    match used {
        Some(how) => checks.ok(Subject::Tls, how),
        None if is_local(&checks.place) => checks.ok(Subject::Tls, format!("{IN_CLEAR}; on this machine")),
        None => checks.warn(Subject::Tls, IN_CLEAR, remedy),
    }
}

/// `shared`: a pooler in transaction mode is in between.
pub(super) fn pool(checks: &mut Checks, opened: usize, cause: Option<String>, shared: bool) {
    let found = format!("{opened} of {POOL}");
    if opened < POOL {
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let remedy = "raise max_connections of the server, or the limit of the login";
        checks.fail(Subject::Pool, format!("{found}{cause}"), remedy);
    } else if shared {
        let remedy = "good for `genims serve`; give `genims provision` and `genims seed` a URL of the server itself";
        checks.warn(Subject::Pool, format!("{found}, through a pooler in transaction mode"), remedy);
    } else {
        checks.ok(Subject::Pool, found);
    }
    checks.measured(opened as f64);
}

/// A pooler gave some, and let the others wait.
pub(super) fn full_pool(checks: &mut Checks, opened: usize) {
    let found = format!("{opened} of {POOL} at once, through a pooler that lets others wait");
    let remedy = "raise the pooler's pool (default_pool_size of pgbouncer.ini) to 3 or more for each database";
    match opened {
        0 | 1 => checks.fail(Subject::Pool, found, remedy),
        _ => checks.warn(Subject::Pool, found, remedy),
    }
    checks.measured(opened as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{DatabaseCheck, Grade};
    use genims_databases::Registry;

    fn judged(judge: impl Fn(&mut Checks, &Database)) -> DatabaseCheck {
        let registry = Registry::load(None).expect("the embedded registry");
        let mut checks = Checks { place: "db.example:5432/genims_erp_db".to_owned(), ..Checks::default() };
        judge(&mut checks, registry.get("erp").expect("in the registry"));
        assert_eq!(checks.made.len(), 1);
        let check = checks.made.remove(0);
        assert_eq!(check.remedy.is_none(), check.grade == Grade::Ok, "a remedy beside each failure: {check:?}");
        check
    }

    #[test]
    fn pending_and_unknown_migrations_fail() {
        let registry = Registry::load(None).expect("the embedded registry");
        let all = embedded_versions(registry.get("erp").expect("in the registry"));
        assert!(all.len() > 1);
        let grade = |applied: &BTreeSet<i64>| judged(|checks, erp| migrations(checks, erp, applied)).grade;
        assert_eq!(grade(&all), Grade::Ok);
        assert_eq!(grade(&all.iter().copied().skip(1).collect()), Grade::Failed);
        assert_eq!(grade(&BTreeSet::new()), Grade::Failed);
        assert_eq!(grade(&all.iter().copied().chain([9_999]).collect()), Grade::Failed);
    }

    #[test]
    fn a_table_too_few_and_a_table_too_many_fail() {
        let grade = |count| judged(|checks, erp| tables(checks, erp, count, "tables")).grade;
        assert_eq!([grade(74), grade(75), grade(76)], [Grade::Failed, Grade::Ok, Grade::Failed]);
    }

    #[test]
    fn a_pooler_with_two_connections_is_slow_and_one_with_a_single_one_is_none() {
        let check = |opened| judged(|checks, _| full_pool(checks, opened));
        assert_eq!([check(1).grade, check(2).grade], [Grade::Failed, Grade::Warning]);
        assert!(check(2).remedy.is_some_and(|remedy| remedy.contains("default_pool_size")));
    }

    #[test]
    fn clocks_that_are_apart_fail() {
        let clock_of = |us| judged(|checks, _| clock(checks, Difference { us, uncertain_us: 1_000 }));
        assert_eq!((clock_of(1_500).grade, clock_of(1_500).measure), (Grade::Ok, Some(1.5)));
        assert_eq!([clock_of(2_100_000).grade, clock_of(-2_100_000).grade], [Grade::Failed, Grade::Failed]);
    }

    #[test]
    fn the_median_ignores_one_slow_round_trip() {
        let ms = Duration::from_millis;
        let check = judged(|checks, _| latency(checks, vec![ms(2), ms(900), ms(1)]));
        assert_eq!((check.grade, check.measure), (Grade::Ok, Some(2.0)));
        assert_eq!(judged(|checks, _| latency(checks, vec![ms(80)])).grade, Grade::Warning);
    }

    #[test]
    fn missing_rights_fail_and_too_many_warn() {
        let grade = |create, missing: &[&str], all_powerful| {
            let missing: Vec<String> = missing.iter().map(|right| (*right).to_owned()).collect();
            let held = Rights { create, missing, all_powerful };
            judged(|checks, _| rights(checks, &held)).grade
        };
        assert_eq!(grade(true, &["INSERT"], Some("superuser")), Grade::Failed);
        assert_eq!([grade(true, &[], Some("superuser")), grade(true, &[], None)], [Grade::Warning, Grade::Ok]);
        assert_eq!(grade(false, &[], None), Grade::Warning);
    }

    #[test]
    fn a_private_server_on_this_machine_needs_neither_tls_nor_a_lesser_administrator() {
        let grades = |place: &str, whole_server| {
            let mut checks = Checks { place: place.to_owned(), whole_server, ..Checks::default() };
            tls(&mut checks, None, "turn it on");
            rights(&mut checks, &Rights { create: true, missing: Vec::new(), all_powerful: Some("superuser") });
            [checks.made[0].grade, checks.made[1].grade]
        };
        for local in
            ["127.0.0.1:5432/d", "localhost:1/d", "[::1]:1/d", "::1:1/d", "/run/postgresql:5432/d", "%2Frun%2Fm/d"]
        {
            assert_eq!(grades(local, true), [Grade::Ok, Grade::Ok], "{local}");
            assert_eq!(grades(local, false), [Grade::Ok, Grade::Warning], "{local}");
        }
        for remote in ["10.0.0.7:5432/d", "db.example:1/d", "127.0.0.1:1,db.example:1/d", ""] {
            assert_eq!(grades(remote, true), [Grade::Warning, Grade::Warning], "{remote}");
        }
    }
}
