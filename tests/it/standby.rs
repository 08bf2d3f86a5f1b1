//! A failover of PostgreSQL under load: the primary is killed, its standby promoted, and the server goes on with that one from
//! what it has; the old primary, back at the first of the URL's hosts, gets nothing more.

use crate::harness::{Harness, PrivateStack, connect_postgres};
use crate::hosted::check;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Sent};
use crate::server::{Plant, Setup};
use crate::tally::{self, sink};
use genims_dev::{Server, Stack};
use libtest_mimic::Trial;
use serde_json::Value;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);
const OPERATIONS: &str = "genims_operations_db";
const WENT_BACK: &str = "the database went back";
const OF_BEFORE: &str = "is a primary of before a failover";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("standby::a_synchronous_one_takes_over_under_load", a_synchronous_one_takes_over),
        harness
            .trial("standby::one_that_was_behind_takes_over_and_gets_the_rest_again", one_that_was_behind_takes_over),
    ]
}

/// The plant's own PostgreSQL is the standby; what looks at the plant sees what it has, before and after.
struct Pair {
    harness: &'static Harness,
    plant: Plant,
    old: PrivateStack,
}

/// Makes the PostgreSQL of `to` a copy of that of `from`: its standby, or a server of its own.
fn copy(from: &Stack, to: &Stack, follows: bool) {
    assert_eq!(from.password(), to.password(), "both began as copies of one stack");
    let program = std::fs::read_link(format!("/proc/{}/exe", from.pid(Server::Postgres).unwrap())).unwrap();
    let folder = to.status().servers[&Server::Postgres].dir.clone();
    to.stop_server(Server::Postgres).unwrap();
    let owner = std::fs::metadata(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let mut backup = Command::new(program.with_file_name("pg_basebackup"));
    backup.env_clear().current_dir(folder.parent().unwrap()).uid(owner.uid()).gid(owner.gid());
    backup.arg("--pgdata").arg(&folder).args(["--checkpoint=fast", "--dbname", &from.postgres_url("postgres")]);
    backup.args(follows.then_some("--write-recovery-conf"));
    let output = backup.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to.start_server(Server::Postgres).unwrap();
}

impl Pair {
    /// The server runs, and its URLs name the primary first.
    fn start(harness: &'static Harness) -> Self {
        let plant = Plant::prepare(harness, &Setup::default());
        let old = harness.private_stack(&[Server::Postgres]);
        copy(&plant.stack, &old, false);
        copy(&old, &plant.stack, true);
        let (first, second) = (old.port(Server::Postgres), plant.stack.port(Server::Postgres));
        let login = format!("postgres:{}", old.password());
        plant.reach(&|database| format!("postgresql://{login}@127.0.0.1:{first},127.0.0.1:{second}/{database}"));
        plant.serve();
        Self { harness, plant, old }
    }

    /// Statements one by one, as the old primary's administrator.
    fn at_old(&self, statements: &[&str]) {
        self.harness.block_on(async {
            let client = connect_postgres(&self.old.postgres_url("postgres")).await;
            for statement in statements {
                client.batch_execute(statement).await.unwrap();
            }
        });
    }

    fn at_standby(&self, statements: &[&str]) {
        statements.iter().for_each(|statement| self.plant.execute("postgres", statement));
    }

    /// How far the log is stored, and how many readings there are.
    fn stored(&self, stack: &Stack) -> (i64, i64) {
        let query =
            "SELECT (SELECT coalesce(max(next_offset), 0) FROM genims_internal.sink_positions WHERE sink = 'postgres'),
                            (SELECT count(*) FROM sensor_data)";
        self.harness.block_on(async {
            let row = connect_postgres(&stack.postgres_url(OPERATIONS)).await.query_one(query, &[]).await.unwrap();
            (row.get(0), row.get(1))
        })
    }

    /// What the doctor finds of the operations database.
    fn doctor(&self, subject: &str) -> String {
        let report = self.plant.cli(&["doctor", "--json", "--timeout", "60s"]);
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        check(&report, OPERATIONS, subject).unwrap_or_else(|| panic!("{report:#}")).0
    }

    fn goes_on(&self, load: &Load) {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 4_000);
    }

    /// The primary dies under load; senders notice nothing, and what is acknowledged meanwhile waits for the promoted one.
    fn fails_over(&self, load: &Load) {
        self.old.kill_server(Server::Postgres).unwrap();
        self.goes_on(load);
        let promoted = self.plant.query("postgres", "SELECT pg_promote()");
        assert!(promoted[0].get::<_, bool>(0), "not promoted in time");
        self.goes_on(load);
        tally::caught_up(&self.plant, &["postgres"], CATCH_UP);
    }

    fn verdict(&self, sent: &[Sent]) {
        assert!(sent.iter().all(|client| client.open.is_empty()), "not all was acknowledged");
        let stats = tally::drained(&self.plant, CATCH_UP);
        tally::everything_is_there_once(self.harness, &self.plant, sent);
        assert_eq!(stats["identity_holds"], true, "{stats:#}");
        assert_eq!(stats["total"]["dead_lettered"], 0, "{stats:#}");
        self.plant.cli_ok(&["verify", "--module", "ledger"]);
    }

    /// All connections are made anew while the old primary is the first that takes them.
    fn the_old_one_gets_nothing(&self, mut sent: Vec<Sent>) {
        self.old.start_server(Server::Postgres).unwrap();
        let before = self.stored(&self.old);
        assert!(before.1 > 0, "it was the one that was written to");
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'genims%'";
        self.at_standby(&[end]);
        let load = Load::start(&self.plant, &LoadOptions::usual("again"));
        let is_refused = || {
            let (status, text) = self.plant.get("/readyz").unwrap_or_default();
            let is_told = text.contains("sink postgres: retrying") && text.contains(OF_BEFORE);
            status == 200 && is_told && sink(&self.plant.stats(), "postgres")["state"] == "retrying"
        };
        eventually("the old primary is refused", CATCH_UP, is_refused);
        self.goes_on(&load);
        // What the data folder remembers, and not the process alone.
        self.plant.terminate();
        self.plant.serve();
        eventually("the old primary is refused after a restart", CATCH_UP, is_refused);
        self.goes_on(&load);
        assert!(self.doctor("reachable").contains(OF_BEFORE), "{}", self.doctor("reachable"));
        assert_eq!(self.stored(&self.old), before, "the old primary got rows");
        self.old.stop_server(Server::Postgres).unwrap();
        tally::caught_up(&self.plant, &["postgres"], CATCH_UP);
        sent.extend(load.finish(CATCH_UP));
        self.verdict(&sent);
    }
}

fn a_synchronous_one_takes_over(harness: &'static Harness) {
    let pair = Pair::start(harness);
    pair.at_old(&["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"]);
    let load = Load::start(&pair.plant, &LoadOptions::usual("sync"));
    eventually("the standby is synchronous", CATCH_UP, || pair.doctor("replication").contains(" streaming sync, "));
    pair.goes_on(&load);
    tally::caught_up(&pair.plant, &["postgres"], CATCH_UP);
    pair.fails_over(&load);
    assert!(!pair.plant.log_text().contains(WENT_BACK), "it had all that was committed:\n{}", pair.plant.log_text());
    assert_eq!(pair.doctor("replication"), "primary");
    let sent = load.finish(CATCH_UP);
    pair.verdict(&sent);
    // Or it would take nothing because it waits for a standby.
    pair.old.start_server(Server::Postgres).unwrap();
    pair.at_old(&["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"]);
    pair.the_old_one_gets_nothing(sent);
}

fn one_that_was_behind_takes_over(harness: &'static Harness) {
    let pair = Pair::start(harness);
    let load = Load::start(&pair.plant, &LoadOptions::usual("async"));
    eventually("the standby follows", CATCH_UP, || pair.stored(&pair.plant.stack).1 > 2_000);
    assert!(pair.doctor("replication").contains(" streaming async, "), "{}", pair.doctor("replication"));
    // It is told of nothing any more, as behind a wire that is too slow.
    pair.at_standby(&["ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"]);
    eventually("nobody follows", CATCH_UP, || pair.doctor("replication") == "primary");
    let had = pair.stored(&pair.plant.stack);
    eventually("the primary is ahead", CATCH_UP, || pair.stored(&pair.old).0 > had.0 + 4_000);
    pair.fails_over(&load);
    assert!(pair.plant.log_text().contains(WENT_BACK), "{}", pair.plant.log_text());
    let sent = load.finish(CATCH_UP);
    pair.verdict(&sent);
    pair.the_old_one_gets_nothing(sent);
}
